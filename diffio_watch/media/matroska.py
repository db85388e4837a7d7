"""Matroska and WebM: EBML elements (RFC 8794). One `Segment` holds everything; in a stream it states no size."""

from __future__ import annotations

from typing import Final

from diffio_watch.disk.reading import Reading
from diffio_watch.media.container import HEADERS, HEADLESS, Bare, Cut, Fault, is_placeholder, lacks

_SEGMENT: Final = b"\x18\x53\x80\x67"
_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_OPEN: Final = frozenset({_SEGMENT, _CLUSTER})  # what a stream leaves without a size
_BLOCKS: Final = frozenset({b"\xa0", b"\xa3", b"\xaf"})
# what stands in a Segment, then what stands in a Cluster (RFC 9559); anything else is not judged
_KNOWN: Final = _OPEN | _BLOCKS | {
    b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1c\x53\xbb\x6b", b"\x19\x41\xa4\x69",
    b"\x10\x43\xa7\x70", b"\x12\x54\xc3\x67", b"\xec", b"\xbf", b"\xe7", b"\x58\x54", b"\xa7", b"\xab",
}


def matroska(file: Reading) -> Fault:
    """Walk along the elements: into a Segment, and into a Cluster as far as it takes to see a sample."""
    offset, inside, sized, played = 0, False, False, False
    for _ in range(HEADERS):
        header = file.at(offset, 12)
        if (played and sized) or not header:
            return HEADLESS if not inside else None if played else Bare()
        kind, length, used = _element(header)
        if not used or (inside and kind not in _KNOWN):
            return Cut("it ends within an element") if len(header) < 12 and not used and not sized else None
        if kind in _OPEN and length is not None and is_placeholder(length):
            length = None
        begin = offset + used
        if length is not None and begin + length > file.size and not sized:
            return lacks(begin + length - file.size, "at its end")
        if kind == _SEGMENT:
            inside, sized = True, length is not None
        played = played or kind in _BLOCKS
        into = kind == _SEGMENT or (kind == _CLUSTER and not played)
        offset = begin if into or length is None else begin + length
    return None


def _element(header: bytes) -> tuple[bytes, int | None, int]:
    """An element's name, its size (None if it is stated as unknown), and the bytes that both took, 0 for none."""
    width = _width(header, 4)
    if width is None:
        return b"", None, 0
    digits = _width(header[width:], 8)
    if digits is None:
        return b"", None, 0
    value = int.from_bytes(header[width:width + digits], "big") & ((1 << 7 * digits) - 1)
    return header[:width], None if value == (1 << 7 * digits) - 1 else value, width + digits


def _width(header: bytes, most: int) -> int | None:
    """How many bytes an EBML number takes: the leading zeros of its first byte tell."""
    if not header:
        return None
    width = 9 - header[0].bit_length()
    return width if width <= most and len(header) >= width else None
