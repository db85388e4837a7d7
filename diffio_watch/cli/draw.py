"""What people see: journal data as calm tables. Pure but for `write`; every name is escaped on its way in.

On a terminal there is colour and the lines are cut to its width; anywhere else the same tables are plain text.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from diffio_watch import __version__
from diffio_watch.cli import shapes
from diffio_watch.disk import names
from diffio_watch.job import OPEN, Because, Event, Job, State

if TYPE_CHECKING:
    from diffio_watch.config import Config

_COLOURS: Final = {
    State.QUEUED: "default", State.UPLOADING: "cyan", State.GENERATING: "magenta", State.WAITING: "magenta",
    State.DOWNLOADING: "cyan", State.DELIVERED: "green", State.FAILED: "red", State.HELD: "yellow",
    State.SKIPPED: "bright_black", State.CANCELLED: "bright_black",
}
_UNCUT: Final = 4000  # columns where nobody looks: a line is a line for grep


def write(what: RenderableType) -> None:
    """Print to standard output."""
    if sys.stdout.isatty():
        Console(highlight=False).print(what)
    else:
        sys.stdout.write(plain(what))


def plain(what: RenderableType, width: int = _UNCUT) -> str:
    """The same as text without colour, and without blanks at the ends of lines."""
    buffer = io.StringIO()
    Console(file=buffer, width=width, highlight=False, color_system=None, force_terminal=False).print(what)
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


def size(count: int) -> str:
    """Bytes for people: `412 B`, `3.4 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def span(seconds: float) -> str:
    """Seconds for people: `8 s`, `3 min`, `2 h 5 min`, `4 d`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ahead(at: float | None, now: float) -> str:
    """When something is next: `now`, `in 3 min`."""
    if at is None:
        return ""
    return "now" if at <= now else f"in {span(at - now)}"


def moment(at: float) -> str:
    """A time as the reader's own clock shows it."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def name(path: str) -> Text:
    """A name that does nothing to the terminal."""
    return Text(names.terminal(names.show(path)), overflow="ellipsis", no_wrap=True)


def words(text: str, style: str = "") -> Text:
    """Foreign or own words, escaped."""
    return Text(names.terminal(text), style=style)


def state(job: Job) -> Text:
    """A job's state in its colour."""
    return Text(job.state.value, style=_COLOURS[job.state])


def grid(*headers: str) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bright_black",
                  show_header=any(headers))
    for header in headers:
        table.add_column(header, no_wrap=True, overflow="ellipsis")
    return table


def jobs(found: Sequence[Job], now: float) -> RenderableType:
    """One line a job."""
    if not found:
        return Text("No jobs.")
    table = grid("Job", "Inbox", "State", "File", "Since", "Why")
    for job in found:
        table.add_row(job.id, job.inbox, state(job), name(job.path), span(now - job.updated_at), _why(job, now))
    return table


def _why(job: Job, now: float) -> Text:
    if job.because is not None:
        later = ahead(job.due_at, now) if job.state in OPEN and job.due_at and job.due_at > now else ""
        return words(job.because.message + (f" (again {later})" if later else ""), "bright_black")
    if job.state is State.WAITING and job.progress is not None:
        return Text(f"{job.progress:.0f} %")
    return Text("")


def status(config: Config, facts: shapes.Facts, running: Sequence[Job], failures: Sequence[Job]) -> RenderableType:
    """The whole picture."""
    parts: list[RenderableType] = [_head(facts), *_halts(facts), Text(""), _inboxes(config, facts), Text(""),
                                   _counts(facts)]
    if running:
        parts += [Text(""), *bars(running, facts.now)]
    settling = [(inbox, entry) for inbox, entries in facts.settling.items() for entry in entries]
    if settling and facts.pid is not None:
        table = grid("Not finished yet", "", "")
        for inbox, entry in settling[:10]:
            table.add_row(words(inbox), name(entry.path), words(entry.because.message, "bright_black"))
        parts += [Text(""), table, *_more(len(settling) - 10)]
    if failures:
        table = grid("Last failures", "", "")
        for job in failures:
            table.add_row(words(f"{job.inbox}:"), name(job.path), _why(job, facts.now))
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


def _halts(facts: shapes.Facts) -> list[RenderableType]:
    found: list[RenderableType] = []
    for scope, halt in sorted(facts.halts.items()):
        if not scope.startswith("inbox:"):
            found += [Text(""), _stopped("Stopped", halt.because, halt.since, halt.next_check_at, facts.now)]
    return found


def _stopped(title: str, why: Because, since: float | None, check: float | None, now: float) -> Text:
    text = Text(f"{title}: ", style="bold red").append(words(why.message, "red"))
    text.append(f"\n  {names.terminal(why.action)}")
    facts = [f"since {moment(since)}" if since else "", f"looked at again {ahead(check, now)}" if check else ""]
    told = ", ".join(fact for fact in facts if fact)
    return text.append(f"\n  {told}", style="bright_black") if told else text


def _inboxes(config: Config, facts: shapes.Facts) -> RenderableType:
    table = grid("Inbox", "Folder", "Watched by", "State")
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
    for which in State:
        count = facts.counts.get(which, 0)
        style = _COLOURS[which] if count else "bright_black"
        text.append(f"{which.value} ", style="bright_black").append(str(count), style=style).append("   ")
    return text


def bars(running: Sequence[Job], now: float) -> list[RenderableType]:
    """What runs, with a bar where the service or the journal tells how far it is."""
    table = grid("", "", "", "", "")
    for job in running:
        part = job.progress if job.state in {State.UPLOADING, State.WAITING, State.DOWNLOADING} else None
        known = part is not None
        table.add_row(words(job.inbox, "bright_black"), name(job.path), state(job),
                      ProgressBar(total=100, completed=part or 0, width=24) if known else Text(""),
                      Text(f"{part:.0f} %") if known else _why(job, now))
    return [table]


# how much of the whole way lies behind a job in each state, in percent, and how much its own progress adds
_WAY: Final = {
    State.QUEUED: (5, 0), State.UPLOADING: (8, 27), State.GENERATING: (36, 0), State.WAITING: (38, 42),
    State.DOWNLOADING: (82, 16),
}


def journey(paths: Sequence[str], jobs: Mapping[str, Job], settling: Mapping[str, Because]) -> RenderableType:
    """Each file on its whole way from the inbox to the outbox."""
    table = grid("File", "", "")
    for path in paths:
        job = jobs.get(path)
        if job is None:
            why = settling.get(path)
            table.add_row(name(path), ProgressBar(total=100, completed=0, width=32),
                          words(why.message if why else "seen next", "bright_black"))
            continue
        base, share = _WAY.get(job.state, (100, 0))
        done = base + share * (job.progress or 0.0) / 100
        told = state(job)
        if job.because is not None:
            told.append("  ").append(words(job.because.message, "bright_black"))
        table.add_row(name(path), ProgressBar(total=100, completed=done, width=32), told)
    return table


def whole_job(job: Job, history: Sequence[Event], sidecar_path: str | None, now: float) -> RenderableType:
    """Everything about one job."""
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_column(style="bright_black", no_wrap=True)
    facts.add_column(overflow="fold")
    rows: list[tuple[str, RenderableType | None]] = [
        ("Job", Text(f"{job.id}, run {job.run}")),
        ("File", words(f"{job.inbox}:{names.show(job.path)}")),
        ("State", state(job)),
        ("Why", words(job.because.message) if job.because else None),
        ("What to do", words(job.because.action) if job.because else None),
        ("Next", Text(ahead(job.due_at, now)) if job.state in OPEN and job.due_at else None),
        ("Size", Text(size(job.size))),
        ("Media", words(_media(job)) if job.media else None),
        ("Content", Text(f"sha256 {job.sha256}") if job.sha256 else None),
        ("Model", words(job.settings.model + (f" (the service says {job.model_key})"
                                              if job.model_key and job.model_key != job.settings.model else ""))),
        ("Project", words(job.project_id) if job.project_id else None),
        ("Generation", words(job.generation_id) if job.generation_id else None),
        ("Progress", Text(f"{job.progress:.0f} %") if job.progress is not None else None),
        *[("Output", _output(one.type, one.path, one.size, one.note or (one.state if one.path is None else None)))
          for one in job.outputs],
        ("Sidecar", words(names.show(sidecar_path)) if sidecar_path else None),
        ("Original", Text(job.original)),
        ("Copy of", Text(job.duplicate_of) if job.duplicate_of else None),
        *[("Note", words(note)) for note in job.notes],
    ]
    for title, value in rows:
        if value is not None:
            facts.add_row(title, value)
    past = grid("When", "State", "What")
    for event in history:
        past.add_row(moment(event.at), Text(event.state.value, style=_COLOURS[event.state]), words(event.detail))
    return Group(facts, Text(""), past)


def _media(job: Job) -> str:
    assert job.media is not None
    parts = [job.media.format, span(job.media.duration_s) if job.media.duration_s is not None else "",
             "with video" if job.media.has_video else ""]
    return ", ".join(part for part in parts if part)


def _output(kind: str, path: str | None, count: int | None, note: str | None) -> Text:
    parts = [kind, names.show(path) if path else "", size(count) if count is not None else "", note or ""]
    return words("  ".join(part for part in parts if part))


def indented(lines: Sequence[Text]) -> RenderableType:
    """Lines set in by two columns."""
    return Padding(Group(*lines), (0, 0, 0, 2))
