"""once: when it ends, and what it says did not get done; the clock is passed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cli_place import Place

from diffio_watch.clock import Clock
from diffio_watch.daemon.once import finished, named, undone
from diffio_watch.intake.status import Now
from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.pipeline.halts import Halts
from diffio_watch.reasons import because

START = 2e9


class At(Clock):
    """A clock that stands."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def now(self) -> float:
        return self.at


@pytest.fixture
def journal(place: Place, tmp_path: Path) -> Iterator[Journal]:
    place.state.mkdir()
    with Journal.open(tmp_path / "state", At(START + 5), create=True) as found:
        yield found


def inboxes(**waiting: int) -> dict[str, Now]:
    return {"podcasts": Now(available=True, scans=3, waiting=waiting, quiet=2.0)}


def test_what_is_not_finished_is_waited_for_a_minute_then_left_and_told(journal: Journal) -> None:
    halts = Halts(journal, structlog.get_logger())
    journal.inboxes.settling("podcasts", [
        SettlingEntry("show/a.wav", because("cut_short", detail="half"), START - 1, None),
        SettlingEntry("b.wav", because("unreadable", detail="no right"), START, None)])
    state = inboxes(cut_short=1, unreadable=1)
    assert not finished(journal, halts, state, START, START + 61.0)
    assert finished(journal, halts, state, START, START + 62.0)
    assert undone(journal, halts, state, START) == {"unreadable": 1, "waiting": 1}
    assert [(line["path"], line["state"], line["reason"]) for line in named(journal, state, START)] == [
        ("show/a.wav", "not finished", "cut_short"), ("b.wav", "not finished", "unreadable")]
    assert undone(journal, halts, inboxes(), START) == {}


def test_an_empty_file_and_whatever_else_failed_or_is_held_is_named(place: Place, journal: Journal) -> None:
    halts = Halts(journal, structlog.get_logger())
    place.add("old.wav", state=State.FAILED, because=because("empty"), updated_at=START - 10)
    place.add("nothing.wav", state=State.FAILED, because=because("empty"), updated_at=START + 1, due_at=START + 300)
    place.add("held.wav", state=State.HELD, because=because("drop_size", limit=1, inbox="podcasts"))
    assert finished(journal, halts, inboxes(), START, START + 62.0), "no error file of an empty file is waited for"
    assert undone(journal, halts, inboxes(), START) == {"failed": 1, "held": 1}
    assert [(line["path"], line["reason"]) for line in named(journal, inboxes(), START)] == [
        ("nothing.wav", "empty"), ("held.wav", "drop_size")]


def test_an_error_file_that_can_not_be_written_is_not_waited_for_without_end(place: Place, journal: Journal) -> None:
    halts = Halts(journal, structlog.get_logger())
    place.add("a.wav", state=State.FAILED, because=because("not_media"), updated_at=START + 1, due_at=START + 1)
    assert not finished(journal, halts, inboxes(), START, START + 60.0)
    assert finished(journal, halts, inboxes(), START, START + 62.0)


def test_a_wish_that_can_not_be_looked_for_is_not_waited_for_without_end_and_is_told(
        place: Place, journal: Journal) -> None:
    halts = Halts(journal, structlog.get_logger())
    place.add("a.wav", state=State.DELIVERED, updated_at=START + 1, wish="anew")
    assert not finished(journal, halts, inboxes(), START, START + 60.0)
    assert finished(journal, halts, inboxes(), START, START + 62.0)
    assert undone(journal, halts, inboxes(), START) == {"wishes": 1}
