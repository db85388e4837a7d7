"""Folders and files as the configuration names them: expansion, where to look, and what must not overlap."""

from __future__ import annotations

import os
import pwd
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffio_watch.config.errors import MOUNT_IT, ConfigError, Problem, Wrong, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_ENV: Final = re.compile(r"\$\{([^}]*)\}?")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_SHARE: Final = re.compile(r"\\\\|//[^/]|[\w.-]+:/(?!/)")  # as Windows, as a Mac's or a Linux's `mount` writes it
_URL: Final = re.compile(r"[A-Za-z][\w+.-]+://")
_PATIENCE: Final = 2.0  # seconds for all real paths together: a hung share must not hang the start


def expand(value: object, env: Mapping[str, str]) -> Path:
    """The absolute path that `value` means, with `~`, `~user` and `${ENV}` expanded.

    Raises:
        Wrong: it is no path, not absolute, or names a variable or user that is not there.
    """
    if isinstance(value, Path) and value.is_absolute():
        return value
    if not isinstance(value, str):
        raise Wrong(f"{shown(value)} is not a path.", "Write an absolute path, for instance `/srv/studio/inbox`.")
    text = _ENV.sub(lambda found: _variable(found, env), _home(value, env))
    if not text or "\0" in text:
        raise Wrong("This is not a path.", "Write an absolute path, for instance `/srv/studio/inbox`.")
    must_be_here(text)
    if not text.startswith("/"):
        raise Wrong(f"{shown(text)} is not an absolute path, and a service has no current folder.",
                    f"Write it from the root, for instance `{plain('/srv/' + text.lstrip('./'))}`.")
    return Path(text)


def must_be_here(text: str) -> None:
    """Raise `Wrong` for a path as Windows, a file manager or `mount` writes it: it is no folder of this machine."""
    if _DRIVE.match(text):
        what = "a path of a Windows drive"
    elif _SHARE.match(text) and not (text.startswith("//") and os.path.lexists(f"/{text[2:].partition('/')[0]}")):
        what = "a share on another machine"
    elif _URL.match(text):
        what = "an address"
    else:
        return
    raise Wrong(f"{shown(text)} is {what}, and no folder of this machine.", MOUNT_IT)


def home(env: Mapping[str, str]) -> str | None:
    """The folder that `~` means: `$HOME`, else what the system's list of users says; None where neither knows."""
    folder = env.get("HOME", "")
    if not folder.startswith("/"):
        try:
            folder = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a container run under a number
            return None
    return folder


def standard_places(env: Mapping[str, str]) -> list[Path]:
    """Where a configuration is looked for when none is named, in this order."""
    own = home(env)
    return [*([Path(own, ".config/diffio-watch/config.yaml")] if own else []), Path("/etc/diffio-watch/config.yaml")]


def maybe_there(file: Path) -> bool:
    """Whether there may be a file: also where it can't be said, so that reading it tells what is in the way."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def find(path: Path | str | None, env: Mapping[str, str]) -> Path:
    """The configuration file: `path`, else `$DIFFIO_WATCH_CONFIG`, else the first of the standard places.

    A file that is named need not exist: reading it says what is wrong with it.

    Raises:
        ConfigError: none is named, and there is none at the standard places.
    """
    if path:
        return Path(path)
    if named := env.get("DIFFIO_WATCH_CONFIG"):
        try:
            return Path(_home(named, env))
        except Wrong as wrong:
            raise ConfigError([Problem("$DIFFIO_WATCH_CONFIG", None, wrong.message, wrong.remedy)]) from None
    places = standard_places(env)
    for place in places:
        if maybe_there(place):
            return place
    raise ConfigError([Problem(
        "", None, f"There is no configuration at {' or '.join(plain(str(place)) for place in places)}.",
        "Write one with `diffio-watch init --inbox DIR --outbox DIR`, or name one with `-c` or $DIFFIO_WATCH_CONFIG.",
    )])


def default_state_dir(env: Mapping[str, str], file: str = "") -> Path:
    """`$STATE_DIRECTORY` (systemd; of several, the one called diffio-watch, else the first), else a fixed place.

    A configuration in /etc is the service's, so that whoever reads it means the service's journal.

    Args:
        env: the environment.
        file: the configuration's; "" where there is none.
    """
    given = [folder for folder in env.get("STATE_DIRECTORY", "").split(":") if folder.startswith("/")]
    for folder in given:
        if Path(folder).name == "diffio-watch":
            return Path(folder)
    if given:
        return Path(given[0])
    own = home(env)
    service = os.geteuid() == 0 or str(Path(file).absolute()).startswith("/etc/") or not own
    return Path("/var/lib/diffio-watch") if service else Path(own or "/", ".local/state/diffio-watch")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the configuration: what it is for people ("the outbox of podcasts"), and where it is set."""

    what: str
    setting: str
    line: int | None
    path: Path


