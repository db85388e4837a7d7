"""What is kept of sounds: one small file a content, named by its SHA-256, and previews. All of it can be made again.

So nothing of it is synced, what can't be read counts as missing, and the oldest goes when there is too much. It lies
where the journal does, which can do without it and not without room: what is free there is asked before anything is
made, and what was made makes room again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from diffio_watch.service.sound import record
from diffio_watch.service.sound.record import Record, Unfit

FOLDER: Final = "sound"
RECORDS: Final = 256 << 20  # bytes of all records
PREVIEWS: Final = 2 << 30  # bytes of all previews
SPARE: Final = 1 << 30  # bytes that previews leave free for the journal; records, a quarter of it
_UNPRUNED: Final = 16  # of records, as a part of what they may take, before they are looked through again
_REMEMBERED: Final = 20_000
_NAME: Final = re.compile("[0-9a-f]{64}|[0-9a-f]{32}-[0-9a-f]{32}")  # of a content, or of two
_TEMP: Final = ".making"


def pair(one: str, other: str) -> str:
    """The name of what is known of two contents."""
    return f"{one[:32]}-{other[:32]}"


def free_in(folder: Path) -> int:
    """Bytes that are free for the service in a folder's file system.

    Raises:
        OSError: it can't be told.
    """
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


class Store:
    """The folder `sound` of a state folder. Safe to use from many threads.

    Args:
        state_dir: the service's.
        records: bytes that records may take.
        previews: bytes that previews may take, where there is room: no more than a quarter of it.
        spare: bytes that they leave free.
        free: tells how many are, in a folder.
    """

    def __init__(self, state_dir: Path, *, records: int = RECORDS, previews: int = PREVIEWS, spare: int = SPARE,
                 free: Callable[[Path], int] = free_in) -> None:
        self.folder = state_dir / FOLDER
        self._state_dir = state_dir
        self._records = records
        self.previews = previews
        self.spare = spare
        self._free = free
        self._written = 0  # bytes of records since they were looked through
        self._loud: dict[str, float | None] = {}

    def get(self, sha256: str) -> Record:
        """What is known of a content; an empty record where nothing is."""
        return self._load(self._named(sha256, ".json"))

    def put(self, sha256: str, known: Record) -> None:
        """Keep what is known of a content."""
        self._write(self._named(sha256, ".json"), known.dump())
        self._note(sha256, known)

    def integrated(self, sha256: str) -> float | None:
        """How loud a content is, in LUFS; read once, for lists ask it again and again."""
        if not _NAME.fullmatch(sha256):
            return None  # one odd row takes no list along
        if sha256 not in self._loud:
            self._note(sha256, self.get(sha256))
        return self._loud.get(sha256)

    def _note(self, sha256: str, known: Record) -> None:
        if len(self._loud) >= _REMEMBERED:
            self._loud.clear()
        self._loud[sha256] = known.integrated

    def tried(self, sha256: str) -> Record:
        """What came of earlier tries to make a content's preview."""
        return self._load(self._named(sha256, ".preview.json"))

    def put_tried(self, sha256: str, known: Record) -> None:
        """Keep what came of a try to make a content's preview."""
        self._write(self._named(sha256, ".preview.json"), known.dump())

    def lag(self, one: str, other: str) -> dict[str, Any] | None:
        """`{"lag": …}` of two contents; None where it was not looked for."""
        try:
            found = json.loads(self._read(self._pair(one, other)))
            return {"lag": record.lag(found["lag"])}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put_lag(self, one: str, other: str, lag: dict[str, Any] | None, note: str | None = None) -> None:
        """Keep the lag of two contents, and what sidecars say of it."""
        self._write(self._pair(one, other), json.dumps({"lag": lag, "note": note}).encode())

    def preview(self, sha256: str) -> Path | None:
        """The preview of a content, which counts as used now; None where there is none."""
        path = self._named(sha256, ".flac")
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))  # whoever reads on sees the same file
        except OSError:
            return None
        return path

    @contextlib.contextmanager
    def making(self, sha256: str) -> Iterator[int]:
        """A new file for a content's preview, open for writing; it has its name when all went well."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self._named(sha256, ".flac")
        temp = path.with_suffix(f".{secrets.token_hex(4)}{_TEMP}")
        descriptor = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            yield descriptor
            temp.replace(path)
        finally:
            os.close(descriptor)
            temp.unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes that are free where it lies.

        Raises:
            OSError: it can't be told.
        """
        return self._free(self._state_dir)

    def has_room(self) -> bool:
        """Whether anything may be kept at all.

        Raises:
            OSError: it can't be told.
        """
        return self.free() >= self.spare // 4

    def room(self) -> int:
        """Bytes that one more preview may take; 0 or less: none can be made.

        Raises:
            OSError: it can't be told.
        """
        free = self.free()
        kept = sum(size for _, size, _ in self._found().get(".flac", ()))
        return min(self.previews // 2, (free + kept) // 4, free - self.spare)

    def tend(self) -> None:
        """Prune, if there is a reason to: room became scarce, or much was written.

        Raises:
            OSError: the folder can't be read or written.
        """
        if self.free() < self.spare or self._written > self._records // _UNPRUNED:
            self.prune()

    def prune(self) -> None:
        """Remove what an interrupted run left, and the oldest where there is too much, or too little room."""
        self._written = 0
        found = self._found()
        for _, _, path in found.get(_TEMP, ()):
            path.unlink(missing_ok=True)
        free, kept = self.free(), sum(size for _, size, _ in found.get(".flac", ()))
        most = {".json": self._records, ".flac": min(self.previews, (free + kept) // 4, free + kept - self.spare)}
        for suffix, cap in most.items():
            total = 0
            for _, size, path in sorted(found.get(suffix, ()), reverse=True):
                total += size
                if total > cap:
                    path.unlink(missing_ok=True)

    def _found(self) -> dict[str, list[tuple[float, int, Path]]]:
        """When each file was used, its size and path, by suffix."""
        found: dict[str, list[tuple[float, int, Path]]] = {}
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    used = max(status.st_mtime, status.st_atime if path.suffix == ".flac" else 0.0)
                    found.setdefault(path.suffix, []).append((used, status.st_size, path))
        return found

    def _named(self, sha256: str, suffix: str) -> Path:
        if not _NAME.fullmatch(sha256):
            raise ValueError(f"no SHA-256: {sha256!r}")
        return self.folder / f"{sha256}{suffix}"

    def _pair(self, one: str, other: str) -> Path:
        return self._named(pair(one, other), ".json")

    def _load(self, path: Path) -> Record:
        try:
            return record.load(self._read(path))
        except (OSError, Unfit):
            return Record()

    def _read(self, path: Path) -> bytes:
        with path.open("rb") as file:
            data = file.read(record.LARGEST + 1)
        if len(data) > record.LARGEST:
            raise Unfit("too long")
        return data

    def _write(self, path: Path, data: bytes) -> None:
        if not self.has_room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._written += len(data)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        temp = path.with_suffix(f".{secrets.token_hex(4)}{_TEMP}")
        try:
            descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            temp.replace(path)
        finally:
            temp.unlink(missing_ok=True)
