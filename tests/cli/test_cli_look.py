"""status, jobs, show, explain, journal export: the shapes that other people's programs depend on."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import replace

import pytest
from cli_place import Place, another_user, delivered

from diffio_watch import __version__
from diffio_watch.cli import panel
from diffio_watch.cli.draw import plain
from diffio_watch.config import Config
from diffio_watch.job import Job, Media, Output, Settings, State
from diffio_watch.journal import Halt, Lock
from diffio_watch.journal.records import InboxReport, SettlingEntry
from diffio_watch.reasons import because
from diffio_watch.report.shapes import Facts

JOB = ["id", "run", "inbox", "path", "state", "because", "attempts", "project_id", "generation_id", "model", "progress",
       "outputs", "original", "due_at", "created_at", "updated_at"]
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LATIN = os.fsdecode(b"caf\xe9\\.wav")


def test_jobs_are_told_in_the_shape_of_the_contract_newest_first(place: Place) -> None:
    place.add("a.wav", due_at=2e9)
    place.add("b.wav", **delivered(outputs=(Output("audio", "published", "b.restored.mp3", 5, "0" * 64, "audio/mpeg",
                                                   Media("MPEG Audio", 1.0, has_video=False)),)))
    done = place.run("jobs", "--json")
    assert done.code == 0
    newest, oldest = done.json
    assert [*newest] == [*oldest] == JOB
    assert (newest["path"], newest["state"], newest["due_at"]) == ("b.wav", "delivered", None)
    assert newest["outputs"][0] | {} == {
        "type": "audio", "state": "published", "path": "b.restored.mp3", "size": 5, "sha256": "0" * 64,
        "mime_type": "audio/mpeg", "media": {"format": "MPEG Audio", "duration_s": 1.0}, "note": None}
    assert oldest["due_at"] == "2033-05-18T03:33:20Z"
    assert RFC3339.fullmatch(oldest["created_at"])
    assert oldest["because"] is None


def test_jobs_are_chosen_by_state_inbox_and_limit(place: Place) -> None:
    first = place.add("0.wav", inbox="b")
    with place.journal() as journal:
        journal.jobs.add([replace(first, id=f"01{number:024d}", path=f"{number}.wav", inbox="b" if number < 2 else "a",
                             state=State.FAILED if number % 2 else State.QUEUED) for number in range(1, 120)])
    assert len(place.run("jobs", "--json").json) == 100
    assert len(place.run("jobs", "--json", "--limit", "0").json) == 120
    assert len(place.run("jobs", "--json", "--limit", "3").json) == 3
    assert {job["state"] for job in place.run("jobs", "--json", "--state", "failed").json} == {"failed"}
    assert {job["path"] for job in place.run("jobs", "--json", "--inbox", "b").json} == {"0.wav", "1.wav"}
    assert len(place.run("jobs", "--limit", "0").out.splitlines()) == 121
    slip = place.run("jobs", "--inbox", "podcast")
    assert (slip.code, slip.out) == (2, "")
    assert "There is no inbox podcast" in slip.err


def test_a_reason_is_told_as_code_message_and_action_everywhere(place: Place) -> None:
    place.add("a.wav", state=State.FAILED, because=because("not_media", job="J"))
    expected = {"code": "not_media", "message": "No audio or video was found in the file.",
                "action": "Check that it plays. `diffio-watch retry --as-is J` sends it all the same."}
    assert place.run("jobs", "--json").json[0]["because"] == expected
    shown = place.run("show", "podcasts:a.wav", "--json").json
    assert shown["because"] == shown["sidecar"]["because"] == expected


def test_a_name_that_is_no_utf8_has_its_bytes_beside_it(place: Place) -> None:
    place.add(LATIN)
    place.add("grün.wav")
    plain, latin = place.run("jobs", "--json").json
    assert plain["path"] == "grün.wav"
    assert "path_hex" not in plain
    assert latin["path"] == r"caf\xe9\\.wav"
    assert bytes.fromhex(latin["path_hex"]) == b"caf\xe9\\.wav"


@pytest.mark.parametrize("command", [["jobs"], ["show", "podcasts:*"], ["status"], ["explain", "podcasts:*"]])
def test_no_name_acts_on_the_terminal(place: Place, command: list[str]) -> None:
    name = "\x1b]0;x\x07\n\u202egnp.wav"
    place.add(name, state=State.FAILED, because=because("rejected", detail="\x1b[2J"))
    done = place.run(*[word.replace("*", name) for word in command])
    assert done.code in {0, 1}
    assert not set(done.out) & {"\x1b", "\x07", "\u202e"}
    assert r"\x1b]0;x\x07\x0a" in done.out


def test_show_tells_history_and_the_sidecars_fields(place: Place) -> None:
    job = place.add("show 12/a.wav", **delivered())
    shown = place.run("show", job.id, "--json").json
    assert [*shown] == [*JOB, "history", "sidecar"]
    assert [*shown["history"][0]] == ["at", "state", "detail"]
    assert shown["history"][0]["state"] == "delivered"
    assert shown["sidecar"]["source"]["path"] == "show 12/a.wav"
    assert shown["sidecar"]["service"]["project_id"] == "p1"


def test_export_tells_each_job_as_show_does_one_a_line(place: Place) -> None:
    jobs = [place.add("a.wav"), place.add(LATIN)]
    done = place.run("journal", "export")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert lines == [place.run("show", job.id, "--json").json for job in jobs]


@pytest.mark.parametrize("command", [["show", "nope"], ["explain", "podcasts:nope.wav"]])
def test_what_is_unknown_ends_with_1(place: Place, command: list[str]) -> None:
    place.add("a.wav")
    assert place.run(*command).code == 1
    assert place.run(*command, "--json").code == 1


@pytest.mark.parametrize(("command", "code"), [
    (["jobs"], 0), (["show", "x"], 1), (["explain", "in/x"], 1), (["journal", "export"], 0), (["status"], 0),
    (["retry", "x"], 2), (["pause"], 2), (["approve", "--all"], 2)])
def test_no_command_but_the_daemon_makes_a_journal(place: Place, command: list[str], code: int) -> None:
    done = place.run(*command)
    assert done.code == code
    assert not place.state.exists()
    assert ("no journal" in done.err) is (code == 2)


def test_status_before_the_first_start_is_an_answer(place: Place) -> None:
    done = place.run("status", "--json")
    assert done.code == 0
    assert done.json["daemon"] == {"running": False, "pid": None, "since": None, "ended": {
        "at": None, "code": None, "message": None, "action": "`diffio-watch run` starts it."}}
    assert set(done.json["jobs"].values()) == {0}
    assert not place.state.exists()


def test_status_is_told_in_the_shape_of_the_contract(place: Place) -> None:
    now = time.time()
    place.add("a.wav", detected_at=now - 100)
    place.add("b.wav", state=State.FAILED)
    with place.journal() as journal:
        journal.inboxes.report(InboxReport("podcasts", available=True, watch="polling", filesystem="cifs",
                                           settle_seconds=30.0,
                                   last_scan_at=2e9))
        journal.inboxes.settling("podcasts", [SettlingEntry("c.wav", because("settling", seconds=30), 2e9, None)])
    with Lock(place.state):
        told = place.run("status", "--json").json
    assert [*told] == ["version", "daemon", "halted", "paused", "inboxes", "jobs", "oldest_open_seconds", "config",
                       "attention", "webhooks", "notices", "unheard"]
    assert told["version"] == __version__
    assert told["daemon"]["running"] is True
    assert told["daemon"]["pid"] == os.getpid()
    assert RFC3339.fullmatch(told["daemon"]["since"])
    (inbox,) = told["inboxes"]
    assert {"name", "path", "outbox", "watch", "filesystem", "available", "stopped", "settle_seconds", "last_scan_at",
            "settling"} <= {*inbox}
    assert (inbox["path"], inbox["watch"], inbox["filesystem"]) == (str(place.inbox), "polling", "cifs")
    assert inbox["settling"][0]["path"] == "c.wav"
    assert inbox["settling"][0]["because"]["code"] == "settling"
    assert [*told["jobs"]] == ["queued", "uploading", "generating", "waiting", "downloading", "delivered", "failed",
                               "held", "skipped", "cancelled"]
    assert (told["jobs"]["queued"], told["jobs"]["failed"]) == (1, 1)
    assert told["oldest_open_seconds"] == pytest.approx(100, abs=5)


def test_a_halt_of_the_account_is_told_before_one_of_an_origin(place: Place) -> None:
    with place.journal() as journal:
        down = because("service_down", origin="https://edge", detail="x")
        journal.halts.set(Halt("origin:https://edge", down, 2e9, 2e9))
        assert place.run("status", "--json").json["halted"]["reason"] == "service_down"
        journal.halts.set(Halt("account", because("auth", detail="x"), 2e9, None))
    halted = place.run("status", "--json").json["halted"]
    assert (halted["reason"], halted["since"], halted["next_check_at"]) == ("auth", "2033-05-18T03:33:20Z", None)
    assert "once a daemon runs" in halted["action"]
    assert "x" in halted["message"]
    assert "The API key does not work" in place.run("status").out


def test_what_stops_an_inbox_is_told_with_it(place: Place) -> None:
    def stopped() -> str | None:
        found = place.run("status", "--json").json["inboxes"][0]["stopped"]
        return None if found is None else str(found["reason"])

    assert stopped() is None
    with place.journal() as journal:
        journal.halts.pause("*")
        assert stopped() == "paused"
        assert place.run("status", "--json").json["paused"] == ["podcasts"]
        journal.halts.set(Halt("inbox:podcasts:model",
                               because("model_retired", model="m", inbox="podcasts", models="x"),
                              2e9, None))
        assert stopped() == "model_retired"
        journal.inboxes.report(InboxReport("podcasts", available=False, watch="events", filesystem="",
                                           settle_seconds=2.0,
                                   stopped=because("unavailable", detail="x", inbox="podcasts"), since=2e9))
        assert stopped() == "unavailable"
    assert "unavailable" in place.run("status").out


def test_what_stops_a_job_along_with_others_is_told_of_it_too(place: Place) -> None:
    (place.inbox / "a.wav").write_bytes(bytes(10))
    os.utime(place.inbox / "a.wav", ns=(1, 1))
    place.add("a.wav", state=State.QUEUED, due_at=1e9)

    def told() -> str | None:
        found = place.run("explain", "in/a.wav", "--json").json["because"]
        return None if found is None else str(found["code"])

    assert told() is None
    with place.journal() as journal:
        journal.halts.pause("*")
    assert told() == "paused"
    shown = place.run("show", "in/a.wav").out
    assert re.search(r"Why +Paused by a person", shown)
    assert not re.search(r"(?m)^Next", shown)
    with place.journal() as journal:
        journal.halts.resume("*")
        journal.halts.set(Halt("account", because("auth", detail="No key."), 2e9, None))
    assert told() == "auth"
    assert place.run("show", "in/a.wav", "--json").json["because"] is None


def test_status_shows_what_runs_and_the_last_failures(place: Place) -> None:
    place.add("a.wav", state=State.WAITING, progress=42.0)
    place.add("b.wav", state=State.FAILED, because=because("empty"))
    out = place.run("status").out
    assert re.search(r"a\.wav +waiting .* 42 %", out)
    assert re.search(r"b\.wav +The file is empty", out)


def test_status_tells_what_a_job_waits_for_however_far_it_had_come(place: Place) -> None:
    place.add("a.wav", state=State.DOWNLOADING, progress=100.0, due_at=4e9,
              because=because("service_error", detail="HTTP 500"))
    with Lock(place.state):
        out = place.run("status").out
    assert re.search(r"a\.wav +downloading +The service did not answer as it should: HTTP 500\. \(again in", out)
    assert "100 %" not in out


@pytest.mark.parametrize("columns", [60, 80])
def test_status_cuts_no_reason_where_the_lines_are_short(columns: int) -> None:
    """Whoever reads it needs the end of the sentence more than a line for each file."""
    reason = because("rejected", detail="the words of the service that say at last what is the matter with the file")
    one = Job("J", "podcasts", "show 12/interview with somebody.wav", 1, 1, Settings(), because=reason)
    facts = Facts(2e9, 7, None, {}, {}, {}, {"podcasts": [SettlingEntry("b.wav", reason, 1.0, None)]}, {}, None)
    config = Config(inboxes=())
    for running, failures, settling in (([replace(one, state=State.WAITING)], [], {}),
                                        ([], [replace(one, state=State.FAILED)], {}), ([], [], facts.settling)):
        drawn = plain(panel.status(config, replace(facts, settling=settling), running, failures), columns)
        assert not set(reason.message.split()) - set(drawn.split())
        assert max(map(len, drawn.splitlines())) <= columns


@pytest.mark.parametrize("arguments", [["--follow"], ["--follow", "--json"]])
def test_follow_goes_on_until_ctrl_c_which_is_quiet(place: Place, arguments: list[str]) -> None:
    place.add("a.wav")
    with place.start("status", *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == b""
    if "--json" in arguments:
        assert json.loads(first)["jobs"]["queued"] == 1


def test_a_reader_that_goes_away_is_no_error(place: Place) -> None:
    with place.journal() as journal:
        first = place.add("a.wav")
        journal.jobs.add([replace(first, id=f"01{number:024d}", path=f"{number}.wav") for number in range(1000)])
    for command in (["jobs", "--limit", "0"], ["jobs", "--json", "--limit", "0"], ["journal", "export"]):
        with place.start(*command) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            process.wait(20)
            told = process.stderr.read()
            assert told == b"" or (b"No daemon runs" in told and told.count(b"\n") == 1)


def test_explain_is_told_in_the_shape_of_the_contract(place: Place) -> None:
    (place.inbox / "a.wav").write_bytes(b"x")
    (place.inbox / ".hidden.wav").write_bytes(b"x")
    (place.root / "else.wav").write_bytes(b"x")
    told = place.run("explain", "in/a.wav", "--json")
    assert told.code == 0
    assert [*told.json] == ["path", "verdict", "because", "rules", "next_look_at", "job"]
    assert [*told.json["rules"][0]] == ["rule", "holds", "detail"]
    assert told.json["verdict"] == "waiting"
    assert place.run("explain", "in/.hidden.wav", "--json").json["because"]["code"] == "junk"
    assert place.run("explain", "else.wav", "--json").json["verdict"] == "outside"
    assert place.run("explain", "in/b.wav", "--json").json["verdict"] == "missing"
    out = place.run("explain", "in/a.wav").out
    assert "no    watched" in out
    assert "goes on by itself" not in out


def test_explain_knows_a_slip_in_an_inboxes_name_and_an_argument_that_is_none(place: Place) -> None:
    done = place.run("explain", "podcast:a.wav")
    assert (done.code, done.err) == (1, "There is no inbox podcast: the configuration has podcasts.\n")
    assert place.run("explain", "").err == "An empty argument names nothing: name a job or a file.\n"
    (place.root / "a:b.wav").write_bytes(b"x")
    assert place.run("explain", "a:b.wav", "--json").json["verdict"] == "outside"


@pytest.mark.parametrize("argument", ["in", "podcasts:", "podcasts:."])
def test_explain_knows_an_inbox_itself(place: Place, argument: str) -> None:
    done = place.run("explain", argument)
    assert done.code == 0
    assert "it is a folder" in done.out
    assert "It is the inbox podcasts itself" in done.out


def test_a_file_that_whoever_asks_may_not_open_is_not_said_to_be_growing(place: Place) -> None:
    written = place.config_file.read_text()
    with another_user() as folder:
        (folder / "in").mkdir()
        (folder / "in/a.wav").write_bytes(b"x")
        (folder / "in/a.wav").chmod(0)
        (folder / "config.yaml").write_text(written.replace(str(place.root), str(folder)))
        found = place.run("explain", "podcasts:a.wav", "--json", "-c", str(folder / "config.yaml")).json
    assert (found["verdict"], found["because"]["code"]) == ("waiting", "unreadable")
    assert "readable" in [rule["rule"] for rule in found["rules"] if not rule["holds"]]


def test_explain_says_where_the_result_is_and_where_the_original_went(place: Place) -> None:
    output = Output("audio", "published", "a.restored.mp3", 5, "0" * 64, "audio/mpeg")
    place.add("a.wav", **delivered(outputs=(output,), original="deleted"))
    out = place.run("explain", "podcasts:a.wav").out
    assert f"Its result: {place.outbox}/a.restored.mp3\n" in out
    assert "Its original was deleted after the delivery" in out
    place.add("b.wav", state=State.WAITING, because=because("service_error", detail="HTTP 500"))
    (place.inbox / "b.wav").write_bytes(b"other than what was journalled")
    assert "HTTP 500" in place.run("explain", "podcasts:b.wav").out


def test_jobs_are_chosen_by_reason_and_by_when_they_changed(place: Place) -> None:
    place.add("cut.wav", state=State.FAILED, because=because("truncated", detail="x"), updated_at=1e9)
    place.add("text.wav", state=State.FAILED, because=because("not_media"), updated_at=2e9)
    place.add("held.wav", state=State.HELD, because=because("drop_size", limit=1, inbox="podcasts"), updated_at=2e9)
    place.add("a.wav", state=State.DELIVERED, original="stuck", updated_at=2e9)

    def paths(*arguments: str) -> set[str]:
        return {job["path"] for job in place.run("jobs", "--json", *arguments).json}

    assert paths("--reason", "truncated") == {"cut.wav"}
    assert paths("--reason", "truncated", "--reason", "drop_size") == {"cut.wav", "held.wav"}
    assert paths("--since", "2020-01-01", "--state", "failed") == {"text.wav"}
    assert paths("--original", "stuck") == {"a.wav"}
    slip = place.run("jobs", "--reason", "truncate")
    assert (slip.code, "did you mean truncated?" in slip.err) == (2, True)
    assert place.run("jobs", "--since", "yesterday").code == 2


def test_a_queued_job_tells_which_limit_it_waits_under(place: Place) -> None:
    ids = [place.add(f"{n}.wav", state=State.QUEUED, due_at=1e9).id for n in range(6)]
    first, last = (place.run("show", one, "--json").json["because"] for one in (ids[0], ids[5]))
    assert first is None
    assert last["code"] == "turn"
    assert "limits.uploads" in last["message"]
    listed = {job["id"]: job["because"] for job in place.run("jobs", "--json").json}
    assert (listed[ids[0]], listed[ids[5]]) == (first, last)
    assert "It waits for its turn" in place.run("show", ids[5]).out
