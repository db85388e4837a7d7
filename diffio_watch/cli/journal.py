"""journal: copies of the program's memory, getting it back, taking folders over."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, config_option, print_json_line, say, workplace
from diffio_watch.cli.complete import inbox_names

if TYPE_CHECKING:
    from rich.progress import TaskID

    from diffio_watch.api.shapes import ProjectSummary
    from diffio_watch.cli.base import Workplace
    from diffio_watch.config import Inbox
    from diffio_watch.disk.marker import Held, Marker, MarkerError, Role
    from diffio_watch.journal import Journal


@click.group()
def journal() -> None:
    """Look after the journal: back it up, rebuild it, take folders over, export it."""


@journal.command()
@config_option
def export() -> int:
    """Print all jobs as JSON lines, oldest first."""
    from diffio_watch.report.documents import whole

    work = workplace()
    with work.read() as opened:
        if opened is not None:
            for job in opened.jobs.in_turn():
                print_json_line(whole(opened, job))
    return 0


@journal.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def backup(file: Path) -> int:
    """Write a consistent copy of the journal to FILE, while the daemon works too.

    Put in the journal's place later, it is brought up to date by `journal rebuild`.
    """
    from diffio_watch.journal.backup import write_copy

    write_copy(workplace().config.state_dir, Path(os.path.abspath(file)))
    say(f"Written: {file}")
    return 0


@journal.command()
@config_option
def rebuild() -> int:
    """Refill a lost or old journal from the sidecars in the outboxes.

    What a sidecar tells of is known again. Every other recording that is now in an inbox is read: a copy of what was
    restored is skipped. Of what remains the service is asked, where the journal is an older copy: what it has nothing
    of goes on, a generation that is proved to be a recording's is fetched: by a row, or by the ledger in the outbox,
    never by a name. The rest is held until you `approve` it, which pays, or `cancel` it. Runs while no daemon does,
    and may be run again at any time.
    """
    from diffio_watch.cli.remote import opened_api
    from diffio_watch.daemon.startup import CannotRun, make_state_dir
    from diffio_watch.journal import Journal, Lock
    from diffio_watch.recovery import rebuild as work_of
    from diffio_watch.recovery.asking import Service

    config = workplace(makes=True).config

    def projects() -> Sequence[ProjectSummary]:
        with opened_api(config) as api:
            return api.list_projects()

    def pause(seconds: float) -> None:
        click.echo(f"What was on its way to the service when that machine died may still arrive there: looks again in "
                   f"{seconds:g} s.", err=True)
        time.sleep(seconds)

    try:
        make_state_dir(config.state_dir)
        with (Lock(config.state_dir), Journal.open(config.state_dir, create=True) as opened,
              _bar() as progress, opened_api(config) as api):
            done = work_of.rebuild(config, opened, projects, progress, Service(
                lambda: api.list_projects(every=True), lambda project: api.list_generations(project, every=True),
                lambda project: api.complete_project_upload(project).size_bytes, pause))
    except CannotRun as error:
        raise Trouble(str(error), REFUSED) from error
    except work_of.CannotRebuild as error:
        raise Trouble(str(error), FAILED) from error
    say(f"Read {done.sidecars} sidecars and error files; {done.learned} told what the journal did not know.")
    say(f"Of the files in the inboxes {done.known} are known, {done.skipped} are copies and skipped.")
    if done.aside:
        path, why = done.aside[0]
        say(f"{len(done.aside)} files or folders in the outboxes could not be read or written and were set aside, "
            f"such as {path}: {why}. Recordings that only they tell of are held.")
    settled = done.settled
    if settled.free or settled.adopted:
        say(f"Of what was in doubt, {settled.free} were not bought, as the service says, and go on by themselves; for "
            f"{settled.adopted} it has a generation, which is fetched.")
    if settled.back:
        say(f"{settled.back} were held when the copy was made and were not bought since: they are held as before, and "
            "`diffio-watch status` says why.")
    if settled.drop:
        say(f"{settled.drop} are of a drop, which is held: `diffio-watch status` says why.")
    if done.held:
        say(f"{done.held} jobs are held as unproven: `diffio-watch jobs --state held` lists them, `approve` pays, "
            "`cancel` leaves them.")
    if settled.refusal:
        say(f"The service could not be asked about them: {settled.refusal}. Once it can, `diffio-watch journal "
            "rebuild` asks it, and most go on by themselves.")
    return 0


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """Shows how far the reading is, where somebody looks on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Reading {task.description}"), BarColumn(), DownloadColumn(binary_units=True),
               TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def progress(inbox: str, done: int, total: int) -> None:
            if inbox not in tasks:
                tasks[inbox] = shown.add_task(inbox, total=total)
            shown.update(tasks[inbox], completed=done, total=total)

        yield progress


