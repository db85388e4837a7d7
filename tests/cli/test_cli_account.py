"""Asked by another account than the service's, a command says that it can't see this journal, and takes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_place import NOBODY, Place, another_user
from commands import Done
from markers import adopt, put_marker

import diffio_watch
from diffio_watch.daemon import claims
from diffio_watch.disk import marker, marker_file
from diffio_watch.disk.keeper import Keeper
from diffio_watch.journal import Journal

READING = [["status"], ["status", "--json"], ["jobs"], ["jobs", "--json"], ["explain", "podcasts:a.wav"],
           ["show", "podcasts:a.wav"], ["journal", "export"]]
CHANGING = [["pause"], ["retry", "podcasts:a.wav"], ["bump", "podcasts:a.wav"], ["journal", "backup", "/tmp/x"]]


@pytest.fixture
def theirs(place: Place) -> Iterator[Callable[..., Done]]:
    """Runs a command as a user who has the service's configuration, and none of its rights."""
    written = place.config_file.read_text()
    with another_user() as folder:
        for name in ("in", "out"):
            (folder / name).mkdir()
        (folder / "in/a.wav").write_bytes(b"x")
        config, state = folder / "config.yaml", folder / "state"
        config.write_text(written.replace(str(place.root), str(folder)))
        os.seteuid(0)
        state.mkdir(mode=0o700)
        with Journal.open(state, create=True) as journal:
            keeper = Keeper("diffio", "nas", str(state), "0" * 16, 17)
            folders: list[tuple[marker.Role, str]] = [("inbox", "in"), ("outbox", "out")]
            for role, name in folders:
                owner = marker.Owner(journal.id, 3, keeper)
                journal.folders.count(role, "podcasts", 3)
                marker.check(str(folder / name), role, "podcasts", owner, journal.folders)
        os.seteuid(NOBODY)
        yield lambda *words: place.run(*words, "-c", str(config))


@pytest.mark.parametrize("words", [*READING, *CHANGING], ids=" ".join)
def test_what_runs_and_what_there_is_to_do_is_not_known(theirs: Callable[..., Done], words: list[str]) -> None:
    done = theirs(*words)
    assert done.code == 2
    assert done.out == ""
    assert "can't see the journal" in done.err
    assert "kept by root" in done.err
    assert "sudo -u root" in done.err


def test_a_journal_that_came_while_it_was_looked_for_is_not_told_as_lost(place: Place) -> None:
    """A first daemon makes the journal and then the markers; whoever looks in this order finds the markers alone."""
    with place.journal() as journal:
        owner = marker.Owner(journal.id, 1, Keeper("me", "nas", str(place.state), "0" * 16, 17))
        journal.folders.count("inbox", "podcasts", 1)
        marker.check(str(place.inbox), "inbox", "podcasts", owner, journal.folders)
    assert claims.elsewhere(place.config, None) is None
    shutil.rmtree(place.state)
    told = claims.elsewhere(place.config, None)
    assert told is not None
    assert f"({owner.journal}) is gone from {place.state}" in told


