"""The player in a real browser: what is heard, when, how loud, and by which keys."""

from __future__ import annotations

import array
import fcntl
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hearing
import pytest
import tones
from hearing import level
from listener import PATIENCE, Listener, listening
from service_page import Place, page
from service_sound import delivered, known, until

from diffio_watch.job import Job

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("av")
pytestmark = pytest.mark.slow  # a second is a second when one listens
LATE, QUIETER = 0.12, 17.0  # seconds, dB


@pytest.fixture(scope="module")
def pair(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Job]]:
    """A page with one recording, whose restored side is quieter and late, all known: each worker has a copy."""
    made = shared / "sound-pair"
    with (shared / "sound-pair.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make_pair(shared / "sound-pair.part")
            (shared / "sound-pair.part").rename(made)
    with page(shutil.copytree(made, tmp_path_factory.mktemp("pair"), dirs_exist_ok=True)) as place:
        (job,) = place.journal.jobs.newest()
        yield place, job


def _make_pair(folder: Path) -> None:
    folder.mkdir()
    with page(folder) as place:
        voice, by = tones.voice(40), 10 ** (-QUIETER / 20)
        job = delivered(place, tones.write(place.inbox / "a.wav", voice),
                        tones.write(place.outbox / "a.restored.wav",
                                    [0] * round(LATE * tones.RATE) + [int(each * by) for each in voice]))
        known(place, job)


@contextmanager
def opened(browser: Browser, place: Place, job: Job, more: str = "", first: Callable[[Page], object] = lambda _: None,
           **options: Any) -> Iterator[Listener]:
    """The job on the page; `first` is done before anything is loaded."""
    with listening(browser, **options) as listener:
        first(listener.page)
        listener.page.goto(f"http://127.0.0.1:{place.port}/#job={job.id}{more}")
        listener.page.wait_for_selector(".wave")
        yield listener
        assert listener.console == []


def button(listener: Listener, name: str) -> Any:
    return listener.page.get_by_role("button", name=name, exact=True)


def lengths(listener: Listener) -> None:
    """Wait until the browser knows how long both sides are."""
    listener.until("[...document.querySelectorAll('.media *')].every((node) => node.duration > 1)")


def plays(listener: Listener) -> None:
    """Begin to play, and wait until all sides do."""
    button(listener, "Play").click()
    listener.until("[...document.querySelectorAll('.media *')].every((node) => !node.paused && node.currentTime > 0.3)")


def test_fifty_switches_leave_no_gap_no_click_and_the_sides_at_most_15_ms_apart(
        browser: Browser, pair: tuple[Place, Job]) -> None:
    chance = random.Random(3)
    with opened(browser, *pair, record=True) as listener:
        listener.page.get_by_text("120 ms late").wait_for()
        plays(listener)
        listener.begin()
        for _ in range(50):
            listener.page.keyboard.press(chance.choice("xab"))
            listener.page.wait_for_timeout(chance.uniform(50, 250))
        heard = listener.end()
    down = 10 ** (-QUIETER / 20)
    one = array.array("f", (each * down for each in heard.original))  # as it is heard
    sides = [hearing.windows(side, heard.rate, 0.02) for side in (one, heard.restored)]
    for at, loud in enumerate(hearing.windows(heard.mix, heard.rate, 0.02)):
        assert loud > min(min(side[max(0, at - 5):at + 6]) for side in sides) - 6, at
    assert hearing.step(heard.mix) <= 2 * max(map(hearing.step, (one, heard.restored)))
    apart = list(hearing.apart(one, heard.restored, heard.rate))
    found = [abs(each) for each in apart if each is not None]
    assert len(found) >= len(apart) / 2 >= 5, apart
    assert max(found) <= 0.015, apart


def test_the_same_loudness_is_within_half_a_decibel_and_without_it_the_difference_is_true(
        browser: Browser, pair: tuple[Place, Job]) -> None:
    """What is heard of either side, against the restored one as it is at that moment: so both are compared."""
    with opened(browser, *pair, record=True) as listener:
        plays(listener)
        found: dict[bool, list[float]] = {}
        for same in (True, False):
            listener.page.get_by_label("Same loudness").set_checked(same)
            words = listener.page.locator(".same").inner_text()
            assert ("(original \N{MINUS SIGN}17.0 dB)" in words) is same
            assert ("dB" in words) is same
            found[same] = []
            for key, silent in (("a", 1), ("b", 0)):
                listener.page.keyboard.press(key)
                listener.until(f"heard.gains[{silent}].gain.value === 0")
                assert all(gain <= 1.0 for gain in listener.levels())
                heard = listener.record(1.0)
                found[same].append(level(heard.mix) - level(heard.restored))
    assert abs(found[True][0] - found[True][1]) <= 0.5
    assert found[False][0] - found[False][1] == pytest.approx(QUIETER, abs=0.5)


def test_gains_go_up_only_where_nothing_would_be_heard(browser: Browser, pair: tuple[Place, Job]) -> None:
    """Then towards -23 LUFS, and never beyond a true peak of -1 dB."""
    with listening(browser) as listener:
        listener.page.goto(f"http://127.0.0.1:{pair[0].port}/")

        def gains(*sides: tuple[float | None, float]) -> Any:
            told = {str(at): {"integrated": one, "true_peak": peak} for at, (one, peak) in enumerate(sides)}
            return listener.page.evaluate(
                "async (sides) => (await import('/page/sides.js')).same(sides)", told)

        assert gains((-20, -3), (-23, -5)) == {"0": -3, "1": 0}
        assert gains((-16, -1), (-36, -20)) == {"0": -20, "1": 0}
        assert gains((-16, -1), (-60, -40)) == {"0": -7, "1": 37}
        assert gains((-50, -30), (-60, -10)) == {"0": -1, "1": 9}
        assert gains((-20, -3), (None, -3)) == {}


def test_an_hour_into_a_gigabyte_little_of_it_is_read_until_it_sounds(browser: Browser, place: Place) -> None:
    """How soon that is, the benchmarks tell."""
    one = tones.gigabyte(place.inbox / "a.wav")
    os.link(one, place.outbox / "a.restored.wav")
    job = delivered(place, one, place.outbox / "a.restored.wav", sha256="ab" * 32)
    read: list[int] = []
    ranges: list[str] = []

    def count(page: Page) -> None:
        wire = page.context.new_cdp_session(page)
        wire.on("Network.dataReceived", lambda event: read.append(event["dataLength"]))
        wire.on("Network.requestWillBeSent", lambda event: ranges.append(event["request"]["headers"].get("Range", "")))
        wire.send("Network.enable")

    with opened(browser, place, job, "&t=3601&side=b", first=count, record=True) as listener:
        listener.until("[...document.querySelectorAll('.media *')].every((node) => node.duration > 3600)")
        button(listener, "Play").click()
        listener.until("loud()", polling=20)
        assert 3600 < listener.page.evaluate("() => document.querySelector('.media *').currentTime") < 3660
        before = sum(read)  # what is told later was read later, but for the little that is under way
        until(lambda: listener.page.wait_for_timeout(50), lambda _: sum(read) > 100_000)
    starts = [int(each.removeprefix("bytes=").partition("-")[0]) for each in ranges if each]
    assert max(starts) > 3600 * 192_000
    assert len(starts) <= 12
    assert before < 20_000_000


@pytest.mark.parametrize(("codec", "form", "name"), [("alac", "ipod", "a.m4a"), ("pcm_s16be", "aiff", "a.aiff")])
def test_what_a_browser_cant_play_is_heard_through_its_preview(browser: Browser, place: Place, codec: str, form: str,
                                                               name: str) -> None:
    speech = tones.write(place.root / "s.wav", tones.voice(10))
    job = delivered(place, tones.encode(speech, place.inbox / name, codec, form),
                    tones.write(place.outbox / "a.restored.wav", tones.voice(10)))
    with opened(browser, place, job, record=True) as listener:
        listener.until("document.querySelector('.media audio').src.endsWith('/preview') "
                       "&& document.querySelector('.media audio').readyState >= 1", timeout=2 * PATIENCE)
        listener.page.keyboard.press("a")
        plays(listener)
        assert level(listener.record(0.3).original) > -30
        listener.console[:] = [line for line in listener.console if "status of" not in line]


def test_it_says_that_a_preview_is_being_prepared(browser: Browser, place: Place) -> None:
    speech = tones.write(place.root / "s.wav", tones.voice(10))
    job = delivered(place, tones.encode(speech, place.inbox / "a.m4a", "alac", "ipod"),
                    tones.write(place.outbox / "a.restored.wav", tones.voice(10)))
    with opened(browser, place, job) as listener:
        listener.page.get_by_text("Original: Preparing, about ").wait_for()


def test_what_is_no_sound_is_told_once_and_asked_for_no_more(browser: Browser, place: Place) -> None:
    """Whether it is found out while one looks, or known before; nor is anything in the console then."""
    (place.inbox / "a.wav").write_text("no sound at all")
    job = delivered(place, place.inbox / "a.wav", tones.write(place.outbox / "a.restored.wav", tones.speech(5)))
    asked: list[str] = []

    def first(page: Page) -> None:
        page.clock.install()
        page.on("request", lambda request: asked.append(request.url))

    for before in (True, False):
        with opened(browser, place, job, first=first) as listener:
            page = listener.page
            page.get_by_text("It can't be opened as sound.").first.wait_for()
            page.get_by_text("Preparing").wait_for(state="hidden")
            until(lambda page=page: page.inner_text("#job .sound").count("can't be opened"),  # type: ignore[misc]  # bound here
                  lambda count: count == 1)
            count = sum("/original" in url for url in asked)
            for _ in range(2):
                page.clock.fast_forward(2500)
                page.wait_for_timeout(100)
            assert sum("/original" in url for url in asked) == count
            assert page.inner_text("#job .sound").count("can't be opened") == 1
            page.keyboard.press("n")
            page.get_by_text("No difference is known so far.").wait_for()
            if before:  # a browser tells of each answer that is a refusal
                listener.console[:] = [line for line in listener.console if "status of" not in line]


def test_all_of_it_goes_by_keys_and_tells_where_it_is(browser: Browser, pair: tuple[Place, Job]) -> None:
    with opened(browser, *pair) as listener:
        page = listener.page
        lengths(listener)
        slider = page.get_by_role("slider", name="Original: position")
        slider.focus()
        for key, at in (("ArrowRight", "0:05"), ("PageUp", "0:35"), ("ArrowLeft", "0:30"), ("Home", "0:00")):
            page.keyboard.press(key)
            assert slider.get_attribute("aria-valuetext") == f"{at} of 0:40"
        page.keyboard.press(" ")
        button(listener, "Pause").wait_for()
        page.keyboard.press("a")
        assert button(listener, "Original").get_attribute("aria-pressed") == "true"
        page.keyboard.press("x")
        assert button(listener, "Restored").get_attribute("aria-pressed") == "true"
        assert button(listener, "Original").get_attribute("aria-pressed") == "false"
        page.keyboard.press(" ")
        button(listener, "Play").wait_for()
        assert page.locator(".wave.heard b").all_inner_texts() == ["Restored · you hear this"]
        for clicked in (button(listener, "Original"), page.get_by_text("Keys", exact=True)):
            clicked.click()
            page.keyboard.press(" ")
            button(listener, "Pause").wait_for()
            page.keyboard.press(" ")
            button(listener, "Play").wait_for()
        assert page.locator("details", has_text="Space plays").last.get_attribute("open") is not None
        assert page.locator(".wave b").all_inner_texts() == ["Original · you hear this", "Restored"]
        colours = page.locator(".wave").evaluate_all("all => all.map((one) => getComputedStyle(one).color)")
        assert colours[0] != colours[1]
        page.get_by_text("The restored one is 120 ms late; the player makes up for it.").wait_for()


def test_a_loop_goes_round(browser: Browser, pair: tuple[Place, Job]) -> None:
    with opened(browser, *pair) as listener:
        page = listener.page
        lengths(listener)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("l")
        plays(listener)
        listener.until("document.querySelector('.media audio').currentTime > 5.6")
        page.keyboard.press("l")
        assert button(listener, "Loop").get_attribute("aria-pressed") == "true"
        for _ in range(2):
            listener.until("document.querySelector('.media audio').currentTime < 5.5", polling=20)
            listener.until("document.querySelector('.media audio').currentTime > 5.5", polling=20)
        assert page.evaluate("() => document.querySelector('.media audio').currentTime") > 4.9
        page.keyboard.press("l")
        assert button(listener, "Loop").get_attribute("aria-pressed") == "false"


def test_a_blind_test_tells_no_side_and_counts_five_picks(browser: Browser, pair: tuple[Place, Job]) -> None:
    with opened(browser, *pair) as listener:
        page = listener.page
        button(listener, "Don't tell me").click()
        assert button(listener, "Original").count() == 0
        assert page.get_by_role("slider").count() == 1
        assert "dB" not in page.locator(".same").inner_text()
        assert not page.locator(".wave.heard").count()
        button(listener, "Link to here").click()
        assert "&t=" in page.url
        assert "side" not in page.url
        for _ in range(5):
            button(listener, "2").click()
            button(listener, "This one is better").click()
        page.get_by_text(" of 5 restored.").wait_for()
        assert button(listener, "Original").count() == 1


def test_a_link_leads_to_its_moment_and_side(browser: Browser, pair: tuple[Place, Job]) -> None:
    with opened(browser, *pair, "&t=12.5&side=a") as listener:
        page = listener.page
        lengths(listener)
        assert page.get_by_role("slider").first.get_attribute("aria-valuetext") == "0:13 of 0:40"
        assert button(listener, "Original").get_attribute("aria-pressed") == "true"
        button(listener, "Link to here").click()
        assert page.evaluate("() => location.hash") == f"#job={pair[1].id}&t=12.5&side=a"
        page.get_by_text("The link to 0:13 stands in the address bar").wait_for()


def test_it_fits_a_phone(browser: Browser, pair: tuple[Place, Job]) -> None:
    with opened(browser, *pair, viewport={"width": 390, "height": 844}) as listener:
        assert listener.page.evaluate(
            "() => [...document.querySelectorAll('#job, #job *')].every((node) => node.scrollWidth <= 390)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, pair: tuple[Place, Job], scheme: str) -> None:
    pytest.importorskip("axe_playwright_python")
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    with opened(browser, *pair, color_scheme=scheme, viewport={"width": 390, "height": 844}) as listener:
        listener.page.get_by_text("120 ms late").wait_for()
        listener.page.evaluate(f"{axe}; 0")
        for blind in (False, True):
            if blind:
                button(listener, "Don't tell me").click()
            found = listener.page.evaluate("async () => (await axe.run('#job')).violations")
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_what_was_removed_is_heard_at_its_place(browser: Browser, pair: tuple[Place, Job]) -> None:
    """Of one that is only quieter, that is next to nothing."""
    with opened(browser, *pair, record=True) as listener:
        button(listener, "Removed").click()
        listener.until("document.querySelectorAll('.media audio')[2]?.readyState >= 1", timeout=2 * PATIENCE)
        plays(listener)
        assert button(listener, "Removed").get_attribute("aria-pressed") == "true"
        listener.until("((all) => Math.abs(all[0].currentTime - all[2].currentTime) < 0.05)"
                       "(document.querySelectorAll('.media audio'))")
        heard = listener.record(0.5)
        assert listener.levels()[:2] == [0.0, 0.0]
    assert level(heard.mix) < level(heard.original) - 40
