"""The live pictures: how everything is, and files on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from diffio_watch import __version__
from diffio_watch.cli import shapes
from diffio_watch.cli.draw import COLOURS, ahead, grid, line, moment, name, span, state, why, words
from diffio_watch.job import OPEN, Because, Job, State

if TYPE_CHECKING:
    from diffio_watch.config import Config


def status(config: Config, facts: shapes.Facts, running: Sequence[Job], failures: Sequence[Job]) -> RenderableType:
    """The whole picture."""
    parts: list[RenderableType] = [_head(facts), *_configuration(facts), *_halts(facts), Text(""),
                                   _inboxes(config, facts), Text(""), _counts(facts)]
    if running:
        parts += [Text(""), *under_way(running, facts.now)]
    settling = [(inbox, entry) for inbox, entries in facts.settling.items() for entry in entries]
    if settling and facts.pid is not None:
        table = grid("Not finished yet", "", "", elastic=(1, 2))
        for inbox, entry in settling[:10]:
            table.add_row(inbox, name(entry.path), words(entry.because.message, "bright_black"))
        parts += [Text(""), table, *_more(len(settling) - 10)]
    if failures:
        table = grid("Last failures", "", "", elastic=(1, 2))
        for job in failures:
            table.add_row(job.inbox, name(job.path), why(job, facts.now, whole=True))
        parts += [Text(""), table]
    return Group(*parts)


def _more(count: int) -> list[RenderableType]:
    return [Text(f"… and {count} more", style="bright_black")] if count > 0 else []


def _head(facts: shapes.Facts) -> Text:
    text = Text(f"diffio-watch {__version__}", style="bold")
    if facts.pid is None:
        return text.append("  not running", style="yellow")
    since = f" for {span(facts.now - facts.since)}" if facts.since else ""
    return text.append(f"  running{since}", style="green").append(f"  (process {facts.pid})" if facts.pid else "")


def _configuration(facts: shapes.Facts) -> list[RenderableType]:
    told = shapes.configuration(facts)
    return [words(told["newer"], "yellow")] if told is not None and told["newer"] else []


def _halts(facts: shapes.Facts) -> list[RenderableType]:
    found: list[RenderableType] = []
    for scope, halt in sorted(facts.halts.items()):
        if not scope.startswith("inbox:"):
            found += [Text(""), _stopped("Stopped", halt.because, halt.since, halt.next_check_at, facts.now)]
    return found


def _stopped(title: str, reason: Because, since: float | None, check: float | None, now: float) -> Text:
    text = Text(f"{title}: ", style="bold red").append(words(reason.message, "red"))
    text.append("\n  ").append(words(reason.action))
    facts = [f"since {moment(since)}" if since else "", f"looked at again {ahead(check, now)}" if check else ""]
    told = ", ".join(fact for fact in facts if fact)
    return text.append(f"\n  {told}", style="bright_black") if told else text


def _inboxes(config: Config, facts: shapes.Facts) -> RenderableType:
    table = grid("Inbox", "Folder", "Watched by", "State", elastic=(1,))
    notes: list[RenderableType] = []
    for inbox in config.inboxes:
        report = facts.reports.get(inbox.name)
        stop = shapes.stop(inbox.name, facts)
        how = f"{report.watch} on {report.filesystem}" if report and report.filesystem else ""
        settling = len(facts.settling.get(inbox.name, ())) if facts.pid is not None else 0
        told = (Text(stop["reason"], style="yellow") if stop else
                Text(f"{settling} not finished yet") if settling else Text("ready" if facts.pid is not None else ""))
        table.add_row(inbox.name, name(str(inbox.path)), how, told)
        if stop is not None:
            notes.append(words(f"{inbox.name}: {stop['message']} {stop['action']}", "yellow"))
        if report and report.note:
            notes.append(words(f"{inbox.name}: {report.note}", "bright_black"))
    return Group(table, *notes)


def _counts(facts: shapes.Facts) -> Text:
    text = Text()
    for which, count in facts.counts.items():
        if count:
            text.append(f"{which.value} ", style="bright_black").append(f"{count}   ", style=COLOURS[which])
    return text or Text("No jobs yet.", style="bright_black")


def under_way(running: Sequence[Job], now: float) -> list[RenderableType]:
    """What runs, with a bar where it is known how far it is; below it what waits, with the reason in full."""
    moving = grid("", "", "", "", "", elastic=(1,))
    waiting = grid("", "", "", "", elastic=(1, 3))
    for job in running:
        row = (Text(job.inbox, style="bright_black"), name(job.path), state(job))
        if job.because is not None:  # what was done before it had to wait says nothing of when it ends
            waiting.add_row(*row, why(job, now, whole=True))
            continue
        part = job.progress if job.state in {State.UPLOADING, State.WAITING, State.DOWNLOADING} else None
        known = part is not None
        moving.add_row(*row, ProgressBar(total=100, completed=part or 0, width=24) if known else Text(""),
                       Text(f"{part:.0f} %") if known else Text(""))
    return [table for table in (moving, waiting) if table.row_count]


# how much of the whole way lies behind a job in each state, in percent, and how much its own progress adds
_WAY: Final = {
    State.QUEUED: (5, 0), State.UPLOADING: (8, 27), State.GENERATING: (36, 0), State.WAITING: (38, 42),
    State.DOWNLOADING: (82, 16),
}


def journey(paths: Sequence[str], jobs: Mapping[str, Job], settling: Mapping[str, Because],
            rows: int) -> RenderableType:
    """Each file on its whole way from the inbox to the outbox; of more than `rows`, those that are under way."""
    table = grid("File", "", "", elastic=(0, 2))
    resting = [path for path in paths if path in jobs and jobs[path].state not in OPEN]
    chosen = paths if len(paths) <= rows else [path for path in paths if path not in set(resting)][:rows]
    for path in chosen:
        job = jobs.get(path)
        if job is None:
            waits = settling.get(path)
            told = "not seen yet" if waits is None else "settling" if waits.code == "settling" else waits.message
            done, how = 0.0, line(told, "bright_black")
        else:
            base, share = _WAY.get(job.state, (100, 0))
            done, how = base + share * (job.progress or 0.0) / 100, state(job)
            if job.because is not None:
                how.append("  ").append(line(job.because.message, "bright_black"))
        table.add_row(name(path), ProgressBar(total=100, completed=done, width=32), how)
    return Group(table, Text(f"{len(resting)} of {len(paths)} are at their end", style="bright_black"))
