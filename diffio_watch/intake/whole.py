"""Is a container cut short? Judged from the sizes that it states itself, for WAV, RF64, AIFF, MP4, MOV and Matroska.

MediaInfo does not tell this for all of them. Sizes of 0 or all ones mean "written as a stream": no cut. What is
broken in other ways is not judged here: the service will say.
"""

from __future__ import annotations

import os
import struct
from typing import Final

_UNKNOWN_32: Final = 0xFFFFFFFF
_UNKNOWN_64: Final = 0xFFFFFFFFFFFFFFFF
_HEADERS: Final = 4096  # chunks or boxes looked at; a file with more is not judged further
_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx",
                           b"uuid", b"meta", b"mfra"})


def cut_short(descriptor: int, size: int) -> str | None:
    """What is missing, in words; None if nothing is or the format is not judged.

    Args:
        descriptor: the file, opened for reading.
        size: its size in bytes.

    Raises:
        OSError: the file can't be read.
    """
    head = os.pread(descriptor, 12, 0)
    if head[:4] in {b"RIFF", b"RF64", b"BW64"} and head[8:] == b"WAVE":
        return _wave(descriptor, size, head)
    if head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}:
        return _aiff(descriptor, size, head)
    if head[4:8] in _BOXES:
        return _movie(descriptor, size)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska(descriptor, size)
    return None


def _wave(descriptor: int, size: int, head: bytes) -> str | None:
    """RIFF WAVE, and its 64-bit form RF64 or BW64 (EBU Tech 3306), whose sizes stand in a `ds64` chunk."""
    (stated,) = struct.unpack("<I", head[4:8])
    data_64 = None
    if head[:4] != b"RIFF":
        ds64 = os.pread(descriptor, 28, 12)
        if len(ds64) < 28:
            return "it ends within its header"
        if ds64[:4] == b"ds64":
            stated, data_64 = struct.unpack("<QQ", ds64[8:24])
    if stated in {0, _UNKNOWN_32, _UNKNOWN_64}:
        return None
    return _chunks(descriptor, size, 8 + stated, "<I", b"data", data_64)


def _aiff(descriptor: int, size: int, head: bytes) -> str | None:
    (stated,) = struct.unpack(">I", head[4:8])
    return None if stated in {0, _UNKNOWN_32} else _chunks(descriptor, size, 8 + stated, ">I", b"SSND", None)


def _chunks(descriptor: int, size: int, end: int, number: str, sound: bytes, sound_64: int | None) -> str | None:
    """Walk through the chunks of an IFF file that says it ends at `end`."""
    offset, heard = 12, False
    for _ in range(_HEADERS):
        header = os.pread(descriptor, 8, offset)
        if len(header) < 8:
            break
        (length,) = struct.unpack(number, header[4:])
        if header[:4] == sound:
            heard = True
            if length == _UNKNOWN_32 and sound_64 is not None:
                length = sound_64
            if length in {0, _UNKNOWN_32, _UNKNOWN_64}:
                return None
        offset += 8 + length
        if offset > size:
            if header[:4] != sound and heard:
                break  # what comes after the sound is judged by the end below
            return f"{offset - size} bytes of its {_name(header)} chunk are missing"
        offset += length % 2
    # many programs state an end that is off by a header or a padding byte
    if end > size + 9:
        return f"{end - size} bytes are missing at its end"
    return None


def _movie(descriptor: int, size: int) -> str | None:
    """MP4 and MOV: boxes of a length and a type (ISO/IEC 14496-12). Without `moov` nothing can be played."""
    offset, described = 0, False
    for _ in range(_HEADERS):
        header = os.pread(descriptor, 16, offset)
        if len(header) < 8:
            break
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        described = described or kind == b"moov"
        if length == 0:
            break  # up to the end of the file
        if length < 8 or (described and kind not in _BOXES):
            break  # no box: some recorders pad their files
        offset += length
        if offset > size:
            return f"{offset - size} bytes of its {_name(header[4:])} box are missing"
    return None if described else "its index (moov) is missing"


def _matroska(descriptor: int, size: int) -> str | None:
    """Matroska and WebM: EBML elements (RFC 8794); the one `Segment` holds everything."""
    offset = 0
    for _ in range(_HEADERS):
        header = os.pread(descriptor, 12, offset)
        width = _width(header, 4)
        if width is None:
            break
        length, used = _number(header[width:])
        if not used:
            break
        if length is None:
            return None  # of unknown size: written as a stream
        offset += width + used + length
        if offset > size:
            return f"{offset - size} bytes are missing at its end"
        if header[:width] == b"\x18\x53\x80\x67":
            return None
    return "it ends within its header"


def _width(header: bytes, most: int) -> int | None:
    """How many bytes an EBML number takes: the leading zeros of its first byte tell."""
    if not header:
        return None
    width = 9 - header[0].bit_length()
    return width if width <= most and len(header) >= width else None


def _number(header: bytes) -> tuple[int | None, int]:
    """An EBML size, None if it is stated as unknown, and the bytes it took, 0 if it is cut off itself."""
    width = _width(header, 8)
    if width is None:
        return None, 0
    value = int.from_bytes(header[:width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width


def _name(header: bytes) -> str:
    return "".join(chr(one) if 32 < one < 127 else "?" for one in header[:4])
