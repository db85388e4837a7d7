"""journal: copies of the program's memory, getting it back, taking folders over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffio_watch.cli.base import FAILED, Trouble, config_option, inbox_names, print_json_line, say, workplace

if TYPE_CHECKING:
    from diffio_watch.cli.base import Workplace
    from diffio_watch.config import Inbox
    from diffio_watch.disk.marker import Role
    from diffio_watch.journal import Journal


@click.group()
def journal() -> None:
    """Look after the journal: back it up, rebuild it, take folders over, export it."""


@journal.command()
@config_option
def export() -> int:
    """Print all jobs as JSON lines, oldest first."""
    from diffio_watch.cli.jobs import told

    work = workplace()
    with work.read() as opened:
        if opened is not None:
            for job in reversed(opened.jobs()):
                print_json_line(told(opened, job))
    return 0


@journal.command()
@click.argument("inboxes", metavar="[INBOX...]", nargs=-1, shell_complete=inbox_names)
@config_option
def adopt(inboxes: Sequence[str]) -> int:
    """Take over folders whose marker is another journal's, or gone; all that are configured, or those of INBOX.

    Do this when you know that the folder is the right one: from then on what is in it counts as this journal's.
    """
    from diffio_watch.cli.ask import ask, tell
    from diffio_watch.cli.resolve import inbox_named

    work = workplace()
    for name in inboxes:
        inbox_named(work.config, name)
    chosen = [inbox for inbox in work.config.inboxes if not inboxes or inbox.name in inboxes]
    work.config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _made(work) as opened:
        folders, missed = [], []
        for inbox in chosen:
            for role, path in _folders(inbox):
                try:
                    folders.append(_take(opened, inbox, role, path))
                    say(f"Taken over: the {role} of {inbox.name}, {path}")
                except Trouble as trouble:
                    missed.append(trouble.message)
        return tell(ask(work, opened, "adopt", {"folders": folders}), missed)


def _made(work: Workplace) -> Journal:
    """The journal, made where there is none: adopting folders is how a new one may begin."""
    from diffio_watch.journal import Journal

    return Journal.open(work.config.state_dir, create=True)


def _folders(inbox: Inbox) -> list[tuple[Role, Path]]:
    found: list[tuple[Role, Path]] = [("inbox", inbox.path), ("outbox", inbox.outbox)]
    return found if inbox.archive is None else [*found, ("archive", inbox.archive)]


def _take(opened: Journal, inbox: Inbox, role: Role, path: Path) -> dict[str, Any]:
    """Write the marker, here and not in the daemon: a share that hangs must hang nobody else."""
    from diffio_watch.disk import marker, mounts

    point = mounts.expected_but_unmounted(str(path))
    if point is not None:
        raise Trouble(f"The {role} of {inbox.name}, {path}, is not mounted: run `mount {point}` first.", FAILED)
    owner = marker.Owner(opened.id, int(opened.meta("starts") or 0))
    try:
        return asdict(marker.adopt(str(path), role, inbox.name, owner))
    except marker.FolderGone as gone:
        raise Trouble(f"The {role} of {inbox.name}, {path}, can't be taken over: {gone}.", FAILED) from gone
