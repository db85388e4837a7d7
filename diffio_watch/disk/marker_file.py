"""The file `.diffio-watch` itself: read with care, since anybody may write there, and never written but whole."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, get_args

from diffio_watch.disk import durable
from diffio_watch.disk.keeper import NOBODY, Keeper

Role = Literal["inbox", "outbox", "archive"]

NAME: Final = ".diffio-watch"
PROGRAM: Final = "diffio-watch"
_LIMIT: Final = 4096  # bytes; a real one has some 500
_LONGEST: Final = 200  # characters of a name or an id
HIGHEST: Final = 2**40  # that a counter may be: ten a second for three thousand years
_RUN: Final = secrets.token_hex(4)  # in the temporary names of this process, beside its number


class MarkerError(Exception):
    """Root of the family. Its text is a clause for the reason's `detail`."""


class FolderGone(MarkerError):
    """The folder is not there, or is not the one this journal knows: it is waited for."""


class FolderRefused(FolderGone):
    """The folder is there, and this user may not open it."""


class MarkerHidden(FolderRefused):
    """There is a marker, and this user may not read it: it is somebody's, and nobody knows whether that one works."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says.

    Attributes:
        program: this one's name.
        journal: id of the journal that the folder belongs to.
        role: what the folder is used as.
        name: of the inbox that it belongs to.
        counter: that of the journal when it was last here; it never falls.
        seal: shows that this journal, or a copy of it, set the counter; "" where it was written without.
        keeper: who keeps that journal, for people.
        seen_at: when the file was last written or touched, in seconds since the epoch.
    """

    program: str
    journal: str
    role: Role
    name: str
    counter: int
    seal: str = ""
    keeper: Keeper = NOBODY
    seen_at: float = field(default=0.0, compare=False)

    def sealed(self, secret: bytes) -> Marker:
        """With the seal that only who has the journal can make."""
        return dataclasses.replace(self, seal=self._seal(secret))

    def genuine(self, secret: bytes) -> bool:
        """Whether who has the journal set the counter."""
        return hmac.compare_digest(self.seal.encode(), self._seal(secret).encode())

    def _seal(self, secret: bytes) -> str:
        text = "\0".join((self.journal, self.role, self.name, str(self.counter)))
        return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def read(root: str | int) -> Marker | None:
    """The marker in a folder; None where there is none or it is empty.

    Args:
        root: the folder's path, or a descriptor of it.

    Raises:
        FolderGone: it can't be read, or what it holds is no marker.
    """
    path, folder = (NAME, root) if isinstance(root, int) else (f"{root}/{NAME}", None)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        kind = MarkerHidden if _stands(path, folder) else FolderRefused
        raise kind(f"its marker {NAME} can't be read ({words(error)})") from error
    except OSError as error:
        raise FolderGone(f"its marker {NAME} can't be read ({words(error)})") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FolderGone(f"its marker {NAME} is no regular file")
        text = os.read(descriptor, _LIMIT + 1)
    except OSError as error:
        raise FolderGone(f"its marker {NAME} can't be read ({words(error)})") from error
    finally:
        os.close(descriptor)
    return _parse(text, status.st_mtime) if text else None  # an empty one: the power went while it was first written


