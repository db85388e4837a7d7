"""The file with addresses: away for a moment or for good, and who hears of what meanwhile."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_notices import URL, World

from diffio_watch.config import Notify, small_file
from diffio_watch.service.notices import addresses
from diffio_watch.service.notices.patience import PATIENCE
from diffio_watch.service.notices.send import Outcome

OTHER = "json://127.0.0.1:2/CANARY-of-the-file"


class File:
    """That with addresses: the system's error where one opens it, and how often that was tried."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: int | None = None
        self.opened = 0


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    made, real = File(tmp_path / "urls"), os.open
    made.path.write_text(f"{OTHER}\n")

    def opens(path: str | Path, *rest: Any, **more: Any) -> int:
        if path == made.path:
            made.opened += 1
            if made.error is not None:
                raise OSError(made.error, os.strerror(made.error))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", opens)
    return made


@pytest.fixture
def world(tmp_path: Path, file: File) -> Iterator[World]:
    (tmp_path / "state").mkdir()
    made = World(tmp_path / "state")
    made.look()
    made.restart()
    made.notify = {"urls": [URL], "urls_file": str(file.path)}  # from now on
    yield made
    made.journal.close()


def _told(world: World, url: str) -> int:
    return sum(url in urls for urls, _, _ in world.sent)


def _away(_: str) -> Outcome:
    return Outcome(ok=False, error="away")


def _taken(_: str) -> Outcome:
    return Outcome(ok=True)


SILENT = [errno.ETIMEDOUT, errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EBUSY, errno.EREMOTEIO, errno.EUCLEAN]
NOT_THERE = [errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EISDIR]


def test_who_stands_in_the_configuration_gets_it_again_though_the_file_never_answered(world: World, file: File) -> None:
    """A switch is down: the share is away, and so was the mail server for two minutes."""
    file.error = errno.ETIMEDOUT
    world.look()
    world.outcome = _away
    world.fail("a.wav")
    world.look(PATIENCE + 20)
    assert _told(world, URL) == 1
    world.outcome = _taken
    world.look(4 * 3600)
    assert (_told(world, URL), _told(world, OTHER)) == (2, 0)


@pytest.mark.parametrize("error", [*SILENT, *NOT_THERE])
def test_who_refused_it_gets_it_later_though_the_file_is_away_just_then(world: World, file: File, error: int) -> None:
    world.look()
    world.outcome = lambda url: Outcome(ok=url != OTHER, error="away")
    world.fail("a.wav")
    world.look(5)
    file.error = error
    world.restart()  # the addresses are known no more
    world.outcome = _taken
    world.look(4 * 3600)
    assert _told(world, OTHER) == 1
    file.error = None
    world.look(3600)
    assert (_told(world, URL), _told(world, OTHER)) == (1, 2)


def test_of_those_who_refused_it_the_known_get_it_now_and_the_others_later(world: World, file: File) -> None:
    """Those who go on refusing it are tried no more often for that, and the others once at least."""
    world.look()
    world.outcome = _away
    world.fail("a.wav")
    world.look()
    file.error = errno.ETIMEDOUT
    world.restart()
    world.look(4 * 3600)
    assert (_told(world, URL), _told(world, OTHER)) == (4, 1)
    file.error = None
    world.look(3600)
    assert (_told(world, URL), _told(world, OTHER)) == (5, 2)
    assert world.latest()[0].next_at is None


def test_an_address_that_was_taken_out_is_tried_no_more(world: World, file: File) -> None:
    world.outcome = lambda url: Outcome(ok=url != OTHER, error="away")
    world.fail("a.wav")
    world.look()
    file.path.write_text("")
    world.look(3600)
    (one,) = world.latest()
    assert (len(world.sent), one.tries, one.next_at) == (1, 1, None)
    assert one.ended_at is not None


@pytest.mark.parametrize("error", SILENT)
def test_no_error_but_one_of_the_file_itself_forgets_who_stood_in_it(world: World, file: File, error: int) -> None:
    world.look(10)
    file.error = error
    world.look(3600)
    world.fail("a.wav")
    world.look()
    assert _told(world, OTHER) == 1


