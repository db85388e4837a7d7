"""All of a journal is read at a start, unless nothing has touched it since it was closed in order, on this boot."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from journal_jobs import HandClock, job

from diffio_watch.daemon.startup import must_be_whole
from diffio_watch.journal import Journal, JournalCorrupt, connection, left
from diffio_watch.journal.opening import FILE

_DAY = 86_400.0


def start(folder: Path, clock: HandClock, *, end: bool = True, stop: bool = False) -> bool:
    """A start and a run; whether all of the journal was read."""
    told: list[str] = []
    ended = threading.Event()
    if stop:
        ended.set()
    untouched = left.untouched(folder)
    journal = Journal.open(folder, clock, create=True)
    with closing(journal):
        journal._db.set_trace_callback(told.append)
        must_be_whole(journal, clock.now(), ended, untouched=untouched)
        journal._db.set_trace_callback(None)
        journal.jobs.add([job(f"{clock.now()}.wav")])
    if end:
        left.note(folder)
    return any("integrity_check" in statement for statement in told)


def test_only_what_was_left_in_order_is_not_read_again(tmp_path: Path, clock: HandClock) -> None:
    assert start(tmp_path, clock)
    assert not start(tmp_path, clock)
    assert not start(tmp_path, clock, end=False)
    assert start(tmp_path, clock), "it did not end in order"
    clock.at += 8 * _DAY
    assert start(tmp_path, clock), "nobody has read it for a week"
    clock.at -= _DAY
    assert start(tmp_path, clock), "the clock was set back"


def _written(folder: Path) -> None:
    with Journal.open(folder) as journal:
        journal.requests.ask("pause", {})


def _damaged(folder: Path) -> None:
    with (folder / FILE).open("r+b") as file:
        file.seek(5000)
        file.write(b"?")


def _copied(folder: Path) -> None:
    content, before = (folder / FILE).read_bytes(), (folder / FILE).stat()
    (folder / FILE).unlink()
    (folder / FILE).write_bytes(content)
    os.utime(folder / FILE, ns=(before.st_atime_ns, before.st_mtime_ns))


def _logged(folder: Path) -> None:
    (folder / f"{FILE}-wal").write_bytes(b"?")


def _booted(folder: Path) -> None:
    note = folder / "left"
    note.write_text(note.read_text().replace('["', '["another '))


def _torn(folder: Path) -> None:
    note = folder / "left"
    note.write_text(note.read_text()[:-1])


@pytest.mark.parametrize("touch", [_written, _copied, _logged, _booted, _torn])
def test_what_was_touched_since_is_read(tmp_path: Path, clock: HandClock, touch: Callable[[Path], None]) -> None:
    start(tmp_path, clock)
    touch(tmp_path)
    assert start(tmp_path, clock)


def test_damage_is_found_at_the_next_start(tmp_path: Path, clock: HandClock) -> None:
    start(tmp_path, clock)
    _damaged(tmp_path)
    assert not left.untouched(tmp_path)


def test_whoever_only_looks_touches_nothing(tmp_path: Path, clock: HandClock) -> None:
    start(tmp_path, clock)
    with Journal.open(tmp_path, read_only=True) as reader:
        assert reader.jobs.newest()
    assert not start(tmp_path, clock)


def test_a_start_that_is_told_to_stop_reads_no_further_and_the_next_one_does(
        tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path, clock)
    _written(tmp_path)
    monkeypatch.setattr(connection, "_LOOK_AFTER", 10)
    assert start(tmp_path, clock, stop=True)
    assert start(tmp_path, clock), "in order, but nobody has read all of it"
    assert not start(tmp_path, clock)


def test_damage_that_no_query_meets_stops_a_start_that_was_not_left_in_order(tmp_path: Path, clock: HandClock) -> None:
    start(tmp_path, clock, end=False)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_content'").fetchone()
    with (tmp_path / FILE).open("r+b") as file:
        file.seek((page - 1) * 4096 + 3)
        file.write(b"\0\0")  # the index holds nothing any more
    with pytest.raises(JournalCorrupt, match="journal rebuild"):
        start(tmp_path, clock)
