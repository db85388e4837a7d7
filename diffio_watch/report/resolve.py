"""Which job, or which place in an inbox, somebody means by an id, a path or a name."""

from __future__ import annotations

import locale
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from diffio_watch.disk import names

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal

_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{4,26}")
_WHOLE: Final = 26


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


def meant(journal: Journal, config: Config, argument: str) -> str:
    """What to type for a name that `status` or `jobs` shows, which is relative to its inbox; "" where none is so."""
    for text in (argument, names.parse(argument)):
        path = os.path.normpath(text)
        for inbox in config.inboxes:
            if "\0" not in path and (journal.jobs.at(inbox.name, path) or any(
                    entry.path == path for entry in journal.inboxes.settling_in(inbox.name))):
                return shlex.quote(names.terminal(f"{inbox.name}:{names.show(path)}"))
    return ""
