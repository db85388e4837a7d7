"""Where an upload's bytes come from and a download's go to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

CHUNK: Final = 1 << 20  # bytes that are moved at once
Piece = bytes | memoryview  # of a body that comes; a view is good until the next piece is asked for


class Body(Protocol):
    """Something to upload: its size is known, and it can be read again for each try."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def chunks(self) -> Iterator[bytes]:
        """Its bytes from the start, best in pieces of `CHUNK`; exactly `size` of them.

        Whatever it raises, such as that the file has changed, ends the upload and comes out of it unchanged.
        """


class Sink(Protocol):
    """Where a download goes; what it holds from an earlier try is gone on from.

    Attributes:
        validator: which version of the object the bytes in it are of, or None. Kept with the bytes, it lets a
            later run resume as well.
    """

    validator: str | None

    @property
    def size(self) -> int:
        """Bytes in it so far."""

    def expect(self, size: int, /) -> object:
        """So many bytes it is to have in the end, before any of them is asked for. May refuse as `write` does."""

    def write(self, data: Piece, /) -> object:
        """Put them at the end. Whatever it raises ends the download and comes out of it unchanged."""

    def restart(self) -> object:
        """Throw away what is in it."""
