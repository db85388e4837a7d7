"""Killed at each commit that telling makes: nothing is told twice, and nothing is lost without a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from service_notices import World
from test_service_notices_journal import Died

from diffio_watch.journal import Halt
from diffio_watch.reasons import because
from diffio_watch.service.notices import plan

_FAILURES = 8


def story(world: World, done: set[str]) -> None:
    """A morning: failures, an outage, its end. What was done before a kill is not done again."""
    def once(name: str) -> bool:
        new = name not in done
        done.add(name)
        return new

    for number in range(_FAILURES):
        if once(f"failure {number}"):
            world.fail(f"{number}.wav")
        pause(world, plan.QUIET if number == 3 else 1.0)
    if once("halt"):
        world.journal.halts.set(Halt("account", because("billing", detail="unpaid"), world.clock.at, None))
    pause(world, 60)
    if once("end"):
        world.journal.halts.clear("account")
    pause(world, 60)
    pause(world, plan.LONGEST)


def pause(world: World, seconds: float) -> None:
    """Look, let time pass, and look again."""
    world.look()
    world.clock.at += seconds
    world.look(2)


class Watched(World):
    """Tells whether a commit is the notifier's."""

    looking = False

    def look(self, seconds: float = 0.0) -> None:
        self.looking = True
        try:
            super().look(seconds)
        finally:
            self.looking = False


class Killer:
    """Ends the process at a commit of the notifier's, before or after it is on the disk."""

    def __init__(self, world: Watched, at: int, *, after: bool) -> None:
        self.left = at
        self.world = world
        self.after = after
        self.watch()

    def watch(self) -> None:
        journal = self.world.journal
        if self.after:
            journal.after_commit = self._commit
        else:
            journal.before_commit = self._commit

    def _commit(self) -> None:
        if self.world.looking:
            self.left -= 1
            if self.left == 0:
                raise Died


def counted(text: str) -> int:
    """How many failures a message tells."""
    found = re.finditer(r"(?m)^in: (?:(\d+) recordings were|.* was) not restored", text)
    return sum(int(one[1] or 1) for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_commit_nothing_is_told_twice_and_nothing_is_lost_without_a_word(
        tmp_path: Path, *, after: bool) -> None:
    kills = 0
    for at in range(1, 200):
        folder = tmp_path / str(at)
        folder.mkdir()
        world = Watched(folder)
        world.look()
        killer = Killer(world, at, after=after)
        done: set[str] = set()
        try:
            story(world, done)
        except Died:
            kills += 1
            world.restart()
            world.look()
            story(world, done)
        sent = [body for _, _, body in world.sent]
        cut_off = [one.body for one in world.latest() if any(result.ok is None for result in one.results)]
        told = [*sent, *(body for body in cut_off if body not in sent)]
        assert sum(map(counted, told)) == _FAILURES, (at, told)
        assert sum(map(counted, sent)) <= _FAILURES, (at, sent)
        assert len(sent) == len(set(sent)), (at, sent)
        assert sum("stands still" in body for body in told) == 1, (at, told)
        assert sum("goes on" in body for body in told) == 1, (at, told)
        world.journal.close()
        if killer.left > 0:
            break
    assert kills > 8
