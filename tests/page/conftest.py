"""A real browser before a real daemon, with the service next door."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# the whole-way tests' studio is the page's, too, and what the player's tests have to hear
sys.path += [str(Path(__file__).parents[1] / name) for name in ("whole", "service")]

import chromium
from page_browser import Window
from page_desk import Desk
from playwright.sync_api import Browser

from diffio_watch.sandbox import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(chromium):
        config.pluginmanager.register(chromium)


@pytest.fixture
def service() -> Iterator[Sandbox]:
    with Sandbox(seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def desk(tmp_path: Path, service: Sandbox) -> Iterator[Desk]:
    desk = Desk(tmp_path, service)
    yield desk
    desk.studio.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., Window]]:
    """Makes a browser's window for an origin."""
    made: list[Window] = []

    def make(origin: str, **settings: Any) -> Window:
        made.append(Window(browser, origin, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
