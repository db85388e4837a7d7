"""A share goes away, or somebody else comes, while a rebuild reads: it takes over what it has read, or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from folders import read_only
from markers import put_marker
from recovery_house import House, recording

from diffio_watch.cli.remote import opened_api
from diffio_watch.disk import marker_file
from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.recovery import asking
from diffio_watch.recovery.rebuild import CannotRebuild, rebuild

Step = Callable[[str, int, int], None]
ROOTS = ["inbox", "outbox", "inbox outbox archive"]


def nothing(*_: object) -> None:
    """Lets a moment pass."""


def away(*roots: Path) -> None:
    """Only their mount points are left."""
    for root in roots:
        root.rename(root.with_name(f"share {root.name}"))
        root.mkdir()


def back(*roots: Path) -> None:
    """Mounted again; nothing may lie beneath."""
    for root in roots:
        share = root.with_name(f"share {root.name}")
        if share.exists():
            assert list(root.iterdir()) == []
            root.rmdir()
            share.rename(root)


def named(house: House, roots: str) -> list[Path]:
    """Folders of the first inbox, by their roles."""
    return [{"inbox": house.inbox, "outbox": house.outbox, "archive": house.base / "done"}[role]
            for role in roots.split()]


def reading(house: House, step: Step = nothing, commit: Callable[[], None] = nothing,
            pause: Callable[[float], None] = nothing, *, asks: bool = True) -> None:
    """Rebuild; `step` is told how far the reading is, `commit` is called before each commit, `pause` between looks."""
    house.state.mkdir(exist_ok=True)
    with Journal.open(house.state, create=True) as journal, opened_api(house.config) as api:
        journal.before_commit = commit
        service = asking.Service(
            lambda: api.list_projects(every=True), lambda project: api.list_generations(project, every=True),
            lambda project: api.complete_project_upload(project).size_bytes, pause)
        rebuild(house.config, journal, api.list_projects, step, service if asks else None)


def take_results(house: House, outbox: Path) -> None:
    """The editors take what is done, with its sidecars; the hidden ledger stays."""
    for file in outbox.iterdir():
        if not file.name.startswith("."):
            file.unlink()


def restored(house: House, numbers: Sequence[int], root: Path | None = None) -> None:
    for number in numbers:
        house.drop(f"take {number}.wav", number, root)
    assert house.once() == 0


@pytest.fixture
def studio(house: House) -> House:
    """With an archive that is used, though what is restored stays where it is."""
    (house.base / "done").mkdir()
    house.configure(archive=str(house.base / "done"))
    return house


@pytest.mark.slow
@pytest.mark.parametrize("roots", ROOTS)
def test_a_share_that_goes_away_at_any_moment_of_a_rebuild_gets_no_marker_beneath_and_nothing_is_paid_for_twice(
    studio: House, roots: str,
) -> None:
    """An old copy whose newer results are taken: but for what the rebuild reads, nothing tells that they are bought."""
    house = studio
    gone = named(house, roots)
    restored(house, range(2))
    kept = house.keep()
    restored(house, range(2, 4))
    moment, passed, refused = 0, 0, 0

    def commit() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            away(*gone)

    while passed >= moment:
        moment, passed = moment + 1, 0
        house.put_back(kept)
        take_results(house, house.outbox)
        try:
            reading(house, commit=commit)
        except CannotRebuild as told:
            assert "run the rebuild again" in str(told), moment  # noqa: PT017 - it need not be raised
            refused += 1
        back(*gone)
        house.rebuild()
        assert house.once() == 0, moment
        assert house.delivered(), moment
        house.check(4)
    assert refused >= moment - 3  # not once the markers are written; and the last time nothing happened


@pytest.mark.parametrize("journal", ["whole", "old", "lost"])
@pytest.mark.parametrize("roots", ROOTS[:2])
def test_what_goes_away_while_another_inbox_is_read_is_not_taken_for_empty(house: House, journal: str, roots: str,
                                                                          ) -> None:
    in_b, out_b = house.second_inbox()
    restored(house, range(2), in_b)
    kept = house.keep()
    restored(house, range(2, 4), in_b)
    if journal == "old":
        house.put_back(kept)
    elif journal == "lost":
        house.lose_journal()
    take_results(house, out_b)
    counters = [house.counter(root) for root in (house.inbox, house.outbox)]
    gone = [{"inbox": in_b, "outbox": out_b}[roots]]

    def step(inbox: str, *_: int) -> None:
        if inbox == "a":
            away(*gone)

    with pytest.raises(CannotRebuild, match=rf"The {roots} of b, .*just now.*run the rebuild again"):
        reading(house, step, asks=False)
    assert [house.counter(root) for root in (house.inbox, house.outbox)] == counters, "nor is any other taken over"
    back(*gone)
    house.rebuild()
    house.once()
    assert set(house.states().values()) <= {State.DELIVERED, State.HELD}
    house.check(4)


def test_a_copy_s_sidecar_is_not_written_beneath_an_outbox_that_went_away(house: House) -> None:
    restored(house, range(1))
    house.lose_journal()
    for number in range(2):
        shutil.copy(house.inbox / "take 0.wav", house.inbox / f"copy {number}.wav")
    with pytest.raises(CannotRebuild, match=r"The outbox of a, .*just now.*run the rebuild again"):
        reading(house, lambda *_: None if (house.base / "share out").exists() else away(house.outbox))
    back(house.outbox)
    house.rebuild()
    assert house.states()["copy 0.wav"] is State.SKIPPED
    assert "copy 0.wav.json" in house.names()


def test_an_inbox_that_is_away_for_a_moment_is_not_taken_for_one_whose_files_are_gone(house: House) -> None:
    """What can't be found is passed over only where the folder itself is there."""
    house.rebuild()
    for number in range(4):
        house.drop(f"take {number}.wav", number)
    house.lose_journal()

    def step(_inbox: str, done: int, total: int) -> None:
        if done == 0:
            away(house.inbox)
        elif done == total:
            back(house.inbox)

    with pytest.raises(CannotRebuild, match=r"The inbox of a, .*just now.*run the rebuild again"):
        reading(house, step)
    back(house.inbox)


