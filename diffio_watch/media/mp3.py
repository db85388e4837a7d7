"""MP3: the Xing, Info or VBRI frame at its start tells how many bytes were written."""

from __future__ import annotations

from typing import Final

from diffio_watch.disk.reading import Reading
from diffio_watch.media.container import HEADLESS, Bare, Fault, before_tags, is_placeholder, lacks

_LOOK: Final = 4096  # bytes behind the tags in which the first frame is looked for
_SHORT: Final = 512  # … and must have begun, if so much is there
_VBRI: Final = 36
_BYTES: Final = 2  # the flag that tells of them
_RATES: Final = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_HERTZ: Final = (44100, 48000, 32000)


def mp3(file: Reading, begin: int) -> Fault:
    """What stands from `begin` on, behind an ID3 tag."""
    head = file.at(begin, _LOOK)
    found = _first(head)
    if found is None:
        return HEADLESS if begin and len(head) < _SHORT else None
    offset, length, place = found
    if len(head) < min(offset + length, _LOOK):
        return HEADLESS
    stated = _stated(head[place:])
    end = before_tags(file)
    if begin + offset + length >= end:  # nothing follows the frame that only tells
        return Bare() if not stated or stated <= length else lacks(begin + offset + stated - end, "at its end")
    missing = begin + offset + stated - end
    return lacks(missing, "at its end") if missing > 0 and not is_placeholder(stated) else None


def _first(head: bytes) -> tuple[int, int, int] | None:
    """Where the frame that tells begins, its length, and where in it that stands."""
    for mark in (b"Xing", b"Info", b"VBRI"):
        place = head.find(mark)
        if place < 0:
            continue
        for side in (_VBRI,) if mark == b"VBRI" else (36, 21, 13):
            offset = place - side
            if offset >= 0 and (length := _length(head[offset:offset + 4], side)) is not None:
                return offset, length, place
    return None


def _length(header: bytes, side: int) -> int | None:
    """Of the Layer III frame with this header, in bytes; None if it is none, or has its marks elsewhere."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = {3: 1, 2: 2, 0: 4}.get(header[1] >> 3 & 3)  # MPEG 1, 2 and 2.5
    rate, hertz = header[2] >> 4, header[2] >> 2 & 3
    if version is None or rate in {0, 15} or hertz == 3:
        return None
    mono = header[3] >> 6 == 3
    if side != _VBRI and side != 4 + ((17 if mono else 32) if version == 1 else (9 if mono else 17)):
        return None
    spread = 144000 if version == 1 else 72000
    return spread * _RATES[min(version, 2)][rate] // (_HERTZ[hertz] // version) + (header[2] >> 1 & 1)


def _stated(mark: bytes) -> int:
    """The number of bytes from this frame on; 0 where it is not told."""
    if mark[:4] == b"VBRI":
        return int.from_bytes(mark[10:14], "big")
    flags = int.from_bytes(mark[4:8], "big")
    if not flags & _BYTES:
        return 0
    at = 8 + (4 if flags & 1 else 0)
    return int.from_bytes(mark[at:at + 4], "big")
