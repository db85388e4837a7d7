"""Events are hints; real folders and the real watchdog."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from diffio_watch.intake import watch as module
from diffio_watch.intake.watch import Hints, Watch, WatchRefused


class Seen:
    """A watch and what it has hinted at so far."""

    def __init__(self, root: Path) -> None:
        self.hints = Hints()
        self.watch = Watch(str(root), self.hints, recursive=True)
        self.paths: set[str] = set()
        self.lost = False

    def gather(self) -> None:
        paths, lost = self.hints.take()
        self.paths |= paths
        self.lost = self.lost or lost

    def until(self, *paths: str, lost: bool = False) -> None:
        """Wait for hints, 10 s at most."""
        end = time.monotonic() + 10
        while not (set(paths) <= self.paths and (self.lost or not lost)):
            assert time.monotonic() < end, f"only {sorted(self.paths)} of {paths}, lost: {self.lost}"
            self.hints.wait(0.5)
            self.gather()


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    (tmp_path / "in").mkdir()
    found = Seen(tmp_path / "in")
    yield found
    found.watch.stop()


def test_created_closed_moved_and_deleted_files_are_hinted_at(seen: Seen, tmp_path: Path) -> None:
    root = tmp_path / "in"
    (root / "a.wav").write_bytes(b"x")
    (tmp_path / "b.wav").write_bytes(b"x")
    (tmp_path / "b.wav").rename(root / "b.wav")
    seen.until("a.wav", "b.wav")
    seen.paths.clear()
    (root / "a.wav").rename(root / "c.wav")
    (root / "b.wav").unlink()
    seen.until("a.wav", "c.wav", "b.wav")


def test_a_writer_that_closes_is_hinted_at_once_more(seen: Seen, tmp_path: Path) -> None:
    with (tmp_path / "in" / "a.wav").open("wb") as file:
        seen.until("a.wav")
        seen.paths.clear()
        file.write(b"x")
    seen.until("a.wav")


def test_folders_moved_in_whole_are_hinted_at(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "season" / "deep").mkdir(parents=True)
    (tmp_path / "season" / "deep" / "a.wav").write_bytes(b"x")
    (tmp_path / "season").rename(tmp_path / "in" / "season")
    seen.until("season")
    (tmp_path / "in" / "season" / "deep" / "late.wav").write_bytes(b"x")
    seen.until("season/deep/late.wav")


def test_deep_folders_made_one_by_one_break_no_watch(seen: Seen, tmp_path: Path) -> None:
    """Watchdog meets such folders twice, in its walk and in their event, and warns: an exception here."""
    deepest = []
    for number in range(60):
        folder = tmp_path / "in" / str(number) / Path(*["deep"] * 40)
        folder.mkdir(parents=True)
        (folder / "a.wav").write_bytes(b"x")
        deepest.append(str((folder / "a.wav").relative_to(tmp_path / "in")))
    seen.until(*deepest)
    assert seen.watch.trouble() is None


def test_reading_is_no_news(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.wav").write_bytes(b"x")
    (tmp_path / "in" / "first.x").mkdir()
    seen.until("a.wav", "first.x")
    seen.paths.clear()
    (tmp_path / "in" / "a.wav").read_bytes()
    (tmp_path / "in" / "last.x").mkdir()  # whatever reading tells would come before this
    seen.until("last.x")
    assert seen.paths == {"last.x"}


def test_names_that_are_no_utf_8_come_through(seen: Seen, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n.wav")
    (tmp_path / "in" / name).touch()
    seen.until(name)


def test_an_inbox_reached_through_a_link_is_watched_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "in").symlink_to("real")
    found = Seen(tmp_path / "in")
    try:
        (tmp_path / "in" / "a.wav").touch()
        found.until("a.wav")
    finally:
        found.watch.stop()


def test_all_is_well_while_it_lives_and_not_once_an_emitter_died(seen: Seen) -> None:
    """An observer says that it is alive when its emitters are not."""
    assert seen.watch.trouble() is None
    for emitter in seen.watch._observer.emitters:
        emitter.stop()
        emitter.join()
    assert seen.watch._observer.is_alive()
    assert seen.watch.trouble() == "an emitter ended"


def test_a_dead_dispatcher_and_a_dead_reader_are_found(seen: Seen) -> None:
    reader: Any = seen.watch._observer
    reader._inotify_fd.stop()
    reader._inotify_fd.join()
    assert seen.watch.trouble() is not None
    seen.watch._observer.stop()
    seen.watch._observer.join()
    assert seen.watch.trouble() == "the dispatcher ended"


def test_a_removed_and_recreated_root_is_found(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "in").rename(tmp_path / "old")
    (tmp_path / "in").mkdir()
    assert seen.watch.trouble() == "another folder stands in the inbox's place"


def test_a_removed_root_makes_everything_worth_a_look(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "in").rmdir()
    seen.until(lost=True)


def test_a_real_overflow_of_the_kernels_queue_makes_everything_worth_a_look(seen: Seen, tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip("this kernel's queue is too long to be filled here")
    observer: Any = seen.watch._observer
    with observer._inotify_fd._lock:  # the reader stands still
        for number in range(limit + 2000):
            os.close(os.open(tmp_path / "in" / f"{number}.x", os.O_CREAT | os.O_WRONLY))
    seen.until(lost=True)
    assert seen.watch.trouble() is None


def test_whatever_watchdog_warns_of_makes_everything_worth_a_look(seen: Seen) -> None:
    seen.gather()
    seen.lost = False
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed; filesystem events were lost")
    seen.gather()
    assert seen.lost


def test_a_missing_root_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(WatchRefused, match="No such file"):
        Watch(str(tmp_path / "none"), Hints(), recursive=True)


@pytest.mark.parametrize(("number", "name"), [
    (errno.ENOSPC, "fs.inotify.max_user_watches"), (errno.EMFILE, "fs.inotify.max_user_instances"),
])
def test_inotifys_limits_are_told_with_sysctl_and_value(number: int, name: str) -> None:
    """They read "no space left on device" and "too many open files"."""
    value = Path("/proc/sys", *name.split(".")).read_text().strip()
    assert f"{name} = {value} is reached" in module._refusal(OSError(number, os.strerror(number)))


LIMITED = """
import sys
from diffio_watch.intake.watch import Hints, Watch, WatchRefused
open("/proc/sys/user/max_inotify_watches", "w").write("10")
watch = Watch(sys.argv[1], Hints(), recursive=True)  # watchdog passes over folders below that it could not watch
try:
    watch.trouble()
