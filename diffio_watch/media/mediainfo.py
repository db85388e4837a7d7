"""What a file is: MediaInfo's word on format, duration and video."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diffio_watch.disk.reading import Reading, always
from diffio_watch.job import Media
from diffio_watch.media.container import after_id3
from diffio_watch.media.libmediainfo import Kind, streams
from diffio_watch.media.mp4 import BOXES

_CRASHES: Final = 3
# bits per second below which no recording of a format goes: they bound what a header may say of its length
_LOWEST_RATES: Final = {"Wave": 2000.0, "Wave64": 2000.0, "AIFF": 2000.0, "MPEG Audio": 8000.0, "ADTS": 500.0,
                        "AMR": 500.0, "AVI": 2000.0, "MPEG-TS": 500.0, "MPEG-PS": 500.0}
_LOWEST_RATE: Final = 100.0  # silence in FLAC, or in a voice codec that sends none

# MediaInfo's words for streams without a container, and how the first frame of each begins beside those of MPEG
_STREAMS: Final = frozenset({"MPEG Audio", "ADTS", "LATM", "AC-3", "E-AC-3", "DTS", "MLP FBA", "MPEG Video"})
_SYNCS: Final = frozenset({b"\x0b\x77", b"\x7f\xfe", b"\x56\xe0"})

# How a container begins, and MediaInfo's parser for it: the others need not try. It is a guess that costs nothing where
# it is wrong, for then they do.
_PARSERS: Final = {b"RIFF": "Riff", b"RF64": "Riff", b"BW64": "Riff", b"FORM": "Riff", b"\x1a\x45\xdf\xa3": "Mk",
                   b"OggS": "Ogg", b"fLaC": "Flac"}


class ProbeFailed(Exception):
    """MediaInfo itself failed: nothing is said about the file. Its text says how."""


@dataclass(frozen=True, slots=True)
class _Stream:
    kind: Kind
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
    file = Reading(descriptor, going)
    with _crumb(descriptor, name):
        found = _parse(file)
    sound = [stream for stream in found if stream.kind is Kind.AUDIO]
    video = [stream for stream in found if stream.kind is Kind.VIDEO]
    if not sound and not video:
        return None
    general = next((stream for stream in found if stream.kind is Kind.GENERAL), _Stream(Kind.GENERAL, "", ""))
    # MediaInfo 24.12 counts the sound of AVI twice where it was not told which parser to take
    asked = [*video, general, *sound] if general.format == "AVI" else [general, *sound, *video]
    durations = [seconds for stream in asked if (seconds := _seconds(stream)) is not None]
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


def _parse(file: Reading) -> list[_Stream]:
    """What MediaInfo says, by the parser that a file's beginning names where that one knows the container."""
    try:
        parser = _parser(file)
        found = _streams(file, parser)
        if parser and not (len(found) > 1 and found[0].format):
            found = _streams(file, "")
    except RuntimeError as error:
        raise ProbeFailed(str(error)) from error
    return found


def _streams(file: Reading, parser: str) -> list[_Stream]:
    return [_Stream(kind, *told) for kind, told in streams(file, parser, "Format", "Duration")]


def _parser(file: Reading) -> str:
    head = file.at(0, 8)
    if parser := _PARSERS.get(head[:4]):
        return parser
    if head[4:] in BOXES:
        return "Mpeg4"
    frame = file.at(after_id3(file), 2) if head[:3] == b"ID3" else head
    # MPEG's sync, and layer 1, 2 or 3; ADTS has none
    return "Mpega" if len(frame) >= 2 and frame[0] == 0xFF and frame[1] >= 0xE0 and frame[1] & 6 else ""


def _seconds(stream: _Stream) -> float | None:
    """MediaInfo tells milliseconds, as text."""
    try:
        found = float(stream.duration) / 1000
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
