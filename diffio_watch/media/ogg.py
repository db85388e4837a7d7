"""Ogg (RFC 3533): pages with a checksum, a position, and a mark on the last one of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from diffio_watch.disk.reading import Reading
from diffio_watch.media.container import HEADLESS, Bare, Cut, Fault, before_tags, ends_in_zeros, lacks

_LARGEST: Final = 27 + 255 + 255 * 255  # bytes of a page
_LAST: Final = 4  # the flag of the last page of a stream


@dataclass(frozen=True, slots=True)
class _Page:
    offset: int
    end: int
    last: bool
    position: int  # in samples or frames, -1 where no packet ends on the page


def ogg(file: Reading) -> Fault:
    """Vorbis, Opus, Speex, FLAC and Theora in Ogg."""
    end = before_tags(file)
    start = max(0, end - 3 * _LARGEST)
    tail = file.at(start, end - start)
    pages = _pages(tail)
    if not pages:
        return HEADLESS if not start else Cut("its last pages are missing")
    last = pages[-1]
    if last.end > len(tail):
        return lacks(last.end - len(tail), "of its last page")
    rest = tail[last.end:]
    if rest and (b"OggS".startswith(rest[:4]) or (last.end < len(tail) - _LARGEST)):
        return Cut("it ends within a page")
    if rest and not last.last and not ends_in_zeros(file, start + last.end):
        return Cut("it ends within a page")
    if not start and all(page.position <= 0 for page in pages):
        return Bare()
    return None if last.last else Cut("the mark of its end is missing", unsure=True)


def _pages(tail: bytes) -> list[_Page]:
    """The pages that begin in a tail; the last one may be cut off."""
    found: list[_Page] = []
    offset = 0
    while (offset := tail.find(b"OggS\0", offset)) >= 0:
        page = _page(tail, offset)
        if page is None:
            offset += 1
            continue
        found.append(page)
        offset = page.end
    return found


def _page(tail: bytes, offset: int) -> _Page | None:
    head = tail[offset:offset + 27]
    table = tail[offset + 27:offset + 27 + head[26]] if len(head) == 27 else b""
    if len(head) < 27 or len(table) < head[26]:
        return _Page(offset, len(tail) + 1, last=False, position=0)
    end = offset + 27 + len(table) + sum(table)
    if end <= len(tail) and _crc(tail[offset:offset + 22] + bytes(4) + tail[offset + 26:end]) \
            != int.from_bytes(head[22:26], "little"):
        return None  # only looks like one
    return _Page(offset, end, bool(head[5] & _LAST), int.from_bytes(head[6:14], "little", signed=True))


def _crc_table() -> list[int]:
    found = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
        found.append(value)
    return found


_CRC: Final = _crc_table()


def _crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFF00) ^ _CRC[value >> 24 ^ byte]
    return value
