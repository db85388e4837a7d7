"""A real browser before a real daemon, with the service next door."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# the whole-way tests' studio is the page's, too, and what the player's tests have to hear
sys.path += [str(Path(__file__).parents[1] / name) for name in ("whole", "service")]

from page_browser import Window, chromium
from page_desk import Desk
from playwright.sync_api import Browser

from diffio_watch.sandbox import Sandbox


@pytest.fixture(scope="session")
def _chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """One for all tests of a worker, and the event loop by which it is talked to: that runs in this thread."""
    with chromium() as browser:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)


@pytest.fixture
def browser(_chromium: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """Tests of others may want an event loop of their own in this thread, where its loop only seems to run now."""
    browser, loop = _chromium
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


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
