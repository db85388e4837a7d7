"""Halts, pauses, and what people ask."""

from __future__ import annotations

import pytest
from journal_jobs import HandClock

from diffio_watch.config import Config
from diffio_watch.job import State
from diffio_watch.journal import Answer, Halt, Journal
from diffio_watch.pipeline import command_queue
from diffio_watch.reasons import because


def test_halts_are_kept_by_scope_and_survive_a_restart(journal: Journal, clock: HandClock) -> None:
    halt = Halt("account", because("auth", detail="x"), 5.0, None)
    journal.halts.set(halt)
    journal.halts.set(Halt("origin:api:https://one", because("service_down", origin="o", detail="d"), 6.0, 7.0, 2))
    later = Halt("account", because("billing", detail="y"), 5.0, 9.0, 1)
    journal.halts.set(later)
    with Journal.open(journal.state_dir, clock, read_only=True) as again:
        assert again.halts.all()["account"] == later
        assert set(again.halts.all()) == {"account", "origin:api:https://one"}
    assert journal.halts.clear("account")
    assert not journal.halts.clear("account")
    assert set(journal.halts.all()) == {"origin:api:https://one"}


def test_pauses_are_of_one_inbox_or_of_all_and_know_since_when(journal: Journal, clock: HandClock) -> None:
    began = clock.at
    journal.halts.pause("in")
    clock.at += 5
    journal.halts.pause("in")
    journal.halts.pause("*")
    assert journal.halts.pauses() == {"in": began, "*": clock.at}
    journal.halts.resume("in")
    assert set(journal.halts.pauses()) == {"*"}
    journal.halts.pause("in")
    journal.halts.resume("*")
    assert journal.halts.pauses() == {}


def test_requests_are_answered_in_the_order_they_were_asked(journal: Journal, clock: HandClock) -> None:
    first, second = journal.requests.ask("retry", {"jobs": ["a\udcff"]}), journal.requests.ask("pause", {})
    assert [(one.id, one.command, one.args, one.at) for one in journal.requests.unanswered()] == [
        (first, "retry", {"jobs": ["a\udcff"]}, clock.at), (second, "pause", {}, clock.at)]
    assert journal.requests.answer_of(first) is None
    assert journal.requests.answer_of(99) is None
    answer = Answer(1, ("no\n", "ü"), ("01X",))
    journal.requests.answer(first, answer)
    assert journal.requests.answer_of(first) == answer
    assert [one.id for one in journal.requests.unanswered()] == [second]


def test_who_asks_is_remembered_whatever_his_name_is(journal: Journal) -> None:
    for who, kept in (("anna (sudo)", "anna (sudo)"), ("a\udcff", "a\\udcff"), ("x" * 500, "x" * 100), ("", "")):
        journal.requests.ask("pause", {}, who)
        assert journal.requests.unanswered()[-1].who == kept


def test_another_process_may_ask_while_the_daemon_has_the_journal_open(journal: Journal) -> None:
    with Journal.open(journal.state_dir) as asker:
        number = asker.requests.ask("pause", {"inbox": None})
        assert [one.id for one in journal.requests.unanswered()] == [number]
        journal.requests.answer(number, Answer(0))
        assert asker.requests.answer_of(number) == Answer(0)


@pytest.mark.parametrize("command", ["retry", "approve"])
def test_a_request_about_jobs_of_a_journal_that_was_lost_is_answered(journal: Journal, command: str) -> None:
    config = Config.of({"inboxes": [{"name": "in", "path": "/in", "outbox": "/out"}], "state_dir": "/s"})
    number = journal.requests.ask(command, {"jobs": ["01AAAAAAAAAAAAAAAAAAAAAAAA"]})
    command_queue.serve(journal, config, 1.0)
    assert journal.requests.answer_of(number) is not None
    assert journal.totals.by_state() == dict.fromkeys(State, 0)
