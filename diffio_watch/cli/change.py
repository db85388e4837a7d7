"""retry, cancel, approve, pause, resume, bump: what a person decides. The rules are the pipeline's."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, config_option, workplace
from diffio_watch.cli.complete import files_and_jobs, inbox_names

if TYPE_CHECKING:
    from diffio_watch.cli.base import Workplace
    from diffio_watch.config import Config
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal


@click.command()
@click.argument("jobs", metavar="JOB|FILE...", nargs=-1, shell_complete=files_and_jobs)
@click.option("--failed", is_flag=True, help="All files whose newest job failed.")
@click.option("--since", metavar="T", help="With --failed: only those that failed since then (2h, 7d, 2026-01-31).")
@click.option("--fresh", is_flag=True, help="Buy a new generation on the project already uploaded.")
@click.option("--model", metavar="M", help="With --fresh: another model.")
@click.option("--as-is", is_flag=True, help="Send what was refused as truncated or not_media.")
@click.option("--yes", is_flag=True, help="With --fresh: don't ask.")
@config_option
def retry(jobs: Sequence[str], *, failed: bool, since: str | None, fresh: bool, model: str | None, as_is: bool,
          yes: bool) -> int:
    """Go on from what exists. Never pays a second time, but with --fresh.

    What nothing was bought for yet, such as a refused file with --as-is, has its first generation bought then.
    --fresh says how many generations it buys and asks first.
    """
    if bool(jobs) == failed:
        raise click.UsageError("Name jobs or files, or say --failed.")
    if since is not None and not failed:
        raise click.UsageError("--since goes with --failed.")
    if (model is not None or yes) and not fresh:
        raise click.UsageError("--model and --yes go with --fresh.")
    if fresh and as_is:
        raise click.UsageError("--as-is sends a file that was never sent; --fresh buys again what was. Choose one.")
    from diffio_watch.cli.ask import ask, tell
    from diffio_watch.cli.resolve import many_jobs, moment

    after = moment(since)
    work = workplace()
    with work.write() as journal:
        found, missed = (journal.failures(after), []) if failed else many_jobs(journal, work.config, jobs)
        if failed and not found:
            click.echo("Nothing has failed.")
            return 0
        if fresh and found and not yes:
            _ask_first(work, found, model)
        args: dict[str, Any] = {"jobs": [job.id for job in found], "as_is": as_is, "fresh": fresh, "model": model,
                                "missing": {job.id: _missing(job, work.config) for job in found}}
        return tell(ask(work, journal, "retry", args), missed)


def _missing(job: Job, config: Config) -> list[str]:
    """What of a delivered job is no longer in the outbox: types of outputs, and `sidecar`.

    Looked at here and not in the daemon: a share that hangs must hang nobody else.
    """
    from diffio_watch.disk.marker import NAME
    from diffio_watch.job import State
    from diffio_watch.outbox.names import sidecar_path

    inbox = next((inbox for inbox in config.inboxes if inbox.name == job.inbox), None)
    if job.state is not State.DELIVERED or inbox is None:
        return []
    if not os.path.lexists(os.path.join(inbox.outbox, NAME)):
        raise Trouble(f"The outbox of {job.inbox}, {inbox.outbox}, is not there: mount it first.", FAILED)
    paths: dict[str, str] = {one.type: one.path for one in job.outputs if one.path is not None}
    paths |= {"sidecar": sidecar_path(job.path, job.number or 1)}
    return [kind for kind, path in paths.items() if not os.path.lexists(os.path.join(inbox.outbox, path))]


def _ask_first(work: Workplace, found: Sequence[Job], model: str | None) -> None:
    configured = {inbox.name: inbox.model for inbox in work.config.inboxes}
    models = sorted({model or configured.get(job.inbox, job.settings.model) for job in found})
    what = "1 new generation" if len(found) == 1 else f"{len(found)} new generations"
    if not sys.stdin.isatty():
        raise Trouble(f"This would buy {what} with {', '.join(models)}: say --yes.", REFUSED)
    if not click.confirm(f"Buy {what} with {', '.join(models)}? Each costs at least a minute."):
        raise Trouble("Nothing was bought.", FAILED)


@click.command()
@click.argument("jobs", metavar="JOB|FILE...", nargs=-1, required=True, shell_complete=files_and_jobs)
@click.option("--discard", is_flag=True, help="Also what is paid for already: its result is lost.")
@config_option
def cancel(jobs: Sequence[str], *, discard: bool) -> int:
    """End jobs. What is paid for only with --discard."""
    return _change("cancel", jobs, {"discard": discard})


@click.command()
@click.argument("jobs", metavar="JOB|FILE...", nargs=-1, shell_complete=files_and_jobs)
@click.option("--inbox", metavar="N", shell_complete=inbox_names, help="All that is held in this inbox.")
@click.option("--all", "everything", is_flag=True, help="All that is held.")
@config_option
def approve(jobs: Sequence[str], *, inbox: str | None, everything: bool) -> int:
    """Release what is held."""
    if [bool(jobs), inbox is not None, everything].count(True) != 1:
        raise click.UsageError("Name jobs or files, or an inbox with --inbox, or say --all.")
    return _change("approve", jobs, {"inbox": inbox, "all": everything})


@click.command()
@click.argument("jobs", metavar="JOB|FILE...", nargs=-1, required=True, shell_complete=files_and_jobs)
@config_option
def bump(jobs: Sequence[str]) -> int:
    """Put jobs next in line."""
    return _change("bump", jobs, {})


@click.command()
@click.argument("inbox", required=False, shell_complete=inbox_names)
@config_option
def pause(inbox: str | None) -> int:
    """Start no new uploads and generations, in one inbox or in all.

    What is paid for is still fetched. It outlives restarts.
    """
    return _change("pause", (), {"inbox": inbox})


@click.command()
@click.argument("inbox", required=False, shell_complete=inbox_names)
@config_option
def resume(inbox: str | None) -> int:
    """Go on after a pause, and look at once whether what halts the service is over."""
    from diffio_watch.cli.ask import stops, tell_of_probes

    work = workplace()
    with work.write() as journal:
        stopped = stops(journal, inbox)
        refused = _ask_and_tell(work, journal, "resume", (), {"inbox": inbox})
        return tell_of_probes(work, journal, inbox) if stopped and not refused else refused


def _change(command: str, arguments: Sequence[str], args: dict[str, Any]) -> int:
    from diffio_watch.cli.resolve import inbox_named

    work = workplace()
    inbox_named(work.config, args.get("inbox"))
    with work.write() as journal:
        return _ask_and_tell(work, journal, command, arguments, args)


def _ask_and_tell(work: Workplace, journal: Journal, command: str, arguments: Sequence[str],
                  args: dict[str, Any]) -> int:
    from diffio_watch.cli.ask import ask, tell
    from diffio_watch.cli.resolve import many_jobs

    found, missed = many_jobs(journal, work.config, arguments)
    if missed and not found:
        raise Trouble("\n".join(missed))
    return tell(ask(work, journal, command, args | {"jobs": [job.id for job in found]}), missed)
