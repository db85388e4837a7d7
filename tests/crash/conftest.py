"""One nursery for all tests of a process: it imports the program once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crash_world import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()
