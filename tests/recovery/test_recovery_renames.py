"""Names are no identity: an inbox that is called otherwise in the configuration is the one its marker names."""

from __future__ import annotations

import json
import shutil

import pytest
from recovery_house import House

from diffio_watch.clock import Clock
from diffio_watch.daemon.renames import renames
from diffio_watch.disk import marker
from diffio_watch.disk.marker import FolderMemory
from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.recovery.rebuild import CannotRebuild, rebuild

HERE = {"a": "/in", "b": "/in-b"}
KNOWN = [FolderMemory("inbox", "a", "disk", path="/in"), FolderMemory("inbox", "b", "disk", path="/in-b")]


@pytest.mark.parametrize(("paths", "marked", "expected"), [
    (HERE, {"a": "a", "b": "b"}, {}),
    (HERE, {}, {}),  # nothing is mounted
    ({"new": "/in", "b": "/in-b"}, {"new": "a", "b": "b"}, {"a": "new"}),
    ({"new": "/elsewhere", "b": "/in-b"}, {"new": "a", "b": "b"}, {"a": "new"}),  # moved as well
    ({"new": "/in", "b": "/in-b"}, {"b": "b"}, {"a": "new"}),  # not mounted, or read-only: known by its place
    ({"new": "/elsewhere", "b": "/in-b"}, {"b": "b"}, {}),  # another one
    ({"b": "/in", "a": "/in-b"}, {"b": "a", "a": "b"}, {"a": "b", "b": "a"}),
    ({"b": "/in", "c": "/in-b"}, {"b": "a", "c": "b"}, {"a": "b", "b": "c"}),
    ({"new": "/in", "a": "/new folder"}, {"new": "a"}, {"a": "new"}),  # its old name is given to a new one
    ({"new": "/copy", "a": "/in"}, {"new": "a", "a": "a"}, {}),  # a copy of the folder, marker and all
    ({"new": "/copy", "a": "/in"}, {"new": "a"}, {}),  # … while the true one is not mounted
    ({"x": "/one", "y": "/two"}, {"x": "a", "y": "a"}, {}),  # which of the two it is can't be told
    ({"b": "/in"}, {"b": "a"}, {}),  # an earlier inbox of that name has jobs
])
def test_who_is_who(paths: dict[str, str], marked: dict[str, str], expected: dict[str, str]) -> None:
    assert renames(paths, marked, KNOWN, used={"a", "b"}) == expected


def test_a_marker_that_still_says_the_old_name_is_no_further_rename() -> None:
    known = [FolderMemory("inbox", "new", "disk", path="/in", former=("a",))]
    assert renames({"new": "/in"}, {"new": "a"}, known, used={"new"}) == {}


def restored(house: House, count: int = 3) -> set[str]:
    for number in range(count):
        house.drop(f"take {number}.wav", number)
    assert house.once() == 0
    house.check(count)
    return {job.id for job in house.jobs().values()}


@pytest.mark.parametrize("moved", [False, True])
def test_a_renamed_inbox_keeps_its_jobs_and_nothing_is_bought_again(house: House, *, moved: bool) -> None:
    before = restored(house)
    if moved:
        house.inbox.rename(house.base / "elsewhere")
    house.configure(name="podcasts", **({"path": str(house.base / "elsewhere")} if moved else {}))
    for _ in range(2):
        assert house.once() == 0
        assert {job.id for job in house.jobs().values() if job.inbox == "podcasts"} == before
        house.check(3)
    for folder in (house.base / "elsewhere" if moved else house.inbox, house.outbox):
        found = marker.read(str(folder))
        assert found is not None
        assert found.name == "podcasts"
    with Journal.open(house.state, read_only=True) as journal:
        assert [memory.former for memory in journal.folders.used_as("inbox")] == [()]
    house.configure(name="a", path=str(house.base / "elsewhere" if moved else house.inbox))  # and back
    assert house.once() == 0
    house.check(3)


