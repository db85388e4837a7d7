"""The money guards, and that nothing buys an inbox again: each with a count of the charges."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sounds import sound
from whole_mounts import Mounts
from whole_studio import LONG, NAME, MakeStudio, Studio, until

from diffio_watch.clock import midnight
from diffio_watch.job import State

FILES = [f"{folder}/{number}.wav" for folder in ("show 1", "show 2/day 1") for number in range(4)]
SCANNED = {NAME: {"rescan": "200ms"}}


def drop(studio: Studio, *paths: str, seconds: float = 0.2) -> None:
    for path in paths:
        place = studio.inbox() / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(sound(path, seconds))


def looked(studio: Studio) -> None:
    """Let intake look at everything, twice, and what comes of it come to its end."""
    for _ in range(2):
        since = studio._clock.now() + 11

        def scanned(since: float = since) -> bool:
            return (studio.reports()[NAME].last_scan_at or 0) > since

        # its time is told every ten seconds; and one that the skip fell into seemed long, which puts off the next one
        for _ in range(15):
            studio.skip(11)
            with contextlib.suppress(AssertionError):
                until(scanned, 2)
                break
        assert scanned(), studio.told()
    until(lambda: studio.settling() == {} and not studio.open(), what=studio.told)


@pytest.mark.usefixtures("impatient")
def test_over_the_days_files_the_rest_is_held_until_a_person_approves_or_the_day_is_over(
    make_studio: MakeStudio,
) -> None:
    studio = make_studio(limits={"daily_files": 2, "uploads": 1})
    studio._clock.skipped = midnight(studio._clock.now(), 1) - 25 - studio._clock.now()
    drop(studio, "a.wav", "b.wav", "c.wav", "d.wav")
    studio.start()
    until(lambda: studio.counts()[State.DELIVERED] == 2 and studio.counts()[State.HELD] == 2, what=studio.told)
    held = sorted(path for path, state in studio.states().items() if state == "held: daily_limit")
    assert studio.explain(held[0]) == ("job", "daily_limit")
    until(lambda: {f"{path}.error.json" for path in held} <= studio.visible(), what=studio.told)
    for _ in range(2):
        studio.command("approve", f"{NAME}:{held[0]}")
    studio.wait(held[0])
    assert studio.service.charges == 3
    assert studio.states()[held[1]] == "held: daily_limit"
    studio.skip(26)
    studio.wait(held[1])
    assert studio.service.charges == 4
    until(lambda: not [path for path in studio.visible() if "error" in path], what=studio.told)


def test_a_generation_counts_at_least_one_of_the_days_minutes(make_studio: MakeStudio) -> None:
    studio = make_studio(limits={"daily_minutes": 4})
    studio.start()
    drop(studio, "long.wav", seconds=150)
    studio.wait("long.wav")
    drop(studio, "short.wav")
    studio.wait("short.wav")
    drop(studio, "another.wav")
    studio.wait("another.wav", state="held: daily_limit")
    assert "4" in studio.job("another.wav").because.message  # type: ignore[union-attr]  # it is held
    assert studio.service.charges == 2
    studio.restart()  # the count is the journal's
    drop(studio, "fourth.wav")
    studio.wait("fourth.wav", state="held: daily_limit")
    assert studio.service.charges == 2


@pytest.mark.usefixtures("impatient")
def test_a_drop_that_is_too_large_is_held_as_one_and_approved_once(make_studio: MakeStudio) -> None:
    studio = make_studio(limits={"approve_over_files": len(FILES) - 1})
    studio.start()
    staged = studio.base / "staged"
    for path in FILES:
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        (staged / path).write_bytes(sound(path))
    staged.rename(studio.inbox() / "archive by mistake")
    paths = [f"archive by mistake/{path}" for path in FILES]
    studio.wait(*paths, state="held: drop_size")
    assert studio.explain(paths[0]) == ("job", "drop_size")
    until(lambda: len(studio.visible()) == 1, what=studio.told)
    (told,) = studio.visible()  # one for the drop, at the root
    assert told.endswith(".error.json")
    assert "/" not in told
    assert studio.service.calls == {}
    assert studio.command("cancel", f"{NAME}:{paths[0]}")[0] == 0
    assert studio.command("approve", "--inbox", NAME)[0] == 0
    studio.command("approve", "--inbox", NAME)
    studio.wait(*paths[1:])
    studio.restart()
    looked_at = studio.states()
    assert looked_at == dict.fromkeys(paths[1:], "delivered") | {paths[0]: "cancelled: discarded"}
    assert studio.service.charges == len(FILES) - 1
    drop(studio, "one more.wav")  # what a person has released counts no longer
    studio.wait("one more.wav")
    assert studio.stop() == 0
    studio.check()


@pytest.mark.slow
def test_a_folder_with_thousands_of_old_takes_is_asked_about_first(studio: Studio) -> None:
    takes = 2000
    for number in range(takes):
        place = studio.inbox() / f"{number // 100}/{number}.wav"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(sound(str(number), 0.02))
    studio.start()
    until(lambda: studio.counts()[State.HELD] == takes, 240, studio.told)
    assert studio.service.calls == {}
    assert studio.stop() == 0


def edited(studio: Studio, _: Mounts) -> None:
    studio.inboxes[NAME] |= {"model": "diffio-4.6-pro", "sampling": {"seed": 7}, "params": {"tag": "x"},
                             "outputs": ["audio", "transcript"], "output_name": "{stem}.{model}{ext}",
                             "duplicates": "process", "priority": 5, "settle": "300ms"}
    studio.restart(generation={"poll": {"first": "200ms", "max": "2s"}})


def touched(studio: Studio, _: Mounts) -> None:
    for path in FILES:
        (studio.inbox() / path).touch()


def renamed(studio: Studio, _: Mounts) -> None:
    (studio.inbox() / "show 1").rename(studio.inbox() / "moved")
    (studio.inbox() / "show 2").rename(studio.inbox() / "show 1")
    until(lambda: "show 1/day 1/0.wav" in studio.states(), what=studio.told)


def renamed_while_stopped(studio: Studio, mounts: Mounts) -> None:
    assert studio.stop() == 0
    (studio.inbox() / "show 1").rename(studio.inbox() / "moved")
    studio.start()


def restored_from_a_backup(studio: Studio, _: Mounts) -> None:
    """Other inode numbers and times, the same contents."""
    copy = studio.base / "copy"
    shutil.copytree(studio.inbox(), copy, ignore=shutil.ignore_patterns(".diffio-watch"))
    for path in FILES:
        (studio.inbox() / path).unlink()
    until(lambda: not any((studio.inbox() / path).exists() for path in FILES))
    shutil.copytree(copy, studio.inbox(), dirs_exist_ok=True, copy_function=shutil.copyfile)


def moved_root(studio: Studio, _: Mounts) -> None:
    assert studio.stop() == 0
    for part in ("in", "out"):
        (studio.base / f"new {part}").mkdir()
        (studio.base / f"new {part}").rmdir()
        (studio.base / NAME / part).rename(studio.base / f"new {part}")
        (studio.base / NAME / part).symlink_to(studio.base / f"new {part}")
    studio.start()


def remounted(studio: Studio, mounts: Mounts) -> None:
    source = studio.base / "disk"
    studio.inbox().rename(source)
    studio.inbox().mkdir()
    mounts.bind(source, studio.inbox())


def remounted_through_fuse(studio: Studio, mounts: Mounts) -> None:
    """Another kind of filesystem, other inode numbers, no events."""
    source = studio.base / "disk"
    assert studio.stop() == 0
    studio.inbox().rename(source)
    studio.inbox().mkdir()
    mounts.fuse(source, studio.inbox())
    studio.start()
    mounts.unmount(studio.inbox())
    until(studio.halts, what=studio.told)
    mounts.bind(source, studio.inbox())
    until(lambda: not studio.halts(), what=studio.told)


def another_key(studio: Studio, _: Mounts) -> None:
    assert studio.stop() == 0
    studio.key("the-key-of-somebody-else")
    studio.start()


def emptied_outbox(studio: Studio, _: Mounts) -> None:
    for path in studio.visible():
        (studio.outbox() / path).unlink()
    studio.restart()


def chmod_and_chown(studio: Studio, _: Mounts) -> None:
    for path in FILES:
        (studio.inbox() / path).chmod(0o600)
        os.chown(studio.inbox() / path, 1000, 1000)


EVENTS: list[Callable[[Studio, Any], None]] = [
    edited, touched, renamed, renamed_while_stopped, restored_from_a_backup, moved_root, remounted,
    remounted_through_fuse, another_key, emptied_outbox, chmod_and_chown]
QUICK = [edited, touched, renamed, another_key]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("event", [
    pytest.param(event, id=event.__name__, marks=[] if event in QUICK else [pytest.mark.slow]) for event in EVENTS])
def test_nothing_buys_the_inbox_again(event: Callable[[Studio, Mounts], None], mounts: Mounts,
                                      make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes=SCANNED)
    drop(studio, *FILES)
    studio.start()
    studio.wait(*FILES)
    assert studio.service.charges == len(FILES)
    event(studio, mounts)
    looked(studio)
    assert studio.service.charges == len(FILES)
    assert studio.service.calls["generate"] == len(FILES)
    assert studio.service.calls["create_project"] == len(FILES)
    assert set(studio.states().values()) == {"delivered"}
    drop(studio, "new.wav")  # and it goes on
    studio.wait("new.wav")
    assert studio.service.charges == len(FILES) + 1
    assert studio.stop() == 0


def test_with_another_key_what_was_bought_with_the_old_one_is_held_and_not_bought_again(
    make_studio: MakeStudio, tmp_path: Path,
) -> None:
    studio = make_studio()
    studio.service.change(seconds=LONG)
    drop(studio, "a.wav")
    studio.start()
    studio.wait("a.wav", state="waiting")
    assert studio.stop() == 0
    studio.key("the-key-of-somebody-else")
    studio.ready()
    studio.start()
    studio.wait("a.wav", state="held: account_changed")
    assert studio.service.charges == 1
    assert studio.stop() == 0
    studio.key("key-of-the-studio")
    studio.start()
    assert studio.command("approve", f"{NAME}:a.wav")[0] == 0
    studio.wait("a.wav")
    assert studio.service.charges == 1


def test_only_fresh_pays_for_what_the_service_could_not_restore(studio: Studio) -> None:
    studio.service.change(failing={"a.wav": "too much noise"})
    drop(studio, "a.wav")
    studio.start()
    studio.wait("a.wav", state="failed: generation_failed")
    for _ in range(2):
        assert studio.command("retry", f"{NAME}:a.wav")[0] == 1
    assert studio.command("retry", "--failed")[0] == 1
    (studio.inbox() / "a.wav").touch()
    drop(studio, "b.wav")
    studio.wait("b.wav")
    assert studio.service.charges == 2
    studio.service.change(failing={})
    assert studio.command("retry", "--fresh", "--yes", f"{NAME}:a.wav")[0] == 0
    studio.wait("a.wav")
    assert studio.service.charges == 3
    assert studio.job("a.wav").run == 2
