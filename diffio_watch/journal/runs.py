"""What the journal remembers of the daemon itself: how it is started, how it last ended, what it has in force."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from diffio_watch.config import Source, source_of
from diffio_watch.journal import Journal

_RUN: Final = "run"
_IN_FORCE: Final = "in_force"
_LONGEST: Final = 2000  # characters of a sentence
_UNIT: Final = re.compile(r"/([^/]+\.service)$")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the daemon. Times are seconds since the epoch.

    Attributes:
        unit: the systemd unit that starts it; "" where none does.
        by_user: it is a unit of a user's own systemd.
        command: how it is started by hand.
        boot: which start of the machine it belongs to.
        ended_at: when it ended in order; None: it did not, or has not yet.
        code: its exit code.
        why: a sentence on why it ended.
    """

    started_at: float
    pid: int
    unit: str = ""
    by_user: bool = False
    command: str = "diffio-watch run"
    boot: str = ""
    ended_at: float | None = None
    code: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration in force. Times are seconds since the epoch.

    Attributes:
        file: where it was read from.
        sha256: of what stood there then.
        since: when it was read.
        refused: what was wrong with what was read last; "" where that is in force.
        refused_sha256: of what was refused.
        at_start: keys whose value in the file is not in force before a restart.
    """

    file: str
    sha256: str
    since: float
    refused: str = ""
    refused_sha256: str = ""
    at_start: tuple[str, ...] = ()


def begin(journal: Journal, now: float, source: Source | None) -> Run | None:
    """Remember that a run begins, and with what.

    Returns:
        The one before, where it did not end in order.

    Raises:
        JournalTrouble: it can't be remembered.
    """
    unit, by_user = _unit()
    before = last(journal)
    run = Run(now, os.getpid(), unit, by_user, _command(), _boot())
    with journal.transaction():
        journal.set_meta(_RUN, json.dumps(asdict(run)))
        journal.set_meta(_IN_FORCE, None if source is None else json.dumps(
            asdict(InForce(source.file, source.sha256, now))))
    return before if before is not None and before.ended_at is None else None


def end(journal: Journal, now: float, code: int, why: str) -> None:
    """Remember that this run ends, with which exit code and why.

    Raises:
        JournalTrouble: it can't be remembered.
    """
    run = last(journal)
    if run is not None:
        journal.set_meta(_RUN, json.dumps(asdict(replace(run, ended_at=now, code=code, why=why[:_LONGEST]))))


def last(journal: Journal) -> Run | None:
    """The run that goes on, else the last one; None where this journal has known none."""
    found = _loaded(journal, _RUN)
    return None if found is None else Run(**found)


def put_in_force(journal: Journal, source: Source, now: float, at_start: Sequence[str]) -> None:
    """Remember that another configuration is in force.

    Raises:
        JournalTrouble: it can't be remembered.
    """
    journal.set_meta(_IN_FORCE, json.dumps(asdict(InForce(source.file, source.sha256, now, at_start=tuple(at_start)))))


def refuse(journal: Journal, message: str) -> None:
    """Remember why what stands in the file now was refused; what was in force stays.

    Raises:
        JournalTrouble: it can't be remembered.
    """
    known = in_force(journal)
    if known is not None:
        try:
            now_there = source_of(Path(known.file)).sha256
        except OSError:
            now_there = ""
        journal.set_meta(_IN_FORCE, json.dumps(asdict(
            replace(known, refused=message[:_LONGEST], refused_sha256=now_there))))


def in_force(journal: Journal) -> InForce | None:
    """The configuration that the running daemon has in force, or that the last one had."""
    found = _loaded(journal, _IN_FORCE)
    return None if found is None else InForce(**found | {"at_start": tuple(found["at_start"])})


def _loaded(journal: Journal, name: str) -> dict[str, Any] | None:
    text = journal.meta(name)
    return json.loads(text) if isinstance(text, str) else None


def newer(known: InForce | None, run: Run | None) -> str | None:
    """What there is to say where the configuration file is not what the running daemon has in force; None: nothing."""
    if known is None:
        return None
    try:
        now_there = source_of(Path(known.file)).sha256
    except FileNotFoundError:
        return f"The configuration {known.file} is not there any more. What was read before stays in force."
    except OSError:
        return None  # whoever asks may not see it
    if now_there == known.sha256:
        if not known.at_start:
            return None
        keys = ", ".join(f"`{key}`" for key in known.at_start)
        return f"{keys} in {known.file} takes a restart: {restart_hint(run)}"
    if known.refused and known.refused_sha256 == now_there:
        return f"{known.file} was refused, and what was read before stays in force: {known.refused}"
    return f"{known.file} was changed and is not in force yet: {reload_hint(run)}"


def how_it_ended(run: Run) -> str:
    """A sentence on how a run that is no more ended, with its time where that is known."""
    if run.ended_at is not None:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.ended_at))
        return f"It ended on {at}: {run.why}"
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started_at))
    if run.boot and run.boot != _boot():
        return f"It was started on {began}, and the machine was started anew since then."
    return f"It was started on {began} and did not end in order: it was killed, or crashed."


def start_hint(run: Run | None) -> str:
    """What starts the daemon, as a sentence."""
    if run is not None and run.unit:
        return f"`{_systemctl(run)} start {run.unit.removesuffix('.service')}` starts it."
    return f"`{run.command if run is not None else 'diffio-watch run'}` starts it."


def restart_hint(run: Run | None) -> str:
    """What restarts the daemon, as a sentence."""
    if run is not None and run.unit:
        return f"`{_systemctl(run)} restart {run.unit.removesuffix('.service')}`."
    return "stop the daemon and start it again."


def reload_hint(run: Run | None) -> str:
    """What has the daemon read its configuration again, as a sentence."""
    if run is not None and run.unit:
        return f"`{_systemctl(run)} reload {run.unit.removesuffix('.service')}` puts it in force."
    return f"`kill -HUP {run.pid}` puts it in force." if run is not None else "a restart puts it in force."


def _systemctl(run: Run) -> str:
    return "systemctl --user" if run.by_user else "systemctl"


def _unit() -> tuple[str, bool]:
    """The systemd unit whose main process this is, and whether it is a user's own; "" where it is none's."""
    if os.environ.get("SYSTEMD_EXEC_PID") != str(os.getpid()):
        return "", False
    try:
        text = Path("/proc/self/cgroup").read_text("utf-8", "replace")
    except OSError:
        return "", False
    for line in text.splitlines():
        found = _UNIT.search(line)
        if found is not None:
            return found[1], "/user@" in line
    return "", False


def _command() -> str:
    """The command line of this process, as it would be typed."""
    name = "diffio-watch"
    return shlex.join([name, *(os.fsencode(word).decode("utf-8", "replace") for word in sys.argv[1:])])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