def test_a_host_that_is_short_of_open_files_forgets_nobody(tmp_path: Path) -> None:
    """The system's own word, by the real limit."""
    (tmp_path / "urls").write_text(f"{OTHER}\n")
    notify = Notify(urls=(URL,), urls_file=tmp_path / "urls")
    before = addresses.read(notify)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, usual[1]))
    try:
        after = addresses.read(notify, addresses.read(notify, before), 3600.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert "open files" in after.problem
    assert before.listed == after.listed == (OTHER,)


@pytest.mark.parametrize("error", NOT_THERE)
def test_in_a_file_that_is_not_there_for_more_than_a_moment_nobody_stands(world: World, file: File, error: int) -> None:
    """As a person may have meant it; and an editor may be about to write it anew."""
    world.look(10)
    file.error = error
    world.look(52)  # it is looked at once
    world.fail("a.wav")
    world.look()
    assert _told(world, OTHER) == 1
    world.look(10)
    world.fail("b.wav")
    world.look(600)
    assert (_told(world, URL), _told(world, OTHER)) == (2, 1)


def test_an_editor_that_writes_it_anew_loses_nobody(world: World, file: File) -> None:
    world.look(10)
    for _ in range(3):
        file.path.rename(file.path.with_name("urls~"))
        world.fail("a.wav")
        world.look(4)
        file.path.with_name("urls~").rename(file.path)
        world.look(3600)
    assert _told(world, URL) == _told(world, OTHER) == 3


def test_a_file_that_was_never_there_keeps_nobody_waiting(world: World, file: File) -> None:
    file.path.unlink()
    world.fail("a.wav")
    world.look(11)
    assert _told(world, URL) == 1


def test_one_that_is_not_there_at_a_start_and_was_before_is_waited_for(world: World, file: File) -> None:
    """Its share may be mounted later."""
    world.look(10)
    world.restart()
    file.error = errno.ENOENT
    world.fail("a.wav")
    world.look(60)
    assert world.sent == []
    file.error = None
    world.look(10)
    assert world.sent[0][0] == [URL, OTHER]


def test_one_that_was_taken_away_is_waited_for_at_no_start(world: World, file: File) -> None:
    world.look()
    file.path.unlink()
    world.look(70)
    world.restart()
    world.fail("a.wav")
    world.look(11)
    assert _told(world, URL) == 1


def test_the_patience_is_counted_over_runs_that_end_again_and_again(world: World, file: File) -> None:
    file.error = errno.ETIMEDOUT
    world.fail("a.wav")
    runs = 0
    while not world.sent:
        world.look(20)
        world.restart()
        runs += 1
        assert runs < 30
    assert runs > 12


def test_a_run_of_a_few_seconds_counts_too(world: World, file: File) -> None:
    file.error = errno.ETIMEDOUT
    world.fail("a.wav")
    for _ in range(400):
        world.look(2)
        world.restart()
    assert _told(world, URL) == 1


@pytest.mark.parametrize("days", [7, -7, -1 / 24])
def test_neither_a_week_without_the_daemon_nor_a_clock_that_is_set_is_waiting(
        world: World, file: File, days: float) -> None:
    file.error = errno.ETIMEDOUT
    world.look(30)
    world.restart()
    world.clock.at += days * 86_400
    world.fail("a.wav")
    world.look(8)  # it spins up
    file.error = None
    world.look(120)
    assert (_told(world, URL), _told(world, OTHER)) == (1, 1)


def test_who_reloads_every_minute_begins_no_patience_anew_but_for_another_file(world: World, file: File) -> None:
    file.error = errno.ETIMEDOUT
    world.fail("a.wav")
    for _ in range(6):
        world.notifier.reconfigured()
        world.look(60)
    assert _told(world, URL) == 1
    world.notify = {"urls": [URL], "urls_file": str(file.path.with_name("more"))}
    file.path = file.path.with_name("more")
    world.notifier.reconfigured()
    world.fail("b.wav")
    world.look(PATIENCE - 10)
    assert _told(world, URL) == 1
    world.look(400)
    assert _told(world, URL) == 2


def test_waiting_is_noted_now_and_then(world: World, file: File) -> None:
    file.error = errno.ETIMEDOUT
    world.look()
    before = world.journal.commits
    world.look(3600)
    assert 15 <= world.journal.commits - before <= 25
    before = world.journal.commits
    file.error = None
    world.look(120)
    assert world.journal.commits - before == 2, "that it was read, and whom it is told to"


@pytest.mark.parametrize("there", [True, False])
def test_at_its_end_it_waits_for_the_file_only_with_something_to_tell(world: World, file: File, *, there: bool) -> None:
    file.error = errno.ETIMEDOUT
    if not there:  # Apprise
        world.there = False
        world.fail("a.wav")
    world.notifier.look(world.clock.at, world.clock.at, last=True)
    assert file.opened == 1


def test_at_its_end_it_waits_no_more_for_a_file_that_was_waited_for_long(world: World, file: File) -> None:
    """As with `once` every few minutes, and a share that is gone for good."""
    file.error = errno.ETIMEDOUT
    world.look(PATIENCE + 10)
    world.restart()
    file.opened = 0
    world.fail("a.wav")
    world.notifier.look(world.clock.at, world.clock.at, last=True)
    assert (_told(world, URL), file.opened) == (1, 2)


def test_what_is_wrong_with_it_is_told_no_more_once_it_was_read_at_the_end(
        world: World, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    file.error = errno.ETIMEDOUT
    world.look()
    world.fail("a.wav")
    real = small_file.read_small

    def answers(*arguments: Any) -> Any:
        if file.opened == 3:
            file.error = None
        return real(*arguments)

    monkeypatch.setattr(addresses, "read_small", answers)
    world.notifier.look(world.clock.at, world.clock.at, last=True)
    assert _told(world, OTHER) == 1
    state = world.journal.notices.state()
    assert state is not None
    assert state.problem == ""
