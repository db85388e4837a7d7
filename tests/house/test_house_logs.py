"""A log for three in the morning: what happened first, how bad it is for systemd's journal, names whole, no secrets."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import programs
import pytest
from structlog.typing import FilteringBoundLogger

from diffio_watch.job import Job, Output, Settings, State
from diffio_watch.logs import open_log
from diffio_watch.pipeline import job_log
from diffio_watch.reasons import because

JOB = Job("01J", "podcasts", "show 12/a.wav", 10, 1, Settings(), detected_at=100.0)


def _log(secrets: list[str], style: str = "json") -> tuple[FilteringBoundLogger, io.StringIO]:
    out = io.StringIO()
    return open_log("debug", style, secrets=lambda: secrets, stream=out), out


def test_what_happened_stands_first_then_how_bad_it_is_and_when() -> None:
    log, out = _log([])
    log.warning("inbox.lost", inbox="podcasts", why="x")
    assert [*json.loads(out.getvalue())] == ["event", "level", "timestamp", "inbox", "why"]


def test_the_console_has_the_date() -> None:
    log, out = _log([], "console")
    log.info("daemon.started", version="1")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[info", out.getvalue())


@pytest.mark.parametrize("secret", ["job", "k", "ed", "deliver", "info", "podcasts", "a.wav", "3", "queued", "a"])
def test_hiding_a_secret_never_cuts_a_word_of_our_own(secret: str) -> None:
    """A short key, such as the one of a test, may be part of a word, or a word of this program."""
    log, out = _log([secret])
    log.info("job.delivered", job="01J3", inbox="podcasts", path="made/taken.wav", state="queued", seconds=3.5,
             outputs=["made/taken.restored.wav"], message="The service asked for a pause and nobody speaked.")
    told = json.loads(out.getvalue())
    assert (told["event"], told["level"], told["inbox"], told["job"], told["state"], told["seconds"]) == (
        "job.delivered", "info", "podcasts", "01J3", "queued", 3.5)
    assert told["path"] == "made/taken.wav"
    assert "asked" in told["message"]
    assert "speaked" in told["message"]


def test_a_secret_is_hidden_wherever_else_it_stands() -> None:
    log, out = _log(["canary-0123456789", "short"])
    error = ValueError("xcanary-0123456789x, key=short")
    log.error("job.step_failed", message="canary-0123456789", notes=["a short one", {"deep": ["short"]}],
              exc_info=error)
    assert "canary" not in out.getvalue()
    told = json.loads(out.getvalue())
    assert told["notes"] == ["a *** one", {"deep": ["***"]}]
    assert "key=***" in told["exception"]


def test_names_of_any_bytes_are_shown_and_command_no_terminal() -> None:
    for style in ("json", "console"):
        log, out = _log([], style)
        log.info("job.delivered", path="a\udcff.wav", outputs=["b\udcff\x1b[2J.wav"])
        told = out.getvalue()
        told.encode()  # no half characters
        assert "a\\" in told
        assert "\x1b[2J" not in told


@pytest.mark.parametrize("style", ["json", "console"])
def test_in_systemd_s_journal_every_line_has_its_priority(style: str) -> None:
    """sd-daemon(3): `<3>` before each line; elsewhere nothing of it."""
    program = f"""
import os, sys
from diffio_watch.logs import open_log
facts = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{{facts.st_dev}}:{{facts.st_ino + int(sys.argv[1])}}"
log = open_log("debug", {style!r}, secrets=list)
log.debug("a.b"); log.info("a.b"); log.warning("a.b")
try:
    raise ValueError("two\\nlines")
except ValueError:
    log.exception("a.b")
"""
    def told(off: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", program, off], capture_output=True, text=True, check=True)
        return done.stderr.splitlines()

    lines = told("0")
    assert [line[:3] for line in lines[:3]] == ["<7>", "<6>", "<4>"]
    assert {line[:3] for line in lines[3:]} == {"<3>"}
    assert not any(line.startswith("<") for line in told("1"))


def test_a_start_that_fails_is_an_error_in_the_journal(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    facts = os.fstat(writer)
    env = os.environ | {"JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino}"}
    with os.fdopen(reader, "rb") as told:
        done = programs.run([sys.executable, "-m", "diffio_watch", "run", "-c", str(tmp_path / "none.yaml")],
                              stderr=writer, env=env, check=False)
        os.close(writer)
        lines = told.read().decode().splitlines()
    assert done.returncode == 2
    assert lines
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(("before", "after", "level", "event", "facts"), [
    ({}, {"state": State.UPLOADING}, "debug", "job.uploading", {}),
    ({"state": State.UPLOADING}, {"state": State.GENERATING}, "debug", "job.generating", {}),
    ({"state": State.WAITING}, {"state": State.DOWNLOADING}, "debug", "job.downloading", {}),
    ({"state": State.DOWNLOADING},
     {"state": State.DELIVERED, "delivered_at": 112.34, "notes": ("shorter",),
      "outputs": (Output("audio", "published", "show 12/a.mp3"), Output("video", "unavailable"))},
     "info", "job.delivered", {"outputs": ["show 12/a.mp3"], "seconds": 12.3, "notes": ["shorter"]}),
    ({}, {"state": State.HELD, "because": because("unproven")}, "warning", "job.held", {"reason": "unproven"}),
    ({}, {"state": State.FAILED, "because": because("not_media")}, "error", "job.failed", {"reason": "not_media"}),
    ({}, {"because": because("in_use"), "due_at": 190.0}, "info", "job.parked", {"due_in": 60, "state": "queued"}),
    ({"because": because("in_use", detail="a")}, {"because": because("in_use", detail="b"), "due_at": 1.0}, "debug",
     "job.parked", {"due_in": 0}),
])
def test_ends_and_troubles_are_told_to_everybody_and_stages_to_who_looks_closely(
        before: dict[str, Any], after: dict[str, Any], level: str, event: str, facts: dict[str, Any]) -> None:
    line = job_log.change(replace(JOB, **before), replace(JOB, **before | after), 130.0)
    assert line is not None
    assert (line.level, line.event) == (level, event)
    assert line.facts.items() >= ({"job": "01J", "inbox": "podcasts", "path": "show 12/a.wav"} | facts).items()


def test_a_poll_that_changed_nothing_is_worth_no_line() -> None:
    waits = replace(JOB, state=State.WAITING)
    assert job_log.change(waits, replace(waits, polls=7, progress=50.0), 1.0) is None


def test_each_line_about_a_job_has_its_path() -> None:
    """Every call of the log that names a job says also which file, as `telling.about` does."""
    package = Path(job_log.__file__).parents[1]
    for module in package.rglob("*.py"):
        calls = re.findall(r"log\.(?:debug|info|warning|error|exception)\((?:[^()]|\([^()]*\))*\)", module.read_text())
        for call in calls:
            if "job=" in call:
                assert "path=" in call, (module, call)
