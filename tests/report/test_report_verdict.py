"""One sentence on everything: the worst first, and never good news while anything is away or anybody is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report_house import NOON, House

from diffio_watch.job import State
from diffio_watch.journal import Halt
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.reasons import REASONS, Kind, because


@pytest.mark.parametrize("code", sorted(code for code, row in REASONS.items()
                                        if row.kind in {Kind.FAILED, Kind.HELD, Kind.PARKED}))
def test_nothing_is_good_while_anything_waits_or_has_failed(house: House, code: str) -> None:
    house.add("done.wav", state=State.DELIVERED, delivered_at=NOON)
    kind = REASONS[code].kind
    house.add("a.wav", "b.wav", code=code, due_at=NOON + 60, error_file=True,
              state={Kind.FAILED: State.FAILED, Kind.HELD: State.HELD}.get(kind, State.QUEUED))
    level, message = house.verdict()
    assert level in {"needs", "busy"}
    assert level == "needs" or any(word in message for word in ("being restored", "goes on", "go on")), message
    assert "`" not in message


@pytest.mark.parametrize("code", sorted(code for code, row in REASONS.items() if row.kind is Kind.HALT))
def test_what_stops_the_account_is_told_whatever_else_there_is(house: House, code: str) -> None:
    house.add("a.wav", state=State.FAILED, code="empty", error_file=True)
    house.report(available=False, stopped=because("unavailable", detail="gone", inbox="podcasts"), since=NOON)
    house.journal.halts.set(Halt("account", because(code, detail="d", origin="o"), NOON, NOON + 60))
    level, message = house.verdict()
    assert (level, message.startswith("Restoring stands still: ")) == ("stopped", True)
    assert message.endswith("Nothing is lost.")


@pytest.mark.parametrize("code", sorted(code for code, row in REASONS.items() if row.kind is Kind.INBOX))
def test_what_stops_one_inbox_is_told_with_its_name(house: House, code: str) -> None:
    house.add("done.wav", state=State.DELIVERED, delivered_at=NOON)
    house.journal.halts.set(Halt("inbox:podcasts:model", because(code, inbox="podcasts", detail="d"), NOON, None))
    level, message = house.verdict()
    assert level in {"stopped", "away", "paused"}
    assert "“podcasts”" in message


@pytest.fixture
def several(tmp_path: Path) -> Iterator[House]:
    rows = [{"name": name, "path": str(tmp_path / name), "outbox": str(tmp_path / f"{name}-out")}
            for name in ("one", "two", "three")]
    made = House(tmp_path, inboxes=rows)
    yield made
    made.journal.close()


def test_several_that_are_away_are_one_sentence(several: House) -> None:
    for name in ("one", "three"):
        gone = because("unavailable", inbox=name, detail="d")
        several.journal.halts.set(Halt(f"inbox:{name}:inbox", gone, NOON, None))
    assert several.verdict() == (
        "away", "The folders of “one” and “three” are not there. They go on by themselves when they are back.")


def test_a_pause_of_everything_is_one_card_whose_button_ends_it(several: House) -> None:
    """`resume` of one inbox is refused while all are paused."""
    several.journal.halts.pause("*")
    assert several.verdict() == (
        "paused", "Everything is paused. It goes on when somebody resumes it. Nothing is lost.")
    [card] = several.screen()["needs"]
    assert [(one["command"], one["args"], one["label"]) for one in card["offers"]] == [
        ("resume", {"inbox": None, "paused": round(NOON * 1000)}, "Go on, buys what comes from now on")]


def test_the_end_of_a_pause_says_what_it_will_buy(house: House) -> None:
    house.journal.halts.pause("podcasts")
    house.add("a.wav", "b.wav", "c.wav", state=State.QUEUED)
    house.add("d.wav", state=State.WAITING, generation_id="g", intent_at=NOON)
    [card] = house.screen()["needs"]
    [button] = card["offers"]
    assert (button["label"], button["args"]) == (
        "Go on: 3, buys at least about 3 min", {"inbox": "podcasts", "paused": round(NOON * 1000)})


def test_who_is_needed_is_counted(house: House) -> None:
    house.add("a.wav", state=State.FAILED, code="truncated", error_file=True)
    house.add("b.wav", state=State.FAILED, code="internal", error_file=True)
    house.add("c.wav", state=State.HELD, code="unproven")
    assert house.verdict() == ("needs", "1 recording needs you, 2 your administrator.")
    house.add("a.wav", state=State.DELIVERED, run=2, delivered_at=NOON)
    assert house.verdict() == ("needs", "2 recordings need your administrator.")
    house.add("b.wav", state=State.DELIVERED, run=2, delivered_at=NOON)
    house.add("d.wav", "e.wav", state=State.FAILED, code="truncated", error_file=True)
    house.add("f.wav", state=State.FAILED, code="internal", error_file=True)
    assert house.verdict() == ("needs", "2 recordings need you, 2 your administrator.")


@pytest.mark.parametrize(("code", "since", "level"), [
    ("settling", 15, "busy"), ("open_for_writing", 60, "busy"), ("open_for_writing", 3600, "waits"),
    ("cut_short", 15, "waits"), ("empty_yet", 15, "waits")])
def test_nothing_is_all_restored_while_a_file_is_still_to_settle(house: House, code: str, since: float,
                                                                 level: str) -> None:
    entry = SettlingEntry("a.wav", because(code, seconds="2", detail="d"), NOON - since, None)
    house.journal.inboxes.settling("podcasts", [entry])
    house.add("done.wav", state=State.DELIVERED, delivered_at=NOON)
    assert house.verdict() == (level, "1 recording is there and not picked up yet.")
    house.journal.inboxes.settling("podcasts", [entry, replace(entry, path="b.wav")])
    house.add("moves.wav", state=State.WAITING)
    assert house.verdict() == (level, "2 recordings are there and not picked up yet; all others are being restored.")


def test_an_empty_file_that_may_be_filled_is_counted_among_those_to_come(house: House) -> None:
    house.add("done.wav", state=State.DELIVERED, delivered_at=NOON)
    house.add("a.wav", state=State.FAILED, code="empty", due_at=NOON + 300)
    assert house.verdict() == ("waits", "1 recording is there and not picked up yet.")
