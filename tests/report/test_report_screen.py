"""The screen: one verdict, what needs somebody, what moves, what was done today."""

from __future__ import annotations

import json

from report_house import NOON, House, keys

from diffio_watch.clock import rfc3339 as when
from diffio_watch.job import Media, Output, State
from diffio_watch.journal import Halt
from diffio_watch.reasons import because


def test_nothing_at_all_is_a_place_to_drop_something(house: House) -> None:
    assert house.verdict()[0] == "setup"


def test_what_is_on_its_way_is_busy_and_what_is_done_is_good(house: House) -> None:
    house.add("a.wav", state=State.UPLOADING)
    assert house.verdict() == ("busy", "Everything is being restored.")
    [one] = house.screen()["now"]
    assert (one["path"], one["step"], one["state"]) == ("a.wav", "is being sent", "uploading")
    house.add("b.wav", state=State.DELIVERED, delivered_at=NOON)
    assert [one["path"] for one in house.screen()["done_today"]["jobs"]] == ["b.wav"]


def test_an_inbox_that_is_away_is_never_good(house: House) -> None:
    house.add("b.wav", state=State.DELIVERED, delivered_at=NOON)
    house.report(available=False, stopped=because("unavailable", detail="no marker", inbox="podcasts"), since=NOON)
    assert house.verdict() == ("away", "The share “podcasts” is not there. It goes on by itself when it is back.")


def test_while_no_daemon_runs_nothing_is_said_to_go_on(house: House) -> None:
    house.add("a.wav", state=State.UPLOADING)
    assert house.verdict(running=False)[0] == "stopped"


def test_what_stops_the_account_is_told_first(house: House) -> None:
    house.add("a.wav", state=State.FAILED, code="empty")
    house.journal.halts.set(Halt("account", because("billing", detail="unpaid"), NOON, NOON + 60))
    level, message = house.verdict()
    assert level == "stopped"
    assert message == ("Restoring stands still: the service has a billing hold. Your administrator has to settle it. "
                       "Nothing is lost.")
    assert keys(house.screen()["needs"]) == ["stopped:::billing", "failed:podcasts:failed:empty"]


def test_a_stop_tells_since_when_it_is_and_when_it_is_looked_at_next(house: House) -> None:
    house.journal.halts.set(Halt("account", because("billing", detail="unpaid"), NOON, NOON + 60))
    house.report(available=False, stopped=because("unavailable", detail="no marker", inbox="podcasts"), since=NOON - 60)
    account, share = house.screen()["needs"]
    assert (account["since"], account["next_check_at"]) == (when(NOON), when(NOON + 60))
    assert share["since"] == when(NOON - 60)
    house.add("a.wav", state=State.FAILED, code="empty")
    assert house.screen()["needs"][-1]["since"] is None


def test_what_was_paused_stands_behind_what_stands_still_by_a_fault_as_in_the_verdict(house: House) -> None:
    house.journal.halts.pause("*")
    house.report(available=False, stopped=because("unavailable", detail="no marker", inbox="podcasts"), since=NOON)
    house.add("a.wav", state=State.FAILED, code="empty")
    assert house.verdict()[0] == "away"
    assert keys(house.screen()["needs"]) == ["stopped:podcasts::unavailable", "stopped:::paused",
                                             "failed:podcasts:failed:empty"]


def test_failures_of_one_reason_are_one_group_that_needs_somebody(house: House) -> None:
    house.add(*(f"{number}.wav" for number in range(14)), state=State.FAILED, code="output_unavailable",
              generation_id="g")
    house.add("e.wav", "f.wav", "g.wav", state=State.FAILED, code="empty")
    assert house.verdict() == ("needs", "3 recordings need you, 14 your administrator.")
    empty, lost = sorted(house.screen()["needs"], key=lambda one: str(one["code"]))
    assert (empty["count"], empty["who"]) == (3, "editor")
    [again] = lost["offers"]
    assert again["label"] == "Try again: 14, free"
    assert again["command"] == "retry"
    assert again["args"] == {"query": {"state": "failed", "reason": "output_unavailable", "inbox": "podcasts",
                                       "seen": house.journal.overview.last_line(), "minutes": 0}}


def test_a_held_drop_is_approved_for_what_it_buys(house: House) -> None:
    house.add(*(f"{number}.wav" for number in range(812)), state=State.HELD, code="drop_size", due_at=None,
              media=Media("Wave", 13.3, has_video=False), size=4_000_000)
    [drop] = house.screen()["needs"]
    assert drop["offers"][0]["label"] == "Approve 812, buys about 14 h"


def test_what_was_done_today_has_its_length_and_what_it_took(house: House) -> None:
    house.add("b.wav", state=State.DELIVERED, delivered_at=NOON, media=Media("Wave", 61.2, has_video=False),
              outputs=(Output("audio", "published", "b.mp3"),))
    house.add("old.wav", state=State.DELIVERED, delivered_at=NOON - 3 * 86400)
    done = house.screen()["done_today"]
    assert done["count"] == 1
    assert (done["jobs"][0]["length_s"], done["jobs"][0]["took_s"]) == (61.2, 60.0)


def test_the_screen_is_plain_json(house: House) -> None:
    house.add("a.wav", state=State.UPLOADING)
    assert json.loads(json.dumps(house.screen())) == house.screen()