def _stands(path: str, folder: int | None) -> bool:
    """Whether there is anything; in a folder that is closed as a whole nobody can say so."""
    try:
        os.stat(path, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _parse(text: bytes, seen_at: float) -> Marker:
    try:
        if len(text) > _LIMIT:
            raise ValueError("too long")
        found = json.loads(text)
        facts = {key: found[key] for key in ("program", "journal", "role", "name", "counter")}
        if facts["program"] != PROGRAM or facts["role"] not in get_args(Role) \
                or not (_is_word(facts["journal"]) and _is_word(facts["name"])):
            raise ValueError("not of this program")
        if type(facts["counter"]) is not int or not 0 <= facts["counter"] < HIGHEST:
            raise ValueError("not counted by this program")
        seal = found.get("seal")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged() from error
    return Marker(**facts, seal=seal if _is_word(seal) else "", keeper=Keeper.of(found.get("keeper")), seen_at=seen_at)


def _is_word(found: object) -> bool:
    return isinstance(found, str) and 0 < len(found) <= _LONGEST and found.isprintable()


def unopened(error: OSError) -> FolderGone:
    """A folder can't be opened."""
    kind = FolderRefused if isinstance(error, PermissionError) else FolderGone
    return kind(f"the folder can't be opened ({words(error)})")


@contextlib.contextmanager
def written_anew() -> Iterator[None]:
    """Look at a marker that is to be written: a damaged one may be anybody's; one that is hidden is not."""
    try:
        yield
    except MarkerHidden:
        raise
    except FolderGone:
        return


def damaged() -> FolderGone:
    """What there is to say of a marker that this program did not write so."""
    return FolderGone(f"its marker {NAME} is damaged")


def create(folder: int, marker: Marker) -> None:
    """Write the first marker. Exclusive: of two journals that come at once, one finds the other's.

    Raises:
        FileExistsError: it is the other one.
        OSError: it can't be written.
    """
    with _fresh(folder, marker) as fresh:
        try:
            durable.rename_noreplace(fresh, NAME, source_fd=folder, target_fd=folder)
        except FileExistsError:
            if os.stat(NAME, dir_fd=folder, follow_symlinks=False).st_size > 0:
                raise
            os.rename(fresh, NAME, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)


def replace(folder: int, marker: Marker, *, over: Marker | None = None) -> None:
    """Write the marker anew.

    Args:
        folder: a descriptor.
        marker: what is to stand there.
        over: whose marker must stand there still: another journal may have taken the folder over since it was read.

    Raises:
        FolderGone: it is not there.
        OSError: the one before stands as it was.
    """
    if over is not None:
        found = read(folder)
        if found is None or (found.journal, found.role) != (over.journal, over.role) \
                or found.name not in {over.name, marker.name}:
            raise FolderGone(f"its marker {NAME} was replaced just now")
    with _fresh(folder, marker) as fresh:
        os.rename(fresh, NAME, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)


def touch(folder: int) -> None:
    """Show that the daemon is at work here: the marker's time is when it was last seen.

    Raises:
        OSError: the folder can't be written.
    """
    os.utime(NAME, dir_fd=folder, follow_symlinks=False)


def sweep(folder: int, journal: str) -> None:
    """Remove what earlier processes of a journal left behind when they ended in the middle of writing a marker.

    Raises:
        OSError: the folder can't be listed or written.
    """
    temporary = f"{NAME}.{journal}."
    with os.scandir(folder) as entries:
        for entry in entries:
            left = entry.name.startswith(temporary) and entry.name.endswith(".tmp")
            if left and not entry.name.startswith(temporary + _ours()):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.name, dir_fd=folder)


def _ours() -> str:
    return f"{os.getpid()}-{_RUN}-"


@contextlib.contextmanager
def _fresh(folder: int, marker: Marker) -> Iterator[str]:
    """The marker under a temporary name, whole and on disk: one that is torn would stop its folder for good.

    Each writing has a name of its own, so that nobody has to wait for a thread that hangs here with its share, and
    a command may write beside the daemon.
    """
    name = f"{NAME}.{marker.journal}.{_ours()}{secrets.token_hex(4)}.tmp"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        try:
            told = {name: value for name, value in asdict(marker).items() if name != "seen_at"}
            durable.write_all(descriptor, json.dumps(told, ensure_ascii=False).encode() + b"\n")
            with contextlib.suppress(OSError):  # some shares have no modes
                os.fchmod(descriptor, 0o644)  # whatever the umask: everybody has to see whose the folder is
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield name
    except OSError:
        with contextlib.suppress(FileNotFoundError):  # it has its place already
            os.unlink(name, dir_fd=folder)
        raise


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # folders of some shares can't be synced
            raise


def words(error: OSError) -> str:
    """What is wrong, for people."""
    return error.strerror or str(error)
