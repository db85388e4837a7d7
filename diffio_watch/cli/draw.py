"""What people see: journal data as calm tables. Pure but for `write`; every name is escaped on its way in.

On a terminal there is colour and the lines are cut to its width; anywhere else the same tables are plain text.
"""

from __future__ import annotations

import io
import math
import shutil
import sys
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from diffio_watch.cli.base import hinted
from diffio_watch.cli.columns import Name
from diffio_watch.disk import names
from diffio_watch.job import OPEN, Because, Event, Job, State
from diffio_watch.reasons import because, still_empty, told

if TYPE_CHECKING:
    from diffio_watch.intake.explain import Explanation

COLOURS: Final = {
    State.QUEUED: "default", State.UPLOADING: "cyan", State.GENERATING: "magenta", State.WAITING: "magenta",
    State.DOWNLOADING: "cyan", State.DELIVERED: "green", State.FAILED: "red", State.HELD: "yellow",
    State.SKIPPED: "bright_black", State.CANCELLED: "bright_black",
}
_SHORT: Final = 16  # characters of an id: its millisecond, and chance enough
_UNCUT: Final = 4000  # columns where nobody looks: a line is a line for grep


def write(what: RenderableType) -> None:
    """Print to standard output."""
    if sys.stdout.isatty():
        Console(highlight=False).print(what)
    else:
        sys.stdout.write(plain(what))
        sys.stdout.flush()  # somebody may follow through a pipe


def is_live() -> bool:
    """Whether a picture can be drawn over the one before: on a terminal that moves its cursor."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def columns() -> int:
    """How wide plain text may be: as the terminal is, and without end where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNCUT


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


def name(path: str) -> Name:
    """A name that does nothing to the terminal."""
    return Name(names.terminal(names.show(path)))


def words(text: str, style: str = "") -> Text:
    """Foreign or own words, escaped."""
    return Text(names.terminal(hinted(text)), style=style)


def state(job: Job) -> Text:
    """A job's state in its colour."""
    return Text(job.state.value, style=COLOURS[job.state], overflow="ellipsis", no_wrap=True)


def line(text: str, style: str = "") -> Text:
    """Escaped words that stay on one line, and lose their end where there is no room."""
    return Text(names.terminal(hinted(text)), style=style, overflow="ellipsis", no_wrap=True)


def grid(*headers: str, elastic: Collection[int] = (), gap: int = 3) -> Table:
    """A table without lines. Where there is no room, the columns in `elastic` give way: `words` take more lines."""
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bright_black",
                  show_header=any(headers))
    for number, header in enumerate(headers):
        table.add_column(header, no_wrap=number not in elastic, overflow="fold" if number in elastic else "ellipsis")
    return table


def jobs(found: Sequence[Job], now: float, *, short: bool = False, running: bool = True) -> RenderableType:
    """One line a job.

    Args:
        found: the jobs.
        now: seconds since the epoch.
        short: with only so much of the ids as tells them apart.
        running: whether a daemon runs.
    """
    if not found:
        return Text("No jobs.")
    table = grid("Job", "Inbox", "State", "File", "Since", "Why", elastic=(3, 5))
    for job in found:
        empty = still_empty(job, now)
        table.add_row(job.id[:_SHORT] if short else job.id, job.inbox, Text("empty yet") if empty else state(job),
                      name(job.path), span(now - job.updated_at), line(because("empty_yet").message, "bright_black")
                      if empty else why(job, now if running else math.inf))
    return table


def why(job: Job, now: float, *, whole: bool = False) -> Text:
    """Why a job is where it is, or how far; `whole`: on more lines than one where it needs them."""
    if job.because is not None:
        later = ahead(job.due_at, now) if job.state in OPEN and job.due_at and job.due_at > now else ""
        return (words if whole else line)(job.because.message + (f" (again {later})" if later else ""), "bright_black")
    if job.state is State.WAITING and job.progress is not None:
        return Text(f"{job.progress:.0f} %")
    return Text("")


