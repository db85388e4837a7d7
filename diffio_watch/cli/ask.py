"""Asking the daemon for a change, through the journal's `requests`; doing it oneself where none runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from diffio_watch.cli.base import FAILED, Trouble, Workplace, say
from diffio_watch.disk import names

if TYPE_CHECKING:
    from diffio_watch.journal import Answer, Journal

_PATIENCE: Final = 10.0  # seconds; a daemon looks several times a second
_LOOK: Final = 0.05


def ask(work: Workplace, journal: Journal, command: str, args: dict[str, Any]) -> Answer:
    """Leave a request and wait for its answer.

    Raises:
        Trouble: a daemon runs and does not answer in time.
        JournalError: the journal can't be written.
    """
    from diffio_watch.journal import JournalLocked, Lock, holder
    from diffio_watch.pipeline import requests

    number = journal.ask(command, args)
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
        click.echo(names.terminal(line), err=True)
    return answer.exit or (FAILED if missed else 0)
