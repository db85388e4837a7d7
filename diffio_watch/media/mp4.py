"""MP4 and MOV: boxes of a length and a type (ISO/IEC 14496-12). Without `moov` nothing can be played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk.reading import Reading
from diffio_watch.media.container import HEADERS, Bare, Cut, Fault, is_placeholder, lacks, name

BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx",
                          b"uuid", b"meta", b"mfra", b"emsg", b"prft", b"ssix", b"udta", b"pdin", b"PICT", b"junk"})
_PICTURES: Final = frozenset({b"avif", b"avis", b"heic", b"heim", b"heis", b"heix", b"mif1", b"miaf", b"msf1",
                              b"crx "})  # brands of files that are pictures, and have no `moov`
_WAY: Final = (b"trak", b"mdia", b"minf", b"stbl")  # to the tables of a track's samples


@dataclass(slots=True)
class _Index:
    """What `moov` tells. `reach`: where the chunk of samples begins that comes last of each track's."""

    samples: int = 0
    reach: int = 0
    readable: bool = True


def movie(file: Reading) -> Fault:
    """MP4, MOV, M4A, 3GP, QTA."""
    if file.at(4, 4) == b"ftyp" and file.at(8, 4) in _PICTURES:
        return None
    offset, kinds = 0, set[bytes]()
    index: _Index | None = None
    last = b""
    for _ in range(HEADERS):
        header = file.at(offset, 16)
        if len(header) < 8:
            if header.strip(b"\0"):  # else it is padded
                return Cut("it ends within a box")
            break
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        wide = length == 1 and len(header) == 16
        if wide:
            length = int.from_bytes(header[8:], "big")
        if length and (length < 8 or (index is not None and kind not in BOXES)):
            break  # no box: some recorders pad their files
        kinds.add(kind)
        last = kind
        begin, end = offset + (16 if wide else 8), offset + length
        if length == 0 or (kind == b"mdat" and is_placeholder(length)):
            break  # up to the end of the file
        if end > file.size:
            return lacks(end - file.size, f"of its {name(kind)} box")
        if kind == b"moov":
            index = _index(file, begin, end)
        offset = end
    if index is None:
        return Cut("its index (moov) is missing")
    return _held_against(index, kinds, last, file.size)


def _held_against(index: _Index, kinds: set[bytes], last: bytes, size: int) -> Fault:
    if not index.readable:
        return None
    if last == b"moof":
        return Cut("the sound of its last piece is missing")
    if b"moof" in kinds:
        return None
    if not index.samples:
        return Bare()
    if b"mdat" not in kinds or index.reach >= size:
        return Cut("its sound is missing")
    return None


def _index(file: Reading, begin: int, end: int) -> _Index:
    found = _Index()
    for kind, start, stop in _inside(file, begin, end):
        if kind == b"cmov":
            found.readable = False  # it is compressed
        if kind == _WAY[0]:
            _track(file, start, stop, 1, found)
    return found


def _track(file: Reading, begin: int, end: int, depth: int, found: _Index) -> None:
    for kind, start, stop in _inside(file, begin, end):
        if depth < len(_WAY) and kind == _WAY[depth]:
            _track(file, start, stop, depth + 1, found)
        elif kind in {b"stsz", b"stz2"}:
            found.samples += int.from_bytes(file.at(start + 8, 4), "big")
        elif kind in {b"stco", b"co64"}:
            width = 4 if kind == b"stco" else 8
            count = int.from_bytes(file.at(start + 4, 4), "big")
            if count:
                reach = int.from_bytes(file.at(start + 8 + (count - 1) * width, width), "big")
                found.reach = max(found.reach, reach)


def _inside(file: Reading, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes within a box: type, and where the content of each begins and ends."""
    for _ in range(HEADERS):
        header = file.at(begin, 8)
        if begin + 8 > end or len(header) < 8:
            return
        length = int.from_bytes(header[:4], "big")
        if length < 8 or begin + length > end:
            return
        yield header[4:], begin + 8, begin + length
        begin += length
