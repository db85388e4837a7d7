"""What only a rebuild may do: rows as sidecars tell them."""

from __future__ import annotations

from journal_jobs import found, job, now, place

from diffio_watch.disk.marker import FolderMemory
from diffio_watch.job import Part, State
from diffio_watch.journal import Halt, Journal
from diffio_watch.reasons import because


def test_a_row_is_put_past_the_table_of_transitions(journal: Journal) -> None:
    made = job(state=State.QUEUED)
    journal.restore.learn(made, "told")
    journal.jobs.commit(now(journal, made.id), reserve=["x"], number=1)
    row = now(journal, made.id)
    journal.jobs.confirm_part(row, Part(1, "e", 1, "s"))
    learned = journal.restore.learn(job(id=made.id, state=State.DELIVERED, sha256="s", version=row.version),
                                    "its sidecar")
    assert now(journal, made.id) == learned
    assert learned.version > row.version  # whoever holds the old row is too late
    assert not journal.jobs.reserved("in", "x", "")
    assert [(event.state, event.detail) for event in journal.jobs.history(made.id)] == [
        (State.QUEUED, "told"), (State.DELIVERED, "its sidecar")]


def test_who_did_not_pay_gives_up_its_claim_to_a_content(journal: Journal) -> None:
    waiting = job(sha256="s", state=State.HELD)
    journal.jobs.add([waiting])
    told = journal.restore.learn(job(sha256="s", state=State.DELIVERED, intent_at=1.0), "")
    assert (told.run, told.sha256) == (1, "s")
    assert now(journal, waiting.id).sha256 is None


def test_who_paid_keeps_its_run_and_the_other_becomes_a_later_one(journal: Journal) -> None:
    for number in range(3):
        assert journal.restore.learn(job(sha256="s", state=State.DELIVERED, intent_at=1.0), "").run == number + 1


def test_what_stands_at_a_path_is_told(journal: Journal) -> None:
    made = journal.restore.learn(job(), "")
    journal.restore.stand(made, size=3, mtime_ns=9, inode=4)
    known = journal.files.known_at("in", "a.wav")
    assert known is not None
    assert (known.job_id, known.size, known.mtime_ns, known.inode) == (made.id, 3, 9, 4)


def test_a_renamed_inbox_takes_everything_along(journal: Journal) -> None:
    (made,) = place(journal, found("a.wav", "aaa"))
    journal.folders.set(FolderMemory("inbox", "in", "disk"))
    journal.folders.count("inbox", "in", 7)
    for paused in ("in", "new", "other"):  # nothing may begin to spend for being called otherwise
        journal.halts.pause(paused)
    journal.jobs.commit(made, number=1, reserve=["x"])
    journal.halts.set(Halt("inbox:in:model", because("paused"), 1.0, None))
    journal.folders.rename_inboxes({"in": "new"})
    assert journal.halts.pauses().keys() == {"new", "other"}
    assert journal.folders.count_of("inbox", "new") == 7
    assert now(journal, made.id).inbox == "new"
    assert set(journal.files.known("new")) == {"a.wav"}
    assert journal.jobs.reserved("new", "x", "")
    assert journal.folders.get("inbox", "new") == FolderMemory("inbox", "new", "disk", former=("in",))
    assert journal.folders.get("inbox", "in") is None
    assert journal.halts.all() == {}  # what stops it is found out anew
    journal.folders.rename_inboxes({"new": "in"})
    assert journal.folders.get("inbox", "in") == FolderMemory("inbox", "in", "disk", former=("new",))


def test_inboxes_may_change_their_names_with_one_another(journal: Journal) -> None:
    (first,) = place(journal, found("a.wav", "aaa"))
    other = job("a.wav", inbox="b", sha256=first.sha256)
    journal.jobs.add([other])
    for name, source in (("in", "one"), ("b", "two")):
        journal.folders.set(FolderMemory("inbox", name, source))
    journal.folders.rename_inboxes({"in": "b", "b": "in"})
    assert (now(journal, first.id).inbox, now(journal, other.id).inbox) == ("b", "in")
    assert journal.folders.get("inbox", "b") == FolderMemory("inbox", "b", "one", former=("in",))
    assert journal.folders.get("inbox", "in") == FolderMemory("inbox", "in", "two", former=("b",))

