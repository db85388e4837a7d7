"""What the notifier finds in a real journal, and what it leaves there; with the time passed in, and nothing sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from service_notices import URL, World

from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Halt, Journal
from diffio_watch.reasons import because
from diffio_watch.service.notices import plan
from diffio_watch.service.notices.send import Outcome


class Died(BaseException):
    """The process was killed."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.look()
    yield made
    made.journal.close()


def test_five_hundred_failures_make_two_messages_and_a_restart_between_repeats_none(world: World) -> None:
    for number in range(500):
        world.fail(f"{number}.wav")
        if number == 250:
            world.look()
            world.restart()
        world.clock.at += 0.6
        if number % 5 == 0:
            world.look()
    world.look(plan.QUIET + 1)
    world.restart()
    world.look(plan.LONGEST)
    assert world.subjects == ["in: 0.wav was not restored", "in: 499 recordings were not restored"]
    assert [one.events for one in world.latest()] == [499, 1]
    assert all(result.ok for one in world.latest() for result in one.results)


def test_an_outage_is_one_message_and_its_end_another_over_restarts_too(world: World) -> None:
    world.journal.halts.set(Halt("account", because("billing", detail="unpaid"), world.clock.at, None))
    world.look(5)
    world.restart()
    world.look(3600)
    for number in range(14):
        world.job(f"{number}.wav")
    world.look()
    world.journal.halts.clear("account")
    world.look(2)
    world.restart()
    world.look(600)
    assert world.subjects == ["Restoring stands still. The service has a billing hold on the account: unpaid",
                              "Restoring goes on after 1 h; 14 recordings waited"]


def test_a_message_that_was_being_sent_when_the_process_died_is_told_as_such_and_not_sent_again(world: World) -> None:
    world.fail("a.wav")

    def die(_: str) -> Outcome:
        raise Died

    world.outcome = die
    with pytest.raises(Died):
        world.look()
    world.outcome = lambda _: Outcome(ok=True)
    world.restart()
    world.look(7200)
    assert len(world.sent) == 1
    (one,) = world.latest()
    assert one.ended_at is not None
    assert [result.ok for result in one.results] == [None]
    assert "not sent again" in one.results[0].error
    assert "notice.cut_off" in world.events


def test_who_did_not_take_it_is_tried_again_and_nobody_else(world: World) -> None:
    world.notify = {"urls": [URL, "json://127.0.0.1:2/y"]}
    world.notifier.reconfigured()
    world.outcome = lambda url: Outcome(url != URL, "" if url != URL else "The server refuses connections.")
    world.fail("a.wav")
    world.look(59)
    assert len(world.sent) == 1
    (one,) = world.latest()
    assert [(result.address, result.error) for result in one.failed] == [
        ("json://127.0.0.1:1", "The server refuses connections.")]
    world.restart()
    world.look(4 * 3600)
    assert [urls for urls, _, _ in world.sent[1:]] == [[URL]] * 3
    assert world.latest()[0].next_at is None
    world.fail("b.wav")
    world.outcome = lambda _: Outcome(ok=True)
    world.look(3600)
    assert len(world.sent) == 5


def test_a_message_of_long_ago_is_not_tried_again(world: World) -> None:
    """The machine was off, or an old copy of the journal was put back."""
    world.outcome = lambda _: Outcome(ok=False, error="The server refuses connections.")
    world.fail("a.wav")
    world.look()
    world.clock.at += 7 * 86_400
    world.restart()
    world.look(600)
    assert len(world.sent) == 1


def test_nothing_that_hung_is_sent_again_for_nobody_knows_whether_it_arrived(world: World) -> None:
    world.outcome = lambda _: Outcome(None, "There was no answer within 30 s.")
    world.fail("a.wav")
    world.look(7200)
    assert len(world.sent) == 1


def test_whoever_is_told_from_now_on_is_not_told_the_past(world: World) -> None:
    world.notify = {}
    world.notifier.reconfigured()
    world.look()
    world.fail("a.wav")
    world.look(10)
    world.notify = {"urls": [URL]}
    world.notifier.reconfigured()
    world.look(10)
    assert world.sent == []
    world.fail("b.wav")
    world.look()
    assert world.subjects == ["in: b.wav was not restored"]


def test_a_stop_that_stands_when_telling_begins_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.journal.halts.set(Halt("account", because("auth", detail="401"), world.clock.at - 9000, None))
    world.look(10)
    assert len(world.subjects) == 1
    world.journal.close()


def test_a_remark_on_a_job_that_failed_already_is_no_failure(world: World) -> None:
    failed = world.fail("a.wav")
    world.look()
    world.journal.jobs.remark([failed.id], "a person looked at it")
    world.look(900)
    assert len(world.sent) == 1


def test_what_was_made_good_before_anybody_looked_is_not_told(world: World) -> None:
    world.journal.jobs.commit(world.fail("a.wav"), state=State.QUEUED, because=None)
    world.look(900)
    assert world.sent == []


def test_an_empty_file_is_told_when_its_error_file_is_and_not_if_it_was_filled(world: World) -> None:
    for path in ("empty.wav", "filled.wav"):
        job = world.journal.jobs.commit(world.job(path), state=State.FAILED, because=because("empty"),
                                        due_at=world.clock.at + 300)
        if path == "empty.wav":
            with world.journal.transaction() as db:
                db.execute("INSERT INTO files VALUES ('in', ?, 0, 1, NULL, ?, 0)", (path.encode(), job.id))
    world.look(299)
    world.restart()
    world.look()
    assert world.sent == []
    world.look(2)
    assert world.subjects == ["in: empty.wav was not restored"]
    world.look(900)
    assert len(world.sent) == 1


