"""The plug is pulled in the middle of the flow: what was acknowledged is there, and what is visible is whole.

Journal, inbox, outbox and archive are on a disk that forgets what was not flushed; see `crash_disk`. Pulled within a
write or flush of the disk, at an effect of the program, or when it thinks it is through.
"""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest
from crash_disk import missing, plugged
from crash_world import Nursery, opened

_WHY = missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_WHY is not None, reason=f"no disk to pull the plug of: {_WHY}"),
]
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


@pytest.mark.parametrize("name", _SCENARIOS)
def test_a_power_cut_loses_nothing_acknowledged_and_shows_nothing_torn(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    dice = random.Random(name)
    cuts = 0
    with plugged(tmp_path) as disk:
        for number in range(3):
            base = disk.mount / f"world {number}"
            base.mkdir()
            with opened(name, nursery, tmp_path, base) as world:
                os.sync()
                for _ in range(8):
                    if dice.random() < 0.75:
                        ended = not world.live(born=partial(disk.arm, dice.randint(1, 150), dice.getrandbits(32)))
                    else:
                        ended = not world.live(fuse=dice.randint(1, 80))
                    disk.cut()
                    cuts += 1
                    world.keep_others()  # one that came after the plug was pulled never came
                    world.check_acknowledged()
                    world.glance()
                    if ended:
                        break
                assert not world.live()
                world.check()
    request.node.user_properties.append(("power cuts", cuts))
