"""What an editor sees while recordings come and go, and what it costs the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from page_browser import Window, painted, until
from page_desk import TOKEN, Desk, changing
from sounds import sound

import diffio_watch.service
from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Journal
from diffio_watch.reasons import because

OpenWindow = Callable[..., Window]


def test_a_dropped_file_appears_moves_through_its_steps_and_ends_as_done_without_a_reload(
        desk: Desk, window: OpenWindow) -> None:
    desk.service.change(seconds=3600.0)
    desk.studio.start()
    here = window(desk.origin)
    page = here.open()
    assert "Nothing is on its way" in page.inner_text("#now-more")
    desk.drop("show 12/interview.wav")
    until(page, lambda: page.locator("#now .row").count())
    row = page.locator("#now .row")
    assert row.locator(".name").inner_text() == "interview.wav"
    assert row.locator(".folder").inner_text() == "show 12"
    until(page, lambda: "is being restored" in row.inner_text())
    desk.studio.ready()
    until(page, lambda: page.locator("#done .row").count())
    assert page.locator("#now .row").count() == 0
    done = page.locator("#done .row")
    assert done.get_by_role("link", name="Sound").get_attribute("download") == ""
    with page.expect_download() as saved:
        done.get_by_role("link", name="Sound").click()
    assert saved.value.suggested_filename == "interview.restored.wav"
    assert [url for _, url in here.requests].count(f"{desk.origin}/") == 1
    assert not [url for _, url in here.requests if "player" in url], "it comes when a recording is opened"


def test_html_style_and_scripts_stay_under_60_kb() -> None:
    files = (Path(diffio_watch.service.__file__).parent / "page").iterdir()
    sizes = {file.name: file.stat().st_size for file in files if file.suffix in {".html", ".css", ".js"}}
    player = sum(map(sizes.pop, ("player.js", "sides.js", "player.css")))  # loaded when a recording is opened
    assert (sum(sizes.values()) <= 60_000, player <= 25_000) == (True, True), (sizes, player)


@pytest.mark.slow
def test_at_1000_changes_a_second_it_paints_at_most_twice_a_second_and_keeps_what_is_open(
        desk: Desk, window: OpenWindow) -> None:
    desk.service.change(seconds=3600.0)
    names = [f"take {number}.wav" for number in range(8)]
    desk.drop(*names)
    desk.studio.start()
    desk.studio.wait(*names, state="waiting")
    page = window(desk.origin).open()
    until(page, lambda: page.locator("#now .row").count() == len(names))
    page.locator("#now .name").first.focus()
    held = page.evaluate_handle("document.activeElement")
    with changing(desk.studio):
        paints = painted(page, 8)
    span = (paints[-1] - paints[0]) / 1000
    assert len(paints) <= 2 * span + 2, paints  # the first and the last may be late, and stand nearer to each other
    assert page.evaluate("node => node.isConnected && node === document.activeElement", held)


@pytest.mark.slow
def test_a_group_of_failures_is_one_click_one_request_and_the_daemons_answer_beside_it(
        desk: Desk, window: OpenWindow) -> None:
    names = [f"note {number:03}.wav" for number in range(214)]
    for name in names:
        desk.drop(name, content=f"no sound at all, {name}".encode() * 40)
    desk.studio.start()
    desk.studio.wait(*names, state="failed: not_media", seconds=60)
    here = window(desk.origin)
    page = here.open(f"/#token={TOKEN}")
    card = page.locator("#groups .card")
    until(page, lambda: "214 recordings" in card.inner_text())
    assert card.count() == 1
    code, out, _ = desk.studio.command("jobs", "--json", "--state", "failed", "--limit", "1000")
    assert (code, len(json.loads(out))) == (0, 214)

    card.get_by_text("Show the 214").click()
    until(page, lambda: card.locator(".row").count() == 50)
    card.get_by_role("button", name="Show more").click()
    until(page, lambda: card.locator(".row").count() == 100)

    button = card.get_by_role("button", name=re.compile("^Leave out"))
    assert button.inner_text() == "Leave out: 214, free"
    button.dblclick()
    answer = card.locator(".answer")
    until(page, lambda: "Asked" not in answer.inner_text())
    until(page, lambda: desk.studio.counts()[State.CANCELLED] == 214)
    assert here.asked("/api/requests", "POST") == 1
    # the answer stands although the group is gone
    until(page, lambda: card.locator(".badge").inner_text() == "Asked")
    assert answer.inner_text() == "214 recordings are left out."
    assert page.locator("#needs").is_visible()


@pytest.mark.slow
def test_names_are_shown_as_they_are_whatever_they_hold(desk: Desk, window: OpenWindow) -> None:
    names = ["<script>alert(1)<|script>.wav", '"><img src=x onerror=alert(1)>.wav', "abc\u202egnp.wav",
             "two\nlines.wav", "x" * 251 + ".wav", "bad \udcff utf-8.wav"]
    desk.drop(*names)
    desk.studio.start()
    desk.studio.wait(*names)
    page = window(desk.origin).open()
    until(page, lambda: page.locator("#done .row").count() == len(names))
    shown = set(page.locator("#done .name").all_text_contents())
    assert shown == {names[0], names[1], names[4], "abc\\xe2\\x80\\xaegnp.wav", "two\\x0alines.wav",
                     "bad \\xff utf-8.wav"}
    assert page.locator("#done script, #done img").count() == 0
    for name in sorted(shown):
        page.locator("#done .name", has_text=name[:60]).first.click()
        until(page, lambda name=name: page.inner_text("#job-title") == name)  # type: ignore[misc]  # bound here
        page.get_by_role("button", name="Close").click()


def test_a_recording_whose_files_went_away_says_so_and_leaves_the_console_empty(
        desk: Desk, window: OpenWindow) -> None:
    desk.drop("take 1.wav")
    desk.studio.start()
    desk.studio.wait("take 1.wav")
    (desk.studio.outbox() / "take 1.restored.wav").unlink()
    (desk.studio.inbox() / "take 1.wav").unlink()
    page = window(desk.origin).open()
    page.locator("#done .name", has_text="take 1").click()
    until(page, lambda: "not where it was" in page.inner_text("#job .sound"))


def test_a_copy_tells_of_what_and_leads_to_its_result(desk: Desk, window: OpenWindow) -> None:
    desk.drop("show 1/take 1.wav", content=sound("one"))
    desk.studio.start()
    desk.studio.wait("show 1/take 1.wav")
    desk.drop("again.wav", content=sound("one"))
    desk.studio.wait("again.wav", state="skipped: duplicate")
    page = window(desk.origin).open()
    page.fill("#name", "again.wav")
    page.keyboard.press("Enter")
    until(page, lambda: page.locator("#found .row").count() == 1)
    told = "again.wav: It is a copy of show 1/take 1.wav, which was restored before. Nothing to do."
    until(page, lambda: told in page.inner_text("#answer"))
    page.locator("#answer summary").click()
    assert page.locator("#answer code").all_inner_texts() == ["include", "exclude"]
    assert "not a root:" in page.inner_text("#answer")
    page.get_by_role("button", name="Show what it is a copy of").click()
    until(page, lambda: page.inner_text("#job-title") == "take 1.wav")
    page.get_by_role("button", name="Close").click()
    page.locator("#found .name").click()
    until(page, lambda: page.locator("#job .history li").count())
    assert "is being fetched" not in page.inner_text("#job .history >> nth=0")
    assert "?" not in page.inner_text("#job .pairs >> nth=0")
    page.locator("#job").get_by_role("button", name="Show what it is a copy of").click()
    until(page, lambda: page.inner_text("#job-title") == "take 1.wav")


def test_a_button_that_changed_just_as_it_was_pressed_asks_nothing(desk: Desk, window: OpenWindow) -> None:
    """A drop goes on while somebody aims at what it costs."""
    desk.studio.start()
    here = window(desk.origin)
    with Journal.open(desk.studio.state) as journal:
        def held(*paths: str) -> None:
            journal.jobs.add([Job(new_id(), "podcasts", path, 9_000_000, 7, Settings(), state=State.HELD, due_at=None,
                                  because=because("drop_size", limit=1, inbox="podcasts")) for path in paths])

        held("a.wav")
        page = here.open(f"/#token={TOKEN}")
        until(page, lambda: page.locator("#groups button:has-text('Approve 1,')").count())
        page.evaluate("""() => { const button = document.querySelector('#groups .buttons button');
            new MutationObserver((_, all) => { all.disconnect(); button.click(); }).observe(button,
                {subtree: true, childList: true, characterData: true}); }""")
        held("b.wav", "c.wav")
        until(page, lambda: "changed just as you pressed it" in page.inner_text("#groups"))
        assert here.asked("/api/requests", "POST") == 0
        page.wait_for_timeout(500)
        page.locator("#groups button:has-text('Approve 3,')").click()
        until(page, lambda: here.asked("/api/requests", "POST") == 1)
