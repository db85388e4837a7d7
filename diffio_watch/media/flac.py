"""FLAC (RFC 9639): the frames have numbers and checksums, so that the last one tells whether it is the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk.reading import Reading
from diffio_watch.media.container import HEADLESS, Bare, Cut, Fault, before_tags, before_zeros, is_placeholder

_HEAD: Final = 32  # bytes that a frame's header takes at most, and some
_LARGEST: Final = 4 << 20  # bytes of a frame


@dataclass(frozen=True, slots=True)
class _Info:
    """The STREAMINFO block. `total` is in samples, 0 where the writer could not tell; so is `frame`, in bytes."""

    block: int
    frame: int
    rate: int
    channels: int
    bits: int
    total: int
    code: int  # the sample rate as it stands there: a frame repeats it


@dataclass(frozen=True, slots=True)
class _Frame:
    offset: int
    end: int  # in samples, of what was heard after it


def flac(file: Reading, begin: int) -> Fault:
    """What stands from `begin` on, behind an ID3 tag."""
    head = file.at(begin + 4, 38)
    if len(head) < 38 or head[0] & 127:
        return HEADLESS
    info = _info(head[4:])
    offset = begin + 4
    while True:
        block = file.at(offset, 4)
        if len(block) < 4:
            return HEADLESS
        offset += 4 + int.from_bytes(block[1:], "big")
        if block[0] & 128:
            break
    end = before_zeros(file, before_tags(file))
    if offset >= end:
        return Bare() if offset <= file.size and not info.total else HEADLESS
    window = min(info.frame or (info.block * info.channels * (info.bits + 1) // 8 + 1024), _LARGEST) * 2 + _HEAD
    start = max(offset, end - window)
    return _tail(file.at(start, end - start), info)


def _tail(tail: bytes, info: _Info) -> Fault:
    heard = 0
    for frame in _frames(tail, info):
        heard = heard or frame.end
        if _crc16(memoryview(tail)[frame.offset:]) == 0:
            heard = frame.end
            if not info.total or heard >= info.total:
                return None
            break
    if info.total and info.rate:
        return Cut(f"it ends after {heard / info.rate:.1f} of {info.total / info.rate:.1f} s")
    return Cut("it ends within a frame")


def _info(block: bytes) -> _Info:
    packed = int.from_bytes(block[10:18], "big")
    total, bits, channels = packed & (1 << 36) - 1, (packed >> 36 & 31) + 1, (packed >> 41 & 7) + 1
    # an encoder that is fed through a pipe repeats the placeholder it was told
    if is_placeholder(total * channels * (bits + 7) // 8):
        total = 0
    return _Info(int.from_bytes(block[2:4], "big"), int.from_bytes(block[7:10], "big"), packed >> 44, channels, bits,
                 total, packed >> 44)


def _frames(tail: bytes, info: _Info) -> Iterator[_Frame]:
    """What looks like the header of a frame, the last first."""
    offset = len(tail)
    while (offset := tail.rfind(b"\xff", 0, offset)) >= 0:
        if tail[offset + 1:offset + 2] in {b"\xf8", b"\xf9"}:
            frame = _frame(tail, offset, info)
            if frame is not None:
                yield frame


def _frame(tail: bytes, offset: int, info: _Info) -> _Frame | None:
    head = tail[offset:offset + _HEAD]
    if len(head) < 6 or head[3] & 1:
        return None
    width = max(1, 8 - (head[4] ^ 255).bit_length())  # as in UTF-8
    number = head[4] & (127 if width == 1 else (1 << (7 - width)) - 1)
    for byte in head[5:4 + width]:
        number = number << 6 | byte & 63
    size, rate = head[2] >> 4, head[2] & 15
    length = (1 if size == 6 else 2 if size == 7 else 0) + (1 if rate == 12 else 2 if rate in {13, 14} else 0)
    end = 4 + width + length
    if len(head) <= end or width > 7 or not size or rate == 15 or _crc8(head[:end]) != head[end]:
        return None
    if size in {6, 7}:
        block = int.from_bytes(head[4 + width:4 + width + size - 5], "big") + 1
    else:
        block = 192 if size == 1 else 576 << (size - 2) if size < 6 else 256 << (size - 8)
    first = number if head[1] & 1 else number * info.block
    return _Frame(offset, first + block)


def _table(polynomial: int, width: int) -> list[int]:
    found = []
    for byte in range(256):
        value = byte << (width - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (width - 1) & 1 else 0)
            value &= (1 << width) - 1
        found.append(value)
    return found


_CRC8: Final = _table(0x07, 8)
_CRC16: Final = _table(0x8005, 16)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _crc16(data: memoryview) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFF00) ^ _CRC16[value >> 8 ^ byte]
    return value
