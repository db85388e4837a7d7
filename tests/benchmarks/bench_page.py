"""The page: what its people wait for, beside the most that each may take."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench_desk import Desk, bounded
from bench_table import Row
from bench_world import Service, World, recordings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# the tests' window is this one's, too, and their browser
sys.path += [str(Path(__file__).parents[1] / name) for name in ("page", "service")]

_LONG: Final = 3600.0  # seconds that the service takes
_ROWS: Final = {
    "arrives": ("the page: a dropped file shows, after it settled", "s", 2),
    "paints": ("  paints a second at 1,000 changes a second", "", 2),
    "first": ("  first paint", "ms", 300),
    "seventh": ("  the seventh tab has loaded", "s", 1),
    "closed": ("  another tab listens after the one that did was closed", "s", 3),
    "died": ("  another tab listens after the process of the one that did has died", "s", 3),
    "old": ("  it looks old after the daemon was killed", "s", 6),
    "back": ("  it is live after the daemon was started again", "s", 12),
}


def seen(world: World) -> list[Row]:
    """What a person sees in a browser."""
    from chromium import CHROMIUM, chromium  # noqa: PLC0415 - heavy, and of this line alone

    took: Mapping[str, list[float]] = {}
    there = os.access(CHROMIUM, os.X_OK)
    if there:
        with world.folder() as base, Service(base / "service", _LONG) as service, chromium() as browser:
            took = _looked(world, Desk(base / "desk", service, world), browser)
    of = "" if there else f"needs {CHROMIUM}, which is not there"
    return [bounded(what, unit, took.get(name, []), bound, of) for name, (what, unit, bound) in _ROWS.items()]


def _looked(world: World, desk: Desk, browser: Browser) -> Mapping[str, list[float]]:
    from page_browser import Window, die, leads, painted, until  # noqa: PLC0415 - likewise

    took: dict[str, list[float]] = defaultdict(list)

    @contextlib.contextmanager
    def timed(name: str, less: float = 0.0) -> Iterator[None]:
        began = time.monotonic()
        yield
        took[name].append(time.monotonic() - began - less)

    times = world.count(5, few=1)
    recordings(desk.base / "files", times)
    window = Window(browser, desk.origin)
    window.troubled = True  # the daemon is killed
    with desk.run() as daemon:
        daemon.calm()
        page = window.open()
        for path in sorted((desk.base / "files").iterdir()):
            path.rename(desk.inbox / path.name)
            with timed("arrives", world.settle):
                page.locator(".row", has_text=path.name).wait_for()
        until(page, lambda: page.locator("#now .row", has_text="being restored").count() == times)
        with desk.changes(1000):
            moments = painted(page, world.count(20, few=4))
        took["paints"].append((len(moments) - 1) / (moments[-1] - moments[0]) * 1000)
        for _ in range(times):
            page.reload()
            page.wait_for_selector("body[data-ready]")
            took["first"].append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))

        tabs = [page, *(window.open() for _ in range(world.count(5, few=1)))]
        for how in ("closed", "died") * times:
            with timed("seventh"):
                tabs.append(window.open())
            one = leads(tabs)
            tabs.remove(one)
            asked = window.asked("/api/events")
            (die if how == "died" else type(one).close)(one)
            with timed(how):
                until(tabs[0], lambda asked=asked: window.asked("/api/events") > asked)  # type: ignore[misc]  # bound here
        for one in tabs[1:]:
            one.close()
        page = leads(tabs[:1])
        daemon.process.kill()
        with timed("old"):
            page.wait_for_selector("body.old")
    began = time.monotonic()
    with desk.run():
        page.wait_for_selector("body:not(.old)")
        took["back"].append(time.monotonic() - began)
    window.close()
    return took
