"""jobs, show, explain: what the journal knows of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from diffio_watch.cli.base import config_option, inbox_names, json_option, print_json, workplace
from diffio_watch.job import State

if TYPE_CHECKING:
    from diffio_watch.cli.shapes import Shape
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal


@click.command()
@click.option("--state", metavar="S", multiple=True, type=click.Choice([state.value for state in State]),
              help="Only jobs in this state; may stand several times.")
@click.option("--inbox", metavar="N", shell_complete=inbox_names, help="Only this inbox.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="The newest; 0: all.")
@json_option
@config_option
def jobs(state: tuple[str, ...], *, inbox: str | None, limit: int, as_json: bool) -> int:
    """One line a job, newest first."""
    from diffio_watch.cli import shapes

    work = workplace()
    with work.read() as journal:
        found = journal.jobs({State(one) for one in state} or None, inbox, limit or None)
        now = journal.clock.now()
    if as_json:
        print_json([shapes.job(job) for job in found])
        return 0
    from diffio_watch.cli import draw

    draw.write(draw.jobs(found, now))
    return 0


@click.command()
@click.argument("job", metavar="JOB|FILE")
@json_option
@config_option
def show(job: str, *, as_json: bool) -> int:
    """Everything about one job, with its history."""
    from diffio_watch.cli.resolve import one_job

    work = workplace()
    with work.read() as journal:
        found = one_job(journal, work.config, job)
        if as_json:
            print_json(told(journal, found))
            return 0
        from diffio_watch.cli import draw

        draw.write(draw.whole_job(found, journal.history(found.id), sidecar_path(found), journal.clock.now()))
    return 0


def told(journal: Journal, job: Job) -> Shape:
    """A job as `show --json` and `journal export` tell it."""
    from diffio_watch.cli import shapes
    from diffio_watch.outbox import sidecar

    earlier = journal.job(job.duplicate_of) if job.duplicate_of else None
    document = sidecar.build(job, (earlier.id, earlier.path) if earlier else None)
    return shapes.whole_job(job, journal.history(job.id), document)


def sidecar_path(job: Job) -> str | None:
    """Where the sidecar or error file of a job is, relative to the outbox; None where it has none."""
    from diffio_watch.outbox import names

    if job.state in {State.DELIVERED, State.SKIPPED}:
        return names.sidecar_path(job.path, job.number or 1)
    return names.error_path(job.path) if job.error_file else None
