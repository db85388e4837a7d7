"""Rows: how far, how long, why it waits; and what one look keeps for the next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_house import NOON, House

from diffio_watch.clock import rfc3339
from diffio_watch.job import OPEN, Job, Media, State
from diffio_watch.journal import Halt
from diffio_watch.journal.totals import Took
from diffio_watch.reasons import because
from diffio_watch.report import rows, scene, screen, usual
from diffio_watch.report.keeps import Kept
from diffio_watch.report.memory import Memory
from diffio_watch.report.spans import length
from diffio_watch.report.standing import Standing

HOUR = Media("Wave", 3600.0, has_video=False)


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h"), (3600, "1 h"), (9000, "2 h 30 min"), (10_799, "3 h"),
    (48_900, "14 h"), (3_600_000, "1,000 h")])
def test_lengths_are_told_as_people_would(seconds: float, words: str) -> None:
    assert length(seconds) == words


def test_how_long_it_usually_takes_is_told_from_five_like_it(house: House) -> None:
    [job] = house.add("a.wav", state=State.WAITING, media=HOUR, model_key="m")
    took = [Took(seconds, 3600.0) for seconds in (170.0, 180.0, 190.0, 290.0, 300.0, 310.0)]
    assert usual.words(job, took[:4]) is None
    assert usual.words(job, took) == "usually 3 to 5 min for this length"
    assert usual.words(job, [Took(60.0, None)] * 50) is None
    assert usual.words(replace(job, media=None), took) is None


def test_what_is_much_shorter_or_longer_tells_nothing_of_how_long_it_takes(house: House) -> None:
    """Jingles of seconds take seconds each, and an hour takes no thousand times as long."""
    [job] = house.add("a.wav", state=State.WAITING, media=HOUR, model_key="m")
    assert usual.words(job, [Took(6.0, 60.0)] * 50) is None
    assert usual.words(job, [Took(600.0, 36_000.0)] * 50) is None


@pytest.mark.parametrize("state", sorted(OPEN))
@pytest.mark.parametrize("progress", [None, 0.0, 100.0, 1e9, -5.0])
def test_nothing_is_at_a_hundred_percent_before_it_is_done(house: House, state: State, progress: float | None) -> None:
    [job] = house.add("a.wav", state=state, progress=progress)
    assert 0 <= rows.row(job)["fraction"] < 1


def test_what_waits_says_why_in_an_editors_words_and_when_it_is_looked_at(house: House) -> None:
    [job] = house.add("a.wav", state=State.DOWNLOADING, due_at=NOON + 60,
                      because=because("disk", detail="No space left on device"))
    told = rows.row(job)
    assert told["waits"] == "This recording is restored, and the results folder can't take the result now."
    assert told["next_at"].startswith("2027-")
    along = rows.row(replace(job, because=None), Kept(because("billing", detail="x"), NOON + 52))
    assert along["waits"].startswith("Restoring stands still")


def test_a_single_recordings_buttons_name_it_and_no_number(house: House) -> None:
    [job] = house.add("a.wav", state=State.FAILED, code="truncated", media=HOUR, size=1_000_000_000)
    told = rows.whole(job, house.journal.jobs.history(job.id), None, seen=7)
    query = {"state": "failed", "reason": "truncated", "inbox": "podcasts", "seen": 7, "job": job.id}
    assert [(one["label"], one["args"]) for one in told["offers"]] == [
        ("Send anyway, buys about 1 h", {"query": {**query, "minutes": 60}, "as_is": True}),
        ("Leave out, free", {"query": query})]
    assert told["history"][0]["step"] == "did not work"


def test_a_second_look_reads_only_what_changed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = house.add(*(f"{number}.wav" for number in range(20)), state=State.DELIVERED, delivered_at=NOON)
    moving = house.add("m.wav", state=State.WAITING, progress=10.0)
    memory, read = Memory(), list[str]()
    real = house.journal.jobs.get

    def counted(job_id: str) -> Job | None:
        read.append(job_id)
        return real(job_id)

    monkeypatch.setattr(house.journal.jobs, "get", counted)
    scene.read(house.config, house.journal, memory)
    assert len(read) == 21
    del read[:]
    house.journal.jobs.note_progress(moving[0].id, 20.0)
    found = scene.read(house.config, house.journal, memory)
    assert read == [moving[0].id]
    assert found.moving[0].progress == 20.0
    house.journal.jobs.commit(real(jobs[0].id) or jobs[0], notes=("x",))
    assert scene.read(house.config, house.journal, memory).done[-1].notes == ("x",)


def test_a_screen_of_memory_is_the_screen_without(house: House) -> None:
    house.add("a.wav", "b.wav", state=State.DELIVERED, delivered_at=NOON)
    house.add("c.wav", state=State.UPLOADING, progress=50.0)
    house.add("d.wav", "e.wav", state=State.FAILED, code="truncated", error_file=True)
    memory = Memory()
    for _ in range(2):
        kept = screen.screen(house.config, scene.read(house.config, house.journal, memory), house.pace, memory)
        fresh = screen.screen(house.config, scene.read(house.config, house.journal), house.pace)
        assert kept == fresh


def test_what_is_stopped_along_with_others_waits_without_a_bar_for_the_stops_next_look(house: House) -> None:
    """Its own moment may have come; nothing of it is done, or bought, before the stop is over."""
    [job] = house.add("a.wav", state=State.GENERATING, due_at=NOON - 60, model_key="m", media=HOUR)
    house.journal.halts.set(Halt("account", because("billing", detail="x"), NOON - 8, NOON + 52))
    [shown] = house.screen()["now"]
    listed, whole = Standing(house.journal).row(job), Standing(house.journal).whole(house.config, job, None)
    for told in (shown, listed, whole):
        assert (told["step"], told["fraction"], told["next_at"]) == ("waits", None, rfc3339(NOON + 52))
        assert told["waits"] == "Restoring stands still: the service has a billing hold."
    assert (shown["usual"], shown["left_seconds"]) == (None, None)


def test_what_waits_for_its_own_moment_has_no_bar_until_that_comes(house: House) -> None:
    house.add("a.wav", state=State.WAITING, due_at=NOON + 60, because=because("service_error", detail="d"))
    memory = Memory()

    def step() -> tuple[str, bool]:
        found = scene.read(house.config, house.journal, memory)
        [told] = screen.screen(house.config, found, house.pace, memory)["now"]
        return told["step"], told["fraction"] is None

    assert step() == ("waits", True)
    house.clock.at += 61
    assert step() == ("is being restored", False)


def test_an_empty_file_that_may_yet_be_filled_has_not_failed(house: House) -> None:
    """Whoever asks: in a list, and in its details, which offer nothing before it is told."""
    [job] = house.add("a.wav", state=State.FAILED, code="empty", due_at=NOON + 300)
    listed, whole = Standing(house.journal).row(job), Standing(house.journal).whole(house.config, job, 7)
    for told in (listed, whole):
        assert (told["step"], told["because"]["code"], told["next_at"]) == (
            "is not picked up yet", "empty_yet", rfc3339(NOON + 300))
        assert told["words"] == told["waits"] == "Nothing is in it yet, so the copying may not be over."
    assert whole["offers"] == []
    assert [one["step"] for one in whole["history"]] == ["is not picked up yet"]
    house.clock.at += 301
    told = Standing(house.journal).whole(house.config, job, 7)
    assert (told["step"], told["because"]["code"], told["waits"]) == ("did not work", "empty", None)
    assert told["offers"]
