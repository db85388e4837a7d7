"""retry, cancel, approve, pause, resume, bump: what a person's word does, and that `retry` never pays."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import programs
import pytest
from cli_place import Place, at_a_terminal, command, delivered

from diffio_watch.job import TRANSITIONS, Because, Job, Output, Settings, State
from diffio_watch.journal import Answer, Halt, Journal, Lock
from diffio_watch.pipeline import command_queue, commands
from diffio_watch.reasons import because

HELD = ["daily_limit", "drop_size", "unproven", "account_changed", "conflict", "duplicate_gone"]
INTENDED: dict[str, Any] = {"project_id": "p", "base_url": "http://127.0.0.1:1/v1", "uploaded": True, "intent_at": 2e9,
                            "idempotency_key": "k", "body": "{}"}
BOUGHT = INTENDED | {"generation_id": "g"}


def job(state: State, code: str | None = None, **facts: Any) -> Job:
    reason = because(code, job="J") if code else None
    return Job(id="J", inbox="podcasts", path="a.wav", size=1, mtime_ns=1, settings=Settings(), state=state,
               because=reason, **facts)


WAYS: list[tuple[dict[str, Any], State]] = [
    ({}, State.QUEUED),
    ({"project_id": "p"}, State.QUEUED),
    ({"project_id": "p", "uploaded": True}, State.GENERATING),
    (INTENDED, State.GENERATING),
    (BOUGHT, State.WAITING),
    (BOUGHT | {"completed_at": 2e9}, State.DOWNLOADING),
]


@pytest.mark.parametrize(("facts", "state"), WAYS)
@pytest.mark.parametrize("code", ["rejected", "not_found", "output_unavailable", "internal", "too_large"])
def test_retry_goes_on_from_what_exists_with_what_was_sent(facts: dict[str, Any], state: State, code: str) -> None:
    ruling = commands.retry(job(State.FAILED, code, **facts), 5.0)
    assert ruling.done
    assert ruling.changes["state"] is state
    assert state in TRANSITIONS[State.FAILED]
    assert ruling.changes["due_at"] == 5.0
    # what protects from paying twice is never touched
    assert not ruling.changes.keys() & {"idempotency_key", "body", "intent_at", "project_id", "generation_id"}


@pytest.mark.parametrize(("facts", "state"), WAYS)
def test_a_cancelled_job_is_taken_up_again_from_what_exists(facts: dict[str, Any], state: State) -> None:
    ruling = commands.retry(job(State.CANCELLED, "discarded", **facts), 5.0)
    assert ruling.changes["state"] is state
    assert state in TRANSITIONS[State.CANCELLED]


@pytest.mark.parametrize(("facts", "bought"), [
    ({}, False), ({"project_id": "p", "uploaded": True}, False), (INTENDED, True), (BOUGHT, True)])
def test_retry_says_that_a_first_generation_will_be_bought_where_none_was(
        facts: dict[str, Any], *, bought: bool) -> None:
    """It pays nothing twice; that is not never."""
    for one, as_is in ((job(State.CANCELLED, "discarded", **facts), False),
                       (job(State.FAILED, "truncated", **facts), True)):
        line = commands.retry(one, 5.0, as_is=as_is).line
        assert ("nothing was bought for it yet, its generation will be" in line) is not bought


@pytest.mark.parametrize("code", ["generation_failed", "gave_up"])
def test_where_nothing_is_left_retry_says_so_and_names_fresh(code: str) -> None:
    ruling = commands.retry(job(State.FAILED, code, **BOUGHT), 5.0)
    assert not ruling.done
    assert not ruling.changes
    assert "retry --fresh J" in ruling.line


@pytest.mark.parametrize("code", ["truncated", "not_media", "no_sound"])
def test_what_was_refused_by_its_look_is_sent_only_as_is(code: str) -> None:
    refused = job(State.FAILED, code)
    assert not commands.retry(refused, 5.0).done
    assert "--as-is J" in commands.retry(refused, 5.0).line
    sent = commands.retry(refused, 5.0, as_is=True)
    assert (sent.changes["state"], sent.changes["as_is"]) == (State.QUEUED, True)


def test_as_is_and_empty_files_do_not_go_together() -> None:
    assert not commands.retry(job(State.FAILED, "empty"), 5.0).done
    assert not commands.retry(job(State.FAILED, "empty"), 5.0, as_is=True).done
    assert not commands.retry(job(State.DELIVERED), 5.0, as_is=True).done


def test_retry_of_a_parked_job_brings_it_forward_and_of_a_running_one_leaves_it_alone() -> None:
    parked = commands.retry(job(State.WAITING, "service_error", due_at=1e9, parks=7, **BOUGHT), 5.0)
    assert parked.changes == {"due_at": 5.0, "parks": 0}
    assert not commands.retry(job(State.WAITING, due_at=1.0, **BOUGHT), 5.0).changes
    assert not commands.retry(job(State.QUEUED, "changed", due_at=None), 5.0).done


def test_outputs_that_could_not_be_had_are_asked_for_again() -> None:
    none = (Output("audio", "unavailable", note="404"),)
    assert commands.retry(job(State.FAILED, "output_unavailable", outputs=none, number=3, **BOUGHT), 5.0).changes[
        "outputs"] == ()
    some = (Output("audio", "published", path="a.mp3"), Output("video", "unavailable"))
    assert "outputs" not in commands.retry(job(State.FAILED, "internal", outputs=some, **BOUGHT), 5.0).changes


def test_outputs_that_were_moved_away_are_fetched_again_for_nothing() -> None:
    outputs = (Output("audio", "published", "a.mp3", 5, "0" * 64, "audio/mpeg"),)
    there = job(State.DELIVERED, outputs=outputs, completed_at=2e9, **BOUGHT)
    assert not commands.retry(there, 5.0).changes
    again = commands.retry(there, 5.0, missing=["audio"])
    assert again.changes["state"] is State.DOWNLOADING
    assert again.changes["outputs"] == (Output("audio", "wanted", "a.mp3", mime_type="audio/mpeg"),)


@pytest.mark.parametrize("state", list(State))
def test_every_ruling_is_a_legal_transition_in_every_state(state: State) -> None:
    codes: dict[State, list[str | None]] = {
        State.HELD: [*HELD], State.FAILED: ["rejected", "empty", "truncated", "gave_up", "internal"],
        State.CANCELLED: ["discarded", "vanished"], State.SKIPPED: ["duplicate"]}
    for code in codes.get(state) or [None]:
        for facts, _ in WAYS:
            one = job(state, code, **facts)
            for ruling in (commands.retry(one, 5.0), commands.retry(one, 5.0, as_is=True), commands.approve(one, 5.0),
                           commands.retry(one, 5.0, missing=["audio", "sidecar"]), commands.bump(one, 5.0),
                           commands.cancel(one, discard=False), commands.cancel(one, discard=True)):
                after = ruling.changes.get("state", state)
                assert after is state or after in TRANSITIONS[state], (state, code, after)
                assert ruling.line


@pytest.mark.parametrize("state", [State.GENERATING, State.WAITING, State.DOWNLOADING])
def test_what_is_paid_for_is_cancelled_only_with_discard(state: State) -> None:
    paid = job(state, **BOUGHT)
    refused = commands.cancel(paid, discard=False)
    assert not refused.done
    assert "money is spent" in refused.line
    assert commands.cancel(paid, discard=True).changes["state"] is State.CANCELLED


@pytest.mark.parametrize(("state", "facts"), [
    (State.QUEUED, {}), (State.UPLOADING, {"project_id": "p"}), (State.GENERATING, {"uploaded": True}),
    (State.HELD, {})])
def test_before_the_paid_step_a_job_is_simply_cancelled(state: State, facts: dict[str, Any]) -> None:
    ruling = commands.cancel(job(state, "daily_limit" if state is State.HELD else None, **facts), discard=False)
    assert ruling.changes["state"] is State.CANCELLED
    assert ruling.changes["because"].code == "discarded"


@pytest.mark.parametrize("code", HELD)
def test_approve_releases_every_hold_and_mints_no_new_key(code: str) -> None:
    facts = BOUGHT if code in {"account_changed", "conflict"} else {}
    ruling = commands.approve(job(State.HELD, code, **facts), 5.0)
    passes = {name for name in ("approved", "released") if ruling.changes.get(name)}
    assert passes == {"released" if code == "drop_size" else "approved"}
    assert ruling.changes["due_at"] == 5.0
    assert not ruling.changes.keys() & {"idempotency_key", "body", "intent_at"}


def test_a_released_copy_is_not_found_to_be_a_copy_again() -> None:
    ruling = commands.approve(job(State.HELD, "duplicate_gone", duplicate_of="K"), 5.0)
    assert ruling.changes["settings"].duplicates == "process"
    assert ruling.changes["duplicate_of"] is None


def test_bump_puts_the_newest_wish_first_and_breaks_nothing_off() -> None:
    first, second = (commands.bump(job(State.QUEUED), now).changes["bumped"] for now in (5.0, 5.002))
    assert second > first > 0
    assert not commands.bump(job(State.UPLOADING, due_at=1.0), 5.0).changes
    assert commands.bump(job(State.WAITING, "service_error", due_at=9.0, **BOUGHT), 5.0).changes["due_at"] == 5.0


def test_a_fresh_run_starts_on_the_project_already_uploaded_without_any_intent() -> None:
    old = job(State.FAILED, "generation_failed", upload="put", sha256="0" * 64, **BOUGHT)
    again = commands.fresh(old, Settings(model="m"), run=2, priority=0, base_url="http://127.0.0.1:1/v1", now=5.0)
    assert (again.run, again.state, again.project_id, again.uploaded) == (2, State.GENERATING, "p", True)
    assert (again.id, again.settings.model) != (old.id, old.settings.model)
    assert not again.paid
    assert again.idempotency_key is again.generation_id is again.body is None


@pytest.mark.parametrize(("code", "base_url"), [
    ("account_changed", "http://127.0.0.1:1/v1"), ("rejected", "https://other/v1"),
    ("not_found", "http://127.0.0.1:1/v1")])
def test_a_fresh_run_whose_project_is_out_of_reach_uploads_again(code: str, base_url: str) -> None:
    old = job(State.HELD if code == "account_changed" else State.FAILED, code, **BOUGHT)
    again = commands.fresh(old, Settings(), run=2, priority=0, base_url=base_url, now=5.0)
    assert (again.state, again.project_id, again.uploaded) == (State.QUEUED, None, False)


@pytest.mark.parametrize(("state", "facts", "stop", "allowed"), [
    (State.WAITING, BOUGHT, None, False), (State.GENERATING, INTENDED, None, False),
    (State.GENERATING, INTENDED, "model_retired", True), (State.QUEUED, {}, None, True),
    (State.DELIVERED, BOUGHT, None, True), (State.SKIPPED, {}, None, True)])
def test_no_fresh_generation_beside_one_that_is_under_way(
        state: State, facts: dict[str, Any], stop: str | None, *, allowed: bool) -> None:
    assert (commands.fresh_refusal(job(state, **facts), stop) is None) is allowed


def test_retry_fresh_makes_one_new_run_and_leaves_the_failed_one_in_the_history(place: Place) -> None:
    old = place.add("a.wav", state=State.FAILED, because=because("gave_up"), sha256="0" * 64, **BOUGHT)
    done = place.run("retry", "--fresh", "--yes", "--model", "diffio-4.6-pro", "podcasts:a.wav")
    assert done.code == 0, done.err
    new, before = place.run("jobs", "--json").json
    assert (before["id"], before["state"]) == (old.id, "failed")
    assert (new["run"], new["state"], new["model"], new["project_id"]) == (2, "generating", "diffio-4.6-pro", "p")
    refused = place.run("retry", "--fresh", "--yes", before["id"])
    assert refused.code == 1
    assert f"job {new['id']}" in refused.err
    assert len(place.run("jobs", "--json").json) == 2


def test_a_fresh_run_takes_the_model_that_is_configured_now(place: Place) -> None:
    place.add("a.wav", state=State.FAILED, because=because("rejected"), settings=Settings(model="retired"), **BOUGHT)
    place.run("retry", "--fresh", "--yes", "podcasts:a.wav")
    assert place.run("jobs", "--json").json[0]["model"] == "diffio-4.6-flash"


def test_a_fresh_run_for_a_held_job_ends_the_held_one(place: Place) -> None:
    held = place.add("a.wav", state=State.HELD, because=because("conflict"), **BOUGHT)
    assert place.run("retry", "--fresh", "--yes", held.id).code == 0
    assert place.job(held.id).state is State.CANCELLED


def test_fresh_asks_first_and_buys_nothing_without_a_yes(place: Place) -> None:
    place.add("a.wav", state=State.FAILED, because=because("gave_up"), **BOUGHT)
    done = programs.run(command("retry", "--fresh", "podcasts:a.wav"), env=place.env | {
        "DIFFIO_WATCH_CONFIG": str(place.config_file)}, input=b"y\n", capture_output=True, check=False)
    assert done.returncode == 2
    assert b"--yes" in done.stderr
    assert len(place.run("jobs", "--json").json) == 1


def test_fresh_says_how_many_and_with_which_model_it_buys(place: Place) -> None:
    for name in ("a.wav", "b.wav"):
        place.add(name, state=State.FAILED, because=because("gave_up"), **BOUGHT)
    _, out = at_a_terminal(place, "n\n", "retry", "--fresh", "--failed")
    assert "Buy 2 new generations with diffio-4.6-flash?" in out
    assert len(place.run("jobs", "--json").json) == 2
    at_a_terminal(place, "y\n", "retry", "--fresh", "--failed")
    assert len(place.run("jobs", "--json").json) == 4


def test_fresh_tells_of_a_newer_run_and_buys_beyond_it_only_on_a_yes_to_that(place: Place) -> None:
    old = place.add("a.wav", state=State.FAILED, because=because("gave_up"), sha256="0" * 64, **BOUGHT)
    new = place.add("a.wav", run=2, **delivered() | BOUGHT | {"sha256": "0" * 64})
    _, out = at_a_terminal(place, "n\n", "retry", "--fresh", old.id)
    told = " ".join(out.split())  # as broken into lines as the terminal is wide
    assert f"podcasts:a.wav has a newer run: job {new.id}, run 2, is delivered." in told
    assert "Buy 1 new generation with diffio-4.6-flash all the same?" in told
    _, out = at_a_terminal(place, "n\n", "retry", "--fresh", old.id, new.id)
    assert "Buy 1 new generation" in " ".join(out.split()), "both mean one recording"
    assert f"job {new.id}, run 2" in " ".join(place.run("retry", "--fresh", old.id).err.split()), "told to scripts, too"
    scripted = place.run("retry", "--fresh", "--yes", old.id)
    assert scripted.code == 1, "a yes to a number is none to a third generation"
    assert f"diffio-watch retry --fresh {new.id}" in scripted.err
    assert len(place.run("jobs", "--json").json) == 2
    code, out = at_a_terminal(place, "y\n", "retry", "--fresh", old.id)
    assert code == 0, out
    assert [each["run"] for each in place.run("jobs", "--json").json] == [3, 2, 1]


def test_what_is_asked_at_a_terminal_is_bought_only_as_it_was_told(place: Place) -> None:
    """Somebody else decides about the job while the question stands there."""
    held = place.add("a.wav", state=State.HELD, because=because("conflict"), **BOUGHT)

    def meanwhile() -> None:
        assert place.run("approve", held.id).code == 0

    _, out = at_a_terminal(place, "y\n", "retry", "--fresh", held.id, before=meanwhile)
    assert "Buy 1 new generation" in out
    assert "has changed since" in out
    assert len(place.run("jobs", "--json").json) == 1


def test_retry_failed_takes_what_failed_since_and_was_not_replaced(place: Place) -> None:
    place.add("old.wav", state=State.FAILED, because=because("internal"), updated_at=time.time() - 7200)
    place.add("new.wav", state=State.FAILED, because=because("internal"), updated_at=time.time() - 60)
    place.add("again.wav", state=State.FAILED, because=because("internal"), updated_at=time.time(), sha256="1" * 64)
    place.add("again.wav", **delivered())
    assert place.run("retry", "--failed", "--since", "1h").code == 0
    states = {each["path"]: each["state"] for each in reversed(place.run("jobs", "--json").json)}
    assert (states["old.wav"], states["new.wav"], states["again.wav"]) == ("failed", "queued", "delivered")
    assert place.run("retry", "--failed", "--since", "2020-01-31").code == 0
    assert {each["state"] for each in place.run("jobs", "--json").json} == {"queued", "delivered", "failed"}
    assert place.run("retry", "--failed", "--since", "yesterday").code == 2
    assert "Nothing has failed" in place.run("retry", "--failed").out


def test_what_could_not_be_done_is_told_on_standard_error_and_ends_with_1(place: Place) -> None:
    place.add("a.wav", state=State.FAILED, because=because("gave_up"), **BOUGHT)
    place.add("b.wav", state=State.FAILED, because=because("internal"))
    done = place.run("retry", "podcasts:a.wav", "podcasts:b.wav", "podcasts:c.wav")
    assert done.code == 1
    assert "--fresh" in done.err
    assert "podcasts:c.wav" in done.err
    assert place.run("show", "podcasts:b.wav", "--json").json["state"] == "queued"


def test_approve_releases_an_inbox_a_list_or_everything(place: Place) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        place.add(name, state=State.HELD, because=because("drop_size"), inbox="old" if name == "c.wav" else "podcasts")
    assert place.run("approve", "podcasts:a.wav").code == 0
    assert place.run("approve", "--inbox", "nope").code == 2
    assert place.run("approve", "--inbox", "podcasts").code == 0
    states = {each["path"]: each["state"] for each in place.run("jobs", "--json").json}
    assert states == {"a.wav": "queued", "b.wav": "queued", "c.wav": "held"}
    assert place.run("approve", "--all").code == 0
    assert place.run("approve", "--all").out == "Nothing is held.\n"
    assert place.run("approve", "podcasts:a.wav").code == 1


def test_many_jobs_are_counted_and_changed_in_one_go(place: Place) -> None:
    with place.journal() as journal:
        journal.jobs.add([Job(id=f"01{number:024d}", inbox="podcasts", path=f"{number}.wav", size=1, mtime_ns=1,
                         settings=Settings(), state=State.HELD, because=Because("drop_size", "", ""))
                     for number in range(1500)])
    started = time.monotonic()
    done = place.run("approve", "--inbox", "podcasts")
    assert done.out == "Done for 1500 jobs.\n"
    assert time.monotonic() - started < 10


def test_pause_and_resume_one_inbox_or_all(place: Place) -> None:
    place.add("a.wav", state=State.WAITING, because=because("service_error"), due_at=4e9, **BOUGHT)
    with place.journal() as journal:
        journal.halts.set(Halt("account", because("auth", detail="x"), 1.0, 4e9))
    assert place.run("pause", "podcasts").code == 0
    assert place.run("pause", "nope").code == 2
    assert place.run("status", "--json").json["paused"] == ["podcasts"]
    assert place.run("pause").code == 0
    assert place.run("resume", "podcasts").code == 1  # everything is paused
    done = place.run("resume")
    assert done.code == 0
    assert "The API key does not work" in done.out
    with place.journal() as journal:
        assert journal.halts.pauses() == {}
        halted = journal.halts.all()["account"].next_check_at
        assert halted is not None
        assert halted < 3e9  # probed at once
        assert all((one.due_at or 0) < 3e9 for one in journal.jobs.newest())  # parks are over


def test_resume_takes_no_old_reason_for_the_answer_of_a_probe_that_is_still_to_be_made(place: Place) -> None:
    with place.journal() as journal:
        journal.halts.set(Halt("account", because("auth", detail="x"), 1.0, 4e9))
    done = place.run("resume")
    assert done.code == 0
    assert "Goes on" not in done.out
    assert re.search(r"Stopped since 1970-01-0\d \d\d:\d\d: ", done.out)
    assert "No daemon runs, so nothing goes on" in done.out


def test_resume_waits_for_the_probe_and_tells_what_it_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Halt("account", because("auth", detail="x"), 1.0, 4e9)
    with place.journal() as journal:
        journal.halts.set(stop)
        with daemon(place, then=lambda its: its.halts.clear("account")):
            done = place.run("resume")
        assert done.out.splitlines()[-1] == "It is over. Goes on: every inbox."
        journal.halts.set(stop)
        monkeypatch.setattr("diffio_watch.cli.request._PROBE", 0.2)
        with daemon(place):
            done = place.run("resume")
    assert "Goes on" not in done.out
    assert "not over yet" in done.out
    assert stop.because.action in done.out


def test_resume_of_one_inbox_says_nothing_of_what_stops_another(place: Place) -> None:
    with place.journal() as journal:
        journal.halts.set(Halt("inbox:other:model", because("model_retired", model="m"), 1.0, 4e9))
        with daemon(place):
            assert place.run("resume", "podcasts").out == "Goes on: podcasts.\n"


@contextmanager
def daemon(place: Place, then: Callable[[Journal], object] = lambda _: None) -> Iterator[list[str]]:
    """The daemon's side of requests: it holds the lock, serves between its steps, and does what follows."""
    served: list[str] = []
    stop = threading.Event()

    def serve() -> None:
        with place.journal() as journal, Lock(place.state):
            ready.set()
            while not stop.wait(0.05):
                if done := command_queue.serve(journal, place.config, 5.0):
                    served.extend(one.command for one, _ in done)
                    then(journal)

    ready = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait(10)
    try:
        yield served
    finally:
        stop.set()
        thread.join()


