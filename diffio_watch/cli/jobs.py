"""jobs, show, explain: what the journal knows of files."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from diffio_watch.cli.base import FAILED, Trouble, complain, config_option, json_option, print_json, workplace
from diffio_watch.cli.complete import files_and_jobs, inbox_names, reason_codes
from diffio_watch.disk.names import terminal
from diffio_watch.job import OPEN, State
from diffio_watch.report.running import asleep, is_running

if TYPE_CHECKING:
    from diffio_watch.cli.base import Workplace
    from diffio_watch.intake.explain import Explanation
    from diffio_watch.job import Job


@click.command()
@click.option("--state", metavar="S", multiple=True, type=click.Choice([state.value for state in State]),
              help="Only jobs in this state; may stand several times.")
@click.option("--inbox", metavar="N", shell_complete=inbox_names, help="Only this inbox.")
@click.option("--reason", metavar="CODE", multiple=True, shell_complete=reason_codes,
              help="Only for this reason, such as truncated; may stand several times.")
@click.option("--since", metavar="T", help="Only what changed since then (2h, 7d, 2026-01-31).")
@click.option("--original", metavar="O", type=click.Choice(["kept", "pending", "archived", "deleted", "stuck"]),
              help="Only where this became of the original.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="The newest; 0: all.")
@json_option
@config_option
def jobs(state: tuple[str, ...], *, inbox: str | None, reason: tuple[str, ...], since: str | None,
         original: str | None, limit: int, as_json: bool) -> int:
    """One line a job, newest first."""
    from diffio_watch.cli.resolve import moment, reason_named
    from diffio_watch.report import shapes
    from diffio_watch.report.keeps import reasoned

    after, reasons = moment(since), [reason_named(code) for code in reason]
    work = workplace()
    with work.read() as journal:
        found = journal.jobs.newest({State(one) for one in state} or None, inbox, limit or None, reasons=reasons,
                                    since=after,
                             original=original) if journal else []
        resting = None if as_json else asleep(work.config, journal)
        rows = [reasoned(work.config, journal, job) for job in found] if journal and as_json else found
    if not found and not as_json:
        from diffio_watch.cli.resolve import inbox_named

        inbox_named(work.config, inbox)  # one that is no longer configured still has its jobs; a slip has none
    if as_json:
        print_json([shapes.job(job) for job in rows])
        return 0
    from diffio_watch.cli import draw

    if resting is not None:
        complain(terminal(resting))  # beside the table, which programs read too
    draw.write(draw.jobs(found, time.time(), short=sys.stdout.isatty(), running=resting is None))
    return 0


@click.command()
@click.argument("job", metavar="JOB|FILE", shell_complete=files_and_jobs)
@json_option
@config_option
def show(job: str, *, as_json: bool) -> int:
    """Everything about one job, with its history."""
    from diffio_watch.cli.resolve import one_job, unknown
    from diffio_watch.report.keeps import kept, reasoned

    work = workplace()
    with work.read() as journal:
        if journal is None:
            raise Trouble(unknown(job))
        found = one_job(journal, work.config, job)
        if as_json:
            from diffio_watch.report.documents import whole

            print_json(whole(journal, reasoned(work.config, journal, found)))
            return 0
        from diffio_watch.cli import draw

        resting = asleep(work.config, journal) if found.state in OPEN | {State.HELD} else None
        if resting is not None:
            complain(terminal(resting))
        draw.write(draw.whole_job(found, journal.jobs.history(found.id), sidecar_path(found), time.time(),
                                  kept(work.config, journal, found), running=resting is None))
    return 0


@click.command()
@click.argument("file", shell_complete=files_and_jobs)
@json_option
@config_option
def explain(file: str, *, as_json: bool) -> int:
    """Say of one file, rule by rule, why it is, or is not yet, or never will be picked up."""
    work = workplace()
    found = _explained(work, file)
    if as_json:
        from diffio_watch.report import shapes

        print_json(shapes.explanation(found))
    else:
        from diffio_watch.cli import draw

        with work.read() as journal:
            resting = asleep(work.config, journal)
        draw.write(draw.explanation(found, time.time(), _whereabouts(work, found.job), resting))
    return FAILED if found.verdict == "missing" else 0


def _explained(work: Workplace, file: str) -> Explanation:
    """The explanation of the likeliest place that an argument means.

    Raises:
        Trouble: it means none, and can't.
    """
    from diffio_watch.cli.resolve import mistyped, unknown
    from diffio_watch.intake.explain import outside
    from diffio_watch.report.explaining import explained
    from diffio_watch.report.resolve import meant, places

    if not file:
        raise Trouble(unknown(file))
    with work.read() as journal:
        found = explained(work.config, journal, places(work.config, file, os.getcwd()), running=is_running(work.config))
        hint = meant(journal, work.config, file) if found is None and journal is not None else ""
    if hint:
        raise Trouble(unknown(file, hint))
    slip = mistyped(work.config, file)
    if found is None and slip is not None:
        raise Trouble(slip)
    return found or outside(os.path.abspath(file))


def _whereabouts(work: Workplace, job: Job | None) -> list[str]:
    """Where the results of a job are, and its original if it is not where it was."""
    from diffio_watch.disk import names

    inbox = next((inbox for inbox in work.config.inboxes if job is not None and inbox.name == job.inbox), None)
    if job is None or inbox is None:
        return []
    paths = [one.path for one in job.outputs if one.path is not None] if job.state is State.DELIVERED else []
    found = [f"Its result: {inbox.outbox}/{names.show(path)}" for path in paths]
    if job.original == "archived":
        found.append(f"Its original is in the archive, {inbox.archive or 'which is no longer configured'}.")
    if job.original == "deleted":
        found.append("Its original was deleted after the delivery, as `originals: delete` says.")
    return found


def sidecar_path(job: Job) -> str | None:
    """Where the sidecar or error file of a job is, relative to the outbox; None where it has none."""
    from diffio_watch.outbox import names

    if job.state in {State.DELIVERED, State.SKIPPED}:
        return names.sidecar_of(job)
    if job.state is State.HELD and job.because is not None and job.because.code == "drop_size":
        return names.DROP_FILE
    return names.error_path(job.path) if job.error_file else None
