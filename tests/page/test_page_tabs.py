"""Many tabs, a proxy, a daemon that comes and goes, and who may."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_browser import Window, die, leads, until
from page_desk import TOKEN, Desk
from playwright.sync_api import Page, Route
from ports import free_port

OpenWindow = Callable[..., Window]


@pytest.mark.slow
def test_seven_tabs_have_one_stream_and_another_takes_it_over_whether_a_tab_ends_with_a_word_or_without(
        desk: Desk, window: OpenWindow) -> None:
    """A browser has six connections for a server: with a stream for each tab the seventh would never load."""
    desk.studio.start()
    here = window(desk.origin)
    tabs = [here.open() for _ in range(7)]
    for name in ("a.wav", "b.wav", "c.wav"):
        one = leads(tabs)
        desk.drop(name)
        for page in tabs:
            page.locator("#done .row", has_text=name).wait_for()
        (die if name == "b.wav" else Page.close)(one)
        tabs = [page for page in tabs if page is not one]


def test_the_last_word_of_a_tab_that_led_before_makes_nobody_lead_anew(desk: Desk, window: OpenWindow) -> None:
    """Frozen in the background it has not heard yet that another leads."""
    desk.studio.start()
    here = window(desk.origin)
    tabs = [here.open() for _ in range(3)]
    tabs[0].wait_for_timeout(1000)  # whoever wants to lead does
    before = here.asked("/api/events")
    tabs[1].evaluate("new BroadcastChannel('diffio-watch /').postMessage({kind: 'bye', claim: Date.now() - 60000})")
    tabs[0].wait_for_timeout(1000)
    assert here.asked("/api/events") == before


def test_a_tab_that_comes_to_lead_before_it_knows_of_its_login_listens_all_the_same(
        desk: Desk, window: OpenWindow) -> None:
    """It led, took itself for locked, and was told of the login when nobody was to open a stream any more."""
    desk.studio.start()
    here = window(f"http://studio.test:{desk.port}")
    here.troubled = True  # 401 before the login
    page = here.context.new_page()
    page.add_init_script("""const later = window.setTimeout;
        window.setTimeout = (does, ms, ...rest) =>
          ms >= 400 && ms < 800 ? (window.come = does, 0) : later(does, ms, ...rest);""")
    page.goto(here.origin)
    page.get_by_label("Token").fill(TOKEN)
    held: list[Route] = []
    page.route("**/api/status", lambda route: held.append(route))  # noqa: PLW0108  # it looks at the signature
    page.keyboard.press("Enter")
    until(page, lambda: held)
    page.evaluate("window.come()")
    page.unroute("**/api/status")  # they go on
    until(page, lambda: here.asked("/api/events"))


@pytest.mark.slow
def test_behind_a_proxy_under_a_path_it_looks_old_without_the_daemon_and_comes_back_by_itself(
        desk: Desk, window: OpenWindow, tmp_path: Path) -> None:
    desk.service.change(seconds=3600.0)
    desk.studio.launch()
    with _nginx(tmp_path, desk) as port:
        _answers(desk.origin)
        here = window(f"http://studio.test:{port}/a/b/")
        here.troubled = True  # 401 before the login, 502 without the daemon
        page = here.context.new_page()
        page.goto(here.origin + "/")
        page.get_by_label("Token").fill("a wrong one, to begin with")
        page.get_by_role("button", name="Log in").click()
        until(page, lambda: "not the token" in page.inner_text("#login-error"))
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-ready]")
        until(page, lambda: not page.locator("#login").is_visible())

        desk.drop("a.wav")
        until(page, lambda: "is being restored" in page.inner_text("#now"))  # nginx holds nothing back
        page.click("#tab-service")
        card = page.locator("#service .card", has=page.get_by_role("heading", name="podcasts"))
        card.get_by_role("button", name="Pause").click()
        until(page, lambda: "Paused: podcasts" in card.inner_text())
        card.get_by_role("button", name="Go on").click()
        until(page, lambda: "Goes on: podcasts" in card.inner_text())

        desk.studio.kill()
        until(page, lambda: page.locator("body.old").count())
        until(page, lambda: page.locator("#service button:enabled").filter(has_not_text="Log out").count() == 0)
        assert "It goes on by itself" in page.inner_text("#age")
        asked = here.asked("/api/status")
        until(page, lambda: here.asked("/api/status") >= asked + 2)  # some 502s
        page.evaluate("window.same = true")
        desk.studio.launch()
        _answers(desk.origin)
        until(page, lambda: not page.locator("body.old").count())
        assert page.evaluate("window.same"), "it was not loaded again"
        page.click("#tab-work")
        desk.drop("b.wav")
        until(page, lambda: "b.wav" in page.inner_text("#now"))
        assert not [url for _, url in here.requests if TOKEN in url]


def test_a_token_in_the_address_logs_in_and_leaves_address_and_history_at_once(
        desk: Desk, window: OpenWindow) -> None:
    desk.studio.start()
    here = window(desk.origin)
    page = here.open(f"/#token={TOKEN}")
    assert page.url == f"{desk.origin}/"
    until(page, lambda: here.asked("/api/login", "POST") == 1)
    page.click("#tab-service")
    until(page, lambda: page.get_by_role("button", name="Log out here").is_visible())
    page.goto("about:blank")
    page.go_back()
    assert TOKEN not in page.url
    assert not [url for _, url in here.requests if TOKEN in url]
    assert TOKEN not in desk.studio.log_file.read_text()
    assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0


def test_without_a_token_a_button_asks_for_it_and_nothing_is_sent(desk: Desk, window: OpenWindow) -> None:
    desk.studio.start()
    here = window(desk.origin)
    page = here.open()
    page.click("#tab-service")
    page.get_by_role("button", name="Pause everything").click()
    assert page.locator("#login").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#login").is_visible()
    assert here.asked("/api/requests", "POST") == 0


def test_a_name_that_the_page_does_not_know_is_told_with_the_line_to_add(desk: Desk, window: OpenWindow) -> None:
    desk.studio.start()
    far = window(f"http://nas.test:{desk.port}")
    far.troubled = True
    page = far.context.new_page()
    page.goto(far.origin)
    until(page, lambda: "web: {hosts: [nas.test]}" in page.inner_text("body"))


def test_after_the_logout_nothing_can_be_changed_in_any_tab(desk: Desk, window: OpenWindow) -> None:
    desk.studio.start()
    here = window(desk.origin)
    page, other = here.open(f"/#token={TOKEN}"), here.open()
    page.click("#tab-service")
    page.get_by_role("button", name="Log out here").click()
    until(page, lambda: not page.get_by_role("button", name="Log out here").is_visible())
    other.click("#tab-service")
    until(other, lambda: not other.get_by_role("button", name="Log out here").is_visible())
    other.get_by_role("button", name="Pause everything").click()
    until(other, lambda: other.locator("#login").is_visible())
    assert here.asked("/api/requests", "POST") == 0


def test_where_a_request_gets_lost_it_says_that_nobody_knows(desk: Desk, window: OpenWindow) -> None:
    desk.studio.start()
    here = window(desk.origin)
    here.troubled = True
    page = here.open(f"/#token={TOKEN}")
    page.click("#tab-service")
    page.route("**/api/requests", lambda route: route.abort())
    button = page.get_by_role("button", name="Pause everything")
    page.evaluate("""() => { window.off = null;
        const button = [...document.querySelectorAll("button")].find(one => one.textContent === "Pause everything");
        new MutationObserver(() => {
            if (document.querySelector("#service .answer")?.innerText.includes("look before you ask again"))
                off ??= button.disabled;
        }).observe(document.body, {subtree: true, childList: true, characterData: true}); }""")
    button.click()
    until(page, lambda: page.evaluate("off") is not None)
    assert page.evaluate("off"), "a second click does nothing as long as what the first one did may not show yet"
    page.unroute("**/api/requests")
    until(page, button.is_enabled)
    button.click()
    until(page, lambda: "Paused: every inbox" in page.inner_text("#service .answer"))
    until(page, lambda: "paused" in page.inner_text("#verdict"), what="the answer above is the one of now on each tab")
    page.get_by_role("button", name="Go on").click()
    until(page, lambda: "every inbox" in page.inner_text("#service .answer")
          and "Paused: every" not in page.inner_text("#service"), what="the newest answer stands alone")
    until(page, lambda: "paused" not in page.inner_text("#verdict"))
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        out = page.get_by_role("button", name="Log out here").bounding_box()
        assert out is not None
        assert out["height"] < 50, "it does not grow with the answer beside it"
        money = page.locator("#service dt", has_text="Minutes").locator("xpath=following-sibling::dd").bounding_box()
        assert money is not None
        assert money["width"] > 150, "it can be read"


def _answers(origin: str) -> None:
    """Wait for the page to be served."""
    end = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(origin + "/api/status", timeout=5):
                return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)


@contextmanager
def _nginx(folder: Path, desk: Desk) -> Iterator[int]:
    """A proxy with nginx' own defaults that has the page under /a/b/; its port."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.access(program, os.X_OK):
        pytest.skip("nginx is missing")
    port, base = free_port(), folder / "nginx"
    base.mkdir()
    base.chmod(0o755)
    paths = "".join(f"{kind}_temp_path {base}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    (base / "nginx.conf").write_text(f"""
        {user} daemon off; worker_processes 1; pid {base}/pid; error_log {base}/error.log;
        events {{}}
        http {{ access_log {base}/access.log; {paths}
            server {{ listen 127.0.0.1:{port};
                location /a/b/ {{ proxy_pass http://127.0.0.1:{desk.port}/;
                    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; }} }} }}""")
    with (base / "told").open("w") as told:
        process = subprocess.Popen([program, "-p", str(base), "-c", str(base / "nginx.conf")], stderr=told, stdout=told)
    try:
        end = time.monotonic() + 10
        while not (base / "pid").exists():
            assert process.poll() is None, (base / "told").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
