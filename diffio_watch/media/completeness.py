"""Is a container cut short, or without a single sample? Judged from what it states itself.

For WAV, RF64, AIFF, MP4, MOV, Matroska, FLAC, Ogg, and MP3 with a Xing or VBRI frame: MediaInfo does not tell this for
all of them. What is broken in other ways is not judged here: the service will say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from diffio_watch.disk.reading import Reading, always
from diffio_watch.media import flac, matroska, mp3, mp4, ogg, wav
from diffio_watch.media.container import HEADLESS, Bare, Cut, Fault, after_id3

__all__ = ["Bare", "Cut", "Fault", "fault"]

_MAGIC: Final = (b"RIFF", b"RF64", b"BW64", b"FORM", b"\x1a\x45\xdf\xa3", b"OggS", b"fLaC", b"ID3",
                 b"\0\0\0")  # a box
_EBML: Final = b"\x1a\x45\xdf\xa3"


def fault(descriptor: int, going: Callable[[], bool] = always) -> Fault:
    """What is wrong with a file: it is cut short, or bare; None if it is whole or its format is not judged.

    Args:
        descriptor: the file, opened for reading.
        going: asked before each read; False ends it.

    Raises:
        Interrupted: `going` said False.
        OSError: the file can't be read.
    """
    file = Reading(descriptor, going)
    head = file.at(0, 12)
    if 0 < len(head) < 12 and any(head.startswith(magic[:len(head)]) for magic in _MAGIC):
        return HEADLESS
    if head[:4] in {b"RIFF", b"RF64", b"BW64"} and head[8:] == b"WAVE":
        return wav.wave(file, head)
    if head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}:
        return wav.aiff(file, head)
    if head[4:8] in mp4.BOXES:
        return mp4.movie(file)
    if head[:4] == _EBML:
        return matroska.matroska(file)
    if head[:4] == b"OggS":
        return ogg.ogg(file)
    begin = after_id3(file)
    if begin > file.size:
        return HEADLESS
    return flac.flac(file, begin) if file.at(begin, 4) == b"fLaC" else mp3.mp3(file, begin)
