"""Why a file is, or is not yet, or never will be picked up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from intake_media import TONE, riff
from intake_room import Room, foreign

from diffio_watch.disk import lease, marker_file
from diffio_watch.disk.marker_file import Marker
from diffio_watch.intake.explain import Explanation, Records, explain, outside, sight


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    lease.prepare()
    found = Room(tmp_path)
    yield found
    found.journal.close()


def ask(room: Room, path: str, *, running: bool = True) -> Explanation:
    """As the command asks: the disk first, then the journal."""
    journal = room.journal
    seen = sight(room.config, path, journal.id, journal)
    jobs = journal.jobs_at("a", path)
    entries = {entry.path: entry for entry in room.entries()}
    records = Records(journal.known_at("a", path), jobs[0] if jobs else None, entries.get(path),
                      journal.reports().get("a"), running)
    return explain(room.config, path, seen, records, room.clock.now())


def failing(explanation: Explanation) -> list[str]:
    return [rule.name for rule in explanation.rules if not rule.holds]


def code(explanation: Explanation) -> str | None:
    return explanation.because.code if explanation.because else None


def test_an_old_copy_of_the_journal_is_told_with_what_helps(room: Room) -> None:
    room.pass_time()
    written = Marker("diffio-watch", room.journal.id, "inbox", "a", 7).sealed(room.journal.secret)
    marker_file.replace(str(room.config.path), written)
    old = sight(room.config, "a.wav", room.journal.id, room.journal).unavailable
    assert old is not None
    assert "old copy" in old.message
    assert "journal rebuild" in old.action
    room.journal.count_folder("inbox", "a", 7)
    assert sight(room.config, "a.wav", room.journal.id, room.journal).unavailable is None


def test_a_settling_file_waits_and_it_is_said_when_it_is_looked_at_next(room: Room) -> None:
    room.drop()
    room.pass_time(1.0)
    found = ask(room, "a.wav")
    assert (found.verdict, code(found), failing(found)) == ("waiting", "settling", ["unchanged"])
    assert found.next_look_at == pytest.approx(room.clock.now() + 1.0)


def test_a_journalled_file_is_a_job(room: Room) -> None:
    room.drop()
    room.pass_time(4.0)
    found = ask(room, "a.wav")
    assert (found.verdict, failing(found)) == ("job", [])
    assert found.job is not None
    assert found.rules[-1].name == "journalled"


def test_a_failed_file_says_why(room: Room) -> None:
    (room.inbox / "a.wav").write_bytes(b"hello " * 100)
    room.pass_time(4.0)
    found = ask(room, "a.wav")
    assert (found.verdict, code(found)) == ("job", "not_media")


@pytest.mark.parametrize(("path", "rule", "why"), [
    (".a.wav", "not_junk", "junk"), ("@eaDir/a.wav", "not_junk", "junk"), ("a.txt", "included", "not_included"),
    ("a.wav.part", "not_junk", "junk"),
])  # fmt: skip
def test_what_is_never_picked_up_names_its_rule(room: Room, path: str, rule: str, why: str) -> None:
    room.drop(path)
    room.pass_time(4.0)
    found = ask(room, path)
    assert (found.verdict, code(found)) == ("ignored", why)
    assert rule in failing(found)
    assert found.next_look_at is None


def test_excluded_and_not_recursive_are_told(tmp_path: Path) -> None:
    room = Room(tmp_path, exclude=["*-raw.wav"], recursive=False)
    room.drop("a-raw.wav")
    room.drop("x/a.wav")
    room.pass_time(4.0)
    assert code(ask(room, "a-raw.wav")) == "excluded"
    assert code(ask(room, "x/a.wav")) == "not_recursive"
    room.journal.close()


def test_what_is_no_regular_file_says_what_it_is(room: Room, tmp_path: Path) -> None:
    os.mkfifo(room.inbox / "fifo.wav")
    (room.inbox / "folder.wav").mkdir()
    room.drop("real/a.wav")
    (room.inbox / "link.wav").symlink_to("real/a.wav")
    (room.inbox / "linked").symlink_to("real")
    room.pass_time(4.0)
    fifo, folder = ask(room, "fifo.wav"), ask(room, "folder.wav")
    assert fifo.because is not None
    assert folder.because is not None
    assert "FIFO" in fifo.because.message
    assert "folder" in folder.because.message
    assert code(ask(room, "link.wav")) == code(ask(room, "linked/a.wav")) == "link"


def test_a_folder_is_looked_through_and_says_so(room: Room, tmp_path: Path) -> None:
    room.drop("show/a.wav")
    room.drop("@eaDir/x/a.wav")
    for path, message, action in (("show", "It is a folder: what lies in it is looked through.", "Name a file in it."),
                                  (".", "It is the inbox a itself: what lies in it is looked through.", "Name a file"),
                                  ("@eaDir/x", "It lies in a folder on the built-in junk list", "Move it")):
        found = ask(room, path)
        assert found.verdict == "ignored"
        assert found.because is not None
        assert message in found.because.message
        assert action in found.because.action
    (tmp_path / "flat").mkdir()
    flat = Room(tmp_path / "flat", recursive=False)
    flat.drop("x/a.wav")
    assert code(ask(flat, "x")) == "not_recursive"
    flat.journal.close()


def test_a_file_in_a_junk_folder_is_told_to_be_moved_for_renaming_does_not_help(room: Room) -> None:
    room.drop("@eaDir/a.wav")
    room.drop("a.part")
    inside, beside = ask(room, "@eaDir/a.wav").because, ask(room, "a.part").because
    assert inside is not None
    assert beside is not None
    assert "Move it" in inside.action
    assert "Rename it" in beside.action


def test_a_link_that_leads_out_is_told_apart_from_one_that_is_followed(tmp_path: Path) -> None:
    room = Room(tmp_path, follow_symlinks=True)
    room.drop("a.wav")
    (tmp_path / "outside.wav").write_bytes(b"x")
    (room.inbox / "in.wav").symlink_to("a.wav")
    (room.inbox / "out.wav").symlink_to("../outside.wav")
    room.pass_time(4.0)
    out = ask(room, "out.wav")
    assert out.because is not None
    assert "leads out of the inbox" in out.because.message
    assert ask(room, "in.wav").verdict == "job"
    room.journal.close()


def test_a_file_cut_short_and_one_that_is_open_say_so(room: Room) -> None:
    (room.inbox / "cut.wav").write_bytes(riff(TONE.tobytes())[:5000])
    path = room.drop("open.wav")
    with path.open("r+b"):
        room.pass_time(4.0)
        cut, held = ask(room, "cut.wav"), ask(room, "open.wav")
    assert (cut.verdict, code(cut), failing(cut)) == ("waiting", "cut_short", ["whole"])
    if code(held) == "open_for_writing":  # where leases are true
        assert (held.verdict, failing(held)) == ("waiting", ["closed"])
    assert cut.next_look_at is not None


def test_an_unseen_file_is_found_by_the_next_scan_if_a_daemon_runs(room: Room) -> None:
    room.pass_time(2.0)
    room.drop()
    found = ask(room, "a.wav")
    assert (found.verdict, failing(found)) == ("waiting", ["seen"])
    assert found.next_look_at == pytest.approx(room.clock.now() + 1.0, abs=1.0)
    resting = ask(room, "a.wav", running=False)
    assert failing(resting) == ["seen", "watched"]
    assert resting.next_look_at is None


def test_a_changed_file_waits_again_although_it_has_a_job(room: Room) -> None:
    room.drop()
    room.pass_time(4.0)
    room.drop(seconds=2)
    found = ask(room, "a.wav")
    assert found.verdict == "waiting"
    assert found.job is not None


def test_nothing_there_is_missing_unless_it_has_a_job(room: Room) -> None:
    path = room.drop()
    room.pass_time(4.0)
    assert ask(room, "none.wav").verdict == "missing"
    path.unlink()
    assert ask(room, "a.wav").verdict == "job"
    assert failing(ask(room, "a.wav")) == ["exists"]


def test_an_inbox_that_is_not_there_is_unavailable_and_asking_changes_nothing(room: Room) -> None:
    room.drop()
    room.pass_time(4.0)
    room.inbox.rename(room.inbox.parent / "away")
    room.inbox.mkdir()
    found = ask(room, "a.wav")
    assert (found.verdict, code(found)) == ("unavailable", "unavailable")
    assert list(room.inbox.iterdir()) == []


def test_a_path_in_no_inbox_is_outside() -> None:
    assert outside("/etc/passwd").verdict == "outside"


def test_a_file_in_a_folder_with_a_marker_of_its_own_is_told_whose_place_it_is(room: Room) -> None:
    room.drop("x/out/b.wav")
    foreign(room.inbox / "x/out")
    room.pass_time(4)
    assert room.states() == {}
    for path in ("x/out/b.wav", "x/out"):
        found = ask(room, path)
        assert found.verdict == "ignored"
        assert found.because is not None
        assert found.because.code == "other_root"
        assert "x/out" in found.because.message
