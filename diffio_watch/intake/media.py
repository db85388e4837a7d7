"""What a file is: MediaInfo's word on format, duration and video."""

from __future__ import annotations

import contextlib
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pymediainfo import MediaInfo, Track

from diffio_watch.job import Media

_CRASHES: Final = 3
# what XML can't hold and people's tags do: half a surrogate, no characters, controls
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ProbeFailed(Exception):
    """MediaInfo itself failed: nothing is said about the file. Its text says how."""


def probe(descriptor: int) -> Media | None:
    """Read a file's facts; None if there is neither sound nor picture in it.

    Cover art is no video. MediaInfo gets the opened file, never a name: it fails on odd ones.

    Args:
        descriptor: the file, opened for reading. Its position is moved; it stays open.

    Raises:
        ProbeFailed: MediaInfo could not be had or broke down.
        OSError: the file can't be read.
    """
    with _crumb(descriptor), os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
        tracks = _parse(file)
    sound = [track for track in tracks if track.track_type == "Audio"]
    video = [track for track in tracks if track.track_type == "Video"]
    if not sound and not video:
        return None
    general = next(track for track in tracks if track.track_type == "General")
    tracks = [general, *sound, *video]
    if general.format == "AVI":  # fed from an opened file, MediaInfo 24.12 counts the sound of AVI twice
        tracks = [*video, *tracks]
    durations = [seconds for track in tracks if (seconds := _seconds(track)) is not None]
    return Media(_text(general.format) or "unknown", durations[0] if durations else None, has_video=bool(video))


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
def _crumb(descriptor: int) -> Iterator[None]:
    if _crumbs is None:
        yield
        return
    status = os.fstat(descriptor)
    crumb = _crumbs / f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"
    try:
        crashes = crumb.stat().st_size
    except FileNotFoundError:
        crashes = 0
    if crashes >= _CRASHES:
        raise ProbeFailed(f"MediaInfo, or the program around it, broke down on this file {crashes} times")
    # a precaution: a disk that takes no crumb is no fault of the file, and the journal says what is wrong with it
    with contextlib.suppress(OSError), crumb.open("ab", buffering=0) as file:
        file.write(b".")
    try:
        yield
    finally:
        crumb.unlink(missing_ok=True)  # also where it failed in words: that is no crash


def _parse(file: BinaryIO) -> list[Track]:
    try:
        # one and the same options everywhere: they are shared between threads
        told = MediaInfo.parse(file, parse_speed=0.5, output="OLDXML")  # what it asks for by itself, as text
        return list(MediaInfo(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", told)).tracks)
    except OSError as error:
        if error.errno is None:  # the library is not there; a read error has a number
            raise ProbeFailed(str(error)) from error
        raise
    except (RuntimeError, ET.ParseError, ValueError) as error:
        raise ProbeFailed(f"MediaInfo: {error}") from error


def _seconds(track: Track) -> float | None:
    """MediaInfo tells milliseconds, as a number or as text."""
    try:
        return float(track.duration) / 1000
    except (TypeError, ValueError):
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
