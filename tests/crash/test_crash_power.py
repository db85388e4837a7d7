"""The plug is pulled in the middle of the flow: what was acknowledged is there, and what is visible is whole.

Journal, inbox, outbox and archive are on a disk that forgets what was not flushed; see `crash_disk`. Pulled within a
write or flush of the disk, at an effect of the program, or when it thinks it is through.
"""

from __future__ import annotations

import os
import random
import shutil
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from crash_disk import Disk, missing, plugged
from crash_world import Nursery, World, opened

_WHY = missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_WHY is not None, reason=f"no disk to pull the plug of: {_WHY}"),
]
_CUTS = 24
_SCENARIOS = ("multipart", "put", "transcript", "archive", "delete", "sidecar-taken-late", "generation-fails",
              "several", "duplicate", "held-and-approved")


def test_the_disk_forgets_what_was_not_flushed_and_nothing_else(tmp_path: Path) -> None:
    """The measure itself: otherwise the tests below would pass for nothing."""
    with plugged(tmp_path) as disk:
        flushed, forgotten = disk.mount / "flushed", disk.mount / "forgotten"
        for path in (flushed, forgotten):
            path.write_bytes(b"as it was")
            with path.open("rb") as file:
                os.fsync(file.fileno())
        flushed.write_bytes(b"x" * 50_000)
        with flushed.open("rb") as file:
            os.fsync(file.fileno())
        (disk.mount / "never").write_bytes(b"x" * 50_000)
        with forgotten.open("r+b") as file:
            file.write(b"as it is")
        disk.cut()
        assert flushed.read_bytes() == b"x" * 50_000
        assert forgotten.read_bytes() == b"as it was"
        assert not (disk.mount / "never").exists()


def _cuts(disk: Disk, world: World, dice: random.Random) -> int:
    """Up to eight power cuts in the life of a world, and its peaceful end; how many there were."""
    disk.sync()
    cuts = 0
    for cuts in range(1, 9):  # noqa: B007 - it is told
        if dice.random() < 0.75:
            killed = world.live(born=partial(disk.arm, dice.randint(1, 150), dice.getrandbits(32)))
        else:
            killed = world.live(fuse=dice.randint(1, 80))
        disk.cut()
        world.keep_others()  # one that came after the plug was pulled never came
        world.glance()
        world.check_acknowledged()
        world.check_published()
        if not killed:
            break
    world.go_on()
    world.check()
    return cuts


@pytest.mark.parametrize("name", _SCENARIOS)
def test_a_power_cut_loses_nothing_acknowledged_and_shows_nothing_torn(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    dice, cuts = random.Random(name), 0
    with plugged(tmp_path) as disk:
        for number in count():
            base = disk.mount / f"world {number}"
            base.mkdir()
            with opened(name, nursery, tmp_path, base) as world:
                cuts += _cuts(disk, world, dice)
            shutil.rmtree(base)
            if cuts >= _CUTS:
                break
    request.node.user_properties.append(("power cuts", cuts))


@pytest.mark.parametrize(("folder", "name"), [
    ("outbox", "transcript"), ("outbox", "sidecar-taken-late"), ("state", "multipart"), ("inbox", "archive-elsewhere"),
    ("archive", "archive-elsewhere"),
])
def test_one_folder_may_forget_what_the_others_remember(
    folder: str, name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    """The one on the failing disk; the journal on another must not know more than it holds, nor less."""
    dice, cuts = random.Random(folder + name), 0
    with plugged(tmp_path) as disk:
        for number in count():
            base = tmp_path / f"world {number}"
            base.mkdir()
            here = disk.mount / f"{folder} {number}"
            here.mkdir()
            if folder != "archive":
                (base / folder).symlink_to(here)
            with opened(name, nursery, here if folder == "archive" else tmp_path, base) as world:
                cuts += _cuts(disk, world, dice)
            shutil.rmtree(here)
            if cuts >= _CUTS:
                break
    request.node.user_properties.append(("power cuts", cuts))
