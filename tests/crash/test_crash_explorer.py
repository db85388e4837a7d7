"""Killed at every boundary of the flow, the daemon loses nothing, pays nothing twice and shows nothing torn.

Two ways to die: at every effect on the disk (a write also in its middle) and on both sides of every commit; and at
every moment of every call, by the sandbox's hand: when the request has arrived, when it has taken effect and nothing
was answered yet, when it was answered. The boundaries of a scenario are counted as they come, so a new effect in the
program is explored without a change here.

One life dies all deaths of a kind: it is stopped at each, and what goes on is a copy of all that a kill there would
have left (`crash_deaths`, `crash_copy`, and the first test). Everywhere else the kills are kills.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
from crash_copy import left
from crash_deaths import at_calls, at_effects
from crash_scenarios import SCENARIOS
from crash_world import Nursery, World, opened

pytestmark = pytest.mark.slow

_EXPLORED = [name for name in SCENARIOS if name != "several"]  # which is `multipart`, three times


@pytest.mark.parametrize("name", ["put", "archive", "name-taken-again"])
def test_what_goes_on_after_a_death_is_what_a_kill_there_leaves(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    """At places all over a life, which is then really ended there."""
    kills = 0
    for boundary in range(2, 1000, 7):
        with opened(name, nursery, tmp_path) as world:
            copied: list[object] = []
            if not at_effects(world, boundary, partial(_look, world, copied), kill=True):
                break
            assert left(world.changed(), world.sandbox, world.originals) == copied
            kills += 1
            world.glance()
            world.go_on()
            world.check()
    assert kills > 3
    request.node.user_properties.append(("kills", kills))


def _look(world: World, found: list[object]) -> None:
    found += left(world.changed(), world.sandbox, world.originals)


@pytest.mark.parametrize("name", _EXPLORED)
def test_a_kill_at_any_effect_or_commit_costs_nothing(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    with opened(name, nursery, tmp_path) as world:
        def go_on() -> None:
            world.glance()
            world.go_on()
            world.check()

        deaths = at_effects(world, 1, go_on)
        world.check()
    assert deaths > 0
    request.node.user_properties.append(("deaths", deaths))


@pytest.mark.parametrize("name", [name for name in _EXPLORED if SCENARIOS[name].since_call])
def test_a_kill_at_any_moment_of_any_call_costs_nothing(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    with opened(name, nursery, tmp_path) as world:
        def go_on() -> None:
            world.glance()
            world.go_on()
            world.check()

        deaths = at_calls(world, go_on)
        world.check()
    assert deaths > 0
    request.node.user_properties.append(("deaths", deaths))


@pytest.mark.parametrize("name", ["multipart", "put"])
def test_a_kill_that_breaks_a_call_off_costs_nothing(
    name: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    """At any moment of any call as before, but here the service is left alone with the call."""
    kills = 0
    while True:
        with opened(name, nursery, tmp_path) as world:
            killed = world.live(moment=kills + 1, explore=True)
            if killed:
                kills += 1
                world.glance()
                world.go_on()
            world.check()
        if not killed:
            break
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
                world.go_on()
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