def overlaps(places: Iterable[Place]) -> list[Problem]:
    """A problem for each folder that is inside, around or equal to one before it in the list.

    By real path, and by device and inode: of one folder that is mounted twice, each path is real.
    """
    problems: list[Problem] = []
    seen: list[tuple[Place, _Spot]] = []
    for place, spot in _spots(list(places)):
        for other, there in seen:
            how = _relation(spot.real, there.real)
            twice = ""
            if how is None:
                how, twice = _same_folders(spot, there), ", by another mount"
            if how is None:
                continue
            where = "" if spot.real == str(place.path) else f" ({plain(spot.real)})"
            problems.append(Problem(place.setting, place.line,
                                    f"{_capital(place.what)}{where} {how} {other.what}{twice}.",
                                    "Give each a folder of its own, none inside another."))
        seen.append((place, spot))
    return problems


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a folder is.

    Attributes:
        real: its real path.
        chain: the folders from it upwards that exist, each by device and inode, with the names that lead from there
            to it.
    """

    real: str
    chain: tuple[tuple[tuple[int, int], tuple[str, ...]], ...] = ()


def _relation(path: str, other: str) -> str | None:
    path, other = path.rstrip("/") + "/", other.rstrip("/") + "/"
    if path == other:
        return "is the same folder as"
    if path.startswith(other):
        return "lies inside"
    return "lies around" if other.startswith(path) else None


def _same_folders(spot: _Spot, other: _Spot) -> str | None:
    below, above = _leads_into(spot, other), _leads_into(other, spot)
    if below and above:
        return "is the same folder as"
    return "lies inside" if below else "lies around" if above else None


def _leads_into(spot: _Spot, other: _Spot) -> bool:
    """Whether one of the folders above `spot`, or itself, is `other`."""
    if not other.chain:
        return False
    identity, rest = other.chain[0]
    return any(one == identity and names[:len(rest)] == rest for one, names in spot.chain)


def _spots(places: list[Place]) -> list[tuple[Place, _Spot]]:
    """Each place with where it is; where the system does not answer in time, with the path as it is written."""
    found = [_Spot(os.path.normpath(place.path)) for place in places]

    def resolve(index: int) -> None:
        real = os.path.realpath(places[index].path)
        found[index] = _Spot(real)
        found[index] = _Spot(real, tuple(_chain(Path(real))))

    threads = [threading.Thread(target=resolve, args=(index,), daemon=True) for index in range(len(places))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(zip(places, found, strict=True))


def _chain(real: Path) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
    for folder in (real, *real.parents):
        try:
            status = folder.stat()
        except OSError:
            continue  # not there yet, or nobody's business
        if status.st_ino:  # a filesystem without inode numbers says nothing
            yield (status.st_dev, status.st_ino), real.relative_to(folder).parts


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _home(text: str, env: Mapping[str, str]) -> str:
    if not text.startswith("~"):
        return text
    user, slash, rest = text[1:].partition("/")
    try:
        folder = pwd.getpwnam(user).pw_dir if user else home(env)
    except KeyError:
        raise Wrong(f"There is no user {shown(user)}.", "Write `~/…` or the whole path.") from None
    if folder is None:
        raise Wrong("This user has no home folder.", "Write the whole path.")
    return folder + slash + rest


def _variable(found: re.Match[str], env: Mapping[str, str]) -> str:
    name = found[1]
    if not found[0].endswith("}") or not _NAME.fullmatch(name):
        raise Wrong(f"{shown(found[0])} is not a variable.", "Write `${NAME}`, with nothing else in the braces.")
    if not env.get(name):
        state = "empty" if name in env else "not set"
        raise Wrong(f"The environment variable {name} is {state}.",
                    f"Set it (for the service: `Environment={name}=…` in its unit), or write the path out.")
    return env[name]
