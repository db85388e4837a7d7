"""What the arguments and options of the command line mean, and what to say of those that mean nothing."""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from diffio_watch.cli.base import Trouble
from diffio_watch.disk import names
from diffio_watch.report.resolve import find_job, meant

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


def one_job(journal: Journal, config: Config, argument: str) -> Job:
    """The job that JOB or FILE means.

    Raises:
        Trouble: the journal has none, or several ids begin so.
    """
    job = find_job(journal, config, argument)
    if job is None:
        raise Trouble(unknown(argument, meant(journal, config, argument)))
    return job


def many_jobs(journal: Journal, config: Config, arguments: Sequence[str]) -> tuple[list[Job], list[str]]:
    """The jobs that arguments mean, each once, and a sentence for each argument that means none."""
    found: dict[str, Job] = {}
    missed = []
    for argument in arguments:
        job = find_job(journal, config, argument)
        if job is None:
            missed.append(unknown(argument, meant(journal, config, argument)))
        else:
            found[job.id] = job
    return list(found.values()), missed


def unknown(argument: str, hint: str = "") -> str:
    """The sentence about an argument that means nothing; `hint` is what may have been meant."""
    if not argument.strip():
        return "An empty argument names nothing: name a job or a file."
    shown = names.terminal(argument)
    if hint:
        return (f"From this folder, {shown} is nothing in an inbox. Did you mean {hint}? A FILE is a path, or "
                "`inbox:path`.")
    return (f"Nothing is known of {shown}: it is neither a job (or not the beginning of just one) nor a file that was "
            f"journalled. For a file, `diffio-watch explain` says why.")


def inbox_named(config: Config, name: str | None) -> str | None:
    """The name, if there is such an inbox.

    Raises:
        click.UsageError: there is none.
    """
    if name is not None and all(inbox.name != name for inbox in config.inboxes):
        raise click.UsageError(_no_inbox(config, name))
    return name


def reason_named(code: str) -> str:
    """The code, if there is such a reason.

    Raises:
        click.UsageError: there is none.
    """
    from diffio_watch.reasons import REASONS

    if code not in REASONS:
        near = difflib.get_close_matches(code, REASONS, 1)
        hint = f"did you mean {near[0]}?" if near else "the README tells them all."
        raise click.UsageError(f"There is no reason {names.terminal(code)}: {hint}")
    return code


def mistyped(config: Config, argument: str) -> str | None:
    """The sentence about an `inbox:path` whose inbox there is not; None for every other argument."""
    name, colon, _ = argument.partition(":")
    if not colon or not _NAME.fullmatch(name) or os.path.lexists(argument):
        return None
    return None if any(inbox.name == name for inbox in config.inboxes) else _no_inbox(config, name)


def _no_inbox(config: Config, name: str) -> str:
    there = ", ".join(inbox.name for inbox in config.inboxes)
    return f"There is no inbox {names.terminal(name)}: the configuration has {there}."


def moment(text: str | None) -> float:
    """The moment that `--since` means, so long ago or a date, in seconds since the epoch; 0 where it is not given.

    Raises:
        click.UsageError: it means none.
    """
    if text is None:
        return 0.0
    from diffio_watch.config.units import duration

    try:
        return time.time() - duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise click.UsageError("--since takes a time like 2h, 7d, 2026-01-31 or 2026-01-31T08:00:00Z.") from None
