"""A look at a root is good for a second, and never for another folder or another marker."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from diffio_watch.disk.marker import NAME, FolderGone
from diffio_watch.outbox.errors import OutboxGone
from diffio_watch.outbox.root import Root


class Watched:
    """A root with a marker, whose looks are counted and whose clock is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 100.0
        self.looks = 0
        self.count = 1
        folder.mkdir()
        self.mark()
        self.root = Root(str(folder), self._available, lambda: self.now)

    def mark(self) -> None:
        (self.folder / "new").write_text(f"{self.count}")
        (self.folder / "new").rename(self.folder / NAME)

    def _available(self) -> int:
        self.looks += 1
        if not (self.folder / NAME).is_file():
            raise FolderGone("its marker is missing")
        said = int((self.folder / NAME).read_text())
        if said < self.count:
            self.mark()
        return self.count

    def use(self) -> None:
        with self.root.open() as fd:
            assert os.path.samestat(os.fstat(fd), self.folder.stat())


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "outbox")


def test_many_uses_within_a_second_look_once_and_each_second_anew(watched: Watched) -> None:
    for _ in range(3):
        for _ in range(10):
            watched.use()
        watched.now += 1.0
    assert watched.looks == 3


def _gone(watched: Watched) -> None:
    (watched.folder / NAME).unlink()


def _written_in_place(watched: Watched) -> None:
    (watched.folder / NAME).write_text("7777777")


def _written_anew(watched: Watched) -> None:
    watched.mark()


def _another_folder(watched: Watched) -> None:
    watched.folder.rename(watched.folder.with_name("away"))
    shutil.copytree(watched.folder.with_name("away"), watched.folder)


def _another_link(watched: Watched) -> None:
    watched.folder.rename(away := watched.folder.with_name("away"))
    (other := watched.folder.with_name("other")).mkdir()
    shutil.copy2(away / NAME, other / NAME)
    watched.folder.symlink_to(other)


@pytest.mark.parametrize("change", [_gone, _written_in_place, _written_anew, _another_folder, _another_link])
def test_whatever_becomes_of_the_folder_or_its_marker_is_looked_at_at_once(
    watched: Watched, change: Callable[[Watched], None],
) -> None:
    watched.use()
    change(watched)
    if change is _gone:
        with pytest.raises(OutboxGone, match="marker is missing"):
            watched.use()
    else:
        watched.use()
    assert watched.looks == 2


def test_what_is_not_there_is_looked_at_at_each_use_and_found_as_soon_as_it_is_back(watched: Watched) -> None:
    watched.use()
    watched.folder.rename(watched.folder.with_name("away"))
    watched.folder.mkdir()  # the mount point beneath
    for _ in range(3):
        with pytest.raises(OutboxGone):
            watched.use()
    assert watched.looks == 4
    watched.folder.rmdir()
    watched.folder.with_name("away").rename(watched.folder)
    watched.use()
    watched.use()
    assert watched.looks == 5


def test_a_count_is_brought_to_the_marker_before_the_second_is_over_and_by_one_writing_for_many(
    watched: Watched,
) -> None:
    watched.use()
    watched.count = 9
    watched.use()
    assert watched.looks == 1, "what spends nothing does not wait for the marker"
    for count in (7, 9, 8):
        watched.root.counted(count)
    assert watched.looks == 2
    assert (watched.folder / NAME).read_text() == "9"
    watched.use()
    assert watched.looks == 2, "it knows its own writing again"


def test_a_look_that_hangs_keeps_nobody_for_longer_than_a_second(watched: Watched) -> None:
    inside, go_on = threading.Event(), threading.Event()
    look = watched.root._available

    def hang() -> int | None:
        if not inside.is_set():
            inside.set()
            go_on.wait(30)
        return look()

    watched.root._available = hang
    first = threading.Thread(target=watched.use, daemon=True)
    first.start()
    assert inside.wait(10)
    try:
        watched.use()
    finally:
        go_on.set()
        first.join()
    assert watched.looks == 2


def test_a_folder_without_a_marker_is_never_known(watched: Watched) -> None:
    watched.root._available = lambda: None
    _gone(watched)
    watched.use()
    assert watched.root._seen is None
