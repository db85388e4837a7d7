"""What `check` says of an inbox in which not all can be looked at."""

from __future__ import annotations

from pathlib import Path

from diffio_watch.cli.unreadable import unread
from diffio_watch.config import Inbox


def inbox(folder: Path) -> Inbox:
    (folder / "in").mkdir()
    return Inbox(name="a", path=folder / "in", outbox=folder / "out")


def test_folders_and_files_that_can_not_be_looked_at_are_named(as_nobody: Path) -> None:
    mine = inbox(as_nobody)
    for path in ("open/a.wav", "shut/b.wav", "open/c.wav", "open/notes.txt"):
        file = as_nobody / "in" / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert unread(mine) == []
    (as_nobody / "in/shut").chmod(0)
    for path in ("open/c.wav", "open/notes.txt"):  # the second is none of ours
        (as_nobody / "in" / path).chmod(0)
    (found,) = unread(mine)
    (as_nobody / "in/shut").chmod(0o755)
    assert (found.level, found.subject) == ("warning", "inbox a")
    assert "2 of its folders and files can't be looked at: open/c.wav, shut." in found.message


def test_of_an_inbox_that_is_not_there_nothing_is_said_twice(tmp_path: Path) -> None:
    mine = inbox(tmp_path)
    (tmp_path / "in").rmdir()
    assert unread(mine) == []
