"""Opening, making, refusing and closing the database; transactions; the lock of the daemon."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from journal_jobs import HandClock, job

from diffio_watch.job import Output, State
from diffio_watch.journal import (
    Journal,
    JournalCorrupt,
    JournalLocked,
    JournalMissing,
    JournalTrouble,
    Lock,
    holder,
)
from diffio_watch.journal.rows import COLUMNS, job_row
from diffio_watch.journal.schema import APPLICATION_ID, MIGRATIONS, VERSION, migrate, version_of
from diffio_watch.journal.totals import Took
from diffio_watch.reasons import because

FILE = "journal.sqlite3"


def pragma(journal: Journal, name: str) -> object:
    (value,) = journal._db.execute(f"PRAGMA {name}").fetchone()
    return value


def counted(journal: Journal) -> dict[State, int]:
    """How many jobs are in each state that has any."""
    return {state: count for state, count in journal.totals.by_state().items() if count}


def test_what_must_not_make_a_journal_says_that_there_is_none(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(JournalMissing, match="run"):
            Journal.open(tmp_path, read_only=read_only)
    assert list(tmp_path.iterdir()) == []


def test_it_is_made_for_its_owner_alone_and_survives_power_cuts(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Journal.open(tmp_path, create=True) as journal:
            journal.jobs.add([job()])
            assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
            # FULL: with NORMAL, WAL loses acknowledged commits on power loss
            assert (pragma(journal, "journal_mode"), pragma(journal, "synchronous")) == ("wal", 2)
            assert pragma(journal, "foreign_keys") == 1
    finally:
        os.umask(before)


def test_it_has_a_name_and_a_secret_of_its_own_for_good(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Journal.open(tmp_path, create=True) as one, Journal.open(tmp_path / "other", create=True) as other:
        names = one.id, one.secret
        assert one.id != other.id
        assert one.secret != other.secret
        assert len(one.secret) == 32
    with Journal.open(tmp_path, create=True) as again:
        assert (again.id, again.secret) == names


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalTrouble):
        Journal.open(tmp_path, create=True)
    assert not (tmp_path / "elsewhere").exists()


def test_those_who_read_write_nothing_and_see_what_is_committed(tmp_path: Path) -> None:
    with Journal.open(tmp_path, create=True) as journal, Journal.open(tmp_path, read_only=True) as reader:
        journal.jobs.add([job()])
        assert len(reader.jobs.newest()) == 1
        with pytest.raises(JournalTrouble):
            reader.set_meta("x", 1)


def test_an_older_journal_is_not_read_as_it_is_and_is_migrated_in_full(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(tmp_path, create=True) as journal:
        journal.jobs.add([job()])
    steps = (*MIGRATIONS, "ALTER TABLE pauses ADD COLUMN why TEXT; CREATE TABLE more (x);")
    monkeypatch.setattr("diffio_watch.journal.schema.MIGRATIONS", steps)
    monkeypatch.setattr("diffio_watch.journal.schema.VERSION", VERSION + 1)
    monkeypatch.setattr("diffio_watch.journal.opening.VERSION", VERSION + 1)
    with pytest.raises(JournalCorrupt, match="another version"):
        Journal.open(tmp_path, read_only=True)
    with Journal.open(tmp_path) as journal:
        assert pragma(journal, "user_version") == VERSION + 1
        assert len(journal.jobs.newest()) == 1
    Journal.open(tmp_path, read_only=True).close()


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_journal_of_an_earlier_version_keeps_its_jobs(tmp_path: Path, version: int) -> None:
    """They are in the field: rows that were made before any later column was read as they were meant, and count."""
    first = job("b.wav", sha256="abc", state=State.WAITING, intent_at=5.0, approved=True)
    done = job("d.wav", sha256="def", state=State.DELIVERED, outputs=(Output("audio", size=7, sha256="made"),))
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        for made in MIGRATIONS[:version]:
            db.executescript(made)
        columns = {row[1] for row in db.execute("PRAGMA table_info(jobs)")} - {"seq"}
        for one in (first, done):
            row = {name: value for name, value in job_row(one).items() if name in columns}
            db.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(':' + name for name in row)})", row)
        db.execute("INSERT INTO settling (inbox, path, because, since, next_look_at) VALUES ('in', ?, ?, 1.0, 2.0)",
                   (b"c.wav", '{"code": "settling", "message": "m", "action": "a"}'))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        assert columns <= set(COLUMNS)
    with Journal.open(tmp_path) as journal:
        assert pragma(journal, "user_version") == VERSION
        assert journal.jobs.newest() == [done, first]
        assert journal.jobs.maker(7, lambda: "made") == done
        assert counted(journal) == {State.WAITING: 1, State.DELIVERED: 1}
        assert journal.jobs.commit(first, state=State.DOWNLOADING).state is State.DOWNLOADING
        assert [(one.path, one.since, one.still) for one in journal.inboxes.settling_in("in")] == [("c.wav", 1.0, None)]


def test_a_journal_of_the_second_version_keeps_its_jobs_and_what_they_took(tmp_path: Path) -> None:
    """Version 2 is in the field, too."""
    done = job("d.wav", state=State.DELIVERED, model_key="flash", generated_at=100.0, completed_at=120.0, waited=19.0)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        for migration in MIGRATIONS[:2]:
            db.executescript(migration)
        row = job_row(done)
        db.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(':' + name for name in row)})", row)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 2")
    with Journal.open(tmp_path) as journal:
        assert pragma(journal, "user_version") == VERSION
        assert journal.jobs.newest() == [done]
        assert journal.totals.took("flash", 50) == [Took(19.0, None)]


def test_of_a_drop_that_an_earlier_version_holds_no_job_has_an_error_file_of_its_own(tmp_path: Path) -> None:
    """They were marked one by one although one file told of them all."""
    held = job("h.wav", state=State.HELD, because=because("drop_size", limit=3, inbox="in"), error_file=True)
    day = job("d.wav", state=State.HELD, because=because("daily_limit", limit=3, inbox="in"), error_file=True)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        for migration in MIGRATIONS[:2]:
            db.executescript(migration)
        for row in map(job_row, (held, day)):
            db.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(':' + name for name in row)})", row)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 2")
    with Journal.open(tmp_path) as journal:
        assert journal.jobs.get(held.id) == replace(held, error_file=False)
        assert journal.jobs.get(day.id) == day
        assert journal.chores.held_drop("in") == (1, held.id)
        assert journal.chores.notices_due("in", 1.0) == []


def test_what_the_first_version_believed_of_a_bent_sidecar_is_mended(tmp_path: Path) -> None:
    """A NUL in a path ended its daemon soon after each start; NaN is no JSON that each SQLite reads."""
    nul = job("a\0.wav", state=State.FAILED, error_file=True, due_at=1.0)
    kept = job("d\0.wav", sha256="def", state=State.DELIVERED, original="pending")
    odd = job("c.wav", intent_at=5.0)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        db.executescript(MIGRATIONS[0])
        columns = {row[1] for row in db.execute("PRAGMA table_info(jobs)")} - {"seq"}
        for one in (nul, kept, odd):
            row = {name: value for name, value in job_row(one).items() if name in columns}
            db.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(':' + name for name in row)})", row)
            db.execute("INSERT INTO files VALUES ('in', ?, 1, 1, NULL, ?, 0)", (row["path"], one.id))
        db.execute("""UPDATE jobs SET media = '{"duration_s":NaN,"format":"Wave","has_video":false}',
                   settings = replace(settings, '"sampling":{}', '"sampling":{"seed":-Infinity,"x":[NaN]}')
                   WHERE id = ?""", (odd.id,))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    with Journal.open(tmp_path) as journal:
        states = {one.path: (one.state, one.original) for one in journal.jobs.newest()}
        assert states == {"a\0.wav": (State.CANCELLED, "kept"), "d\0.wav": (State.DELIVERED, "kept"),
                          "c.wav": (State.QUEUED, "kept")}
        assert list(journal.files.known("in")) == ["c.wav"]
        assert journal.chores.notices_stale("in") == []
        mended = journal.jobs.get(odd.id)
        assert mended is not None
        assert (mended.media, mended.settings.sampling) == (None, {"seed": None, "x": [None]})


def test_a_migration_and_its_record_commit_together_or_not_at_all(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal.open(tmp_path, create=True).close()
    monkeypatch.setattr("diffio_watch.journal.schema.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x); NONSENSE;"))
    monkeypatch.setattr("diffio_watch.journal.schema.VERSION", VERSION + 1)
    db = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(db)
    assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()


def test_whoever_looks_while_a_journal_is_made_sees_none_or_a_whole_one(tmp_path: Path) -> None:
    """A version in between would be refused as another program's."""
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        told: list[str] = []
        db.set_trace_callback(told.append)
        migrate(db)
        assert told.count("COMMIT") == 1
        assert version_of(db) == VERSION > 1


