"""A file that is changed exactly at a stage of its way: nothing is paid for twice, and what stands is delivered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sounds import sound
from whole_studio import NAME, Studio, until

from diffio_watch.sandbox.state import Seen

BEFORE = ("create_project", "start", "part", "complete", "complete_project_upload")  # nothing is paid for yet
AFTER = ("generate", "progress", "link", "download")
QUICK = ("part", "generate", "download")


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\x80" * 1000)


def shrink(path: Path) -> None:
    path.write_bytes(sound("shrunk", 0.1))


def replace(path: Path) -> None:
    fresh = path.with_name(".fresh")
    fresh.write_bytes(sound("replaced", 0.3))
    fresh.rename(path)


def swap(path: Path) -> None:
    """Another content, of the same size and time."""
    was = path.stat()
    fresh = path.with_name(".swapped")
    fresh.write_bytes(sound("swapped"))
    os.utime(fresh, ns=(was.st_atime_ns, was.st_mtime_ns))
    fresh.rename(path)


def rename(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.rename(path.parent / "elsewhere/renamed.wav")


def remove(path: Path) -> None:
    path.unlink()


def touch(path: Path) -> None:
    path.touch()


CHANGES: dict[str, Callable[[Path], None]] = {
    change.__name__: change for change in (grow, shrink, replace, swap, rename, remove, touch)}
NEW_CONTENT = {"grow", "shrink", "replace", "swap"}


@pytest.mark.parametrize("stage", [stage if stage in QUICK else pytest.param(stage, marks=pytest.mark.slow)
                                   for stage in (*BEFORE, *AFTER)])
def test_a_change_at_a_stage_is_answered_right(stage: str, studio: Studio) -> None:
    before = {change: sound(f"{change}.wav") for change in CHANGES}
    todo = dict(CHANGES)

    def act(moment: str, seen: Seen) -> None:
        if moment == "effect" and seen.call == stage and seen.file_name is not None:
            change = todo.pop(seen.file_name.partition(".")[0], None)
            if change is not None:
                change(studio.inbox() / seen.file_name)

    studio.inboxes[NAME]["rescan"] = "1s"  # a touch alone is no event
    studio.service.watch(act)
    for change, content in before.items():
        (studio.inbox() / f"{change}.wav").write_bytes(content)
    studio.start()
    wanted = {f"{change}.wav": "delivered" for change in CHANGES} | {"elsewhere/renamed.wav": "delivered"}
    del wanted["rename.wav"]
    if stage in BEFORE:
        wanted["remove.wav"] = "cancelled: vanished"
    paid = dict.fromkeys(CHANGES, 1)
    if stage in BEFORE:
        paid["remove"] = 0
    else:
        paid |= dict.fromkeys(NEW_CONTENT, 2)  # the new content is a new job

    def charged() -> dict[str, int]:
        return {change: charges(studio, change) for change in CHANGES}

    until(lambda: not todo and charged() == paid and studio.states() == wanted, 30,
          lambda: f"{todo} {charged()} {studio.told()}")
    until(lambda: studio.settling() == {} and not studio.open(), what=studio.told)
    assert charged() == paid
    for change in NEW_CONTENT | {"touch"}:  # what stands there now is what was delivered last
        job = studio.job(f"{change}.wav")
        assert job.sha256 == hashlib.sha256((studio.inbox() / f"{change}.wav").read_bytes()).hexdigest(), change
        until(lambda change=change: studio.explain(f"{change}.wav") == ("job", None), what=studio.told)  # type: ignore[misc]  # bound now
    assert studio.explain("elsewhere/renamed.wav") == ("job", None)
    assert studio.stop() == 0
    studio.check()
    for job in studio.jobs():  # each output is of the content that its job was paid for
        for output in job.outputs:
            assert output.path is not None
            content = (studio.outbox() / output.path).read_bytes()
            assert hashlib.sha256(content).hexdigest() == job.sha256


def charges(studio: Studio, change: str) -> int:
    """How many generations the service was paid for of a file of this name."""
    return sum(project["charges"] for project in studio.service.projects()
               if project["file_name"].startswith((f"{change}.", f"{change}d.")))


def test_a_file_that_goes_on_changing_is_not_paid_for_until_it_rests(studio: Studio) -> None:
    path = studio.inbox() / "a.wav"
    contents = [sound(f"a{number}", 0.2 + number / 10) for number in range(4)]

    def act(moment: str, seen: Seen) -> None:
        if moment == "effect" and seen.call == "create_project" and len(contents) > 1:
            contents.pop(0)
            path.write_bytes(contents[0])

    studio.service.watch(act)
    path.write_bytes(contents[0])
    studio.start()
    studio.wait("a.wav", seconds=30)
    assert studio.service.charges == 1
    assert (studio.outbox() / "a.restored.wav").read_bytes() == contents[0]
    assert studio.json("status")["inboxes"][0]["settle_seconds"] > 0.2  # it has learned
    assert [job.path for job in studio.jobs(NAME)] == ["a.wav"]