def whole_job(job: Job, history: Sequence[Event], sidecar_path: str | None, now: float,
              kept: Because | None = None, *, running: bool = True) -> RenderableType:
    """Everything about one job.

    Args:
        job: the job.
        history: what happened to it.
        sidecar_path: of its sidecar or error file.
        now: seconds since the epoch.
        kept: what stops it along with others.
        running: whether a daemon runs.
    """
    why = kept or job.because
    if why is not None:
        why = told(why, running=running)
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_column(style="bright_black", no_wrap=True)
    facts.add_column(overflow="fold")
    rows: list[tuple[str, RenderableType | None]] = [
        ("Job", Text(f"{job.id}, run {job.run}")),
        ("File", words(f"{job.inbox}:{names.show(job.path)}")),
        ("State", state(job)),
        ("Why", words(why.message) if why else None),
        ("What to do", words(why.action) if why else None),
        ("Next", Text(ahead(job.due_at, now)) if job.state in OPEN and job.due_at and running and not kept else None),
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
    past = grid("When", "State", "What", elastic=(2,))
    for event in history:
        past.add_row(moment(event.at), Text(event.state.value, style=COLOURS[event.state]), words(event.detail))
    return Group(facts, Text(""), past)


def _first(resting: str | None) -> list[RenderableType]:
    """That no daemon runs, before all else."""
    return [words(resting, "yellow"), Text("")] if resting is not None else []


def _media(job: Job) -> str:
    assert job.media is not None
    parts = [job.media.format, span(job.media.duration_s) if job.media.duration_s is not None else "",
             "with video" if job.media.has_video else ""]
    return ", ".join(part for part in parts if part)


def _output(kind: str, path: str | None, count: int | None, note: str | None) -> Text:
    parts = [kind, names.show(path) if path else "", size(count) if count is not None else "", note or ""]
    return words("  ".join(part for part in parts if part))


def explanation(found: Explanation, now: float, whereabouts: Sequence[str] = (),
                resting: str | None = None) -> RenderableType:
    """Each rule in turn, and what follows from them.

    Args:
        found: the rules and what follows.
        now: seconds since the epoch.
        whereabouts: lines about its result and its original.
        resting: what is to be said first where no daemon runs.
    """
    table = grid("", "", "", elastic=(2,))
    for rule in found.rules:
        table.add_row(Text("yes" if rule.holds else "no", style="green" if rule.holds else "yellow"),
                      words(rule.name.replace("_", " ")), words(rule.detail, "bright_black"))
    is_folder = any(rule.name == "regular" and rule.detail in {"folder", "the inbox itself"} for rule in found.rules)
    verdict = "it is a folder" if is_folder else _VERDICTS[found.verdict]
    lines: list[RenderableType] = [*_first(resting), words(f"{names.show(found.path)}: {verdict}", "bold"), table]
    if found.because is not None:
        lines.append(words(f"{found.because.message} {found.because.action}"))
    if found.next_look_at is not None and found.next_look_at > now:
        lines.append(Text(f"It is looked at next at {moment(found.next_look_at)}."))
    if found.job is not None:
        word = "empty yet" if still_empty(found.job, now) else found.job.state.value
        lines.append(Text(f"Its job: {found.job.id} ({word})."))
        own = None if found.job.because is None else told(found.job.because, running=resting is None)
        if own is not None and found.because != own and not still_empty(found.job, now):
            lines.append(words(f"{own.message} {own.action}"))
    lines += [Text(names.terminal(told), no_wrap=True, overflow="ignore") for told in whereabouts]
    return Group(*lines)


_VERDICTS: Final = {
    "job": "it was picked up", "waiting": "it is not picked up yet", "ignored": "it is not picked up",
    "unavailable": "its inbox is not there", "outside": "it is in no inbox", "missing": "there is no such file",
}
