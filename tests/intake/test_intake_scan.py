"""The walk through an inbox, with real folders."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from markers import put_marker

from diffio_watch.disk import marker_file
from diffio_watch.disk.place import inside
from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.scan import RootGone, Scan, Seen, scan

AWKWARD = [
    b"\xff\xfe.wav", b"a\nb.wav", b"-rf.wav", b" .wav", "\U0001f3a4 take.wav".encode(), "\u202egnp.wav".encode(),
    b"\x1b[31mred.wav", b"x" * 251 + b".wav", b"a\\b.wav", b"%2e%2e.wav", b"con.wav", "NFD u\u0308.wav".encode(),
]


def walk(root: Path, *, below: str = "", follow: bool = False, include: tuple[str, ...] = ("audio",),
         recursive: bool = True) -> Scan:
    rules = Rules("a", include, (), recursive=recursive)
    return scan(str(root), rules, inodes=True, going=lambda: True, below=below, follow_symlinks=follow)


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_files_are_found_at_any_depth_with_their_facts(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "x/y/b.wav", "x/notes.txt", ".trash/c.wav", "x/@eaDir/d.wav")
    found = walk(tmp_path)
    assert sorted(found.files) == ["a.wav", "x/y/b.wav"]
    status = (tmp_path / "a.wav").stat()
    assert found.files["a.wav"] == Seen(1, status.st_mtime_ns, status.st_ino)
    assert not found.blind


def test_without_trust_in_inode_numbers_they_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    found = scan(str(tmp_path), Rules("a", ("audio",), (), recursive=True), inodes=False, going=lambda: True)
    assert found.files["a.wav"].inode == 0


def test_not_recursive_stays_at_the_top(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "x/b.wav")
    assert list(walk(tmp_path, recursive=False).files) == ["a.wav"]


def test_one_folder_alone_can_be_looked_at(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "x/b.wav", "x/y/c.wav")
    assert sorted(walk(tmp_path, below="x").files) == ["x/b.wav", "x/y/c.wav"]
    with pytest.raises(RootGone):
        walk(tmp_path, below="none")


@pytest.mark.parametrize("name", AWKWARD)
def test_names_are_bytes(tmp_path: Path, name: bytes) -> None:
    with open(os.fsencode(tmp_path) + b"/" + name, "wb"):  # noqa: PTH123  # pathlib takes no bytes
        pass
    (found,) = walk(tmp_path).files
    assert os.fsencode(found) == name


def test_only_regular_files_count(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "link.wav").symlink_to("a.wav")
    if os.geteuid() == 0:
        os.mknod(tmp_path / "device.wav", 0o600 | 0o020000, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.wav"))
        assert list(walk(tmp_path).files) == ["a.wav"]


def test_links_are_followed_only_where_asked_and_only_inside(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put(tmp_path, "in/a.wav", "in/x/b.wav", "outside/c.wav")
    for name, target in {"in.wav": "a.wav", "out.wav": "../outside/c.wav", "folder": "x", "away": "../outside",
                         "none.wav": "nothing", "self.wav": "self.wav"}.items():
        (root / name).symlink_to(target)
    assert sorted(walk(root).files) == ["a.wav", "x/b.wav"]
    assert sorted(walk(root, follow=True).files) == ["a.wav", "folder/b.wav", "in.wav", "x/b.wav"]


def test_no_loop_of_links_keeps_it_busy(tmp_path: Path) -> None:
    put(tmp_path, "x/a.wav", "y/b.wav")
    for name, target in {"x/up": "..", "x/self": ".", "x/other": "../y", "y/other": "../x", "y/up": ".."}.items():
        (tmp_path / name).symlink_to(target)
    found = walk(tmp_path, follow=True)
    assert {"x/a.wav", "y/b.wav"} <= set(found.files)
    assert len(found.files) < 12


def test_a_missing_root_is_told_and_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(RootGone, match="No such file"):
        walk(tmp_path / "none")
    put(tmp_path, "file")
    with pytest.raises(RootGone):
        walk(tmp_path / "file")


def test_what_vanishes_under_the_walk_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, *(f"{folder}/{number}.wav" for folder in "abc" for number in range(600)))
    calls = iter(range(10_000))

    def meddle() -> bool:
        if next(calls) == 2:
            for folder in "abc":
                for path in (tmp_path / folder).iterdir():
                    path.unlink()
                (tmp_path / folder).rmdir()
        return True

    found = scan(str(tmp_path), Rules("a", ("audio",), (), recursive=True), inodes=True, going=meddle)
    assert not found.blind
    assert len(found.files) < 1800


def test_of_a_folder_that_cannot_be_listed_absence_says_nothing(as_nobody: Path) -> None:
    put(as_nobody, "a.wav", "x/b.wav")
    (as_nobody / "x").chmod(0)
    found = walk(as_nobody)
    (as_nobody / "x").chmod(0o755)
    assert set(found.blind) == {"x"}
    assert list(found.files) == ["a.wav"]


def test_absence_is_shown_only_where_was_looked() -> None:
    found = Scan({"a.wav": Seen(1, 1)}, dict.fromkeys(("x", "y/z.wav"), OSError()))
    assert found.shows_absent("b.wav")
    assert found.shows_absent("xx/b.wav")
    assert not found.shows_absent("a.wav")
    assert not found.shows_absent("x/deep/b.wav")
    assert not found.shows_absent("y/z.wav")
    assert found.shows_absent("y/w.wav")


def test_a_folder_swapped_for_a_link_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "outside/secret.wav", "in/x/a.wav", "in/a.wav")
    calls = iter(range(100))

    def meddle() -> bool:
        if next(calls) == 1:  # the root is listed, x comes next
            (tmp_path / "in" / "x" / "a.wav").unlink()
            (tmp_path / "in" / "x").rmdir()
            (tmp_path / "in" / "x").symlink_to("../outside")
        return True

    found = scan(str(tmp_path / "in"), Rules("a", ("audio",), (), recursive=True), inodes=True, going=meddle)
    assert list(found.files) == ["a.wav"]
    assert not found.blind


def test_it_ends_when_the_program_stops(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    with pytest.raises(Interrupted):
        scan(str(tmp_path), Rules("a", ("audio",), (), recursive=True), inodes=True, going=lambda: False)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "x/b.wav")
    before = len(list(Path("/dev/fd").iterdir()))
    walk(tmp_path)
    with pytest.raises(RootGone):
        walk(tmp_path / "none")
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_where_a_link_leads(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put(tmp_path, "in/a.wav", "inner/b.wav")
    (root / "l.wav").symlink_to("a.wav")
    (root / "o.wav").symlink_to("../inner/b.wav")
    assert inside(str(root), "l.wav") == os.path.realpath(root / "a.wav")
    assert inside(str(root), "o.wav") is None, "a folder whose name begins alike is outside"
    assert inside(str(root), "none") is None


def mark(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    put_marker(folder, marker_file.Marker("diffio-watch", "01ANYJOURNAL", "outbox", "any", 1))


def test_a_folder_with_a_marker_is_somebodys_root_and_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "x/b.wav", "x/out/c.restored.wav", "x/out/deep/d.wav")
    mark(tmp_path / "x/out")
    mark(tmp_path)  # the inbox's own
    found = walk(tmp_path)
    assert sorted(found.files) == ["a.wav", "x/b.wav"]
    assert found.roots == {"x/out"}
    assert walk(tmp_path, below="x/out").files == {}
    # what was journalled of it before is not gone: nobody looked
    assert not found.shows_absent("x/out/c.restored.wav")
    assert found.shows_absent("x/outer.wav")


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 10_000, b"[" * 10_000])
def test_a_marker_that_says_nothing_ends_the_walk_too(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "x/a.wav")
    (tmp_path / "x/.diffio-watch").write_bytes(content)
    assert walk(tmp_path).files == {}


@pytest.mark.parametrize("target", ["x/out", "x/out/deep", "x/out/deep/d.wav"])
def test_no_link_leads_into_somebodys_root(tmp_path: Path, target: str) -> None:
    put(tmp_path, "a.wav", "x/out/deep/d.wav")
    mark(tmp_path / "x/out")
    (tmp_path / "link.wav").symlink_to(target)
    found = walk(tmp_path, follow=True)
    assert list(found.files) == ["a.wav"]


def test_the_inbox_that_shows_in_itself_is_not_entered_again(tmp_path: Path) -> None:
    put(tmp_path, "in/a.wav")
    mark(tmp_path / "in")
    (tmp_path / "in/again").mkdir()
    if subprocess.run(["mount", "--bind", tmp_path / "in", tmp_path / "in/again"], check=False,
                      capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert list(walk(tmp_path / "in").files) == ["a.wav"]
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "in/again"], check=True)
