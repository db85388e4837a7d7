"""A browser that notices what must never happen: words in its console, a request to elsewhere, a policy violated."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Page,
    Request,
)

PATIENCE: Final = 20.0  # seconds
SHOTS: Final = os.environ.get("DIFFIO_PAGE_SHOTS")  # a folder: every state that a test looks at is painted there
_AXE: Final = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
_OF_COLOURS: Final = ("color-contrast", "link-in-text-block")  # axe's rules that another scheme may break
# loads that failed are told by the browser itself, and no page can keep it from that
_LOAD: Final = "Failed to load resource"
_WATCHED: Final = """window.streams = [];
    EventSource = class extends EventSource { constructor(...of) { super(...of); streams.push(this); } };
    addEventListener('securitypolicyviolation', e => console.error('violated: ' + e.violatedDirective));"""


class Window:
    """One person's browser, with nothing in it yet.

    Attributes:
        wrong: what must not have happened.
        requests: every request of it, by method and address.
        troubled: loads may fail: the test takes the service away, or has no token.
    """

    def __init__(self, browser: Browser, origin: str, **settings: Any) -> None:
        self.origin = origin.rstrip("/")
        self.wrong: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.troubled = False
        self.context: BrowserContext = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        self.context.set_default_timeout(PATIENCE * 1000)
        self.context.on("request", self._request)
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))
        self.context.add_init_script(_WATCHED)

    def _request(self, request: Request) -> None:
        self.requests.append((request.method, request.url))
        if not request.url.startswith((f"{self.origin}/", "blob:")):
            self.wrong.append(f"asked elsewhere: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if not (self.troubled and message.text.startswith(_LOAD)):
            self.wrong.append(f"console: {message.text} {message.location}")

    def open(self, path: str = "/") -> Page:
        """A new tab, when it shows how things are."""
        page = self.context.new_page()
        page.goto(self.origin + path)
        page.wait_for_selector("body[data-ready]")
        return page

    def asked(self, ending: str, method: str = "GET") -> int:
        """How many requests went to an address that ends so."""
        return sum(how == method and url.endswith(ending) for how, url in self.requests)

    def close(self) -> None:
        """Close it, and tell what went wrong in it."""
        self.context.close()
        assert not self.wrong, self.wrong[:5]


def until(page: Page, holds: Callable[[], object], seconds: float = PATIENCE, what: str = "") -> None:
    """Wait for something to hold, with patience, and the longer it takes the less often look: a look is work, too."""
    began = time.monotonic()
    while not holds():
        waited = time.monotonic() - began
        assert waited < seconds, what or page.inner_text("body")
        page.wait_for_timeout(min(100.0, max(20.0, waited * 100)))


def leads(tabs: Sequence[Page]) -> Page:
    """The tab that has the stream, once it is the only one of all tabs."""
    until(tabs[0], lambda: sum(map(_streams, tabs)) == 1)
    (one,) = filter(_streams, tabs)
    return one


def _streams(page: Page) -> int:
    """How many a tab has open."""
    return int(page.evaluate("streams.filter(one => one.readyState !== EventSource.CLOSED).length"))


def die(page: Page) -> None:
    """End a tab's process, so that it can say no last word."""
    with pytest.raises(Error, match="ERR_ABORTED"):
        page.goto("chrome://crash")
    page.close()


def painted(page: Page, times: int) -> list[float]:
    """The moments at which the page's content changes, so many of them, in its own milliseconds."""
    page.evaluate("""() => { window.paints = [];
        new MutationObserver(() => paints.push(performance.now())).observe(document.body,
            {subtree: true, childList: true, attributes: true, characterData: true}); }""")
    until(page, lambda: page.evaluate("paints.length") >= times, PATIENCE + times)
    return [float(moment) for moment in page.evaluate("paints")]


def fits(page: Page, width: int) -> None:
    """Nothing has to be scrolled sideways."""
    page.set_viewport_size({"width": width, "height": 900})
    wide: list[str] = page.evaluate("""(width) => document.documentElement.scrollWidth <= width ? [] :
        [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + .5)
            .map(e => e.outerHTML.slice(0, 120))""", width)
    assert not wide, wide


def accessible(page: Page, rules: Sequence[str] = ()) -> None:
    """axe-core finds nothing, by these of its rules or by all.

    It is evaluated by the debugger, which the page's policy does not keep from that.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"{_AXE}; 0")
    only = {"runOnly": {"type": "rule", "values": [*rules]}} if rules else {}
    found = page.evaluate("""async (only) =>
        (await axe.run(document, {resultTypes: ['violations'], ...only})).violations""", only)
    told = [(one["id"], [node["html"][:160] + " " + node["failureSummary"] for node in one["nodes"]]) for one in found]
    assert not told, json.dumps(told, indent=1)


def looked_at(page: Page, name: str) -> None:
    """Judge a state as it is, light and dark, wide, narrow (on a phone, by finger), and at twice the size."""
    wire = page.context.new_cdp_session(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 390):
            fits(page, width)
            _by_finger(page, wire, on=width == 390)
            if SHOTS:
                if "dialog" not in name:  # as high as all of it: a picture of more than is seen would be none by finger
                    height: int = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(900, height)})
                    _by_finger(page, wire, on=width == 390)
                page.wait_for_timeout(200)
                page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png")
            if scheme == "light" or width == 1280:
                accessible(page, () if scheme == "light" else _OF_COLOURS)
    wire.detach()  # ends the finger, too
    for width in (640, 320):  # 1280 at twice the size, and WCAG 1.4.10
        fits(page, width)
        assert page.evaluate("document.querySelector('.brand').offsetHeight") < 32, "its name stands in one line"
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-dark.png", full_page="dialog" not in name)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def _by_finger(page: Page, wire: CDPSession, *, on: bool) -> None:
    wire.send("Emulation.setTouchEmulationEnabled", {"enabled": on})
    until(page, lambda: page.evaluate("matchMedia('(pointer: coarse)').matches") is on)


def number(text: str) -> int:
    """The first number in a text; 0 without one."""
    found = re.search(r"[\d,]+", text)
    return int(found[0].replace(",", "")) if found else 0
