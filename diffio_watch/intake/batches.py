"""Telling the journal of many files at once, and of each by itself where one of them can't be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from diffio_watch.disk.reading import Interrupted
from diffio_watch.journal.errors import JournalCorrupt, JournalTrouble

_T = TypeVar("_T")


def all_or_each(items: Sequence[_T], tell: Callable[[Sequence[_T]], None],
                failed: Callable[[_T, Exception], None]) -> None:
    """Tell of all; where that fails, of each, so that one keeps no other back.

    Args:
        items: the files.
        tell: the call into the journal, all or none.
        failed: called for each that can't be told, within the handling of its error.

    Raises:
        JournalTrouble: the journal can't be written at all.
        JournalCorrupt: nor be relied on.
        Interrupted: this intake was abandoned.
    """
    try:
        tell(items)
    except (Interrupted, JournalTrouble, JournalCorrupt, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # a row that can't be is a bug, and ends no work on the others
        if len(items) == 1:
            failed(items[0], error)
        else:
            for item in items:
                all_or_each([item], tell, failed)
