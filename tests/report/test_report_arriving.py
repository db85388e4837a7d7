"""What is there and not picked up yet: shown where it lasts, and found by a part of its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_house import NOON, House

from diffio_watch.job import Because, State
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.reasons import because
from diffio_watch.report import finding, scene, screen, status_page

LASTS = [because("cut_short", detail="the end is missing"), because("empty_yet"), because("open_for_writing"),
         because("settling", seconds=2)]


def settle(house: House, *entries: SettlingEntry) -> None:
    house.report()
    house.journal.inboxes.settling("podcasts", entries)


@pytest.mark.parametrize("why", LASTS, ids=lambda why: why.code)
def test_what_settles_for_longer_than_ten_seconds_is_shown_with_its_words(house: House, why: Because) -> None:
    settle(house, SettlingEntry("show/interview.wav", why, NOON - 11, NOON + 60),
           SettlingEntry("young.wav", why, NOON - 9, NOON + 60))
    shown = house.screen()
    [row] = shown["arriving"]
    assert (row["path"], row["step"], row["id"], shown["arriving_more"]) == (
        "show/interview.wav", "is not picked up yet", None, 0)
    level = "waits" if why.code in {"cut_short", "empty_yet"} else "busy"
    assert shown["verdict"] == {"level": level, "message": "1 recording is there and not picked up yet."}
    config, found = scene.of_inbox(house.config, house.journal, "podcasts")
    found = replace(found, facts=replace(found.facts, pid=1))
    told = status_page.content("podcasts", screen.screen(config, found, house.pace))
    assert "interview.wav" in told
    assert row["waits"].split(".")[0] in told
    assert "young.wav" not in told


def test_an_empty_file_that_may_yet_be_filled_is_shown_too(house: House) -> None:
    house.add("a.wav", state=State.FAILED, code="empty", due_at=NOON + 200, error_file=False)
    [row] = house.screen()["arriving"]
    assert (row["path"], row["waits"].split(",")[0]) == ("a.wav", "Nothing is in it yet")


def test_the_list_is_bounded_and_the_oldest_stand_first(house: House) -> None:
    settle(house, *(SettlingEntry(f"{n}.wav", LASTS[0], NOON - 20 - n, None) for n in range(1000)))
    shown = house.screen()
    assert (len(shown["arriving"]), shown["arriving_more"], shown["arriving"][0]["path"]) == (20, 980, "999.wav")


def test_what_needs_somebody_is_shown_there_alone(house: House) -> None:
    settle(house, SettlingEntry("a.wav", because("unreadable", detail="denied"), NOON - 60, NOON + 60))
    shown = house.screen()
    assert (shown["arriving"], len(shown["needs"])) == ([], 1)


def test_while_no_daemon_runs_nobody_knows_what_is_there(house: House) -> None:
    settle(house, SettlingEntry("a.wav", LASTS[0], NOON - 60, NOON + 60))
    assert house.screen(running=False)["arriving"] == []


@pytest.mark.parametrize("text", ["interv", "INTERVIEW", "show 12", "12 view", "interview.wav"])
def test_a_part_of_the_name_of_what_is_not_picked_up_yet_finds_it(house: House, text: str) -> None:
    settle(house, SettlingEntry("show 12/Interview.wav", LASTS[0], NOON - 60, NOON + 60))
    place = next(finding.meant(house.config, house.journal, text))
    assert place.path == "show 12/Interview.wav"


def test_a_whole_name_is_found_before_a_part_of_another(house: House) -> None:
    settle(house, SettlingEntry("b-a.wav", LASTS[0], NOON - 60, NOON + 60))
    house.add("a.wav", state=State.DELIVERED)
    assert [one.path for one in finding.meant(house.config, house.journal, "a.wav")] == ["a.wav", "b-a.wav"]
