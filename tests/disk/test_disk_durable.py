"""Files appear whole, with their mode, under names that nothing had."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diffio_watch.disk import durable


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_has_its_mode_before_its_first_byte_whatever_the_umask(tmp_path: Path, here: int, umask: int) -> None:
    os.close(durable.create("a", 0o664, dir_fd=here))
    assert mode(tmp_path / "a") == 0o664
    assert (tmp_path / "a").stat().st_size == 0


@pytest.mark.parametrize("kind", ["file", "dangling link", "folder", "FIFO"])
def test_a_file_is_never_made_over_anything(tmp_path: Path, here: int, kind: str) -> None:
    there = tmp_path / "a"
    if kind == "file":
        there.touch()
    elif kind == "dangling link":
        there.symlink_to("nowhere")
    elif kind == "folder":
        there.mkdir()
    else:
        os.mkfifo(there)
    with pytest.raises(FileExistsError):
        durable.create("a", 0o664, dir_fd=here)
    assert not (tmp_path / "nowhere").exists()


def test_folders_have_their_mode_and_setgid_whatever_the_umask(tmp_path: Path, here: int, umask: int) -> None:
    os.close(durable.make_folders(["show 12", "day 1"], 0o2775, dir_fd=here))
    assert mode(tmp_path / "show 12") == mode(tmp_path / "show 12/day 1") == 0o2775


def test_folders_that_exist_keep_their_mode_and_new_ones_inherit_setgid(tmp_path: Path, here: int) -> None:
    (tmp_path / "show").mkdir()
    (tmp_path / "show").chmod(0o2750)
    os.close(durable.make_folders(["show", "day"], 0o775, dir_fd=here))
    assert mode(tmp_path / "show") == 0o2750
    assert mode(tmp_path / "show/day") == 0o2775


@pytest.mark.parametrize("parts", [[".."], ["a", "..", "b"], ["."], [""], ["a/b"]])
def test_no_part_of_a_path_leads_elsewhere(here: int, parts: list[str]) -> None:
    for way in (durable.open_folder, lambda parts, dir_fd: durable.make_folders(parts, 0o775, dir_fd=dir_fd)):
        with pytest.raises((ValueError, FileNotFoundError)):
            way(parts, dir_fd=here)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_file_in_the_way_is_never_passed(tmp_path: Path, here: int, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        (tmp_path / "show").symlink_to(elsewhere)
    else:
        (tmp_path / "show").touch()
    with pytest.raises(OSError, match=r"Not a directory|symbolic") as caught:
        durable.make_folders(["show", "day"], 0o775, dir_fd=here)
    assert caught.value.errno in {errno.ENOTDIR, errno.ELOOP}
    assert not any(elsewhere.iterdir())


def test_threads_that_make_the_same_folders_all_get_them(tmp_path: Path, here: int) -> None:
    errors: list[BaseException] = []

    def make() -> None:
        try:
            for number in range(50):
                os.close(durable.make_folders([f"{number}", "a", "b"], 0o775, dir_fd=here))
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(list(tmp_path.iterdir())) == 50


def test_a_folder_is_synced_or_it_is_said_that_it_can_not_be(here: int) -> None:
    assert durable.sync_folder(here)
    reading, writing = os.pipe()  # the one thing at hand that fsync refuses with EINVAL
    assert not durable.sync_folder(reading)
    os.close(reading)
    os.close(writing)


def test_an_error_of_the_sync_is_told(here: int) -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        durable.sync(fd)
    with pytest.raises(OSError, match="No space left"):
        durable.write_all(fd, b"x")
    os.close(fd)


@contextlib.contextmanager
def bindfs(source: Path, target: Path, *options: str) -> Iterator[Path]:
    """A FUSE view of a folder: its rename takes no flags, so the kernel answers EINVAL."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs bindfs and /dev/fuse: a filesystem without renameat2's flags")
    target.mkdir(exist_ok=True)
    done = subprocess.run(["bindfs", *options, source, target], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"bindfs does not mount here: {done.stderr.strip()}")
    try:
        yield target
    finally:
        subprocess.run(["fusermount", "-u", "-z", target], check=True)