def test_a_running_daemon_is_asked_and_its_answer_waited_for(place: Place) -> None:
    held = place.add("a.wav", state=State.HELD, because=because("drop_size"))
    with daemon(place) as served:
        done = place.run("approve", held.id)
    assert served == ["approve"]
    assert done.out == "podcasts:a.wav is released.\n"
    assert place.job(held.id).state is State.QUEUED


def test_a_request_that_nobody_answers_stands_and_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    held = place.add("a.wav", state=State.HELD, because=because("drop_size"))
    monkeypatch.setattr("diffio_watch.cli.request._PATIENCE", 0.2)
    with Lock(place.state):
        done = place.run("approve", held.id)
    assert done.code == 1
    assert "The request stands" in done.err
    place.run("pause")  # whoever comes next serves it too
    assert place.job(held.id).state is State.QUEUED


def test_a_request_that_trips_the_program_is_answered_and_does_not_trip_it_again(place: Place) -> None:
    place.add("a.wav")
    with place.journal() as journal:
        bad = journal.requests.ask("retry", {"jobs": 5})
        unknown = journal.requests.ask("dance", {})
        good = journal.requests.ask("pause", {})
        assert len(command_queue.serve(journal, place.config, 5.0)) == 3
        answers = [journal.requests.answer_of(number) for number in (bad, unknown, good)]
    assert [answer.exit for answer in answers if isinstance(answer, Answer)] == [1, 2, 0]