except WatchRefused as refused:
    print(refused)
watch.stop()
try:
    open("/proc/sys/user/max_inotify_watches", "w").write("0")
    Watch(sys.argv[1], Hints(), recursive=True)
except WatchRefused as refused:
    print(refused)
"""


def test_folders_that_found_no_room_for_a_watch_are_noticed(tmp_path: Path) -> None:
    """The real limit, in a user namespace of its own."""
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    if subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no user namespace can be had here")
    command = ["unshare", "-Ur", sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.count("fs.inotify.max_user_watches") == 2, done.stderr


def test_a_watch_that_was_refused_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(WatchRefused):
            Watch(str(tmp_path / "none"), Hints(), recursive=True)
    assert threading.active_count() == before


def test_of_too_many_hints_only_that_they_were_is_kept() -> None:
    hints = Hints()
    for number in range(20_000):
        hints.add(str(number))
    paths, lost = hints.take()
    assert lost
    assert len(paths) == 10_000
    assert hints.take() == (set(), False)


def test_whoever_waits_is_woken_by_a_hint_a_loss_and_a_word() -> None:
    hints = Hints()
    wakes: list[Callable[[], None]] = [partial(hints.add, "a"), hints.lose, hints.wake]
    for wake in wakes:
        waiter = threading.Thread(target=hints.wait, args=(60.0,))
        waiter.start()
        wake()
        waiter.join(timeout=10)
        assert not waiter.is_alive()
        hints.take()


def test_stopping_ends_its_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    watch = Watch(str(tmp_path), Hints(), recursive=True)
    watch.stop()
    assert threading.active_count() == before