@journal.command()
@click.argument("inboxes", metavar="[INBOX...]", nargs=-1, shell_complete=inbox_names)
@click.option("--yes", is_flag=True, help="Don't ask.")
@config_option
def adopt(inboxes: Sequence[str], *, yes: bool) -> int:
    """Take over folders whose marker is another journal's, or gone; all that are configured, or those of INBOX.

    Do this when you know that the folder is the right one: from then on what is in it counts as this journal's. Says
    whose it is and how many recordings could be paid for again, and asks. Refused while another daemon works there.
    """
    from diffio_watch.cli.request import ask, tell
    from diffio_watch.cli.resolve import inbox_named
    from diffio_watch.daemon.startup import make_state_dir
    from diffio_watch.disk import marker
    from diffio_watch.recovery.takeover import roots

    work = workplace(makes=True)
    for name in inboxes:
        inbox_named(work.config, name)
    chosen = [inbox for inbox in work.config.inboxes if not inboxes or inbox.name in inboxes]
    make_state_dir(work.config.state_dir)
    _let_names_follow(work)
    with ExitStack() as stack:
        # from before they are looked at until they are marked: what a person decides about is what is taken over
        held = {(inbox.name, role): _held(stack, path) for inbox in chosen for role, path in roots(inbox)}
        seen = _ask_first(work, chosen, yes=yes)
        opened = stack.enter_context(_made(work))
        folders, missed = [], []
        for inbox in chosen:
            for role, path in roots(inbox):
                try:
                    folders.append(_take(opened, inbox, role, held[inbox.name, role], seen[path]))
                    say(f"Taken over: the {role} of {inbox.name}, {path}")
                except marker.MarkerError as gone:
                    missed.append(f"The {role} of {inbox.name}, {path}, can't be taken over: {gone}. Mount or mend it, "
                                  f"and run `diffio-watch journal adopt {inbox.name}` again.")
        return tell(work, opened, ask(work, opened, "adopt", {"folders": folders}), missed)


def _let_names_follow(work: Workplace) -> None:
    """A folder that is this journal's under another name is not taken over: its jobs come along."""
    from diffio_watch.daemon import renames
    from diffio_watch.journal import Journal, JournalLocked, JournalMissing, Lock

    try:
        opened = Journal.open(work.config.state_dir)
    except JournalMissing:
        return
    with opened:
        found = renames.planned(work.config, opened)
        if not found:
            return
        try:
            with Lock(work.config.state_dir):
                renames.follow(work.config, opened)
        except JournalLocked as locked:
            named = ", ".join(f"{old} is called {new}" for old, new in found.items())
            raise Trouble(f"In the configuration {named} now: restart the daemon, and the jobs come along.",
                          FAILED) from locked
    for old, new in found.items():
        say(f"The inbox {old} is called {new} now: its jobs come along.")


def _ask_first(work: Workplace, chosen: list[Inbox], *, yes: bool) -> dict[Path, Marker | None]:
    """Say what it means, and have a person decide where money may hang on it; the markers that it is about, by path."""
    from diffio_watch.disk.names import terminal
    from diffio_watch.journal import Journal, JournalMissing
    from diffio_watch.recovery import takeover

    try:
        opened = Journal.open(work.config.state_dir, read_only=True)
    except JournalMissing:
        found = takeover.look(work.config, chosen, None, time.time())
    else:
        with opened:
            found = takeover.look(work.config, chosen, opened, time.time())
    if found.works is not None:
        raise Trouble(terminal(f"{found.works} Two would pay for everything twice: stop that one first, or ask it. "
                               "(One that ended without a trace counts as gone after 15 minutes.)"), REFUSED)
    if not found.asks:
        return found.markers
    question = [terminal(line) for line in takeover.question(found)]
    if yes:
        say(question)
        return found.markers
    if not sys.stdin.isatty():
        raise Trouble("\n".join([*question, "To take it over as it is, say --yes."]), REFUSED)
    say(question)
    if not click.confirm("Take it over as it is?"):
        raise Trouble("Nothing was taken over.", FAILED)
    return found.markers


def _made(work: Workplace) -> Journal:
    """The journal, made where there is none: adopting folders is how a new one may begin."""
    from diffio_watch.journal import Journal

    return Journal.open(work.config.state_dir, create=True)


def _held(stack: ExitStack, path: Path) -> Held | MarkerError:
    from diffio_watch.disk import marker

    try:
        return stack.enter_context(marker.hold(str(path)))
    except marker.MarkerError as gone:
        return gone


def _take(opened: Journal, inbox: Inbox, role: Role, folder: Held | MarkerError, seen: Marker | None,
          ) -> dict[str, Any]:
    """Write the marker, here and not in the daemon: a share that hangs must hang nobody else."""
    from diffio_watch.disk import marker

    if isinstance(folder, marker.MarkerError):
        raise folder
    # no more than the journal remembers of this folder: only the daemon may remember more
    owner = marker.Owner(opened.id, opened.folders.count_of(role, inbox.name),
                         marker.Keeper.here(opened.state_dir, runs=False))
    return asdict(marker.adopt(folder, seen, role, inbox.name, owner, opened.folders))
