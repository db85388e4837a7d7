"""What a file is: MediaInfo's word on format, duration and video."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pymediainfo import MediaInfo

from diffio_watch.disk.reading import Reading, always
from diffio_watch.job import Media

_CRASHES: Final = 3
# What MediaInfo is asked for: a line a stream, of facts that it makes itself, so that no tag of a stranger (half a
# surrogate, a control character, a megabyte of lyrics) has to be read at all. One and the same everywhere: MediaInfo
# shares its options between threads.
_ASKED: Final = "\n".join(f"{kind};{kind}|%Format%|%Duration%\\n" for kind in ("General", "Audio", "Video"))
# bits per second below which no recording of a format goes: they bound what a header may say of its length
_LOWEST_RATES: Final = {"Wave": 2000.0, "Wave64": 2000.0, "AIFF": 2000.0, "MPEG Audio": 8000.0, "ADTS": 500.0,
                        "AMR": 500.0, "AVI": 2000.0, "MPEG-TS": 500.0, "MPEG-PS": 500.0}
_LOWEST_RATE: Final = 100.0  # silence in FLAC, or in a voice codec that sends none

# MediaInfo's words for streams without a container, and how the first frame of each begins beside those of MPEG
_STREAMS: Final = frozenset({"MPEG Audio", "ADTS", "LATM", "AC-3", "E-AC-3", "DTS", "MLP FBA", "MPEG Video"})
_SYNCS: Final = frozenset({b"\x0b\x77", b"\x7f\xfe", b"\x56\xe0"})


class ProbeFailed(Exception):
    """MediaInfo itself failed: nothing is said about the file. Its text says how."""


@dataclass(frozen=True, slots=True)
class _Stream:
    kind: str
    format: str
    duration: str  # milliseconds, "" where MediaInfo can't tell


def probe(descriptor: int, going: Callable[[], bool] = always, name: str = "") -> Media | None:
    """Read a file's facts; None if there is neither sound nor picture in it.

    Cover art is no video. MediaInfo gets the opened file, never a name: it fails on odd ones.

    Args:
        descriptor: the file, opened for reading; its position is left alone, and it stays open.
        going: asked before each read; False, or what it raises, ends the look.
        name: what a crash is remembered by, where the file's own inode will be another the next time.

    Raises:
        Interrupted: `going` said False.
        ProbeFailed: MediaInfo could not be had or broke down.
        OSError: the file can't be read.
    """
    file = _File(Reading(descriptor, going))
    with _crumb(descriptor, name):
        streams = _parse(file)
    sound = [stream for stream in streams if stream.kind == "Audio"]
    video = [stream for stream in streams if stream.kind == "Video"]
    if not sound and not video:
        return None
    general = next((stream for stream in streams if stream.kind == "General"), _Stream("General", "", ""))
    streams = [general, *sound, *video]
    if general.format == "AVI":  # fed from an opened file, MediaInfo 24.12 counts the sound of AVI twice
        streams = [*video, *streams]
    durations = [seconds for stream in streams if (seconds := _seconds(stream)) is not None]
    longest = longest_possible(general.format, file.size)
    return Media(general.format or "unknown", min(durations[0], longest) if durations else None,
                 has_video=bool(video), has_sound=bool(sound))


def longest_possible(media_format: str, size: int) -> float:
    """The longest that a recording of this format (MediaInfo's word) and of so many bytes can be, in seconds."""
    return size * 8 / _LOWEST_RATES.get(media_format, _LOWEST_RATE)


def is_surely(media: Media, descriptor: int) -> bool:
    """Whether a file that no name speaks for is what MediaInfo takes it for: it finds MP3 frames in any library.

    Raises:
        OSError: the file can't be read.
    """
    head = os.pread(descriptor, 3, 0)
    return media.format not in _STREAMS or head == b"ID3" or head[:2] in _SYNCS or (
        len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0)


class _File:
    """What MediaInfo reads from. It is told of an end where a read failed, so that it lets go of what it holds."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._position = 0
        self.size = reading.size
        self.error: BaseException | None = None

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (self.size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, length: int) -> bytes:
        try:
            found = self._reading.at(self._position, length)
        except BaseException as error:  # noqa: BLE001  # raised by `_parse`, once MediaInfo has let go
            self.error = error
            return b""
        self._position += len(found)
        return found


def remember_in(folder: Path) -> None:
    """From now on leave a crumb in `folder` while a file is probed.

    MediaInfo is a C++ library inside this process, and a file that makes it crash takes the daemon along, again at
    every start. The crumb outlives the process; from the fourth time on the file is refused instead.
    """
    global _crumbs  # noqa: PLW0603 - there is one such library in a process, and one memory of what it did
    folder.mkdir(mode=0o700, exist_ok=True)
    _crumbs = folder


_crumbs: Path | None = None


@contextlib.contextmanager
def _crumb(descriptor: int, name: str) -> Iterator[None]:
    if _crumbs is None:
        yield
        return
    status = os.fstat(descriptor)
    crumb = _crumbs / (name or f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}")
    # a precaution: a disk that tells or takes no crumb is no fault of the file, and the journal says what is wrong
    crashes = 0
    with contextlib.suppress(OSError):
        crashes = crumb.stat().st_size
    if crashes >= _CRASHES:
        raise ProbeFailed(f"MediaInfo, or the program around it, broke down on this file {crashes} times")
    with contextlib.suppress(OSError), crumb.open("ab", buffering=0) as file:
        file.write(b".")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            crumb.unlink()  # also where it failed in words: that is no crash


def _parse(file: _File) -> list[_Stream]:
    try:
        told = MediaInfo.parse(file, parse_speed=0.5, output=_ASKED)
    except OSError as error:
        raise ProbeFailed(str(error)) from error  # the library is not there: what a read says, `file` keeps
    except (RuntimeError, ValueError) as error:
        raise ProbeFailed(f"MediaInfo: {error}") from error
    if file.error is not None:
        raise file.error
    return [_Stream(*fields) for line in told.splitlines() if len(fields := line.split("|")) == 3]


def _seconds(stream: _Stream) -> float | None:
    """MediaInfo tells milliseconds, as text."""
    try:
        found = float(stream.duration) / 1000
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