@pytest.fixture(params=["atomic", "link", "lock"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder on a filesystem that leaves this way of renaming."""
    store = tmp_path / "store"
    store.mkdir()
    if request.param == "atomic":
        yield store, "atomic"
        return
    with bindfs(store, tmp_path / "view") as view:
        yield view, request.param


def in_child(work: Callable[[], None], user: int) -> None:
    """Run in a process of another user; its failure is this test's."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def linkless(folder: Path, work: Callable[[], None]) -> None:
    """Run where hard links are refused: as a user to whom the kernel forbids links to files that are not his."""
    if os.geteuid() != 0 or Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1":
        pytest.skip("needs root, to become a user who may rename in a folder but not link")
    for above in [folder, *folder.parents]:
        if above.owner() == "root" and above.stat().st_mode & 0o011 == 0:
            above.chmod(above.stat().st_mode | 0o011)
    folder.chmod(0o777)
    for file in folder.glob("temp*"):
        file.chmod(0o600)
    in_child(work, 65534)


def test_a_rename_moves_once_and_never_replaces(folder: tuple[Path, str]) -> None:
    view, expected = folder
    (view / "temp").write_text("new")
    (view / "taken").write_text("old")

    def work() -> None:
        fd = os.open(view, os.O_RDONLY)
        with pytest.raises(FileExistsError):
            durable.rename_noreplace("temp", "taken", source_fd=fd, target_fd=fd)
        assert durable.rename_noreplace("temp", "final", source_fd=fd, target_fd=fd) == expected
        with pytest.raises(FileNotFoundError):
            durable.rename_noreplace("temp", "final 2", source_fd=fd, target_fd=fd)
        os.close(fd)

    if expected == "lock":
        linkless(view, work)
    else:
        work()
    assert {path.name: path.read_text() for path in view.iterdir()} == {"taken": "old", "final": "new"}


@pytest.mark.parametrize("kind", ["dangling link", "folder"])
def test_a_rename_replaces_no_link_and_no_folder(folder: tuple[Path, str], kind: str) -> None:
    view, expected = folder
    (view / "temp").write_text("new")
    (view / "taken").mkdir() if kind == "folder" else (view / "taken").symlink_to("nowhere")

    def work() -> None:
        fd = os.open(view, os.O_RDONLY)
        with pytest.raises(FileExistsError):
            durable.rename_noreplace("temp", "taken", source_fd=fd, target_fd=fd)
        os.close(fd)

    if expected == "lock":
        linkless(view, work)
    else:
        work()
    assert (view / "temp").read_text() == "new"


def test_of_many_renames_to_one_name_one_wins(folder: tuple[Path, str]) -> None:
    view, expected = folder
    names = [f"temp {number}" for number in range(40)]
    for name in names:
        (view / name).write_text(name)

    def work() -> None:
        fd = os.open(view, os.O_RDONLY)
        won: list[str] = []

        def rename(name: str) -> None:
            with contextlib.suppress(FileExistsError):
                durable.rename_noreplace(name, "final", source_fd=fd, target_fd=fd)
                won.append(name)

        threads = [threading.Thread(target=rename, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.close(fd)
        assert len(won) == 1

    if expected == "lock":
        linkless(view, work)
    else:
        work()
    assert len(list(view.iterdir())) == 40


def test_a_link_that_an_earlier_try_made_is_finished(tmp_path: Path, here: int) -> None:
    (tmp_path / "temp").write_text("new")
    os.link(tmp_path / "temp", tmp_path / "final")
    assert durable._by_link("temp", "final", here, here)
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_across_filesystems_it_says_so(tmp_path: Path, here: int, elsewhere: Path) -> None:
    (tmp_path / "temp").touch()
    fd = os.open(elsewhere, os.O_RDONLY)
    with pytest.raises(OSError, match="cross-device") as caught:
        durable.rename_noreplace("temp", "final", source_fd=here, target_fd=fd)
    os.close(fd)
    assert caught.value.errno == errno.EXDEV
    assert (tmp_path / "temp").exists()


def test_a_share_that_went_away_is_told_from_a_disk_in_trouble() -> None:
    assert durable.is_gone(OSError(errno.ESTALE, ""))
    assert durable.is_gone(OSError(errno.ENOTCONN, ""))
    assert not durable.is_gone(OSError(errno.ENOSPC, ""))
    assert not durable.is_gone(OSError(errno.EIO, ""))


def test_a_c_library_without_the_function_still_has_the_system_call(
        tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(ctypes.CDLL):
        def __getattr__(self, name: str) -> Any:
            if name == "renameat2":
                raise AttributeError(name)
            return super().__getattr__(name)

    if platform.machine() not in {"x86_64", "aarch64", "riscv64"} or sys.platform != "linux":
        pytest.skip("the system call's number is known on these machines only")
    monkeypatch.setattr(ctypes, "CDLL", Old)
    monkeypatch.setattr(durable, "_renamer", durable._renamer.__wrapped__)  # without its cache
    (tmp_path / "temp").touch()
    assert durable.rename_noreplace("temp", "final", source_fd=here, target_fd=here) == "atomic"
    (tmp_path / "temp").touch()
    with pytest.raises(FileExistsError):
        durable.rename_noreplace("temp", "final", source_fd=here, target_fd=here)