@pytest.mark.parametrize("at", ["the files are looked for", "the service is asked"])
def test_nothing_that_the_service_says_is_let_go_on_where_a_share_was_away(house: House, at: str) -> None:
    """Whether a doubtful file is there counts for what may be bought."""
    restored(house, range(1))
    house.put_back(house.keep())
    house.drop("new.wav", 9)
    early = at == "the files are looked for"

    def step(_inbox: str, done: int, total: int) -> None:
        if early and done == total and "new.wav" in house.states():
            away(house.inbox)

    with pytest.raises(CannotRebuild, match=r"The inbox of a, .*just now.*run the rebuild again"):
        reading(house, step, pause=lambda _: back(house.inbox) if early else away(house.inbox))
    assert house.states()["new.wav"] is State.HELD
    back(house.inbox)
    house.rebuild()
    assert house.states()["new.wav"] is State.QUEUED


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("found", ["counted", "taken over", "gone", "new"])
def test_whoever_changes_a_marker_meanwhile_is_told_of_and_keeps_the_folder(house: House, found: str, *, asks: bool,
                                                                            ) -> None:
    """Whether or not the service is asked, and whatever the marker said before."""
    restored(house, range(1))
    house.put_back(house.keep())
    house.drop("new.wav", 9)
    was, counter = marker_file.read(str(house.outbox)), house.counter(house.inbox)
    assert was is not None
    if found == "new":
        house.lose_journal()
        (house.outbox / marker_file.NAME).unlink()

    def step(*_: object) -> None:
        if found == "gone":
            (house.outbox / marker_file.NAME).unlink(missing_ok=True)
        else:
            put_marker(house.outbox, replace(was, counter=was.counter + 1) if found == "counted" else
                       replace(was, journal="another", seal=""))

    with pytest.raises(CannotRebuild) as told:
        reading(house, step, asks=asks)
    after = marker_file.read(str(house.outbox))
    assert (after is None) == (found == "gone")
    assert "outbox of a" in str(told.value)
    if found != "gone":
        assert "or two would pay for everything" in str(told.value)
    if after is not None:
        assert (after.journal, after.counter) != (was.journal, was.counter)
    assert house.counter(house.inbox) == counter
    house.check(1)


@pytest.mark.parametrize("roots", ROOTS)
def test_a_folder_that_has_lost_its_marker_is_not_there_for_a_rebuild_either(studio: House, roots: str) -> None:
    """It may be an empty mount point, of which no table tells: it was away before the rebuild began."""
    house = studio
    gone = named(house, roots)
    restored(house, range(2))
    kept = house.keep()
    restored(house, range(2, 4))
    house.put_back(kept)
    take_results(house, house.outbox)
    away(*gone)
    done = house.cmd("journal", "rebuild")
    assert done.code == 1
    assert f"The {roots.split(maxsplit=1)[0]} of a, {gone[0]}: its marker .diffio-watch is missing." in done.err
    back(*gone)
    house.rebuild()
    assert house.once() == 0
    assert house.delivered()
    house.check(4)


def test_a_folder_whose_marker_somebody_removed_is_adopted_and_then_rebuilt(house: House) -> None:
    restored(house, range(2))
    kept = house.keep()
    restored(house, range(2, 4))
    house.put_back(kept)
    (house.inbox / marker_file.NAME).unlink()
    done = house.cmd("journal", "rebuild")
    assert "run `diffio-watch journal adopt a` first" in done.err
    house.cmd("journal", "adopt", "a", "--yes")
    house.rebuild()
    assert house.once() == 0
    assert house.delivered()
    house.check(4)


def test_a_read_only_inbox_is_known_by_its_mount_to_a_rebuild_too(house: House) -> None:
    with read_only("first", house.inbox, {"take.wav": recording(1)}):
        assert house.once() == 0
        house.put_back(house.keep())
        house.rebuild()
    done = house.cmd("journal", "rebuild")
    assert done.code == 1
    assert "first is not mounted there" in done.err
    assert list(house.inbox.iterdir()) == []
    house.check(1)
