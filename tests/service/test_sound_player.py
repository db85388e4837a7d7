"""The player in a real browser: what is heard, when, how loud, and by which keys."""

from __future__ import annotations

import array
import itertools
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tones
from listener import Listener, browser, listening
from service_page import Place
from test_sound_page import delivered, known

from diffio_watch.job import Job

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow  # a second is a second when one listens


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@contextmanager
def opened(chromium: Browser, place: Place, job: Job, more: str = "", **options: Any) -> Iterator[Listener]:
    with listening(chromium, **options) as listener:
        listener.page.goto(f"http://127.0.0.1:{place.port}/#job={job.id}{more}")
        listener.page.wait_for_selector(".wave")
        yield listener
        assert [line for line in listener.console if "ScriptProcessorNode" not in line] == []


def button(listener: Listener, name: str) -> Any:
    return listener.page.get_by_role("button", name=name, exact=True)


def plays(listener: Listener) -> None:
    """Begin to play, and wait until both sides do."""
    button(listener, "Play").click()
    listener.page.wait_for_function(
        "() => [...document.querySelectorAll('.media *')].every((node) => !node.paused && node.currentTime > 0.3)")


def level(samples: Sequence[float]) -> float:
    """RMS in dB."""
    return 10 * math.log10(sum(each * each for each in samples) / max(1, len(samples)) + 1e-12)


def windows(samples: array.array[float], rate: float, seconds: float) -> list[float]:
    each = round(rate * seconds)
    return [level(samples[at:at + each]) for at in range(0, len(samples) - each + 1, each)]


def a_pair(place: Place, seconds: int = 40, quieter: float = 17.0, late: float = 0.12) -> Job:
    """The restored side is quieter and late."""
    voice = tones.voice(seconds)
    by = 10 ** (-quieter / 20)
    return delivered(place, tones.write(place.inbox / "a.wav", voice),
                     tones.write(place.outbox / "a.restored.wav",
                                 [0] * round(late * tones.RATE) + [int(each * by) for each in voice]))


