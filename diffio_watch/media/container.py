"""What the judges of containers say, and what they share: numbers that only hold a place, tags at an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from diffio_watch.disk.reading import Reading

UNKNOWN_32: Final = 0xFFFFFFFF
HEADERS: Final = 100_000  # chunks, boxes or elements looked at; a file with more is not judged further
_MISCOUNT: Final = 64  # bytes: some recorders count their own header
# What the service takes ends at 2 GiB. SoX and espeak round what they write into a pipe down to a page or a sample
# below that; for AIFF, SoX has a number of its own.
_PLACE_HOLDERS: Final = (2 << 30) - (64 << 10)
_SOX_AIFF: Final = 0x7F000000
_SOX_ROUNDS: Final = 4 << 10
_PADDING: Final = 64 << 10  # zeros at an end that are looked through


@dataclass(frozen=True, slots=True)
class Cut:
    """Something of the file is missing.

    Attributes:
        detail: what, in words.
        missing: how many bytes; None where that is not known.
        unsure: only the mark of its end is missing, which some writers leave out.
    """

    detail: str
    missing: int | None = None
    unsure: bool = False

    @property
    def slight(self) -> bool:
        """Whether it may be no more than its writer's way of counting: a file that rests is taken in spite of it."""
        return self.unsure or (self.missing is not None and self.missing <= _MISCOUNT)


@dataclass(frozen=True, slots=True)
class Bare:
    """A header, and not a single sample: its writer has only begun, or had nothing to write."""


Fault = Cut | Bare | None
HEADLESS: Final = Cut("it ends within its header")


def lacks(missing: int, where: str) -> Cut:
    """So many bytes are missing `where`."""
    return Cut(f"{missing} bytes {where} are missing", missing)


def is_placeholder(stated: int) -> bool:
    """Whether a stated number of bytes is none: the writer could not go back to tell it."""
    return stated == 0 or stated >= _PLACE_HOLDERS or abs(stated - _SOX_AIFF) <= _SOX_ROUNDS


def name(kind: bytes) -> str:
    """A chunk's or box's name as it can be shown."""
    return "".join(chr(one) if 32 < one < 127 else "?" for one in kind[:4])


def after_id3(file: Reading) -> int:
    """Where what follows the ID3v2 tags at the start of a file begins; beyond its end if they are cut off."""
    offset = 0
    while (head := file.at(offset, 10))[:3] == b"ID3":
        if len(head) < 10:
            return file.size + 1
        size = sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        offset += 10 + size + (10 if head[5] & 16 else 0)  # a footer repeats the head
    return offset


def before_tags(file: Reading) -> int:
    """Where the content of a file ends, before tags of ID3v1, Lyrics3 and APE that were hung on to it."""
    end = file.size
    while end > 0:
        if file.at(max(0, end - 128), 3) == b"TAG" and end >= 128:
            end -= 128
            continue
        tail = file.at(max(0, end - 32), 32)
        if tail[:8] == b"APETAGEX":
            size = int.from_bytes(tail[12:16], "little") + (32 if tail[23] & 128 else 0)
        elif tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
            size = int(tail[-15:-9]) + 15
        else:
            break
        if not 0 < size <= end:
            break
        end -= size
    return end


def before_zeros(file: Reading, end: int) -> int:
    """Where zeros begin that a file was padded with, not many of them; two are left, for they may be a checksum's."""
    begin = max(0, end - _PADDING)
    kept = begin + len(file.at(begin, end - begin).rstrip(b"\0"))
    return min(end, kept + 2)


def ends_in_zeros(file: Reading, begin: int) -> bool:
    """Whether nothing but zeros, and not many of them, stands between `begin` and the file's end."""
    return file.size - begin <= _PADDING and not file.at(begin, file.size - begin).strip(b"\0")
