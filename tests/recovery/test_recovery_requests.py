"""What stood in a copy as asked and not answered was done by the machine that went on: nobody does it a second time."""

from __future__ import annotations

from typing import Any

import pytest
from recovery_house import KEY, House

from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.outbox.ledger import NAME


def _asked(house: House, command: str, args: dict[str, Any]) -> int:
    """Somebody asks this of the journal as it stands; the number of the request."""
    with Journal.open(house.state) as journal:
        return journal.requests.ask(command, args, "somebody")


def _answer(house: House, number: int) -> tuple[int, str]:
    with Journal.open(house.state, read_only=True) as journal:
        answer = journal.requests.answer_of(number)
        assert answer is not None
        return answer.exit, answer.lines[0]


def _bought_since(house: House) -> int:
    """What is bought by everything in the inbox to its end."""
    before = house.sandbox.charges
    house.sandbox.change(seconds=0)
    house.once()
    return house.sandbox.charges - before


def test_a_generation_that_was_asked_for_anew_is_not_bought_by_both_machines(house: House) -> None:
    house.drop("first.wav", 1)
    assert house.once() == 0
    job = house.jobs()["first.wav"].id
    number = _asked(house, "retry", {"jobs": [job], "fresh": True, "missing": {}})
    kept = house.keep()
    with house.running():
        house.wait(lambda: house.jobs()["first.wav"].run == 2 and house.delivered())
    house.put_back(kept)
    house.rebuild()
    exit_code, line = _answer(house, number)
    assert exit_code == 1
    assert "Look, and ask again" in line
    assert _bought_since(house) == 0


@pytest.mark.parametrize("gone", ["ledger", "service"])
@pytest.mark.parametrize("wish", [{"jobs": [], "all": True}, "by id", "a click that had begun"])
def test_an_approval_from_before_releases_nothing_of_what_the_rebuild_holds(
        house: House, gone: str, wish: dict[str, Any] | str) -> None:
    """It was about the day's limit, and would now be about what may have been bought."""
    house.drop("first.wav", 1)
    assert house.once() == 0
    house.sandbox.change(seconds=3600)
    house.more = {"limits": {"min_free": 0, "daily_files": 1}}
    house.configure()
    house.drop("x.wav", 2)
    with house.running():
        house.wait(lambda: house.states().get("x.wav") is State.HELD)
    click = {"query": {"state": "held", "reason": "unproven", "inbox": "a"}, "drops": [],
             "so_far": {"after": 0, "done": 0, "refused": 0, "changed": 0, "minutes": 0.0, "done_lines": [],
                        "refused_lines": []}}
    args = wish if isinstance(wish, dict) else {"jobs": [house.jobs()["x.wav"].id]} if wish == "by id" else click
    _asked(house, "approve", args)
    kept = house.keep()
    with house.running():
        house.cmd("approve", "--all")
        house.wait(lambda: house.states().get("x.wav") is State.WAITING)
    house.put_back(kept)
    if gone == "ledger":
        (house.outbox / NAME).unlink()
    else:
        house.use_key(None)
    house.rebuild()
    house.use_key(KEY)
    assert house.states()["x.wav"] is State.HELD
    assert _bought_since(house) == 0


@pytest.mark.parametrize(("command", "args"), [
    ("cancel", {"discard": True}), ("bump", {}), ("pause", {"inbox": None}), ("resume", {"inbox": None})])
def test_no_other_word_from_before_is_heard_after_it_either(house: House, command: str, args: dict[str, Any]) -> None:
    """The other machine heard it, and perhaps its opposite since."""
    house.sandbox.change(seconds=3600)
    house.drop("x.wav", 1)
    with house.running():
        house.wait(lambda: house.states().get("x.wav") is State.WAITING)
    named = {"jobs": [house.jobs()["x.wav"].id]} if command in {"cancel", "bump"} else {}
    if command == "resume":
        house.cmd("pause")
    number = _asked(house, command, {**args, **named})
    kept = house.keep()
    with house.running():
        pass
    house.put_back(kept)
    house.rebuild()
    assert _answer(house, number)[0] == 1
    assert house.states()["x.wav"] is State.WAITING
    with Journal.open(house.state, read_only=True) as journal:
        assert bool(journal.halts.pauses()) is (command == "resume")


def test_what_is_asked_of_a_journal_without_a_gap_stays_asked(house: House) -> None:
    """A rebuild that was not needed ends no request: the command that left it died before it did it."""
    house.drop("x.wav", 1)
    assert house.once() == 0
    number = _asked(house, "pause", {"inbox": None})
    house.rebuild()
    with Journal.open(house.state, read_only=True) as journal:
        assert [one.id for one in journal.requests.unanswered()] == [number]
