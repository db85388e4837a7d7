"""Asking the daemon for a change, through the journal's `requests`; doing it oneself where none runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.cli.base import FAILED, Trouble, Workplace, complain, print_json, say
from diffio_watch.disk import names
from diffio_watch.report.running import asleep, is_running

if TYPE_CHECKING:
    from diffio_watch.journal import Answer, Halt, Journal

_PATIENCE: Final = 10.0  # seconds; a daemon looks several times a second
_LOOK: Final = 0.05
_PROBE: Final = 5.0  # seconds that a look at the service is waited for


def ask(work: Workplace, journal: Journal, command: str, args: dict[str, Any]) -> Answer:
    """Leave a request and wait for its answer.

    Raises:
        Trouble: a daemon runs and does not answer in time.
        JournalError: the journal can't be written.
    """
    from diffio_watch.journal import JournalLocked, Lock, holder
    from diffio_watch.pipeline import command_queue

    number = journal.requests.ask(command, args, work.who)
    end = time.monotonic() + _PATIENCE
    while (answer := journal.requests.answer_of(number)) is None:
        if holder(work.config.state_dir) is None:
            try:
                with Lock(work.config.state_dir):
                    command_queue.serve(journal, work.config, journal.clock.now())
                continue
            except JournalLocked:
                pass  # somebody was quicker; theirs is the answer
        if time.monotonic() > end:
            raise Trouble("The daemon has not answered within 10 s. The request stands, and is done as soon as it "
                          "does; `diffio-watch status` tells how it is.")
        time.sleep(_LOOK)
    return answer


def tell(work: Workplace, journal: Journal, answer: Answer, missed: list[str] | None = None, *,
         as_json: bool = False, stops: Sequence[Halt] = ()) -> int:
    """Print what was done, to standard error what was not; the command's exit code.

    Args:
        work: where the command was given.
        journal: where the answer stands.
        answer: to the request.
        missed: what the command itself could not ask for, in sentences.
        as_json: as one document for programs.
        stops: what still stops it, for programs.
    """
    code = answer.exit or (FAILED if missed else 0)
    if as_json:
        _tell_programs(work, journal, answer, missed or [], stops, code)
        return code
    say(names.terminal(line) for line in answer.lines if answer.exit == 0)
    for line in [*(answer.lines if answer.exit else ()), *(missed or [])]:
        complain(names.terminal(line))
    resting = asleep(work.config, journal) if answer.jobs else None
    if resting is not None:
        complain(names.terminal(resting))
    return code


def _tell_programs(work: Workplace, journal: Journal, answer: Answer, missed: list[str], stops: Sequence[Halt],
                   code: int) -> None:
    """What was done and what was not, and the jobs that were changed, as they are now."""
    from diffio_watch.report import shapes

    jobs = [job for name in answer.jobs if (job := journal.jobs.get(name)) is not None]
    running = is_running(work.config)
    print_json({"ok": code == 0, "exit": code, "daemon": {"running": running},
                "lines": list(answer.lines), "missed": missed, "jobs": [shapes.job(job) for job in jobs],
                "stops": [{"scope": halt.scope, **shapes.halt(halt, running=running)} for halt in stops]})


def tell_of_probes(work: Workplace, journal: Journal, inbox: str | None) -> int:
    """Wait a little for what the daemon finds out about the stops of an inbox, or of all, and print it."""
    if not is_running(work.config):
        say(names.terminal(asleep(work.config, journal) or ""))
        return 0
    left = wait_for_probes(work, journal, inbox)
    if not left:
        say(f"It is over. Goes on: {inbox or 'every inbox'}.")
    for action in dict.fromkeys(halt.because.action for halt in left):
        say(f"It is not over yet, and is looked at again by itself. {names.terminal(action)}")
    return 0


def wait_for_probes(work: Workplace, journal: Journal, inbox: str | None) -> list[Halt]:
    """What still stops an inbox, or any, once the daemon had a little time to look; at once where none runs."""
    end = time.monotonic() + _PROBE
    while (left := stops(journal, inbox)) and is_running(work.config) and time.monotonic() < end:
        time.sleep(_LOOK)
    return left


def stops(journal: Journal, inbox: str | None) -> list[Halt]:
    """What stops an inbox, or any, but for pauses."""
    return [halt for halt in journal.halts.all().values()
            if inbox is None or not halt.scope.startswith("inbox:") or halt.scope.split(":")[1] == inbox]
