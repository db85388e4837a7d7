"""Where the secrets come from that webhooks are signed with. They are read anew: a changed one works at once."""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, Final

from diffio_watch.config.errors import SecretMissing, plain
from diffio_watch.config.small_file import AGAIN, read_small
from diffio_watch.disk.trouble import passing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diffio_watch.config.model import Config

VARIABLE: Final = "DIFFIO_WEBHOOK_SECRET"
_PREFIX: Final = "whsec_"
_LONGEST: Final = 4096
_MOST: Final = 4  # while one takes the place of another there are two
_LEAST: Final = 16  # bytes of a secret: what is shorter could be guessed
_PUT: Final = ("Put the secret there as the service shows it (`whsec_…`), the old and the new one each in a line of "
               "its own.")


def webhook_secrets(config: Config, env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The secrets: the lines of `webhook.secret_file`, else the words of `$DIFFIO_WEBHOOK_SECRET`. None: no webhooks.

    A delivery that was signed with any of them is the service's: while one takes the place of another, both are good.

    Raises:
        SecretMissing: a file is named and can't be read, or what stands there is no secret.
    """
    file = config.webhook.secret_file
    if not secret_named(config, env):
        return ()
    if file is None:
        return _secrets(env[VARIABLE], f"${VARIABLE}")
    try:
        text = read_small(file, _LONGEST).content.decode("utf-8", "replace")
    except OSError as error:
        raise SecretMissing(f"The webhooks' secret can't be read from {plain(str(file))}: {error.strerror}.",
                            AGAIN if passing(error.errno) else
                            "Put it there, readable by the service's user.") from None
    return _secrets(text, plain(str(file)))


def secret_named(config: Config, env: Mapping[str, str] = os.environ) -> bool:
    """Whether there is to be a secret; none is read for that."""
    return config.webhook.secret_file is not None or bool(env.get(VARIABLE, "").strip())


def _secrets(text: str, source: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text.split()))
    if not found:
        raise SecretMissing(f"{source} is empty.", _PUT)
    if len(text) > _LONGEST or len(found) > _MOST or not all(map(_is_secret, found)):
        raise SecretMissing(f"What {source} holds is not a webhook secret.", _PUT)
    return found


def _is_secret(word: str) -> bool:
    bare = word.removeprefix(_PREFIX).rstrip("=")
    try:
        return len(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)) >= _LEAST
    except (binascii.Error, ValueError):
        return False
