"""A journal with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_jobs import HandClock

from diffio_watch.journal import Journal


@pytest.fixture(autouse=True)
def _copied_journals() -> None:
    """None: here journals are made in full."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def journal(tmp_path: Path, clock: HandClock) -> Iterator[Journal]:
    with Journal.open(tmp_path, clock, create=True) as opened:
        yield opened