@pytest.mark.parametrize("words", [["run"], ["once"], ["journal", "adopt"], ["journal", "rebuild"]], ids=" ".join)
def test_nothing_is_begun_and_nothing_taken_over(theirs: Callable[..., Done], words: list[str]) -> None:
    done = theirs(*words)
    assert done.code == 2
    assert "root" in done.err


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_check_says_so_and_advises_nobody_to_take_the_folders(theirs: Callable[..., Done], mode: int,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the markers are closed to this account, as they are under the unit's UMask."""
    monkeypatch.setenv("DIFFIO_API_KEY", "some-key")
    state = Path(theirs("status").err.partition(" journal in ")[2].partition(":")[0])
    os.seteuid(0)
    for name in ("in", "out"):
        (state.parent / name / marker.NAME).chmod(mode)
    os.seteuid(NOBODY)
    done = theirs("check", "--offline")
    assert done.code == 1
    assert "can't see the journal" in done.out
    assert "adopt" not in done.out


@pytest.mark.parametrize("words", [*READING, ["journal", "adopt", "--yes"], ["journal", "rebuild"]], ids=" ".join)
@pytest.mark.parametrize("made", [False, True])
def test_a_marker_that_is_closed_to_this_account_is_somebodys(theirs: Callable[..., Done], words: list[str], *,
                                                             made: bool) -> None:
    """With a `state_dir` of one's own, where the folders may be written, as a group's may: nothing is taken."""
    root = Path(theirs("status").err.partition(" journal in ")[2].partition(":")[0]).parent
    config = root / "config.yaml"
    config.write_text(config.read_text().replace(str(root / "state"), str(root / "own")))
    if made:
        (root / "own").mkdir()
        Journal.open(root / "own", create=True).close()
    os.seteuid(0)
    before = [(root / name / marker.NAME).read_bytes() for name in ("in", "out")]
    for name in ("in", "out"):
        (root / name / marker.NAME).chmod(0o600)
        (root / name).chmod(0o777)
    os.seteuid(NOBODY)
    done = theirs(*words)
    assert (done.code, done.out) == (1 if "rebuild" in words else 2, "")
    assert "can't see" in done.err
    check = theirs("check", "--offline")
    assert "adopt" not in check.out + check.err
    os.seteuid(0)
    assert [(root / name / marker.NAME).read_bytes() for name in ("in", "out")] == before
    os.seteuid(NOBODY)


def test_of_a_folder_that_is_closed_as_a_whole_nobody_says_whose_it_is() -> None:
    """What is not seen there is not known to be a marker."""
    with another_user() as folder:
        (folder / "in").mkdir(mode=0)
        with pytest.raises(marker_file.FolderRefused) as refused:
            marker_file.read(str(folder / "in"))
    assert not isinstance(refused.value, marker_file.MarkerHidden)


def test_whose_a_folder_is_can_be_read_by_everybody_whatever_the_umask(tmp_path: Path) -> None:
    """The unit's is 0077, and who can't see that a folder is taken would take it."""
    umask = os.umask(0o077)
    try:
        put_marker(tmp_path, marker_file.Marker("diffio-watch", "01MINE", "inbox", "podcasts", 4))
    finally:
        os.umask(umask)
    assert (tmp_path / marker.NAME).stat().st_mode & 0o777 == 0o644


def roots(place: Place) -> list[tuple[marker.Role, Path]]:
    return [("inbox", place.inbox), ("outbox", place.outbox)]


def foreign(place: Place, seen_at: float, keeper: Keeper | None = None) -> None:
    """The folders are those of a service on another machine, last seen then."""
    kept = keeper or Keeper("diffio", "nas", "/var/lib/diffio-watch", "0" * 16, 17)
    for role, folder in roots(place):
        told = marker_file.Marker("diffio-watch", "01THEIRS", role, "podcasts", 4, keeper=kept)
        put_marker(folder, told)
        os.utime(folder / marker.NAME, (seen_at, seen_at))


@pytest.mark.parametrize("own", ["no journal", "one that a start that failed has made"])
@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_journal_that_is_not_that_of_the_folders_speaks_for_nobody(place: Place, words: list[str], own: str) -> None:
    """A configuration without `state_dir`, read by a person: "not running, no jobs" would be a lie."""
    if own != "no journal":
        place.journal().close()
    foreign(place, time.time())
    done = place.run(*words)
    assert (done.code, done.out) == (2, "")
    assert "01THEIRS: user diffio on nas, in /var/lib/diffio-watch" in done.err
    assert "is at work there" in done.err
    assert "can't be seen from here" in done.err


def test_a_lost_journal_is_told_as_such_with_its_newest_copy(place: Place) -> None:
    with place.journal() as journal:
        lost = journal.id
    (place.state / "backups").mkdir()
    (place.state / "journal.sqlite3").rename(place.state / "backups" / "journal-2026-01-31.sqlite3")
    for rest in place.state.glob("journal.sqlite3*"):
        rest.unlink()
    keeper = Keeper("me", "here", str(place.state))
    for role, folder in roots(place):
        put_marker(folder, marker_file.Marker("diffio-watch", lost, role, "podcasts", 4, keeper=keeper))
    done = place.run("status")
    assert done.code == 2
    assert f"{place.state}/backups/journal-2026-01-31.sqlite3" in done.err
    assert done.err.index("journal-2026-01-31") < done.err.index("makes a new one")


def test_a_first_look_before_anything_ran_is_no_case_of_it(place: Place) -> None:
    done = place.run("status")
    assert done.code == 0
    assert "No jobs yet" in done.out


def test_an_inbox_of_ones_own_journal_where_another_folder_is_mounted_is_told_as_before(place: Place) -> None:
    with place.journal() as journal:
        owner = marker.Owner(journal.id, 0)
        adopt(place.inbox, "inbox", "podcasts", owner, journal)
    foreign(place, time.time())
    assert place.run("status").code == 0


def test_check_says_whose_folders_they_are_and_that_somebody_works_there(
        place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFIO_API_KEY", "some-key")
    foreign(place, time.time())
    done = place.run("check", "--offline")
    assert done.code == 1
    assert "user diffio on nas" in done.out
    assert "adopt" not in done.out
    foreign(place, time.time() - 86400)
    assert "adopt podcasts" in place.run("check", "--offline").out


def test_words_in_a_marker_are_only_words(place: Place) -> None:
    foreign(place, time.time(), Keeper("x" * 64, "y", "/z", "0", 1))
    text = (place.inbox / marker.NAME).read_text().replace("x" * 64, "\\u001b[31mred")
    Path(place.inbox / marker.NAME).write_text(text)
    assert "\x1b" not in place.run("status").err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_program_that_the_services_user_may_not_read_is_told_in_a_sentence(place: Place, tmp_path: Path) -> None:
    """Root's own folder is a usual place to try something out, and nobody else may look into it."""
    closed = tmp_path / "closed"
    shutil.copytree(Path(diffio_watch.__file__).parent, closed / "diffio_watch",
                    ignore=shutil.ignore_patterns("__pycache__"))
    closed.chmod(0o700)
    with tempfile.TemporaryDirectory() as state:
        os.chown(state, NOBODY, NOBODY)
        place.config_file.write_text(place.config_file.read_text().replace(str(place.state), state))
        done = subprocess.run([sys.executable, "-m", "diffio_watch", "-c", str(place.config_file), "status"],
                              env=place.env | {"PYTHONPATH": str(closed)}, cwd="/", capture_output=True, text=True,
                              check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "may not read this program" in line
