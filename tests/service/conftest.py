from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from service_page import Place, page


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(chromium):
        config.pluginmanager.register(chromium)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with page(tmp_path) as made:
        yield made