def test_what_is_held_is_told_and_what_is_delivered_only_where_that_is_wanted(world: World) -> None:
    world.journal.jobs.commit(world.job("held.wav"), state=State.HELD, because=because("daily_limit", detail="5 of 5"))
    done = world.job("done.wav", state=State.DOWNLOADING)
    world.journal.jobs.commit(done, state=State.DELIVERED)
    world.look()
    assert world.subjects == ["in: held.wav waits for a decision"]
    world.notify = {"urls": [URL], "events": ["delivered"]}
    world.look(plan.QUIET + 1)
    world.journal.jobs.commit(world.job("more.wav", state=State.DOWNLOADING), state=State.DELIVERED)
    world.look()
    assert world.subjects[1:] == ["in: more.wav was restored"]


def test_a_file_that_waits_for_a_right_is_told(world: World) -> None:
    job = world.job("a.wav", state=State.DOWNLOADING)
    world.journal.jobs.commit(job, because=because("no_right", detail="Permission denied"), parks=1)
    world.look(plan._WAITS + 61)
    assert world.subjects == ["in: a.wav needs a person"]
    assert "Give that user the right to write there" in world.sent[0][2]


def test_without_apprise_it_is_told_once_and_kept_for_the_page(world: World) -> None:
    world.there = False
    world.fail("a.wav")
    world.look(300)
    assert world.events.count("notices.limited") == 1
    state = world.journal.notices.state()
    assert state is not None
    assert "pip install" in state.problem
    world.there = True
    world.look(60)
    assert len(world.sent) == 1
    assert world.journal.notices.state() == replace(state, problem="")


def test_where_nobody_is_told_nothing_is_written(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.notify = {}
    commits = world.journal.commits
    world.fail("a.wav")
    world.look(120)
    assert world.journal.commits == commits + 2  # the job's own
    world.journal.close()


def test_no_secret_of_an_address_stands_in_the_journal_or_the_log(world: World) -> None:
    world.notify = {"urls": [URL], "heartbeat": "https://hc-ping.example/CANARY-beat"}
    world.outcome = lambda _: Outcome(None, "It hung.")
    world.beat_outcome = Outcome(None, "It hung.")
    world.fail("a.wav")
    world.notifier.reconfigured()
    world.look(61)
    world.journal.close()
    assert len(world.beats) == len(world.sent) == 1
    kept = b"".join(path.read_bytes() for path in world.folder.iterdir())
    assert b"127.0.0.1:1" in kept
    assert b"CANARY" not in kept
    assert "CANARY" not in world.stream.getvalue()
    world.journal = Journal.open(world.folder, world.clock)


def test_the_heartbeat_is_asked_every_five_minutes_while_all_loops_move(world: World) -> None:
    world.notify = {"heartbeat": "https://hc-ping.example/x"}
    world.restart()
    world.look(59)
    assert world.beats == [], "a daemon that ends again and again is not well"
    world.look(540)
    assert len(world.beats) == 2
    world.moving = False
    world.look(3600)
    assert len(world.beats) == 2
    world.moving = True
    world.look(1)
    assert len(world.beats) == 3
    world.beat_outcome = Outcome(ok=False, error="It answered 500.")
    world.look(301)
    state = world.journal.notices.state()
    assert state is not None
    assert (state.heartbeat, state.heartbeat_problem) == ("https://hc-ping.example", "It answered 500.")
    world.beat_outcome = Outcome(ok=True)
    world.look(1200)
    assert world.events.count("heartbeat.not_taken") == world.events.count("heartbeat.taken") == 1


@pytest.mark.slow
def test_thousands_of_failures_are_found_a_part_at_a_time_and_told_as_one(world: World) -> None:
    world.fail("first.wav")
    world.look()
    jobs = [replace(Job(new_id(), "in", f"{n}.wav", 3, 7, Settings(), state=State.FAILED, because=because("rejected")))
            for n in range(6_000)]
    world.journal.jobs.add(jobs)
    world.look(2)
    world.clock.at += plan.QUIET
    world.look(2)
    assert world.subjects[1:] == ["in: 6000 recordings were not restored"]
    assert len(world.sent[1][2]) < 4000


def test_what_is_asked_each_second_is_answered_by_an_index(world: World) -> None:
    world.fail("a.wav")
    asked: list[str] = []
    world.journal._reader.set_trace_callback(asked.append)
    world.look(3)
    world.journal._reader.set_trace_callback(None)
    steps = [(statement, row["detail"]) for statement in asked if statement.startswith("SELECT")
             for row in world.journal._db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert steps
    assert not [step for step in steps if step[1].startswith(("SCAN jobs", "SCAN history", "USE TEMP B-TREE"))
                and "groups" not in step[0]]


def test_what_was_told_is_kept_but_not_for_ever(world: World) -> None:
    for number in range(600):
        world.journal.notices.end(replace(world.journal.notices.begin("files", float(number), 1, "s", "b"),
                                          ended_at=1.0))
    assert len(world.journal.notices.latest(10_000)) == 500