def test_fifty_switches_leave_no_gap_no_click_and_the_sides_by_one_clock(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    chance = random.Random(3)
    with opened(chromium, place, job) as listener:
        plays(listener)
        time.sleep(1.5)  # the sides find each other
        listener.begin()
        clocks = []
        for _ in range(50):
            listener.page.keyboard.press(chance.choice("xab"))
            time.sleep(chance.uniform(0.05, 0.5))
            clocks.append(listener.page.evaluate("""() => {
              const [one, other] = [...document.querySelectorAll(".media audio")].map((node) => node.currentTime);
              return (other - one) * 1000 - 120;
            }"""))
        listener.end()
        rate, mix = listener.rate, listener.heard()
        one, other = listener.heard("original"), listener.heard("restored")
    down = 10 ** (-17 / 20)
    one = array.array("f", (each * down for each in one))  # as it is heard
    heard, sides = windows(mix, rate, 0.02), (windows(one, rate, 0.02), windows(other, rate, 0.02))
    assert len(heard) > 500
    for at, loud in enumerate(heard):
        assert loud > min(min(side[max(0, at - 5):at + 6]) for side in sides) - 6, at
    steps = [max(abs(there - here) for here, there in itertools.pairwise(each)) for each in (mix, one, other)]
    assert steps[0] <= 2 * max(steps[1:])
    assert max(map(abs, clocks)) <= 15
    # how far the sides are apart as heard is not held: a browser without a sound device lets it grow, clocks in step


def test_the_same_loudness_is_within_half_a_decibel_and_without_it_the_difference_is_true(
        chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    with opened(chromium, place, job) as listener:
        found: dict[bool, list[float]] = {}
        for same in (True, False):
            listener.page.get_by_label("Same loudness").set_checked(same)
            found[same] = []
            for key in "ab":
                listener.page.keyboard.press(key)
                listener.page.get_by_role("slider").first.press("Home")
                plays(listener)
                time.sleep(0.5)
                assert all(gain <= 1.0 for gain in listener.levels())
                listener.begin()
                time.sleep(4)
                listener.end()
                found[same].append(level(listener.heard()))
                button(listener, "Pause").click()
        words = listener.page.locator(".same").inner_text()
        listener.page.get_by_label("Same loudness").check()
        assert "(original \N{MINUS SIGN}17.0 dB)" in listener.page.locator(".same").inner_text()
    assert "dB" not in words
    assert abs(found[True][0] - found[True][1]) <= 0.5
    assert found[False][0] - found[False][1] == pytest.approx(17.0, abs=0.5)


def test_gains_go_up_only_where_nothing_would_be_heard(chromium: Browser, place: Place) -> None:
    """Then towards -23 LUFS, and never beyond a true peak of -1 dB."""
    with listening(chromium) as listener:
        listener.page.goto(f"http://127.0.0.1:{place.port}/")

        def gains(*sides: tuple[float | None, float]) -> Any:
            told = {str(at): {"integrated": one, "true_peak": peak} for at, (one, peak) in enumerate(sides)}
            return listener.page.evaluate(
                "async (sides) => (await import('/page/sides.js')).same(sides)", told)

        assert gains((-20, -3), (-23, -5)) == {"0": -3, "1": 0}
        assert gains((-16, -1), (-36, -20)) == {"0": -20, "1": 0}
        assert gains((-16, -1), (-60, -40)) == {"0": -7, "1": 37}
        assert gains((-50, -30), (-60, -10)) == {"0": -1, "1": 9}
        assert gains((-20, -3), (None, -3)) == {}


def a_gigabyte(path: Path) -> Path:
    """A WAV of 1.1 GB, silent but for a minute from 1:00:00 on."""
    rate, size = 48_000, 1_100_000_000
    voice = tones.sine(60, hertz=440, decibels=-12, rate=rate)
    with path.open("wb") as file:
        file.write(b"RIFF" + (size + 36).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
                   + (1).to_bytes(2, "little") + (2).to_bytes(2, "little") + rate.to_bytes(4, "little")
                   + (rate * 4).to_bytes(4, "little") + (4).to_bytes(2, "little") + (16).to_bytes(2, "little")
                   + b"data" + size.to_bytes(4, "little"))
        file.seek(44 + 3600 * rate * 4)
        file.write(array.array("h", [each for sample in voice for each in (sample, sample)]).tobytes())
        file.truncate(size + 44)
    return path


def test_an_hour_into_a_gigabyte_it_sounds_at_once_and_little_of_it_is_read(chromium: Browser, place: Place) -> None:
    one = a_gigabyte(place.inbox / "a.wav")
    os.link(one, place.outbox / "a.restored.wav")
    job = delivered(place, one, place.outbox / "a.restored.wav")
    with opened(chromium, place, job, "&t=3601&side=b") as listener:
        wire = listener.page.context.new_cdp_session(listener.page)
        read = 0

        def count(event: dict[str, Any]) -> None:
            nonlocal read
            read += event["dataLength"]

        wire.on("Network.dataReceived", count)
        wire.send("Network.enable")
        listener.page.wait_for_function(
            "() => [...document.querySelectorAll('.media *')].every((node) => node.duration > 3600)")
        listener.page.evaluate("() => { window.__on = true; window.__began = performance.now(); }")
        button(listener, "Play").click()
        listener.page.wait_for_function("""() => {
          const mix = window.__taps.find((tap) => tap.name === "mix");
          return mix && mix.chunks.some(([, data]) => data.some((each) => Math.abs(each) > 0.05));
        }""", polling=20)
        took = listener.page.evaluate("() => performance.now() - window.__began") / 1000
        assert 3600 < listener.page.evaluate("() => document.querySelector('.media *').currentTime") < 3610
        listener.page.wait_for_timeout(300)
    assert took < 1.5
    assert 100_000 < read < 20_000_000


@pytest.mark.parametrize(("codec", "form", "name"), [("alac", "ipod", "a.m4a"), ("pcm_s16be", "aiff", "a.aiff")])
def test_what_a_browser_cant_play_is_heard_through_its_preview(chromium: Browser, place: Place, codec: str, form: str,
                                                               name: str) -> None:
    speech = tones.write(place.root / "s.wav", tones.voice(10))
    job = delivered(place, tones.encode(speech, place.inbox / name, codec, form),
                    tones.write(place.outbox / "a.restored.wav", tones.voice(10)))
    with opened(chromium, place, job) as listener:
        listener.page.wait_for_function(
            "() => document.querySelector('.media audio').src.endsWith('/preview') "
            "&& document.querySelector('.media audio').readyState >= 1", timeout=60_000)
        listener.page.keyboard.press("a")
        plays(listener)
        listener.begin()
        time.sleep(1)
        listener.end()
        assert level(listener.heard("original")) > -30
        listener.console[:] = [line for line in listener.console if "status of" not in line]


def test_it_says_that_a_preview_is_being_prepared(chromium: Browser, place: Place) -> None:
    speech = tones.write(place.root / "s.wav", tones.voice(10))
    job = delivered(place, tones.encode(speech, place.inbox / "a.m4a", "alac", "ipod"),
                    tones.write(place.outbox / "a.restored.wav", tones.voice(10)))
    with opened(chromium, place, job) as listener:
        listener.page.get_by_text("Original: Preparing, about ").wait_for()


def test_what_is_no_sound_is_told_once_and_asked_for_no_more(chromium: Browser, place: Place) -> None:
    """Nor anything in the console, which `opened` sees to."""
    (place.inbox / "a.wav").write_text("no sound at all")
    job = delivered(place, place.inbox / "a.wav", tones.write(place.outbox / "a.restored.wav", tones.speech(5)))
    for _ in range(2):
        with opened(chromium, place, job) as listener:
            listener.page.get_by_text("It can't be opened as sound.").wait_for()
            listener.page.wait_for_timeout(2500)
            assert listener.page.inner_text("#job .sound").count("can't be opened") == 1
            listener.page.keyboard.press("n")
            listener.page.get_by_text("No difference is known so far.").wait_for()


def test_all_of_it_goes_by_keys_and_tells_where_it_is(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    with opened(chromium, place, job) as listener:
        page = listener.page
        page.wait_for_function("() => [...document.querySelectorAll('.media *')].every((node) => node.duration > 1)")
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
        assert page.get_by_text("The restored one is 120 ms late; the player makes up for it.").is_visible()


def test_a_loop_goes_round(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    with opened(chromium, place, job) as listener:
        page = listener.page
        page.wait_for_function("() => [...document.querySelectorAll('.media *')].every((node) => node.duration > 1)")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("l")
        plays(listener)
        time.sleep(1)
        page.keyboard.press("l")
        assert button(listener, "Loop").get_attribute("aria-pressed") == "true"
        time.sleep(3)
        at = page.evaluate("() => document.querySelector('.media audio').currentTime")
        assert 4.9 < at < 7
        page.keyboard.press("l")
        assert button(listener, "Loop").get_attribute("aria-pressed") == "false"


def test_a_blind_test_tells_no_side_and_counts_five_picks(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    with opened(chromium, place, job) as listener:
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


def test_a_link_leads_to_its_moment_and_side(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    with opened(chromium, place, job, "&t=12.5&side=a") as listener:
        page = listener.page
        page.wait_for_function("() => [...document.querySelectorAll('.media *')].every((node) => node.duration > 1)")
        assert page.get_by_role("slider").first.get_attribute("aria-valuetext") == "0:13 of 0:40"
        assert button(listener, "Original").get_attribute("aria-pressed") == "true"
        button(listener, "Link to here").click()
        assert page.evaluate("() => location.hash") == f"#job={job.id}&t=12.5&side=a"
        page.get_by_text("The link to 0:13 stands in the address bar").wait_for()


def test_it_fits_a_phone(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    with opened(chromium, place, job, viewport={"width": 390, "height": 844}) as listener:
        assert listener.page.evaluate(
            "() => [...document.querySelectorAll('#job, #job *')].every((node) => node.scrollWidth <= 390)")




@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, place: Place, scheme: str) -> None:
    pytest.importorskip("axe_playwright_python")
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    job = a_pair(place)
    known(place, job)
    with opened(chromium, place, job, color_scheme=scheme, viewport={"width": 390, "height": 844}) as listener:
        listener.page.get_by_text("120 ms late").wait_for()
        listener.page.evaluate(axe)
        for blind in (False, True):
            if blind:
                button(listener, "Don't tell me").click()
            found = listener.page.evaluate("() => axe.run('#job')")["violations"]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_what_was_removed_is_heard_at_its_place(chromium: Browser, place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    with opened(chromium, place, job) as listener:
        button(listener, "Removed").click()
        listener.page.wait_for_function(
            "() => document.querySelectorAll('.media audio').length === 3 "
            "&& document.querySelectorAll('.media audio')[2].readyState >= 1", timeout=60_000)
        plays(listener)
        assert button(listener, "Removed").get_attribute("aria-pressed") == "true"
        time.sleep(1.5)
        one, _, three = listener.page.evaluate(
            "() => [...document.querySelectorAll('.media audio')].map((node) => node.currentTime)")
        assert abs(one - three) < 0.05
        assert listener.levels()[:2] == [0.0, 0.0]
