"""What waits for a person stands on top, and nothing that does not run is said to go on."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from cli_place import Place, delivered

from diffio_watch.cli.columns import shortened
from diffio_watch.cli.draw import plain
from diffio_watch.cli.panel import journey
from diffio_watch.job import Because, Job, Settings, State
from diffio_watch.journal import Halt, Lock, runs
from diffio_watch.journal.overview import Group
from diffio_watch.journal.records import InboxReport, SettlingEntry
from diffio_watch.reasons import REASONS, Kind, because, told
from diffio_watch.report import attention
from diffio_watch.report.pace import Pace

READY = InboxReport("podcasts", available=True, watch="events", filesystem="ext4", settle_seconds=2.0, last_scan_at=1.0)


def test_held_files_stand_on_top_with_number_reason_and_command(place: Place) -> None:
    """Eight of them, and the inbox was "ready"."""
    for number in range(8):
        place.add(f"{number}.wav", state=State.HELD, because=because("drop_size", limit=7, inbox="podcasts"))
    place.add("other.wav", state=State.HELD, because=because("unproven", detail="x", job="J"))
    with place.journal() as journal:
        journal.inboxes.report(READY)
    with Lock(place.state):
        out, shape = place.run("status").out, place.run("status", "--json").json
    lines = out.splitlines()
    assert re.search(r"^1 held +podcasts +other\.wav: The journal was lost .*`diffio-watch approve J` pays", lines[3])
    assert re.search(r"^8 held +podcasts +More than 7 new files .*`diffio-watch approve --inbox podcasts`", lines[4])
    assert re.search(r"^podcasts .* 9 held$", out, re.MULTILINE)
    assert "ready" not in out
    assert [(one["what"], one["code"], one["count"], one["path"]) for one in shape["attention"]] == [
        ("held", "unproven", 1, "other.wav"), ("held", "drop_size", 8, None)]


def test_a_path_counts_by_its_newest_job_and_by_what_is_on_its_way_there(place: Place) -> None:
    failed = {"state": State.FAILED, "because": because("truncated", detail="x", job="J")}
    place.add("mended.wav", sha256="1", **failed)
    place.add("mended.wav", **delivered(sha256="2"))
    place.add("again.wav", sha256="1", **failed)
    place.add("again.wav", sha256="2", state=State.FAILED, because=because("not_media", job="K"))
    place.add("coming.wav", **failed)
    place.add("empty.wav", state=State.FAILED, because=because("empty"), due_at=time.time() + 100)
    place.add("void.wav", state=State.FAILED, because=because("empty"), due_at=time.time() - 1)
    with place.journal() as journal:
        journal.inboxes.settling("podcasts", [SettlingEntry("coming.wav", because("settling", seconds=2), 1.0, 2.0)])
    with Lock(place.state):
        out, shape = place.run("status").out, place.run("status", "--json").json
    assert shape["jobs"]["failed"] == 2
    assert {(one["code"], one["path"]) for one in shape["attention"]} == {("not_media", "again.wav"),
                                                                        ("empty", "void.wav")}
    waits = [(entry["path"], entry["because"]["code"]) for entry in shape["inboxes"][0]["settling"]]
    assert waits == [("coming.wav", "settling"), ("empty.wav", "empty_yet")]
    last = out.partition("Last failures")[2]
    assert not re.search(r"mended|coming|empty\.wav", last)
    listed = place.run("jobs").out
    assert re.search(r"empty yet +empty\.wav .*still empty", listed)
    assert re.search(r"failed +void\.wav .*is empty", listed)


def test_what_stops_an_inbox_and_what_a_right_or_room_is_missing_for_wait_for_a_person(place: Place) -> None:
    place.add("a.wav", state=State.DOWNLOADING, due_at=9e9, because=because("disk", detail="full"))
    place.add("b.wav", state=State.WAITING, due_at=9e9, because=because("service_error", detail="HTTP 500"))
    place.add("c.wav", **delivered(original="stuck"))
    with place.journal() as journal:
        journal.inboxes.report(replace(READY, available=False,
                                       stopped=because("unavailable", detail="x", inbox="podcasts")))
        journal.inboxes.settling("podcasts", [
            SettlingEntry("d.wav", because("unreadable", detail="no right"), 1.0, 2.0),
            SettlingEntry("e.wav", because("open_for_writing"), 1.0, 2.0)])
        journal.halts.set(Halt("origin:api:https://x", because("service_down", origin="x", detail="y"), 1.0, 2.0))
    with Lock(place.state):
        found = [(one["what"], one["code"]) for one in place.run("status", "--json").json["attention"]]
        out = place.run("status").out
    assert found == [("stopped", "unavailable"), ("waiting", "disk"), ("waiting", "unreadable"), ("originals", None)]
    assert out.index("Waits for you") < out.index("Inbox ")


@pytest.mark.parametrize("code", sorted(code for code, row in REASONS.items() if row.kind is Kind.HELD))
def test_many_files_held_for_one_reason_are_told_one_way_that_fits_them_all(code: str) -> None:
    why = because(code, job="J", inbox="in", detail="")
    job = Job("J", "in", "a.wav", 1, 1, Settings(), state=State.HELD, because=why)
    (one,) = attention.files([Group("in", State.HELD, code, 3, job)], {}, {}, running=True, inboxes=["in"])
    assert (one.count, one.path) == (3, None)
    assert "--inbox in" in one.action
    assert " J`" not in one.action
    (gone,) = attention.files([Group("in", State.HELD, code, 3, job)], {}, {}, running=True, inboxes=[])
    assert "approve --inbox" not in gone.action, "only a configured inbox can be approved as a whole"
    assert f"jobs --inbox in --state held --reason {code}" in gone.action


def test_what_is_said_of_many_is_true_of_all_or_names_whose_it_is() -> None:
    """Four recordings stood as \"under its name the service lists project P\"."""
    def told_of(reason: Because) -> str:
        job = Job("J", "in", "b.wav", 1, 1, Settings(), state=State.HELD, because=reason)
        (one,) = attention.files([Group("in", State.HELD, reason.code, 4, job)], {}, {}, running=True, inboxes=["in"])
        return one.message

    assert told_of(because("unproven", detail="x", job="J")).startswith("For instance b.wav: The journal was lost")
    for same in (because("drop_size", limit=7, inbox="in"), because("daily_limit", detail="x", job="J"),
                 because("account_changed", job="J")):
        assert told_of(same) == same.message
    entries = [SettlingEntry(path, because("unreadable", detail=path), 1.0, 2.0) for path in ("d.wav", "e.wav")]
    (one,) = attention.files([], {"in": entries}, {}, running=True, inboxes=["in"])
    assert one.message.startswith("For instance d.wav: ")


