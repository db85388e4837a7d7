"""The live pictures: how everything is, and files on their way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.text import Text

from diffio_watch import __version__
from diffio_watch.cli.columns import Bar
from diffio_watch.cli.draw import COLOURS, ahead, grid, line, moment, name, size, span, state, why, words
from diffio_watch.disk import names
from diffio_watch.job import OPEN, Because, Job, State
from diffio_watch.reasons import told
from diffio_watch.report import notices, shapes, unheard, webhooks
from diffio_watch.report.pace import Pace, way_behind
from diffio_watch.report.running import resting

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Halt


_NO_PACE: Final = Pace()
_MOST: Final = 8  # things that wait for a person; the rest is counted


def status(config: Config, facts: shapes.Facts, running: Sequence[Job], failures: Sequence[Job],
           pace: Pace = _NO_PACE) -> RenderableType:
    """The whole picture: what needs a person first."""
    parts: list[RenderableType] = [*_head(config, facts), *_configuration(facts), *_unheard(facts),
                                   *_webhooks(facts), *_notices(facts), *_halts(facts),
                                   *_attention(config, facts), Text(""), _inboxes(config, facts), Text(""),
                                   _counts(facts)]
    if running:
        parts += [Text(""), *under_way(running, facts.now, pace, running=facts.running)]
    settling = [(inbox, entry) for inbox, entries in facts.settling.items() for entry in entries]
    if settling and facts.running:
        table = grid("", "", "", elastic=(1, 2))
        for inbox, entry in settling[:10]:
            table.add_row(inbox, name(entry.path), words(entry.because.message, "bright_black"))
        parts += [*_title("Not finished yet"), table, *_more(len(settling) - 10)]
    if failures:
        table = grid("", "", "", elastic=(1, 2))
        for job in failures:
            table.add_row(job.inbox, name(job.path), why(job, facts.now, whole=True))
        parts += [*_title("Last failures"), table]
    return Group(*parts)


def _title(text: str) -> list[RenderableType]:
    return [Text(""), Text(text, style="bright_black")]


def _more(count: int) -> list[RenderableType]:
    return [Text(f"… and {count} more", style="bright_black")] if count > 0 else []


def _head(config: Config, facts: shapes.Facts) -> list[RenderableType]:
    text = Text(f"diffio-watch {__version__}", style="bold")
    if not facts.running:
        return [text.append("  not running", style="yellow"), words(resting(config.state_dir, facts.run), "yellow")]
    since = f" for {span(facts.now - facts.since)}" if facts.since else ""
    text.append(f"  running{since}", style="green")
    return [text.append(f"  (process {facts.pid})" if facts.pid else "")]


def _configuration(facts: shapes.Facts) -> list[RenderableType]:
    told = shapes.configuration(facts)
    return [words(told["newer"], "yellow")] if told is not None and told["newer"] else []


def _unheard(facts: shapes.Facts) -> list[RenderableType]:
    missing = unheard.told(facts.unheard) if facts.running else []
    return [words(f"{one['message']} {one['action']}", "yellow") for one in missing]


def _webhooks(facts: shapes.Facts) -> list[RenderableType]:
    trouble = webhooks.trouble(facts.webhooks) if facts.running and facts.webhooks is not None else ""
    return [words(f"Webhooks: {trouble}", "yellow")] if trouble else []


def _notices(facts: shapes.Facts) -> list[RenderableType]:
    trouble = notices.trouble(facts.notices) if facts.running and facts.notices is not None else ""
    return [words(f"Notices: {trouble}", "yellow")] if trouble else []


def _halts(facts: shapes.Facts) -> list[RenderableType]:
    found: list[RenderableType] = []
    for scope, halt in sorted(facts.halts.items()):
        if not scope.startswith("inbox:"):
            found += [Text(""), _stopped(told(halt.because, running=facts.running), halt, facts)]
    return found


def _stopped(reason: Because, halt: Halt, facts: shapes.Facts) -> Text:
    text = Text("Stopped: ", style="bold red").append(words(reason.message, "red"))
    text.append("\n  ").append(words(reason.action))
    check = halt.next_check_at if facts.running else None
    dates = [f"since {moment(halt.since)}" if halt.since else "",
             f"looked at again {ahead(check, facts.now)}" if check else ""]
    dated = ", ".join(date for date in dates if date)
    return text.append(f"\n  {dated}", style="bright_black") if dated else text


def _attention(config: Config, facts: shapes.Facts) -> list[RenderableType]:
    """What waits for a person, with number, reason and command."""
    found = shapes.attention(config, facts)
    if not found:
        return []
    table = grid("", "", "", elastic=(2,))
    for one in found[:_MOST]:
        what = one.code if one.what == "stopped" else f"{one.count} {one.what}"
        words_ = [f"{names.show(one.path)}: {one.message}" if one.path is not None else one.message, one.action]
        table.add_row(Text(what, style="red" if one.what in {"failed", "stopped"} else "yellow"), one.inbox,
                      words(" ".join(word for word in words_ if word)))
    return [*_title("Waits for you"), table, *_more(len(found) - _MOST)]


def _inboxes(config: Config, facts: shapes.Facts) -> RenderableType:
    table = grid("Inbox", "Folder", "Watched by", "State", elastic=(1,))
    notes: list[RenderableType] = []
    for inbox in config.inboxes:
        report = facts.reports.get(inbox.name)
        how = f"{report.watch} on {report.filesystem}" if report and report.filesystem else ""
        table.add_row(inbox.name, name(str(inbox.path)), how, _state(inbox.name, facts))
        if report and report.left_alone and facts.pid is not None:
            alone = ("1 file is left alone, for its name does not say what it is and no sound was found in it"
                     if report.left_alone == 1 else f"{report.left_alone} files are left alone, for their names do not "
                     "say what they are and no sound was found in them")
            notes.append(words(f"{inbox.name}: {alone}; `diffio-watch explain FILE` tells of one", "bright_black"))
        if report and report.note:
            notes.append(words(f"{inbox.name}: {report.note}", "bright_black"))
    return Group(table, *notes)


def _state(inbox: str, facts: shapes.Facts) -> Text:
    """How an inbox is, in a few words: what stops it, else what waits in it."""
    stop = shapes.stop(inbox, facts)
    if stop is not None:
        return Text(stop["reason"], style="yellow")
    held = sum(one.count for one in facts.groups if (one.inbox, one.state) == (inbox, State.HELD))
    settling = len(facts.settling.get(inbox, ())) if facts.running else 0
    facts_ = [f"{held} held" if held else "", f"{settling} not finished yet" if settling else ""]
    return Text(", ".join(filter(None, facts_)) or ("ready" if facts.running else "not watched"),
                style="yellow" if held or not facts.running else "")


def _counts(facts: shapes.Facts) -> Text:
    text = Text()
    for which, count in facts.counts.items():
        if count:
            text.append(f"{which.value} ", style="bright_black").append(f"{count}   ", style=COLOURS[which])
    return text or Text("No jobs yet.", style="bright_black")


def under_way(jobs: Sequence[Job], now: float, pace: Pace = _NO_PACE, *, running: bool = True) -> list[RenderableType]:
    """What runs, with a bar where it is known how far it is; below it what waits, with the reason in full."""
    moving = grid("", "", "", "", "", "", elastic=(1, 3), gap=2)
    waiting = grid("", "", "", "", elastic=(1, 3))
    for job in jobs:
        row = (Text(job.inbox, style="bright_black"), name(job.path), state(job))
        if job.because is not None:  # what was done before it had to wait says nothing of when it ends
            waiting.add_row(*row, why(job, now if running else math.inf, whole=True))
            continue
        part = job.progress if job.state in {State.UPLOADING, State.WAITING, State.DOWNLOADING} else None
        known = part is not None
        moving.add_row(*row, Bar(part or 0) if known else Text(""), Text(f"{part:3.0f} %") if known else Text(""),
                       Text(_pace(job, pace), style="bright_black"))
    return [table for table in (moving, waiting) if table.row_count]


def _pace(job: Job, pace: Pace) -> str:
    """How fast, and how long it takes if it goes on so."""
    speed, left = pace.speed(job), pace.left(job)
    facts_ = [f"{size(round(speed))}/s" if speed else "", f"{span(left)} left" if left is not None else ""]
    return ", ".join(filter(None, facts_))


def journey(paths: Sequence[str], jobs: Mapping[str, Job], settling: Mapping[str, Because],
            rows: int, pace: Pace = _NO_PACE, passed: float = 0.0) -> RenderableType:
    """Each file on its whole way from the inbox to the outbox; of more than `rows`, those that are under way.

    Args:
        paths: in the order in which they were dropped.
        jobs: the newest at a path.
        settling: why a path is not picked up yet.
        rows: lines there are for files.
        pace: what was seen of them before.
        passed: seconds since the beginning.
    """
    table = grid("File", "", "", "", "", "", elastic=(0, 1, 5), gap=2)
    resting = [path for path in paths if path in jobs and jobs[path].state not in OPEN]
    chosen = paths if len(paths) <= rows else [path for path in paths if path not in set(resting)][:rows]
    for path in chosen:
        job = jobs.get(path)
        if job is None:
            waits = settling.get(path)
            done, how = 0.0, line("settling" if waits is not None else "not seen yet", "bright_black")
            told_more = waits.message if waits is not None and waits.code != "settling" else ""
            speed, more = Text(""), line(told_more, "bright_black")
        else:
            done, how = way_behind(job), state(job)
            speed = Text("" if job.because is not None else _pace(job, pace), style="bright_black")
            more = line(job.because.message if job.because is not None else "", "bright_black")
        table.add_row(name(path), Bar(done), Text(f"{done:3.0f} %"), how, speed, more)
    ended = f"{len(resting)} of {len(paths)} are at their end, after {span(passed)}"
    return Group(table, Text(ended, style="bright_black"))
