from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_page import Place, page


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with page(tmp_path) as made:
        yield made