def test_a_newer_programs_journal_is_refused(tmp_path: Path) -> None:
    Journal.open(tmp_path, create=True).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    for read_only in (False, True):
        with pytest.raises(JournalCorrupt, match=r"newer program|another version"):
            Journal.open(tmp_path, read_only=read_only)


def test_another_programs_database_is_refused_and_untouched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(JournalCorrupt, match="another program's"):
        Journal.open(tmp_path, create=True)
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
        assert db.execute("PRAGMA user_version").fetchone() == (0,)
    db.close()
    assert len(before) > 0


def test_a_file_with_another_application_id_is_refused() -> None:
    with closing(sqlite3.connect(":memory:")) as db, db:
        db.execute("PRAGMA application_id = 7")
        with pytest.raises(JournalCorrupt):
            version_of(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        assert version_of(db) == 0
    db.close()


def test_what_is_no_database_is_damaged_and_the_sentence_says_how_to_get_it_back(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\0nonsense" * 1000)
    with pytest.raises(JournalCorrupt, match=r"backups.*journal rebuild"):
        Journal.open(tmp_path)


def test_reading_all_of_it_finds_damage_that_no_single_query_meets(tmp_path: Path) -> None:
    with Journal.open(tmp_path, create=True) as journal:
        journal.jobs.add([job(f"{number}.wav") for number in range(50)])
        journal.must_be_whole()
        page = journal._db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_content'").fetchone()[0]
    with (tmp_path / FILE).open("r+b") as file:
        file.seek((page - 1) * 4096 + 3)
        file.write(b"\0\0")  # the index holds nothing any more
    with Journal.open(tmp_path) as journal:
        assert len(journal.jobs.newest()) == 50
        with pytest.raises(JournalCorrupt, match="journal rebuild"):
            journal.must_be_whole()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_is_trouble_that_passes_and_nothing_half_is_kept(tmp_path: Path) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", tmp_path], check=False,
                          capture_output=True)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.decode().strip()}")
    try:
        with Journal.open(tmp_path, create=True) as journal:
            written, full = _fill(journal)
            assert not full.fatal
            assert len(journal.jobs.newest()) == written
            subprocess.run(["mount", "-o", "remount,size=8m", tmp_path], check=True)
            journal.jobs.add([job("more.wav")])
            journal.must_be_whole()
            assert len(journal.jobs.newest()) == written + 1
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def _fill(journal: Journal) -> tuple[int, JournalTrouble]:
    """Add jobs until the disk is full; how many were added."""
    written = 0
    while True:
        try:
            journal.jobs.add([job(f"{written + number}.wav", body="x" * 1000) for number in range(10)])
        except JournalTrouble as full:
            return written, full
        written += 10


