"""Where the API key comes from. It is read at each call and kept nowhere, so that a new one works at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffio_watch.config import paths
from diffio_watch.config.errors import KeyMissing, plain
from diffio_watch.config.small_file import AGAIN, read_small
from diffio_watch.disk.trouble import passing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diffio_watch.config.model import Config

CREDENTIAL: Final = "diffio-api-key"  # the name of the systemd credential
VARIABLE: Final = "DIFFIO_API_KEY"

_LONGEST: Final = 4096
_WAYS: Final = (f"Write the key into a file and that file's path as `api.key_file`, give the service the systemd "
                f"credential {CREDENTIAL}, or set ${VARIABLE}.")
# what a service sees of a credential is systemd's copy, into which nobody can write
_LOADED: Final = ("Put the key there alone, in one line: into the file that the unit names at `LoadCredential=` "
                  "(/etc/diffio-watch/api-key in ours), and start the service again.")


def read_key(config: Config, env: Mapping[str, str] = os.environ) -> str:
    """The API key: from `api.key_file`, else the systemd credential, else `$DIFFIO_API_KEY`.

    Raises:
        KeyMissing: none of these has one, or what it has is no key.
    """
    source, text, remedy = _find(config, env)
    key = text.strip()
    if not key:
        raise KeyMissing(f"{source[:1].upper()}{source[1:]} is empty.", remedy)
    if len(text) > _LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyMissing(f"What {source} holds is not an API key.", remedy)
    return key


def key_source(config: Config, env: Mapping[str, str] = os.environ) -> Path | None:
    """The file that `read_key` reads, or None where it looks into the environment."""
    if config.api.key_file is not None:
        return config.api.key_file
    if folder := env.get("CREDENTIALS_DIRECTORY"):
        credential = Path(folder, CREDENTIAL)
        if paths.maybe_there(credential):
            return credential
    return None


def _find(config: Config, env: Mapping[str, str]) -> tuple[str, str, str]:
    """What the key is in, the text there, and what to do where that is no key."""
    file = key_source(config, env)
    if file is None:
        if VARIABLE not in env:
            raise KeyMissing("There is no API key.", _WAYS)
        return f"${VARIABLE}", env[VARIABLE], "Put the key there."
    lent = config.api.key_file is None
    name = f"the credential {CREDENTIAL}" if lent else plain(str(file))
    try:
        text = read_small(file, _LONGEST).content
    except OSError as error:
        away = passing(error.errno)
        remedy = AGAIN if away else _LOADED if lent else "Put the key there, readable by the service's user."
        raise KeyMissing(f"The API key can't be read from {plain(str(file))}: {error.strerror}.", remedy,
                         passing=away) from None
    return name, text.decode("utf-8", "replace"), _LOADED if lent else "Put the key there alone, in one line."
