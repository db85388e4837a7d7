"""WAV, RF64, BW64 and AIFF: chunks of a name and a length. Is one cut short?"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk.reading import Reading
from diffio_watch.media.container import HEADERS, HEADLESS, UNKNOWN_32, Bare, Fault, is_placeholder, lacks, name

_OFF: Final = 9  # bytes that the end of a file with all of its sound may be off by: a header or a padding byte


@dataclass(frozen=True, slots=True)
class _Kind:
    number: str  # how a length is written
    sound: bytes  # the chunk that holds it
    head: int  # bytes of that chunk before the first sample


_WAVE: Final = _Kind("<I", b"data", 0)
_AIFF: Final = _Kind(">I", b"SSND", 8)


def wave(file: Reading, head: bytes) -> Fault:
    """RIFF WAVE, and its 64-bit form RF64 or BW64 (EBU Tech 3306), whose sizes stand in a `ds64` chunk."""
    (stated,) = struct.unpack("<I", head[4:8])
    data_64 = None
    if head[:4] != b"RIFF":
        ds64 = file.at(12, 28)
        if len(ds64) < 28:
            return HEADLESS
        if ds64[:4] == b"ds64":
            stated, data_64 = struct.unpack("<QQ", ds64[8:24])
    return _chunks(file, stated, _WAVE, data_64)


def aiff(file: Reading, head: bytes) -> Fault:
    """AIFF and AIFC."""
    (stated,) = struct.unpack(">I", head[4:8])
    return _chunks(file, stated, _AIFF, None)


def _leads_to_the_end(file: Reading, offset: int, kind: _Kind) -> bool:
    """Whether chunk after chunk from here on ends where the file does: then none of it is sound."""
    for _ in range(HEADERS):
        header = file.at(offset, 8)
        if len(header) < 8:
            break
        (length,) = struct.unpack(kind.number, header[4:])
        offset += 8 + length + length % 2
    return abs(offset - file.size) <= 1


def _chunks(file: Reading, stated: int, kind: _Kind, sound_64: int | None) -> Fault:
    """Walk through the chunks of a file that says that so much follows its first eight bytes."""
    offset, heard = 12, False
    bare: Bare | None = None
    for _ in range(HEADERS):
        header = file.at(offset, 8)
        if len(header) < 8:
            break
        (length,) = struct.unpack(kind.number, header[4:])
        if header[:4] == kind.sound:
            heard = True
            if length == UNKNOWN_32 and sound_64 is not None:
                length = sound_64
            if is_placeholder(length):  # up to the end, unless all the rest is told right
                alone = length == 0 and _leads_to_the_end(file, offset + 8, kind)
                return Bare() if alone or file.size <= offset + 8 + kind.head else None
            bare = Bare() if length <= kind.head else None
        heard = heard or (header[:4] == b"LIST" and file.at(offset + 8, 4) == b"wavl")
        offset += 8 + length
        if offset > file.size:
            if header[:4] != kind.sound and heard:
                break  # what comes after the sound is judged by the end below
            return lacks(offset - file.size, f"of its {name(header)} chunk")
        offset += length % 2
    if is_placeholder(stated):
        return bare if heard else HEADLESS
    over = 8 + stated - file.size
    if over > _OFF:
        return lacks(over, "at its end")
    return bare if heard else Bare()
