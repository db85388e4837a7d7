"""Bodies that come packed although nobody asked for it: unpacked as they come in, in pieces of bounded size.

What the header says of an encoding is believed only as far as the bytes agree: proxies pack and forget to say so, and
say so without having packed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from diffio_watch.api.errors import Ambiguous
from diffio_watch.api.streams import Piece

_GZIP: Final = b"\x1f\x8b\x08"
_EITHER: Final = 32 + zlib.MAX_WBITS  # gzip or zlib, told apart by zlib itself
_PIECE: Final = 1 << 20  # bytes that are unpacked at once


class Foreign(Exception):
    """The body is in an encoding that can't be undone here. Its text names the encoding."""


def encodings(header: str) -> list[str]:
    """The encodings that a `Content-Encoding` names, but those that change nothing."""
    return [word for word in (part.strip().lower() for part in header.split(",")) if word not in {"", "identity"}]


def plain(chunks: Iterator[Piece], header: str, *, sniff: bool = False) -> tuple[Iterator[Piece], bool]:
    """The body without its packing, and whether it has any.

    Args:
        chunks: the body as it comes.
        header: its `Content-Encoding`, or "".
        sniff: unpack also what is gzip and does not say so.

    Raises:
        Foreign: another encoding than gzip and deflate. Nothing but the first bytes was taken from `chunks`.
        Ambiguous: raised by `chunks` itself, or while the result is taken: it ends too early or is damaged.
    """
    named = encodings(header)
    if not named and not sniff:
        return chunks, False
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_GZIP):
            break
    whole = _again(start, chunks)
    if start.startswith(_GZIP) or (named == ["deflate"] and _is_zlib(start)):
        if len(named) > 1:
            raise Foreign(header)
        return _unpacked(whole), True
    if named and named not in (["gzip"], ["x-gzip"]) and start:
        raise Foreign(header)
    return whole, False


def _is_zlib(start: bytes) -> bool:
    return len(start) > 1 and start[0] & 15 == zlib.DEFLATED and int.from_bytes(start[:2]) % 31 == 0


def _again(start: bytes, chunks: Iterator[Piece]) -> Iterator[Piece]:
    if start:
        yield start
    yield from chunks


def _unpacked(chunks: Iterator[Piece]) -> Iterator[Piece]:
    """Packed members one after another, the way gzip allows it; each carries its own proof of being whole."""
    member = zlib.decompressobj(_EITHER)
    for chunk in chunks:
        left: Piece = chunk
        while left:
            if member.eof:
                member = zlib.decompressobj(_EITHER)
            try:
                piece = member.decompress(left, _PIECE)
            except zlib.error as error:
                raise Ambiguous(f"the packed body is damaged: {error}") from None
            left = member.unused_data if member.eof else member.unconsumed_tail
            if piece:
                yield piece
    if not member.eof:
        raise Ambiguous("the packed body ended too early")