# that nothing runs comes first

def test_where_no_daemon_runs_that_is_said_first_with_how_it_ended_and_what_starts_it(place: Place) -> None:
    place.add("a.wav", state=State.UPLOADING, because=because("service_error", detail="HTTP 500"), due_at=9e9)
    (place.inbox / "a.wav").write_bytes(bytes(10))
    with place.journal() as journal:
        runs.begin(journal, 1e9, None)
        runs.end(journal, 1e9 + 60, 1, "The disk was full.")
        run = runs.last(journal)
    assert run is not None
    first = {"status": place.run("status").out.splitlines()[1], "jobs": place.run("jobs").err.splitlines()[0],
             "show": place.run("show", "in/a.wav").err.splitlines()[0],
             "explain": place.run("explain", "in/a.wav").out.splitlines()[0]}
    for command, line in first.items():
        assert line.startswith("No daemon runs, so nothing goes on. It ended on 2001-09-09"), command
        assert "The disk was full." in line
        assert line.endswith(runs.start_hint(run))
    shape = place.run("status", "--json").json["daemon"]
    assert (shape["running"], shape["ended"]["code"]) == (False, 1)
    for asked in (["status"], ["jobs"], ["show", "in/a.wav"], ["explain", "in/a.wav"]):
        assert "by itself" not in place.run(*asked).out
        assert "again in" not in place.run(*asked).out
    with Lock(place.state):
        assert "No daemon" not in place.run("status").out + place.run("explain", "in/a.wav").out
        assert place.run("jobs").err == ""


