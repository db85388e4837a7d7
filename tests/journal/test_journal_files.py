"""Intake's side: what stands where, and what becomes of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from journal_jobs import HandClock, found, now, place, states

from diffio_watch.disk.marker import FolderMemory
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal
from diffio_watch.journal.records import InboxReport, SettlingEntry
from diffio_watch.reasons import because

ODD = os.fsdecode(b"show\nw \xff/t\xe9.wav")


def paid(journal: Journal, job: Job) -> Job:
    """As far as the paid call."""
    job = journal.jobs.commit(job, state=State.UPLOADING, project_id="p")
    job = journal.jobs.commit(job, state=State.GENERATING, uploaded=True, sha256=job.partial)
    return journal.jobs.commit(job, intent_at=1.0, idempotency_key="k", body="{}")


def outcome(journal: Journal, *args: Any, **more: Any) -> str:
    (placed,) = journal.files.place("in", [found(*args, **more)], batch_limit=None)
    return placed.outcome


def test_a_finished_file_makes_a_job_as_it_was_found(journal: Journal, clock: HandClock) -> None:
    (job,) = place(journal, found(ODD, "abc", mtime_ns=5, inode=9, priority=2))
    assert (job.path, job.size, job.mtime_ns, job.inode, job.partial, job.sha256, job.priority) == (
        ODD, 3, 5, 9, "abc", "abc", 2)
    assert (job.state, job.due_at, job.detected_at, job.settled_at, job.created_at) == (
        State.QUEUED, 0.0, 1.0, clock.at, clock.at)
    known = journal.files.known("in")[ODD]
    assert (known.job_id, known.size, known.mtime_ns, known.inode, known.state, known.partial) == (
        job.id, 3, 5, 9, State.QUEUED, "abc")
    assert not known.changed
    assert journal.files.known_at("in", ODD) == known
    assert journal.files.known("other") == {}


def test_a_files_own_fault_makes_a_failed_job_that_is_told_when_its_time_comes(
        journal: Journal, clock: HandClock) -> None:
    fault = because("empty")
    (soon,) = place(journal, found("a.wav", "", fail=fault))
    (later,) = place(journal, found("b.wav", "", fail=fault, notice_at=clock.at + 300))
    assert (soon.state, soon.because) == (State.FAILED, fault)
    assert [job.id for job in journal.chores.notices_due("in", clock.at)] == [soon.id]
    assert [job.id for job in journal.chores.notices_due("in", clock.at + 300)] == [soon.id, later.id]


def test_of_several_files_all_are_journalled_or_none(journal: Journal) -> None:
    def broken() -> None:
        raise RuntimeError

    journal.before_commit = broken
    with pytest.raises(RuntimeError):
        place(journal, found("a.wav", "abc"), found("b.wav", "def"))
    journal.before_commit = lambda: None
    assert journal.jobs.newest() == []
    assert journal.files.known("in") == {}


def test_a_file_that_is_replaced_before_anything_was_paid_describes_its_job_anew(journal: Journal) -> None:
    (job,) = place(journal, found("a.wav", "abc"))
    job = journal.jobs.commit(job, state=State.UPLOADING, project_id="p", upload="put", upload_id="u", part_size=5)
    assert outcome(journal, "a.wav", "other", mtime_ns=2, read=False) == "refreshed"
    again = now(journal, job.id)
    assert (again.state, again.size, again.partial, again.sha256, again.project_id, again.upload_id) == (
        State.QUEUED, 5, "other", None, None, None)


def test_what_a_person_allowed_was_about_the_content_that_stood_there(journal: Journal) -> None:
    (job,) = place(journal, found("a.wav", "abc", read=False))
    journal.jobs.commit(job, approved=True, rebuy=True, as_is=True)
    assert outcome(journal, "a.wav", "abc", mtime_ns=2, read=False) == "refreshed"
    touched = now(journal, job.id)
    assert (touched.approved, touched.rebuy, touched.as_is, touched.detected_at) == (True, True, True, 1.0)
    assert outcome(journal, "a.wav", "other", mtime_ns=3, read=False, detected_at=5.0) == "refreshed"
    other = now(journal, job.id)
    assert (other.approved, other.rebuy, other.as_is, other.detected_at) == (False, False, False, 5.0)


def test_approved_files_that_are_all_replaced_before_they_were_sent_are_a_drop_again(
        journal: Journal, clock: HandClock) -> None:
    names = [f"{number}.wav" for number in range(4)]
    for job in place(journal, *[found(name, name) for name in names], limit=3):
        journal.jobs.commit(job, state=State.QUEUED, because=None, approved=True, due_at=0.0)
    clock.at += 86_400.0
    place(journal, *[found(name, f"other {name}", mtime_ns=2, detected_at=clock.at) for name in names], limit=3)
    assert set(states(journal).values()) == {State.HELD}


def test_a_file_that_is_replaced_after_it_was_paid_for_is_a_new_job(journal: Journal) -> None:
    (job,) = place(journal, found("a.wav", "abc"))
    job = paid(journal, job)
    assert outcome(journal, "a.wav", "other", mtime_ns=2) == "new"
    assert now(journal, job.id) == replace(job, wish="away")
    known = journal.files.known_at("in", "a.wav")
    assert known is not None
    assert known.job_id != job.id


def test_a_content_that_the_path_had_before_is_the_job_it_was(journal: Journal) -> None:
    """Touched, copied over itself, or put back after another one."""
    (job,) = place(journal, found("a.wav", "abc"))
    paid(journal, job)
    assert outcome(journal, "a.wav", "abc", mtime_ns=2) == "same"
    assert now(journal, job.id).mtime_ns == 2
    assert outcome(journal, "a.wav", "other", mtime_ns=3) == "new"
    assert outcome(journal, "a.wav", "abc", mtime_ns=4) == "same"
    known = journal.files.known_at("in", "a.wav")
    assert known is not None
    assert known.job_id == job.id
    assert outcome(journal, "b.wav", "abc") == "new"  # another place


def test_a_path_where_nothing_stands_any_more_is_known_to_have_had_a_job(journal: Journal) -> None:
    assert journal.files.known_at("in", "a.wav") is None
    (job,) = place(journal, found("a.wav", "abc"))
    journal.files.vanish("in", ["a.wav"])
    known = journal.files.known_at("in", "a.wav")
    assert known is not None
    assert (known.job_id, known.mtime_ns, known.sha256) == (job.id, -1, "abc")
    assert journal.files.known("in") == {}


def test_what_the_pipeline_saw_change_is_told_to_intake(journal: Journal) -> None:
    (job,) = place(journal, found("a.wav", "abc"))
    journal.jobs.commit(job, because=because("changed"), due_at=None)
    assert journal.files.known("in")["a.wav"].changed
    place(journal, found("a.wav", "abc"))
    assert not journal.files.known("in")["a.wav"].changed
    assert now(journal, job.id).due_at == 0.0


@pytest.mark.parametrize("state", [State.QUEUED, State.UPLOADING, State.HELD])
def test_a_file_that_vanishes_before_it_was_paid_for_ends_its_job_without_noise(
        journal: Journal, state: State) -> None:
    (job,) = place(journal, found("a.wav", "abc"))
    if state is not job.state:
        journal.jobs.commit(job, state=state, because=None)
    journal.files.vanish("in", ["a.wav", "never there.wav"])
    ended = now(journal, job.id)
    assert (ended.state, ended.due_at, ended.because) == (State.CANCELLED, None, because("vanished"))


def test_a_file_that_vanishes_after_its_upload_leaves_its_job_to_go_on(journal: Journal) -> None:
    (job,) = place(journal, found("a.wav", "abc"))
    job = paid(journal, job)
    journal.files.vanish("in", ["a.wav"])
    assert now(journal, job.id) == replace(job, wish="away")
    (failed,) = place(journal, found("b.wav", "xyz", fail=because("not_media")))
    journal.files.vanish("in", ["b.wav"])
    assert now(journal, failed.id).state is State.FAILED


def test_a_touch_is_new_facts_of_the_same_content(journal: Journal) -> None:
    (job,) = place(journal, found(ODD, "abc"))
    journal.files.touch("in", ODD, size=3, mtime_ns=77, inode=5)
    known = journal.files.known("in")[ODD]
    assert (known.mtime_ns, known.inode) == (77, 5)
    assert now(journal, job.id).mtime_ns == 77
    journal.files.touch("in", "unknown.wav", size=1, mtime_ns=1, inode=None)
    assert set(journal.files.known("in")) == {ODD}


def test_a_renamed_file_takes_all_its_jobs_along(journal: Journal) -> None:
    (first,) = place(journal, found("a.wav", "abc"))
    paid(journal, first)
    (second,) = place(journal, found("a.wav", "other", mtime_ns=2))
    journal.files.move("in", [("a.wav", ODD)])
    assert [job.id for job in journal.jobs.at("in", ODD)] == [second.id, first.id]
    assert journal.jobs.at("in", "a.wav") == []
    assert journal.files.known("in")[ODD].job_id == second.id
    assert journal.jobs.history(second.id)[-1].detail == "renamed"


def test_two_files_may_change_their_names_with_one_another(journal: Journal) -> None:
    one, two = place(journal, found("1.wav", "abc"), found("2.wav", "other"))
    journal.files.move("in", [("1.wav", "2.wav"), ("2.wav", "1.wav")])
    assert {path: known.job_id for path, known in journal.files.known("in").items()} == {"1.wav": two.id,
                                                                                         "2.wav": one.id}


def test_what_was_read_once_counts_as_renamed_until_it_was_read_again(journal: Journal) -> None:
    place(journal, found("a.wav", "abc"), found("b.wav", "other", read=False))
    journal.files.move("in", [("a.wav", "c.wav"), ("b.wav", "d.wav")])
    assert {path: known.renamed for path, known in journal.files.known("in").items()} == {"c.wav": True, "d.wav": False}
    journal.files.move("in", [("c.wav", "e.wav")])
    assert journal.files.known("in")["e.wav"].renamed
    assert outcome(journal, "e.wav", "abc") == "same"
    assert not journal.files.known("in")["e.wav"].renamed


def test_a_waiting_copy_that_is_renamed_over_its_twin_ends_and_the_twin_goes_on(journal: Journal) -> None:
    first, copy = place(journal, found("a.wav", "abc"), found("b.wav", "abc", mtime_ns=2))
    first = paid(journal, first)
    journal.files.move("in", [("b.wav", "a.wav")])
    assert (now(journal, copy.id).state, now(journal, copy.id).because) == (State.CANCELLED, because("vanished"))
    assert {path: (known.job_id, known.mtime_ns) for path, known in journal.files.known("in").items()} == {
        "a.wav": (first.id, 2)}
    assert now(journal, first.id).state is State.GENERATING


@pytest.mark.parametrize("held", [False, True])
def test_of_two_equal_files_of_which_nothing_was_sent_the_one_renamed_over_stays_what_it_was(
        journal: Journal, held: bool) -> None:  # a case
    there, copy = place(journal, found("a.wav", "abc"), found("b.wav", "abc"))
    if held:
        there = journal.jobs.commit(there, state=State.HELD, because=because("unproven", job=there.id), due_at=None)
    journal.files.move("in", [("b.wav", "a.wav")])
    assert journal.files.known("in")["a.wav"].job_id == there.id
    assert now(journal, there.id).state is there.state
    assert now(journal, copy.id).state is State.CANCELLED


def test_a_paid_job_whose_file_is_renamed_over_a_waiting_copy_goes_on(journal: Journal) -> None:
    waiting, first = place(journal, found("a.wav", "abc"), found("b.wav", "abc"))
    first = paid(journal, first)
    journal.files.move("in", [("b.wav", "a.wav")])
    assert now(journal, first.id) == replace(first, wish="away")
    assert journal.files.known("in")["a.wav"].job_id == waiting.id
    assert now(journal, waiting.id).state is State.QUEUED


def test_equal_files_may_be_renamed_in_a_row_over_one_another(journal: Journal) -> None:
    _, two, three = place(journal, *[found(f"{number}.wav", "abc") for number in (1, 2, 3)])
    journal.files.move("in", [("1.wav", "2.wav"), ("2.wav", "3.wav")])
    assert {path: known.job_id for path, known in journal.files.known("in").items()} == {"2.wav": two.id,
                                                                                         "3.wav": three.id}
    assert states(journal) == {"1.wav": State.CANCELLED, "2.wav": State.QUEUED, "3.wav": State.QUEUED}


def test_error_files_are_due_until_written_and_stale_when_they_explain_nothing_any_more(journal: Journal) -> None:
    failed, gone, held = place(journal, found("a.wav", "a", fail=because("not_media")),
                               found("b.wav", "b", fail=because("not_media")), found("c.wav", "c"))
    held = journal.jobs.commit(held, state=State.HELD, because=because("daily_limit"), due_at=None)
    assert len(journal.chores.notices_due("in", journal.clock.now())) == 3
    failed, gone, held = (journal.jobs.commit(job, error_file=True) for job in (failed, gone, held))
    assert journal.chores.notices_due("in", journal.clock.now()) == []
    assert journal.chores.notices_stale("in") == []
    journal.files.vanish("in", ["b.wav"])
    assert [job.id for job in journal.chores.notices_stale("in")] == [gone.id]
    assert not journal.jobs.commit(held, state=State.QUEUED).error_file
    assert journal.chores.old_notices("in") == ["c.wav"]
    (later,) = place(journal, found("a.wav", "better", mtime_ns=2))
    for state in (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING, State.DELIVERED):
        later = journal.jobs.commit(later, state=state)
    assert {job.id for job in journal.chores.notices_stale("in")} == {gone.id, failed.id}


def test_originals_wait_until_they_are_where_they_belong(journal: Journal) -> None:
    (job,) = place(journal, found("a.wav", "abc"))
    for state in (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING):
        job = journal.jobs.commit(job, state=state, original="pending", due_at=None)
    assert journal.chores.pending_originals("in", 1e12) == []
    job = journal.jobs.commit(job, state=State.DELIVERED, due_at=None)
    assert [one.id for one in journal.chores.pending_originals("in", 0.0)] == [job.id]
    job = journal.jobs.commit(job, due_at=100.0)
    assert journal.chores.pending_originals("in", 99.0) == []
    journal.jobs.commit(job, original="archived")
    assert journal.chores.pending_originals("in", 101.0) == []


def test_the_list_of_settling_files_is_replaced_as_a_whole(journal: Journal) -> None:
    entries = [SettlingEntry(ODD, because("settling", seconds=2), 5.0, None),
               SettlingEntry("a.wav", because("cut_short", detail="x"), 3.0, 9.0)]
    journal.inboxes.settling("in", entries)
    journal.inboxes.settling("other", entries[:1])
    assert journal.inboxes.settling_in("in") == [entries[1], entries[0]]
    journal.inboxes.settling("in", [])
    assert journal.inboxes.settling_in("in") == []
    assert journal.inboxes.settling_in("other") == entries[:1]


def test_how_an_inbox_is_is_remembered_as_it_was_told_last(journal: Journal) -> None:
    stopped = InboxReport("in", available=False, watch="polling", filesystem="nfs4", settle_seconds=30.0,
                          stopped=because("unavailable", detail="gone"), since=5.0, next_check_at=6.0, note="n")
    fine = InboxReport("in", available=True, watch="events", filesystem="ext4", settle_seconds=2.0, last_scan_at=7.0)
    for report in (stopped, fine, stopped):
        journal.inboxes.report(report)
        assert journal.inboxes.reports() == {"in": report}


def test_folders_are_remembered_by_role_and_name(journal: Journal) -> None:
    memory = FolderMemory("outbox", "in", "//nas/share", marked=False)
    assert journal.folders.get("outbox", "in") is None
    journal.folders.set(memory)
    assert journal.folders.get("outbox", "in") == memory
    assert journal.folders.get("inbox", "in") is None
    journal.folders.forget("outbox", "in")
    assert journal.folders.get("outbox", "in") is None


def test_what_was_written_into_a_marker_never_falls(journal: Journal) -> None:
    """Threads come in any order, and a forgotten folder keeps its marker."""
    assert journal.folders.count_of("outbox", "in") == 0
    for counter in (5, 3, 6, 5):
        journal.folders.count("outbox", "in", counter)
    journal.folders.forget("outbox", "in")
    assert journal.folders.count_of("outbox", "in") == 6
    assert journal.folders.count_of("inbox", "in") == 0


def test_what_is_journalled_is_settling_no_more(journal: Journal) -> None:
    """The list is told a little later, and a failure of it would be hidden so long."""
    for path in ("a.wav", "b.wav"):
        journal.files.place("in", [found(path, path)], batch_limit=None)
    entries = [SettlingEntry(path, because("settling", seconds="2"), 0.0, None) for path in ("a.wav", "b.wav")]
    journal.inboxes.settling("in", entries)
    journal.files.place("in", [found("a.wav", "another content")], batch_limit=None)
    assert [one.path for one in journal.inboxes.settling_in("in")] == ["b.wav"]
    journal.inboxes.settling("in", entries[1:])
    journal.inboxes.settling("in", [])
    assert journal.inboxes.settling_in("in") == []
