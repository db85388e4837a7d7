"""Which part of a file is asked for (RFC 9110 14). One range is honoured; many are the whole. Pure."""

from __future__ import annotations

import re
from typing import Final

_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.ASCII)


class NotThere(Exception):
    """The range lies beyond the end: 416."""


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte, counted from 0, of what a `Range` header asks for; None for the whole.

    Raises:
        NotThere: nothing of it is in the file.
    """
    found = _RANGE.fullmatch(header) if header is not None else None
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        length = int(last)
        if length == 0 or size == 0:
            raise NotThere
        return max(0, size - length), size - 1
    if last and int(last) < int(first):
        return None  # no range at all, and to be passed over
    if int(first) >= size:
        raise NotThere
    return int(first), min(int(last), size - 1) if last else size - 1


def still(header: str | None, tag: str, modified: str) -> bool:
    """Whether `If-Range` lets a range be honoured: it names the file as it is, by strong tag or exact date."""
    return header is None or header.strip() in {tag, modified}


def matches(header: str | None, tag: str) -> bool:
    """Whether `If-None-Match` names the file as it is."""
    if header is None:
        return False
    return header.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in header.split(",")}
