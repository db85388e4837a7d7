"""Killed at every boundary of the flow, the daemon loses nothing, pays nothing twice and shows nothing torn.

Two ways to die: at every effect on the disk (a write also in its middle) and on both sides of every commit, by the
child's own hand; and at every moment of every call, by the sandbox's: when the request has arrived, when it has taken
effect and nothing was answered yet, when it was answered. The boundaries of a scenario are counted as they come, so a
new effect in the program is explored without a change here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_scenarios import SCENARIOS
from crash_world import Nursery, World, opened

pytestmark = pytest.mark.slow

_SHARDS = 2
_EXPLORED = [name for name in SCENARIOS if name != "several"]  # which is `multipart`, three times


def _every(name: str, shard: int, nursery: Nursery, elsewhere: Path, live: Callable[[World, int], bool]) -> int:
    """A world for each boundary: killed there once, then left alone. The number of kills."""
    boundary = 1 + shard
    while True:
        with opened(name, nursery, elsewhere) as world:
            if not live(world, boundary):
                world.check()
                return (boundary - 1 - shard) // _SHARDS
            world.glance()
            assert not world.live()
            world.check()
        boundary += _SHARDS


@pytest.mark.parametrize("shard", range(_SHARDS))
@pytest.mark.parametrize("name", _EXPLORED)
def test_a_kill_at_any_effect_or_commit_costs_nothing(
    name: str, shard: int, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    kills = _every(name, shard, nursery, tmp_path, lambda world, boundary: world.live(fuse=boundary, explore=True))
    assert kills > 0
    request.node.user_properties.append(("kills", kills))


@pytest.mark.parametrize("name", [name for name in _EXPLORED if SCENARIOS[name].since_call])
def test_a_kill_at_any_moment_of_any_call_costs_nothing(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    kills = sum(_every(name, shard, nursery, tmp_path, lambda world, moment: world.live(moment=moment, explore=True))
                for shard in range(_SHARDS))
    assert kills > 0
    request.node.user_properties.append(("kills", kills))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_in_the_recovery_from_a_kill_costs_nothing(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    """Life after life ends early, at a place that the seed decides, until one comes to the end."""
    dice = random.Random(name)
    kills = 0
    for _ in range(5):
        with opened(name, nursery, tmp_path) as world:
            for _ in range(60):
                by_hand = dice.random() < 0.6
                if not (world.live(fuse=dice.randint(1, 60)) if by_hand else world.live(moment=dice.randint(1, 24))):
                    break
                world.glance()
            else:
                assert not world.live()
            world.check()
            kills += world.kills
    assert kills > 0
    request.node.user_properties.append(("kills", kills))


@pytest.mark.parametrize("name", ["several", "transcript", "duplicate", "archive", "delete"])
def test_the_whole_daemon_with_all_its_threads_survives_kills(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    dice = random.Random(name)
    with opened(name, nursery, tmp_path) as world:
        assert not world.live(whole=True)
        world.check()
    with opened(name, nursery, tmp_path) as world:
        for _ in range(10):
            if not world.live(fuse=dice.randint(1, 100), whole=True):
                break
            world.glance()
        assert not world.live(whole=True)
        world.check()
    assert world.kills > 0
    request.node.user_properties.append(("kills", world.kills))
