"""A journal with a long past: one job that was truly done, so many times over. From outside, by columns' names."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable

from bench_world import Studio, drop, recordings

Stand = tuple[int, bytes, int, int, int]  # number, path, size, mtime_ns, inode
_DAY = 86400.0
_ID = "substr({}, 1, 16) || printf('%010d', made.number)"
# what differs from job to job, each a second and more than a day older than the one before it; the rest is as it was
_OTHER = {
    "seq": "(SELECT max(seq) FROM jobs) + made.number",
    "id": _ID.format("was.id"),
    "path": "made.path", "size": "made.size", "mtime_ns": "made.mtime_ns", "inode": "made.inode",
    "sha256": "lower(hex(randomblob(32)))", "partial": "lower(hex(randomblob(length(was.partial) / 2)))",
    "project_id": "'project-' || made.number", "generation_id": "'generation-' || made.number",
    "idempotency_key": "'key-' || made.number",
    "outputs": "replace(was.outputs, 'take 000000', 'gone ' || made.number)",
}


def one_job(studio: Studio) -> None:
    """The job that all others are made of."""
    recordings(studio.base / "first", 1)
    with studio.run():
        drop(studio.base / "first", studio.inbox)
        studio.wait(studio.delivered, 60)


def grow(studio: Studio, stands: Iterable[Stand], *, standing: bool) -> None:
    """Give the journal more delivered jobs, while nobody works with it.

    Args:
        studio: with a single job, which is delivered.
        stands: their files.
        standing: whether these are in the inbox still.
    """
    with contextlib.closing(sqlite3.connect(studio.state / "journal.sqlite3")) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("CREATE TEMP TABLE made (number INTEGER PRIMARY KEY, path BLOB, size INT, mtime_ns INT, inode INT)")
        db.executemany("INSERT INTO made VALUES (?, ?, ?, ?, ?)", stands)
        (first,) = db.execute("SELECT id FROM jobs WHERE state = 'delivered'").fetchone()
        columns = [name for _, name, *_ in db.execute("PRAGMA table_info(jobs)")]
        values = [_OTHER.get(name) or (f"was.{name} - {_DAY} - made.number" if name.endswith("_at") else f"was.{name}")
                  for name in columns]
        db.execute(f"INSERT INTO jobs ({', '.join(columns)}) SELECT {', '.join(values)} "
                   "FROM jobs AS was, made WHERE was.id = ? ORDER BY made.number", (first,))
        db.execute(f"INSERT INTO history SELECT {_ID.format('was.job')}, was.at - {_DAY} - made.number, was.state, "
                   "was.detail FROM history AS was, made WHERE was.job = ?", (first,))
        if standing:
            db.execute(f"INSERT INTO files SELECT was.inbox, made.path, made.size, made.mtime_ns, made.inode, "
                       f"{_OTHER['id']}, 0 FROM jobs AS was, made WHERE was.id = ?", (first,))
