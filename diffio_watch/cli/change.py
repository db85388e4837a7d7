"""retry, cancel, approve, pause, resume, bump: what a person decides. The rules are the pipeline's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, complain, config_option, json_option, workplace
from diffio_watch.cli.complete import files_and_jobs, inbox_names

if TYPE_CHECKING:
    from diffio_watch.cli.base import Workplace
    from diffio_watch.config import Config
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal


@click.command()
@click.argument("jobs", metavar="[JOB|FILE...]", nargs=-1, shell_complete=files_and_jobs)
@click.option("--failed", is_flag=True, help="All files whose newest job failed.")
@click.option("--since", metavar="T", help="With --failed: only those that failed since then (2h, 7d, 2026-01-31).")
@click.option("--fresh", is_flag=True, help="Buy a new generation on the project already uploaded.")
@click.option("--model", metavar="M", help="With --fresh: another model.")
@click.option("--as-is", is_flag=True, help="Send what was refused as truncated, not_media or no_sound.")
@click.option("--yes", is_flag=True, help="With --fresh: don't ask.")
@json_option
@config_option
def retry(jobs: Sequence[str], *, failed: bool, since: str | None, fresh: bool, model: str | None, as_is: bool,
          yes: bool, as_json: bool) -> int:
    """Go on from what exists. Never pays a second time, but with --fresh.

    What nothing was bought for yet, such as a refused file with --as-is, has its first generation bought then.
    --fresh says how many generations it buys and asks first. Where a newer run of a job is there, it tells of that
    and asks; with --yes, name the newer one.
    """
    if bool(jobs) == failed:
        raise click.UsageError("Name jobs or files, or say --failed.")
    if since is not None and not failed:
        raise click.UsageError("--since goes with --failed.")
    if (model is not None or yes) and not fresh:
        raise click.UsageError("--model and --yes go with --fresh.")
    if fresh and as_is:
        raise click.UsageError("--as-is sends a file that was never sent; --fresh buys again what was. Choose one.")
    from diffio_watch.cli.request import ask, tell
    from diffio_watch.cli.resolve import many_jobs, moment
    from diffio_watch.journal import Answer

    after = moment(since)
    work = workplace()
    with work.write() as journal:
        found: Sequence[Job]
        seen = journal.overview.last_line() if fresh else None
        found, missed = (journal.overview.failures(after), []) if failed else many_jobs(journal, work.config, jobs)
        if failed and not found:
            return tell(work, journal, Answer(0, ("Nothing has failed.",)), as_json=as_json)
        if fresh and found and not yes:
            found = _ask_first(work, journal, found, model, as_json=as_json)
        args: dict[str, Any] = {"jobs": [job.id for job in found], "as_is": as_is, "fresh": fresh, "model": model,
                                "seen": seen,
                                "missing": {} if fresh else {job.id: _missing(journal, work.config, job)
                                                             for job in found}}
        return tell(work, journal, ask(work, journal, "retry", args), missed, as_json=as_json)


def _missing(journal: Journal, config: Config, job: Job) -> list[str]:
    from diffio_watch.report.missing import CannotLook, missing

    try:
        return missing(journal, config, job)
    except CannotLook as error:
        raise Trouble(str(error), FAILED) from error


def _ask_first(work: Workplace, journal: Journal, found: Sequence[Job], model: str | None, *,
               as_json: bool) -> Sequence[Job]:
    """Say what this buys, and ask. The jobs that a yes is about: of those with newer runs at their end, the newest."""
    from diffio_watch.disk import names
    from diffio_watch.job import ENDED
    from diffio_watch.pipeline.command_handlers import newest_run
    from diffio_watch.pipeline.tally import label

    configured = {inbox.name: inbox.model for inbox in work.config.inboxes}
    models = sorted({model or configured.get(job.inbox, job.settings.model) for job in found})
    newest = [newer if (newer := newest_run(journal, job)) is not None and newer.state in ENDED else job
              for job in found]
    meant = list({job.id: job for job in newest}.values())
    what = "1 new generation" if len(meant) == 1 else f"{len(meant)} new generations"
    again = [(job, newer) for job, newer in zip(found, newest, strict=True) if newer is not job]
    for job, newer in again:
        complain(names.terminal(f"{label(job)} has a newer run: job {newer.id}, run {newer.run}, is {newer.state}."))
    if as_json or not sys.stdin.isatty():
        raise Trouble(f"This would buy {what} with {', '.join(models)}: say --yes.", REFUSED)
    anyway = " all the same" if again else ""
    if not click.confirm(f"Buy {what} with {', '.join(models)}{anyway}? Each costs at least a minute."):
        raise Trouble("Nothing was bought.", FAILED)
    return meant


@click.command()
@click.argument("jobs", metavar="JOB|FILE...", nargs=-1, required=True, shell_complete=files_and_jobs)
@click.option("--discard", is_flag=True, help="Also what is paid for already: its result is lost.")
@json_option
@config_option
def cancel(jobs: Sequence[str], *, discard: bool, as_json: bool) -> int:
    """End jobs. What is paid for only with --discard."""
    return _change("cancel", jobs, {"discard": discard}, as_json=as_json)


@click.command()
@click.argument("jobs", metavar="[JOB|FILE...]", nargs=-1, shell_complete=files_and_jobs)
@click.option("--inbox", metavar="N", shell_complete=inbox_names, help="All that is held in this inbox.")
@click.option("--all", "everything", is_flag=True, help="All that is held.")
@json_option
@config_option
def approve(jobs: Sequence[str], *, inbox: str | None, everything: bool, as_json: bool) -> int:
    """Release what is held."""
    if [bool(jobs), inbox is not None, everything].count(True) != 1:
        raise click.UsageError("Name jobs or files, or an inbox with --inbox, or say --all.")
    return _change("approve", jobs, {"inbox": inbox, "all": everything}, as_json=as_json)


@click.command()
@click.argument("jobs", metavar="JOB|FILE...", nargs=-1, required=True, shell_complete=files_and_jobs)
@json_option
@config_option
def bump(jobs: Sequence[str], *, as_json: bool) -> int:
    """Put jobs next in line."""
    return _change("bump", jobs, {}, as_json=as_json)


@click.command()
@click.argument("inbox", required=False, shell_complete=inbox_names)
@json_option
@config_option
def pause(inbox: str | None, *, as_json: bool) -> int:
    """Start no new uploads and generations, in one inbox or in all.

    What is paid for is still fetched. It outlives restarts.
    """
    return _change("pause", (), {"inbox": inbox}, as_json=as_json)


@click.command()
@click.argument("inbox", required=False, shell_complete=inbox_names)
@json_option
@config_option
def resume(inbox: str | None, *, as_json: bool) -> int:
    """Go on after a pause, and look at once whether what halts the service is over."""
    from diffio_watch.cli.request import ask, stops, tell, tell_of_probes, wait_for_probes

    work = workplace()
    with work.write() as journal:
        stopped = bool(stops(journal, inbox))
        answer = ask(work, journal, "resume", {"inbox": inbox, "jobs": []})
        if as_json:
            left = wait_for_probes(work, journal, inbox) if stopped and not answer.exit else []
            return tell(work, journal, answer, as_json=True, stops=left)
        refused = tell(work, journal, answer)
        return tell_of_probes(work, journal, inbox) if stopped and not refused else refused


def _change(command: str, arguments: Sequence[str], args: dict[str, Any], *, as_json: bool) -> int:
    from diffio_watch.cli.request import ask, tell
    from diffio_watch.cli.resolve import inbox_named, many_jobs

    work = workplace()
    inbox_named(work.config, args.get("inbox"))
    with work.write() as journal:
        seen = journal.overview.last_line() if command == "approve" else None
        found, missed = many_jobs(journal, work.config, arguments)
        if missed and not found:
            raise Trouble("\n".join(missed))
        answer = ask(work, journal, command, args | {"jobs": [job.id for job in found], "seen": seen})
        return tell(work, journal, answer, missed, as_json=as_json)
