"""What is kept of sounds: one small file a content, named by its SHA-256, and previews. All of it can be made again.

So nothing of it is synced, what can't be read counts as missing, and the oldest goes when there is too much.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from diffio_watch.service.sound import record
from diffio_watch.service.sound.record import Record, Unfit

FOLDER: Final = "sound"
RECORDS: Final = 256 << 20  # bytes of all records
PREVIEWS: Final = 2 << 30  # bytes of all previews
_REMEMBERED: Final = 20_000
_NAME: Final = re.compile("[0-9a-f]{64}|[0-9a-f]{32}-[0-9a-f]{32}")  # of a content, or of two
_TEMP: Final = ".making"


def pair(one: str, other: str) -> str:
    """The name of what is known of two contents."""
    return f"{one[:32]}-{other[:32]}"


class Store:
    """The folder `sound` of a state folder. Safe to use from many threads.

    Args:
        state_dir: the service's.
        records: bytes that records may take.
        previews: bytes that previews may take.
    """

    def __init__(self, state_dir: Path, *, records: int = RECORDS, previews: int = PREVIEWS) -> None:
        self.folder = state_dir / FOLDER
        self._caps = {".json": records, ".flac": previews}
        self.previews = previews
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

    def prune(self) -> None:
        """Remove what an interrupted run left, and the oldest where there is too much."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, list[tuple[float, int, Path]]] = {}
            for path in self.folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    used = max(status.st_mtime, status.st_atime if path.suffix == ".flac" else 0.0)
                    found.setdefault(path.suffix, []).append((used, status.st_size, path))
            for _, _, path in found.get(_TEMP, ()):
                path.unlink(missing_ok=True)
            for suffix, most in self._caps.items():
                total = 0
                for _, size, path in sorted(found.get(suffix, ()), reverse=True):
                    total += size
                    if total > most:
                        path.unlink(missing_ok=True)

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
        self.folder.mkdir(mode=0o700, exist_ok=True)
        temp = path.with_suffix(f".{secrets.token_hex(4)}{_TEMP}")
        try:
            descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            temp.replace(path)
        finally:
            temp.unlink(missing_ok=True)
