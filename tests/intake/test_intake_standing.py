"""Old files under new names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from diffio_watch.disk.place import Place
from diffio_watch.intake.fingerprint import partial
from diffio_watch.intake.known_files import Standing, is_absent
from diffio_watch.intake.scan import Seen
from diffio_watch.job import State
from diffio_watch.journal.records import Known, Stand


def put(root: Path, path: str, content: bytes = b"content", at: int = 1_700_000_000) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    os.utime(root / path, ns=(at * 10**9, at * 10**9))


def seen(root: Path, path: str, *, inodes: bool) -> Seen:
    return Seen.of((root / path).stat(), inodes=inodes)


def known(root: Path, path: str, *, inodes: bool) -> Known:
    facts = seen(root, path, inodes=inodes)
    descriptor = os.open(root / path, os.O_RDONLY)
    cheap = partial(descriptor, facts.size)
    os.close(descriptor)
    return Known(f"job of {path}", path, facts.size, facts.mtime_ns, State.QUEUED, facts.inode or None, cheap)


@pytest.fixture(params=[True, False], ids=["inode numbers", "no inode numbers"])
def inodes(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def place(tmp_path: Path, inodes: bool) -> Place:  # a fixture
    return Place(str(tmp_path), inodes=inodes, leases=False, follow_symlinks=False)


def stands(*files: Known) -> Standing:
    """As after the first look into a journal that knows these files."""
    found = Standing({one.path: one for one in files}.get)
    found.renew(Stand(one.path, one.size, one.mtime_ns, one.inode, one.renamed) for one in files)
    return found


def former(standing: Standing, place: Place, path: str) -> str | None:
    return standing.former_name(place, path, seen(Path(place.root), path, inodes=place.inodes))


def test_a_renamed_file_is_known_again(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav")
    standing = stands(known(tmp_path, "a.wav", inodes=place.inodes))
    (tmp_path / "x").mkdir()
    (tmp_path / "a.wav").rename(tmp_path / "x" / "b.wav")
    assert former(standing, place, "x/b.wav") == "a.wav"
    standing.moved([("a.wav", "x/b.wav")])
    assert "a.wav" not in standing
    assert "x/b.wav" in standing


def test_a_copy_beside_the_original_is_no_rename(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav")
    standing = stands(known(tmp_path, "a.wav", inodes=place.inodes))
    put(tmp_path, "b.wav")
    os.link(tmp_path / "a.wav", tmp_path / "hard.wav")
    assert former(standing, place, "b.wav") is None
    assert former(standing, place, "hard.wav") is None


def test_another_file_of_the_same_size_and_time_is_no_rename(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav", b"content one")
    standing = stands(known(tmp_path, "a.wav", inodes=place.inodes))
    put(tmp_path, "b.wav", b"content two")
    (tmp_path / "a.wav").unlink()
    assert former(standing, place, "b.wav") is None


def test_the_inode_number_of_a_deleted_file_may_be_a_new_ones(tmp_path: Path, place: Place) -> None:
    """As it is for the next eight stems of one length and time, after the first eight were taken out."""
    put(tmp_path, "a.wav", b"content one")
    gone = known(tmp_path, "a.wav", inodes=place.inodes)
    (tmp_path / "a.wav").unlink()
    put(tmp_path, "b.wav", b"content two")
    standing = stands(replace(gone, inode=seen(tmp_path, "b.wav", inodes=place.inodes).inode or None))
    assert former(standing, place, "b.wav") is None


def test_what_is_known_by_its_hash_alone_is_found_by_its_inode_number(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav")
    told = replace(known(tmp_path, "a.wav", inodes=place.inodes), partial="")
    (tmp_path / "a.wav").rename(tmp_path / "b.wav")
    assert former(stands(told), place, "b.wav") is None, "nothing could show that it is the same"
    found = former(stands(replace(told, sha256="hash")), place, "b.wav")
    assert found == ("a.wav" if place.inodes else None)


def test_what_was_renamed_or_is_in_doubt_is_the_same_only_once_the_journal_has_said_so(
    tmp_path: Path, place: Place,
) -> None:
    put(tmp_path, "a.wav")
    look = seen(tmp_path, "a.wav", inodes=place.inodes)
    standing = stands(known(tmp_path, "a.wav", inodes=place.inodes))
    assert standing.is_same("a.wav", look)
    standing.doubt("a.wav")
    assert not standing.is_same("a.wav", look)
    assert standing.unchanged()["a.wav"] != look
    standing.put("a.wav", look)
    assert standing.unchanged() == {"a.wav": look}
    standing.moved([("a.wav", "b.wav")])
    assert not standing.is_same("b.wav", look)
    assert not stands(replace(known(tmp_path, "a.wav", inodes=place.inodes), renamed=True)).is_same("a.wav", look)


def test_a_name_taken_by_something_else_meanwhile_does_not_hide_the_rename(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav")
    standing = stands(known(tmp_path, "a.wav", inodes=place.inodes))
    (tmp_path / "a.wav").rename(tmp_path / "b.wav")
    put(tmp_path, "a.wav", b"a new take", at=1_700_000_100)
    assert former(standing, place, "b.wav") == "a.wav"


def test_two_files_that_changed_places_are_told_apart(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav", b"one")
    put(tmp_path, "b.wav", b"three")
    standing = stands(*(known(tmp_path, path, inodes=place.inodes) for path in ("a.wav", "b.wav")))
    (tmp_path / "a.wav").rename(tmp_path / "t")
    (tmp_path / "b.wav").rename(tmp_path / "a.wav")
    (tmp_path / "t").rename(tmp_path / "b.wav")
    assert former(standing, place, "a.wav") == "b.wav"
    assert former(standing, place, "b.wav") == "a.wav"
    standing.moved([("b.wav", "a.wav"), ("a.wav", "b.wav")])
    assert [former(standing, place, path) for path in ("a.wav", "b.wav")] == [None, None]


def test_a_new_time_is_no_rename_but_a_file_to_read(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav")
    standing = stands(known(tmp_path, "a.wav", inodes=place.inodes))
    (tmp_path / "a.wav").rename(tmp_path / "b.wav")
    os.utime(tmp_path / "b.wav", ns=(1, 1))
    assert former(standing, place, "b.wav") is None


def test_what_stands_is_found_by_folder_too() -> None:
    standing = stands(Known("j", "show/a.wav", 1, 1, State.QUEUED))
    assert standing.holds("show/a.wav")
    assert standing.holds("show")
    assert not standing.holds("sho")
    assert standing.remove("show/a.wav") is not None
    assert not standing.holds("show/a.wav")
    assert standing.remove("show/a.wav") is None


def test_absence_is_only_what_is_surely_no_file(tmp_path: Path, place: Place) -> None:
    put(tmp_path, "a.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "link.wav").symlink_to("a.wav")
    assert not is_absent(place, "a.wav")
    assert is_absent(place, "none.wav")
    assert is_absent(place, "a.wav/b.wav")
    assert is_absent(place, "folder.wav")
    assert is_absent(place, "link.wav")


def test_what_cannot_be_looked_at_is_not_absent(as_nobody: Path) -> None:
    (as_nobody / "x").mkdir(mode=0)
    assert not is_absent(Place(str(as_nobody), inodes=True, leases=False, follow_symlinks=False), "x/a.wav")


def test_what_came_and_went_is_not_remembered_for_ever() -> None:
    found = stands()
    for number in range(5000):
        found.put(f"day {number}/a.wav", Seen(number, number))
        found.remove(f"day {number - 3}/a.wav")
    assert len(found._alike) < 1100
    assert not found.holds("day 1")
    assert found.holds("day 4999")
    assert found.perhaps([Seen(4998, 4998)]) == {"day 4998/a.wav"}
