"""One nursery for all tests of a process: it imports the program once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crash_world import Nursery, born


@pytest.fixture(scope="session")
def _nurseries() -> Iterator[list[Nursery]]:
    nurseries = [born()]
    yield nurseries
    for nursery in nurseries:
        nursery.close()


@pytest.fixture
def nursery(_nurseries: list[Nursery]) -> Nursery:
    """The nursery; a new one after a life in it has failed."""
    if _nurseries[-1].spoiled:
        _nurseries.append(born())
    return _nurseries[-1]