@pytest.mark.parametrize("code", sorted(REASONS))
def test_no_reason_promises_that_it_goes_on_while_nothing_runs(code: str) -> None:
    given = because(code, detail="x", job="J", inbox="in", limit="5", models="m", model="m")
    assert told(given, running=True) == given
    resting = told(given, running=False)
    assert "by itself" not in resting.action
    if REASONS[code].kind in {Kind.PARKED, Kind.INBOX, Kind.HALT, Kind.SETTLING} or code == "daily_limit":
        assert "daemon runs" in resting.action


def test_a_hint_that_names_its_configuration_already_is_given_no_second_one(place: Place) -> None:
    with place.journal() as journal:
        runs.begin(journal, 1e9, None)
        run = str(journal.meta("run"))
        journal.set_meta("run", run.replace('"command": "', '"command": "diffio-watch run -c /etc/x '))
    out = place.run("-c", str(place.config_file), "status").out
    assert "diffio-watch run -c /etc/x" in out
    assert f"-c {place.config_file} run -c" not in out


# what a terminal shows

@pytest.mark.parametrize(("text", "cells", "shown"), [
    ("interview with somebody.wav", 40, "interview with somebody.wav"),
    ("interview with somebody.wav", 13, "interv…dy.wav"),
    ("日本語のとても長い名前.wav", 12, "日本…前.wav"), ("ab", 1, "…"),
])
def test_a_long_name_loses_its_middle(text: str, cells: int, shown: str) -> None:
    assert shortened(text, cells) == shown


def moving(percent: float, state: State = State.UPLOADING) -> Job:
    return Job("J", "in", "show 12/a rather long name of an interview.wav", 100 << 20, 1, Settings(), state=state,
               progress=percent)


def test_speed_and_time_left_come_from_what_was_seen_before() -> None:
    pace = Pace()
    pace.note([moving(10.0)], 100.0)
    assert (pace.speed(moving(10.0)), pace.left(moving(10.0))) == (None, None)
    pace.note([moving(20.0)], 105.0)
    assert pace.speed(moving(20.0)) == pytest.approx(2 << 20)
    assert pace.left(moving(20.0)) == pytest.approx(40.0)
    assert pace.speed(moving(20.0, State.WAITING)) is None
    pace.note([moving(5.0)], 106.0)  # it began anew
    assert pace.left(moving(5.0)) is None
    pace.note([], 107.0)
    pace.note([moving(50.0)], 110.0)
    assert pace.left(moving(50.0)) is None


@pytest.mark.parametrize("columns", [80, 120])
def test_percent_speed_and_time_are_shown_however_narrow_it_is(columns: int) -> None:
    pace = Pace()
    for second in range(6):
        pace.note([moving(10.0 + second)], float(second))
    job = moving(15.0)
    drawn = plain(journey([job.path], {job.path: job}, {}, 20, pace), columns)
    assert "12 %" in drawn
    assert "1.0 MiB/s, 1 min left" in drawn
    assert re.search(r"(?m)^show.*w\.wav ", drawn)
    assert max(map(len, drawn.splitlines())) <= columns


def test_a_reason_without_a_row_is_told_as_it_stands() -> None:
    """A journal of a newer program may hold codes that this one does not know."""
    unknown = Because("newer", "m", "a")
    assert told(unknown, running=False) == unknown
