"""Every state of the page: can be read and used by everybody, at every width, light and dark.

`DIFFIO_PAGE_SHOTS=FOLDER` paints each of them there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import service_page
import tones
from page_browser import SHOTS, Window, looked_at, number, until
from page_desk import TOKEN, Desk
from playwright.sync_api import Page
from ports import free_port

from diffio_watch.job import State

OpenWindow = Callable[..., Window]
pytestmark = pytest.mark.slow


def _open(desk: Desk, window: OpenWindow) -> tuple[Window, Page]:
    here = window(desk.origin, reduced_motion="reduce")
    return here, here.open(f"/#token={TOKEN}")


def _level(page: Page, level: str) -> None:
    until(page, lambda: page.get_attribute("#verdict", "data-level") == level)


def test_nothing_yet_busy_done_and_one_recording(desk: Desk, window: OpenWindow) -> None:
    desk.service.change(seconds=40.0)
    desk.studio.start()
    _, page = _open(desk, window)
    _level(page, "setup")
    looked_at(page, "empty")

    done = ["show 12/interview Müller.wav", "show 12/room tone.wav", "trailer final (2).wav"]
    desk.service.change(seconds=0)
    desk.drop(*done)
    desk.studio.wait(*done)
    desk.service.change(seconds=600.0)
    moving = [f"show 13/take {number}.wav" for number in range(5)]
    desk.drop(*moving)
    desk.studio.wait(*moving, state="waiting")
    desk.service.skip(200.0)
    _level(page, "busy")
    until(page, lambda: page.locator("#now .row").count() == 5 and page.locator("#done .row").count() == 3)
    page.wait_for_timeout(3000)
    looked_at(page, "busy")

    page.fill("#name", "interview")
    page.keyboard.press("Enter")
    until(page, lambda: page.locator("#found .row").count() == 1)
    assert not page.locator("#answer .answer").count(), "it is a part of a name"
    page.fill("#name", "interview Müller.wav")
    page.keyboard.press("Enter")
    until(page, lambda: page.locator("#answer .answer").count())
    looked_at(page, "found")
    page.fill("#name", "show 1")
    until(page, lambda: page.locator("#found .row").count() == 7)
    looked_at(page, "found-many")
    page.fill("#name", "show 12/intervju.wav")
    page.keyboard.press("Enter")
    until(page, lambda: "No recording of the name" in page.inner_text("#answer"))
    looked_at(page, "found-nothing")
    page.fill("#name", "")
    until(page, lambda: not page.locator("#found .row").count())

    page.click("#older-first")
    until(page, lambda: "no earlier ones" in page.inner_text("#older-none"))
    page.locator("#done .name", has_text="trailer").click()
    until(page, lambda: page.locator("#job .history li").count() >= 4)
    looked_at(page, "dialog")
    page.locator("#job summary", has_text="Details").click()
    looked_at(page, "dialog-details")
    page.keyboard.press("Escape")

    page.click("#tab-service")
    until(page, lambda: page.locator("#service .card").count() >= 2)
    looked_at(page, "service")


def test_failures_a_held_drop_and_an_answer(desk: Desk, window: OpenWindow) -> None:
    desk.studio.config["limits"] = {"approve_over_files": 60}
    desk.service.change(failing={"*": "The worker was lost."})
    failing = [f"show 1/part {number}.wav" for number in range(6)]
    text = [f"notes {number}.wav" for number in range(4)]
    desk.studio.start()
    desk.drop(*failing)
    for name in text:
        desk.drop(name, content=f"no sound, {name}".encode() * 40)
    desk.drop("camera/empty.wav", content=b"RIFF")
    desk.studio.wait(*failing, state="failed: generation_failed")
    desk.studio.wait(*text, state="failed: not_media")
    drop = [f"old {number:04}.wav" for number in range(812)]
    desk.drop(*(f".coming/{name}" for name in drop))
    (desk.studio.inbox() / ".coming").rename(desk.studio.inbox() / "archive")  # all in one moment
    drop = [f"archive/{name}" for name in drop]
    desk.studio.wait(*drop, state="held: drop_size", seconds=60)
    here, page = _open(desk, window)
    _level(page, "needs")
    until(page, lambda: page.locator("#groups .card").count() >= 3)
    looked_at(page, "failures")
    page.locator("#groups .card", has_text="812").get_by_text("Show the 812").click()
    until(page, lambda: page.locator("#groups .row").count() == 50)
    page.locator("#groups details", has_text="For your administrator").first.locator("summary").last.click()
    looked_at(page, "failures-open")
    page.locator("#groups .row .name").first.click()
    until(page, lambda: page.locator("#job .history li").count())
    looked_at(page, "dialog-held")
    page.keyboard.press("Escape")
    card = page.locator("#groups .card").first
    card.get_by_role("button", name="Leave out").click()
    until(page, lambda: "Asked…" not in card.locator(".answer").inner_text())
    until(page, lambda: card.locator(".badge").inner_text() == "Asked")
    looked_at(page, "answer")
    assert here.asked("/api/requests", "POST") == 1


def test_stops_pauses_and_a_share_that_is_away(desk: Desk, window: OpenWindow) -> None:
    desk.service.change(account="billing")
    desk.studio.start()
    names = [f"take {number}.wav" for number in range(3)]
    desk.drop(*names)
    _, page = _open(desk, window)
    _level(page, "stopped")
    looked_at(page, "billing")
    page.click("#tab-service")
    looked_at(page, "billing-service")
    page.click("#tab-work")
    assert not page.locator("#groups .message").is_visible(), "the verdict says it already"
    assert "since" in page.inner_text("#groups .what")

    desk.service.change(account="good", seconds=600.0)
    desk.studio.command("resume")
    _level(page, "busy")
    desk.studio.command("pause")
    _level(page, "paused")
    looked_at(page, "paused")
    desk.studio.command("resume")
    _level(page, "busy")

    inbox = desk.studio.inbox()
    inbox.rename(inbox.with_name("away"))
    _level(page, "away")
    looked_at(page, "away")
    page.click("#tab-service")
    looked_at(page, "away-service")
    inbox.with_name("away").rename(inbox)


def test_thousands_in_the_queue(desk: Desk, window: OpenWindow) -> None:
    desk.studio.config["limits"] = {"approve_over_files": None}
    desk.service.fault("create_project", "delay", seconds=2.0)
    desk.service.change(seconds=600.0)
    many = 10_000 if SHOTS else 1_500
    desk.drop(*(f"archive {number % 40}/reel {number:05}.wav" for number in range(many)))
    desk.studio.start()
    _, page = _open(desk, window)
    _level(page, "busy")
    until(page, lambda: number(page.inner_text("#now-count").rpartition(" · ")[2]) > many * 0.9, 90)
    until(page, lambda: page.locator("#now .row").count() > 10 and "not picked up" not in page.inner_text("#now"), 90)
    assert page.locator(".row").count() <= 100
    assert page.locator("#now .row >> visible=true").count() == 8, "what was done today is on the first screen, too"
    looked_at(page, "queued")
    page.click("#now-all")
    until(page, lambda: page.locator("#now .row >> visible=true").count() == page.locator("#now .row").count())


def test_without_a_token_and_without_the_daemon(desk: Desk, window: OpenWindow) -> None:
    desk.service.change(seconds=600.0)
    desk.studio.start()
    desk.drop("take 1.wav")
    far = window(f"http://studio.test:{desk.port}")
    far.troubled = True
    page = far.context.new_page()
    page.goto(far.origin + "/")
    until(page, lambda: page.locator("#login").is_visible())
    looked_at(page, "dialog-login")
    asked = len(far.requests)
    page.wait_for_timeout(5000)
    assert far.requests[asked:] == [], "nothing is asked before the login"
    page.get_by_label("Token").fill("another")
    page.keyboard.press("Enter")
    until(page, lambda: "Ask your administrator" in page.inner_text("#login-error"))
    page.keyboard.press("Escape")
    assert page.locator("#login").is_visible(), "there is nothing else to see"
    looked_at(page, "dialog-login-wrong")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    _level(page, "busy")
    desk.studio.stop()
    page.fill("#name", "take 1.wav")
    page.keyboard.press("Enter")
    until(page, lambda: page.locator("body.old").count())
    assert not page.locator("#answer .answer").count()
    assert page.inner_text("#found-none") == "diffio-watch does not answer."
    assert page.inner_text("#verdict-words") == "Last known: Everything is being restored."
    assert page.title().startswith("Not connected."), "who looks at another tab sees no more than this"
    looked_at(page, "lost")
    page.click("#tab-service")
    looked_at(page, "lost-service")


def test_a_recording_with_its_player(desk: Desk, window: OpenWindow, tmp_path: Path) -> None:
    desk.service.change(filters=True)  # which take the hiss away
    voice = [tone // 2 + (hiss if at // tones.RATE % 16 > 11 else 0)
             for at, (tone, hiss) in enumerate(zip(tones.voice(40), tones.speech(40), strict=True))]
    desk.drop("show 12/interview with a very long name, take 3, the one after lunch (final) v2.wav",
              content=tones.write(tmp_path / "voice.wav", voice).read_bytes())
    desk.studio.start()
    _, page = _open(desk, window)
    until(page, lambda: "→" in page.inner_text("#done"), 60, "its loudness is known")
    looked_at(page, "done")
    page.get_by_role("button", name="▶ Play").click()
    until(page, lambda: page.get_by_role("button", name="Pause", exact=True).is_visible())
    until(page, lambda: page.get_by_role("button", name="Next difference").is_visible(), 30)
    until(page, lambda: "0:00 /" not in page.inner_text(".clock"))
    looked_at(page, "dialog-player")
    page.keyboard.press("l")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    page.keyboard.press("a")
    page.locator("#job summary", has_text="Keys").click()
    looked_at(page, "dialog-player-loop")
    page.keyboard.press("l")
    page.get_by_role("button", name="Don't tell me").click()
    looked_at(page, "dialog-player-blind")


def test_the_whole_of_the_second_tab(desk: Desk, window: OpenWindow) -> None:
    studio, base = desk.studio, desk.studio.base
    (base / "secret").write_text("whsec_" + "c2VjcmV0IG9mIHRoZSBzdHVkaW8=" + "\n")
    (base / "secret").chmod(0o600)
    for name in ("films", "radio", "trailers"):
        studio.inboxes[name] = {}
        studio.inbox(name).mkdir(parents=True)
        studio.outbox(name).mkdir(parents=True)
    studio.config |= {"limits": {"daily_files": 40, "daily_minutes": 600},
                      "webhook": {"listen": f"127.0.0.1:{free_port()}", "secret_file": str(base / "secret")},
                      "notify": {"urls": [f"json://127.0.0.1:{free_port()}/nobody-is-there"]}}
    desk.service.change(seconds=600.0)
    desk.drop("take 1.wav", "take 2.wav")
    desk.drop("text.wav", content=b"no sound at all" * 40)
    studio.start()
    studio.wait("text.wav", state="failed: not_media")
    studio.command("check")
    studio.command("pause", "radio")
    studio.inbox("trailers").rename(base / "away")
    _, page = _open(desk, window)
    page.click("#tab-service")
    until(page, lambda: "is not there" in page.inner_text("#service") and "Paused" in page.inner_text("#service"), 20)
    until(page, lambda: "Notices" in page.inner_text("#service"))
    until(page, lambda: "not restored" in page.inner_text("#service"), 60, "a notice that did not arrive is told")
    looked_at(page, "service-whole")
    page.click("#tab-work")
    [failed] = page.locator("#groups .card", has_text="Did not work").all()
    told = failed.locator(".what").inner_text().split("\n")
    assert told == ["Did not work", "text.wav", "podcasts"], "which one it is"
    looked_at(page, "several")


def test_while_no_daemon_runs_the_page_says_so(tmp_path: Path, window: OpenWindow) -> None:
    with service_page.page(tmp_path) as place:
        for number in range(3):
            place.add(f"take {number}.wav", state=State.QUEUED, detected_at=1e9 + number)
        here = window(f"http://127.0.0.1:{place.port}")
        page = here.open()
        _level(page, "stopped")
        assert "does not run on this machine" in page.inner_text("#verdict-words")
        looked_at(page, "stopped")
        here.troubled = True  # now the page ends before the window does


def test_where_the_connection_is_lost_it_is_told(desk: Desk, window: OpenWindow) -> None:
    desk.drop("take 1.wav")
    desk.studio.start()
    desk.studio.wait("take 1.wav")
    here, page = _open(desk, window)
    here.troubled = True
    _level(page, "good")
    page.route("**/api/**", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    desk.studio.stop()
    until(page, lambda: "answered 502" in page.inner_text("#age"), 12.0)
    looked_at(page, "proxy")


def test_everything_is_reached_by_keyboard_and_keeps_its_focus(desk: Desk, window: OpenWindow) -> None:
    desk.drop("take 1.wav", "take 2.wav")
    desk.drop("text.wav", content=b"no sound at all" * 40)
    desk.studio.start()
    desk.studio.wait("take 1.wav", "take 2.wav")
    desk.studio.wait("text.wav", state="failed: not_media")
    _, page = _open(desk, window)
    until(page, lambda: page.locator("#done .row").count() == 2 and page.locator("#groups .card").count() == 1)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        told = page.evaluate("""() => { const e = document.activeElement, box = e.getBoundingClientRect();
            return e === document.body ? null :
                [e.id || e.textContent.trim(), getComputedStyle(e).outlineStyle, box.width > 0]; }""")
        if told is None:
            break
        assert told[1:] == ["solid", True], f"it shows where it is: {told}"
        reached.append(told[0])
    for wanted in ("tab-work", "name", "Find", "take 1.wav", "▶ Play take 2.wav", "Sound take 2.wav", "older-first"):
        assert wanted in reached, reached
    assert any(one.startswith("Leave out: 1, free") for one in reached), reached

    page.locator("#done .name", has_text="take 1").focus()
    page.keyboard.press("Enter")
    until(page, lambda: page.locator("#job .history li").count())
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "take 1.wav"
    desk.drop("take 3.wav")
    until(page, lambda: page.locator("#done .row").count() == 3)
    assert page.evaluate("document.activeElement.textContent") == "take 1.wav"

    page.locator("#tab-work").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-service"
    assert page.locator("#service").is_visible(), "at once"
    assert not page.locator("#work").is_visible()


def test_a_file_dropped_on_the_field_is_asked_for_by_its_name_and_not_read(desk: Desk, window: OpenWindow) -> None:
    desk.drop("take 1.wav")
    desk.studio.start()
    desk.studio.wait("take 1.wav")
    here, page = _open(desk, window)
    page.evaluate("""() => { const files = new DataTransfer();
        files.items.add(new File(['secret sound'], 'take 1.wav'));
        document.getElementById('where').dispatchEvent(
            new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true})); }""")
    until(page, lambda: page.locator("#answer .answer").count())
    assert page.input_value("#name") == "take 1.wav"
    until(page, lambda: page.locator("#found .row").count() == 1)
    assert all(method == "GET" or url.endswith("/api/login") for method, url in here.requests)
    page.fill("#name", "never seen.wav")
    page.keyboard.press("Enter")
    until(page, lambda: "never seen" in page.inner_text("#answer") or "no " in page.inner_text("#answer").lower())
