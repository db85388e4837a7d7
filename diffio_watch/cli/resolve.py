"""Which job, or which place in an inbox, an argument of the command line means."""

from __future__ import annotations

import difflib
import locale
import os
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from diffio_watch.cli.base import Trouble
from diffio_watch.disk import names

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal

_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{4,26}")
_WHOLE: Final = 26
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A path in an inbox, as the journal names it."""

    inbox: Inbox
    path: str


def places(config: Config, argument: str, cwd: str) -> Iterator[Place]:
    r"""The places an argument may mean, likeliest first: as it is, with its `\xNN` read as bytes, as a terminal's own.

    Each reading may be `inbox:path`, an absolute path in an inbox, or a path from `cwd`.
    """
    seen = set()
    for text in (argument, names.parse(argument), _as_typed(argument)):
        for place in _readings(config, text, cwd):
            key = (place.inbox.name, place.path)
            if key not in seen:
                seen.add(key)
                yield place


def _as_typed(argument: str) -> str:
    """An argument from a terminal that writes another encoding than names have."""
    try:
        return os.fsencode(argument).decode(locale.getencoding())
    except (UnicodeError, LookupError):
        return argument


def _readings(config: Config, text: str, cwd: str) -> Iterator[Place]:
    if "\0" in text:
        return
    name, colon, rest = text.partition(":")
    for inbox in config.inboxes:
        if colon and inbox.name == name and (path := os.path.normpath(rest.lstrip("/"))) and not path.startswith(".."):
            yield Place(inbox, path)
    whole = os.path.normpath(os.path.join(cwd, text))
    # the file itself may be a link that is followed; only its folder is looked up by its real name
    real = os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))
    for inbox in config.inboxes:
        for root in dict.fromkeys((str(inbox.path), os.path.realpath(inbox.path))):
            for path in dict.fromkeys((whole, real)):
                if path == root or path.startswith(root.rstrip("/") + "/"):
                    yield Place(inbox, os.path.relpath(path, root))


def find_job(journal: Journal, config: Config, argument: str) -> Job | None:
    """The job that JOB or FILE means: a whole id, the newest job at a path, or the beginning of one id."""
    is_id = _ID.fullmatch(argument) is not None
    if is_id and len(argument) == _WHOLE and (job := journal.jobs.get(argument)) is not None:
        return job
    for place in places(config, argument, os.getcwd()):
        jobs = journal.jobs.at(place.inbox.name, place.path)
        if jobs:
            return jobs[0]
    # an inbox that is no longer configured still has its jobs
    name, colon, rest = argument.partition(":")
    if colon:
        for path in (rest, names.parse(rest)):
            jobs = journal.jobs.at(name, path)
            if jobs:
                return jobs[0]
    return journal.jobs.get(argument) if is_id else None


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


def meant(journal: Journal, config: Config, argument: str) -> str:
    """What to type for a name that `status` or `jobs` shows, which is relative to its inbox; "" where none is so."""
    for text in (argument, names.parse(argument)):
        path = os.path.normpath(text)
        for inbox in config.inboxes:
            if "\0" not in path and (journal.jobs.at(inbox.name, path) or any(
                    entry.path == path for entry in journal.inboxes.settling_in(inbox.name))):
                return shlex.quote(names.terminal(f"{inbox.name}:{names.show(path)}"))
    return ""


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
