"""Asking the daemon for a change, through the journal's `requests`; doing it oneself where none runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.cli.base import FAILED, Trouble, Workplace, complain, say
from diffio_watch.disk import names

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
    from diffio_watch.pipeline import requests

    number = journal.ask(command, args, work.who)
    end = time.monotonic() + _PATIENCE
    while (answer := journal.answer_of(number)) is None:
        if holder(work.config.state_dir) is None:
            try:
                with Lock(work.config.state_dir):
                    requests.serve(journal, work.config, journal.clock.now())
                continue
            except JournalLocked:
                pass  # somebody was quicker; theirs is the answer
        if time.monotonic() > end:
            raise Trouble("The daemon has not answered within 10 s. The request stands, and is done as soon as it "
                          "does; `diffio-watch status` tells how it is.")
        time.sleep(_LOOK)
    return answer


def tell(answer: Answer, missed: list[str] | None = None) -> int:
    """Print what was done, to standard error what was not; the command's exit code."""
    say(names.terminal(line) for line in answer.lines if answer.exit == 0)
    for line in [*(answer.lines if answer.exit else ()), *(missed or [])]:
        complain(names.terminal(line))
    return answer.exit or (FAILED if missed else 0)


def tell_of_probes(work: Workplace, journal: Journal, inbox: str | None) -> int:
    """Wait a little for what the daemon finds out about the stops of an inbox, or of all, and print it."""
    from diffio_watch.journal import holder

    if holder(work.config.state_dir) is None:
        say("No daemon runs now: it looks when it is started.")
        return 0
    end = time.monotonic() + _PROBE
    while (left := stops(journal, inbox)) and time.monotonic() < end:
        time.sleep(_LOOK)
    if not left:
        say(f"It is over. Goes on: {inbox or 'every inbox'}.")
    for action in dict.fromkeys(halt.because.action for halt in left):
        say(f"It is not over yet, and is looked at again by itself. {names.terminal(action)}")
    return 0


def stops(journal: Journal, inbox: str | None) -> list[Halt]:
    """What stops an inbox, or any, but for pauses."""
    return [halt for halt in journal.halts().values()
            if inbox is None or not halt.scope.startswith("inbox:") or halt.scope.split(":")[1] == inbox]