def test_a_renamed_inbox_that_is_not_there_at_the_start_is_known_when_it_comes(house: House) -> None:
    """What lies beneath its mount point meanwhile is not taken for it."""
    before = restored(house)
    house.inbox.rename(house.base / "away")
    house.inbox.mkdir()
    house.drop("beneath.wav", 50)
    house.configure(name="podcasts")
    assert house.once() == 1
    assert not (house.inbox / marker.NAME).exists()
    shutil.rmtree(house.inbox)
    (house.base / "away").rename(house.inbox)
    assert house.once() == 0
    assert {job.id for job in house.jobs().values()} == before
    house.check(3)


def test_broken_off_between_the_journal_and_the_markers_it_goes_on(house: House) -> None:
    restored(house)
    house.configure(name="podcasts")
    with Journal.open(house.state) as journal:
        journal.folders.rename_inboxes({"a": "podcasts"})
    assert house.once() == 0
    house.check(3)


def test_an_old_copy_from_before_the_rename_is_found_out(house: House) -> None:
    restored(house)
    shutil.copytree(house.state, house.base / "kept")
    house.configure(name="podcasts")
    assert house.once() == 0
    shutil.rmtree(house.state)
    (house.base / "kept").rename(house.state)
    done = house.cmd("once")
    assert done.code == 2
    assert "old copy" in done.err
    house.rebuild()
    house.once()
    house.check(3)


def test_a_copy_of_an_inbox_with_its_marker_is_not_taken_for_it(house: House) -> None:
    before = restored(house)
    shutil.copytree(house.inbox, house.base / "in-b")
    (house.base / "out-b").mkdir()
    house.inboxes.append({"name": "b", "path": str(house.base / "in-b"), "outbox": str(house.base / "out-b")})
    house.configure()
    assert house.once() == 1
    assert {job.id for job in house.jobs().values()} == before
    assert "its marker is that of the inbox of a" in house.cmd("status").out
    house.check(3)


@pytest.mark.parametrize("counter", [1, 10**6])
def test_an_edited_marker_renames_nothing(house: House, counter: int) -> None:
    """Who may write into a share must not take another inbox's jobs away."""
    restored(house)
    inbox_b, _ = house.second_inbox()
    assert house.once() == 0
    told = json.loads((inbox_b / marker.NAME).read_bytes())
    (inbox_b / marker.NAME).write_text(json.dumps(told | {"name": "a", "counter": counter}))
    house.inboxes.pop()
    house.configure(name="other", path=str(inbox_b))
    assert house.once() == 1
    assert {job.inbox for job in house.jobs().values()} == {"a"}


def test_a_rebuild_gives_names_by_the_markers_that_it_has_read(house: House) -> None:
    """Read anew by path, they may be those of what lies beneath: then what is learned next would take the name away."""
    before = restored(house)
    kept = house.keep()
    house.drop("later.wav", 50)
    assert house.once() == 0
    house.put_back(kept)
    house.inbox.rename(house.base / "elsewhere")
    house.configure(name="podcasts", path=str(house.base / "elsewhere"))

    class Unmounts(Clock):
        """The share goes away the first time that somebody asks how late it is."""

        def now(self) -> float:
            if not (house.base / "share").exists():
                (house.base / "elsewhere").rename(house.base / "share")
                (house.base / "elsewhere").mkdir()
            return super().now()

    with Journal.open(house.state) as journal:
        journal.clock = Unmounts()
        with pytest.raises(CannotRebuild):
            rebuild(house.config, journal, list, lambda *_: None)
    (house.base / "elsewhere").rmdir()
    (house.base / "share").rename(house.base / "elsewhere")
    house.rebuild()
    assert house.once() == 0
    assert {job.inbox for job in house.jobs().values()} == {"podcasts"}
    assert {job.id for job in house.jobs().values()} > before
    house.check(4)


def test_a_rebuild_of_a_renamed_inbox_keeps_its_jobs_too(house: House) -> None:
    before = restored(house)
    house.configure(name="podcasts")
    house.rebuild()
    assert {job.id for job in house.jobs().values() if job.inbox == "podcasts"} == before
    assert house.once() == 0
    assert set(house.states().values()) == {State.DELIVERED}
    house.check(3)
