"""Why a file is, or is not yet, or never will be picked up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from folders import meanwhile, swapped
from intake_media import TONE, riff
from intake_room import Room, foreign
from markers import put_marker

from diffio_watch.disk import lease
from diffio_watch.disk.marker_file import Marker
from diffio_watch.intake import look
from diffio_watch.intake.explain import Explanation, Records, explain, outside
from diffio_watch.intake.look import Sight, sight
from diffio_watch.job import Because, Job, Settings, State
from diffio_watch.journal.records import InboxReport, Known, SettlingEntry, Still
from diffio_watch.reasons import REASONS, Kind, because


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    lease.prepare()
    found = Room(tmp_path)
    yield found
    found.journal.close()


def ask(room: Room, path: str, *, running: bool = True) -> Explanation:
    """As the command asks: the disk first, then the journal."""
    journal = room.journal
    seen = sight(room.config, path, journal.id, journal.folders)
    jobs = journal.jobs.at("a", path)
    entries = {entry.path: entry for entry in room.entries()}
    records = Records(journal.files.known_at("a", path), jobs[0] if jobs else None, entries.get(path),
                      journal.inboxes.reports().get("a"), running)
    return explain(room.config, path, seen, records, room.clock.now())


def failing(explanation: Explanation) -> list[str]:
    return [rule.name for rule in explanation.rules if not rule.holds]


def code(explanation: Explanation) -> str | None:
    return explanation.because.code if explanation.because else None


def test_an_old_copy_of_the_journal_is_told_with_what_helps(room: Room) -> None:
    room.pass_time()
    written = Marker("diffio-watch", room.journal.id, "inbox", "a", 7).sealed(room.journal.secret)
    put_marker(room.config.path, written)
    old = sight(room.config, "a.wav", room.journal.id, room.journal.folders).unavailable
    assert old is not None
    assert "old copy" in old.message
    assert "journal rebuild" in old.action
    room.journal.folders.count("inbox", "a", 7)
    assert sight(room.config, "a.wav", room.journal.id, room.journal.folders).unavailable is None


@pytest.mark.parametrize("call", ["_seen", "_link", "somebodys"])
def test_a_file_of_an_inbox_that_goes_just_now_is_not_one_that_is_missing(
    room: Room, monkeypatch: pytest.MonkeyPatch, call: str,
) -> None:
    room.drop()
    room.pass_time(4.0)
    meanwhile(monkeypatch, look, call, before=lambda: swapped(room.config.path))
    gone = sight(room.config, "a.wav", room.journal.id, room.journal.folders).unavailable
    assert gone is not None
    assert "just now" in gone.message


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
    assert failing(resting) == ["watched", "seen"]
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


WAITS = {"settling", "open_for_writing", "cut_short", "empty_yet", "unreadable", "in_use", "disk", "internal"}
FAULTS = {"empty": "not_empty", "truncated": "whole", "not_media": "medium", "no_sound": "medium",
          "unreadable": "readable", "changed": "unchanged"}
ASKED = ["unchanged", "readable", "closed", "not_empty", "whole", "medium"]
SEEN = Sight("regular file", 10, 1)


def one(code: str, **facts: object) -> Because:
    return because(code, detail="x", seconds=2, job="J", limit="5", inbox="a", **facts)


def agrees(found: Explanation) -> None:
    """No rule that is asked after one that does not hold is answered, and what is told below is the one."""
    answers = [(rule.name, rule.holds) for rule in found.rules if rule.name in ASKED]
    assert [name for name, _ in answers] == [name for name in ASKED if name in dict(answers)]
    assert all(holds for _, holds in answers[:-1])


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("code", sorted(REASONS))
def test_no_rule_is_answered_yes_and_denied_below(room: Room, code: str, *, running: bool) -> None:
    """For each reason that a file or a job can have: what is said of it in words is the rule that does not hold."""
    report = InboxReport("a", available=True, watch="polling", filesystem="", settle_seconds=2.0, last_scan_at=1.0)
    job = Job("J", "a", "a.wav", 10, 1, Settings(), because=one(code), settled_at=5.0,
              state={Kind.FAILED: State.FAILED, Kind.HELD: State.HELD, Kind.SKIPPED: State.SKIPPED,
                     Kind.CANCELLED: State.CANCELLED}.get(REASONS[code].kind, State.UPLOADING))
    records = Records(Known("J", "a.wav", 10, 1, job.state), job, None, report, running)
    found = explain(room.config, "a.wav", SEEN, records, 10.0)
    agrees(found)
    if code in FAULTS:
        assert failing(found)[-1] == FAULTS[code]
    waits = SettlingEntry("a.wav", one(code), 6.0, 12.0, Still(10, 1, 3.0))
    told = explain(room.config, "a.wav", SEEN, Records(None, None, waits, report, running), 10.0)
    agrees(told)
    if code in WAITS:
        assert (told.verdict, failing(told)[-1] in ASKED) == ("waiting", True)
    for each in (found, told):
        assert each.because is None or running or "by itself" not in each.because.action
        assert each.next_look_at is None or running


def test_an_empty_file_is_still_empty_until_that_is_told(room: Room) -> None:
    """A copy in progress: many programs make the file first."""
    (room.inbox / "a.wav").touch()
    room.pass_time(4.0)
    assert room.states() == {"a.wav": "failed: empty"}
    assert (ask(room, "a.wav").verdict, code(ask(room, "a.wav"))) == ("waiting", "empty_yet")
    assert failing(ask(room, "a.wav")) == ["not_empty"]
    room.pass_time(300.0)
    assert (ask(room, "a.wav").verdict, code(ask(room, "a.wav"))) == ("job", "empty")
    assert failing(ask(room, "a.wav")) == ["not_empty"]


def test_the_last_word_of_a_daemon_that_ended_counts_while_the_file_looks_so(room: Room) -> None:
    (room.inbox / "a.wav").write_bytes(riff(TONE.tobytes())[:5000])
    room.pass_time(4.0)
    found = ask(room, "a.wav", running=False)
    assert (found.verdict, code(found), failing(found)) == ("waiting", "cut_short", ["watched", "whole"])
    assert found.because is not None
    assert "No daemon runs" in found.because.action
    room.drop()
    assert failing(ask(room, "a.wav", running=False)) == ["watched", "seen"]


def test_what_only_the_daemon_meets_is_believed(room: Room) -> None:
    """A share may hang for it and answer whoever asks."""
    room.drop()
    room.pass_time(4.0)
    away = replace(room.report(), available=False, stopped=one("unavailable"), next_check_at=3e9)
    room.journal.inboxes.report(away)
    assert (ask(room, "a.wav").verdict, ask(room, "a.wav").next_look_at) == ("unavailable", 3e9)
    assert ask(room, "a.wav", running=False).verdict == "job"


def test_a_job_that_a_later_rule_would_leave_out_says_which_came_first(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.drop()
    room.pass_time(4.0)
    room.config = replace(room.config, exclude=("*.wav",))
    found = ask(room, "a.wav")
    assert (found.verdict, failing(found)) == ("job", ["not_excluded"])
    assert next(rule for rule in found.rules if not rule.holds).detail.endswith("it was picked up before that was so")
    room.journal.close()


def test_where_whoever_asks_can_not_look_the_daemons_word_is_told(room: Room) -> None:
    room.drop()
    room.pass_time(4.0)
    blind = Sight(error="Permission denied")
    jobs = room.journal.jobs.at("a", "a.wav")
    known = explain(room.config, "a.wav", blind, Records(room.journal.files.known_at("a", "a.wav"), jobs[0], None,
                                                         room.report(), running=True), 1.0)
    assert (known.verdict, failing(known)) == ("job", ["exists"])
    other = explain(room.config, "b.wav", blind, Records(report=room.report(), running=True), 1.0)
    assert (other.verdict, code(other), failing(other)) == ("waiting", "unreadable", ["exists", "seen", "readable"])