def test_adopting_writes_markers_and_makes_the_journal_where_there_is_none(place: Place) -> None:
    done = place.run("journal", "adopt")
    assert done.code == 0, done.err
    assert (place.inbox / ".diffio-watch").is_file()
    assert (place.outbox / ".diffio-watch").is_file()
    with place.journal() as journal:
        assert journal.folders.get("inbox", "podcasts") is not None


def test_adopting_a_folder_that_is_not_there_says_so(place: Place) -> None:
    place.outbox.rmdir()
    done = place.run("journal", "adopt", "podcasts")
    assert done.code == 1
    assert "outbox of podcasts" in done.err
    assert place.run("journal", "adopt", "nope").code == 2


def _must_be_readable_by_others() -> None:
    try:
        subprocess.run([sys.executable, "-c", "import pydantic, wave"], user=1234, group=1234, extra_groups=[],
                       capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("another user can't read this Python")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_first_becomes_the_owner_of_the_journal(place: Place) -> None:
    _must_be_readable_by_others()
    place.add("a.wav", state=State.HELD, because=because("drop_size"))
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        state = Path(folder, "state")
        shutil.copytree(place.state, state)
        for path in [Path(folder), state, *state.iterdir()]:
            os.chown(path, 1234, 1234)
        place.config_file.write_text(place.config_file.read_text().replace(str(place.state), str(state)))
        with place.start("approve", "--all", cwd="/") as process:
            assert process.wait(20) == 0, process.stderr and process.stderr.read()
        assert {path.stat().st_uid for path in state.iterdir()} == {1234}


@pytest.mark.parametrize(("command", "state"), [
    (["cancel", "podcasts:a.wav"], "cancelled"), (["bump", "podcasts:a.wav"], "queued"),
    (["approve", "podcasts:a.wav"], "queued"), (["approve", "--all"], "queued"),
    (["retry", "podcasts:a.wav"], "queued"), (["retry", "--failed"], "queued")])
def test_a_changing_command_tells_programs_what_became_of_each_job(
    place: Place, command: list[str], state: str,
) -> None:
    was = {"approve": State.HELD, "retry": State.FAILED}.get(command[0], State.QUEUED)
    job = place.add("a.wav", state=was, because=because("rejected", detail="x") if was is State.FAILED else None)
    done = place.run(*command, "--json")
    assert (done.code, done.err) == (0, "")
    assert {"ok": True, "exit": 0, "daemon": {"running": False}, "missed": [], "stops": []}.items() <= done.json.items()
    assert [(one["id"], one["state"]) for one in done.json["jobs"]] == [(job.id, state)]
    assert all(isinstance(line, str) for line in done.json["lines"])


def test_what_was_not_done_is_told_programs_with_the_exit_code(place: Place) -> None:
    place.add("a.wav", state=State.DELIVERED)
    refused = place.run("cancel", "podcasts:a.wav", "podcasts:none.wav", "--json")
    assert refused.code == refused.json["exit"] == 1
    assert (refused.json["ok"], refused.json["jobs"], len(refused.json["missed"])) == (False, [], 1)
    assert "is delivered" in refused.json["lines"][0]
    paused = place.run("pause", "--json")
    assert (paused.code, paused.json["ok"]) == (0, True)
    with place.journal() as journal:
        journal.halts.set(Halt("account", because("auth", detail="x"), 1.0, None))
    resumed = place.run("resume", "--json").json
    assert [(one["scope"], one["reason"]) for one in resumed["stops"]] == [("account", "auth")]
    fresh = place.run("retry", "--fresh", "--json", "podcasts:a.wav")
    assert (fresh.code, fresh.out) == (2, "")
    assert "say --yes" in fresh.err


def test_a_change_that_no_daemon_takes_up_says_so(place: Place) -> None:
    place.add("a.wav", state=State.HELD)
    assert "No daemon runs, so nothing goes on." in place.run("approve", "--all").err