def test_a_failed_sync_is_fatal(journal: Journal) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    with pytest.raises(JournalTrouble) as trouble, journal.transaction():
        raise error
    assert trouble.value.fatal


def test_a_transaction_is_all_or_nothing_and_nested_ones_join_it(journal: Journal) -> None:
    first, second = job("1.wav"), job("2.wav")

    def broken_off() -> None:
        with journal.transaction():
            journal.jobs.add([first])
            with journal.transaction():
                journal.jobs.add([second])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert journal.jobs.newest() == []
    with journal.transaction():
        journal.jobs.add([first])
        journal.jobs.add([second])
    assert len(journal.jobs.newest()) == 2


def test_the_hooks_stand_around_each_commit(journal: Journal) -> None:
    seen: list[str] = []
    journal.before_commit = lambda: seen.append(f"before {len(seen)}")
    journal.after_commit = lambda: seen.append(f"after {len(seen)}")
    with journal.transaction():
        journal.set_meta("x", 1)
        journal.set_meta("y", 2)
    assert seen == ["before 0", "after 1"]


def test_many_threads_take_turns(journal: Journal) -> None:
    def work(thread: int) -> None:
        for number in range(25):
            journal.jobs.add([job(f"{thread}-{number}.wav")])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.jobs.newest()) == 150


def test_it_notices_that_its_file_was_removed_or_replaced(tmp_path: Path) -> None:
    with Journal.open(tmp_path, create=True) as journal:
        journal.still_there()
        (tmp_path / FILE).rename(tmp_path / "away")
        with pytest.raises(JournalTrouble) as gone:
            journal.still_there()
        assert gone.value.fatal
        (tmp_path / FILE).write_bytes((tmp_path / "away").read_bytes())
        with pytest.raises(JournalTrouble):
            journal.still_there()


def test_single_values_are_kept_by_name(journal: Journal) -> None:
    assert journal.meta("x") is None
    for value in (1, 2.5, "three", b"\x04", None):
        journal.set_meta("x", value)
        assert journal.meta("x") == value


def test_times_are_of_the_clock_that_was_given(journal: Journal, clock: HandClock) -> None:
    made = job()
    journal.jobs.add([made])
    clock.at += 5
    assert journal.jobs.commit(made, progress=1.0).updated_at == clock.at


def test_a_second_daemon_is_refused_and_the_first_one_named(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with Lock(tmp_path):
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(JournalLocked, match=str(os.getpid())):
            Lock(tmp_path).acquire()
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    with Lock(tmp_path):
        pass


def test_the_lock_goes_with_its_process_however_that_ends(tmp_path: Path) -> None:
    code = ("import sys, time; from pathlib import Path; from diffio_watch.journal import Lock; "
            "lock = Lock(Path(sys.argv[1])); lock.acquire(); print('has it', flush=True); time.sleep(60)")
    child = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert child.stdout is not None
    assert child.stdout.readline()
    assert holder(tmp_path) == child.pid
    child.kill()
    child.wait()
    child.stdout.close()
    with Lock(tmp_path):
        assert holder(tmp_path) == os.getpid()
