"""Why a file is, or is not yet, or never will be picked up: each rule in turn, in words."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import Final, Literal

from diffio_watch.config import Inbox
from diffio_watch.disk import marker
from diffio_watch.disk.names import show
from diffio_watch.intake.junk import Rule, Rules
from diffio_watch.intake.presence import SETTLE_EVENTS, pause_between_scans
from diffio_watch.intake.scan import inside, somebodys
from diffio_watch.job import Because, Job
from diffio_watch.journal.records import InboxReport, Known, SettlingEntry
from diffio_watch.reasons import because

VerdictWord = Literal["job", "waiting", "ignored", "unavailable", "outside", "missing"]
# what a file waits for, and the rule that it is
_WAITS: Final = {"settling": "unchanged", "empty_yet": "unchanged", "open_for_writing": "closed", "cut_short": "whole",
                 "unreadable": "readable", "in_use": "readable", "disk": "readable", "internal": "readable"}
_WAIT_RULES: Final = {"unchanged": "it was unchanged for the quiet time", "readable": "it can be read",
                      "closed": "no program holds it open for writing", "whole": "it is not cut short"}
_KINDS: Final = ((stat.S_ISREG, "regular file"), (stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "FIFO"),
                 (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at the disk tells about a path of an inbox.

    Attributes:
        kind: "regular file", another kind, or "" where there is nothing.
        size: in bytes.
        mtime_ns: time of the last change.
        link: the symbolic link on the way that is not followed, and why; None if there is none.
        root: the folder on the way that holds a marker of its own; None if there is none.
        unavailable: why the inbox is not there.
        error: why it can't be told.
        readable: whether whoever asks may open it.
    """

    kind: str = ""
    size: int = 0
    mtime_ns: int = 0
    link: str | None = None
    root: str | None = None
    unavailable: Because | None = None
    error: str | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Records:
    """What the journal tells about a path of an inbox.

    Attributes:
        known: what stands at the path, or stood there.
        job: its newest job.
        settling: the running daemon's word on why it waits.
        report: how the inbox is.
        running: whether a daemon runs.
    """

    known: Known | None = None
    job: Job | None = None
    settling: SettlingEntry | None = None
    report: InboxReport | None = None
    running: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer. `next_look_at` is in seconds since the epoch; None: no look is planned."""

    path: str
    verdict: VerdictWord
    because: Because | None
    rules: tuple[Rule, ...]
    next_look_at: float | None = None
    job: Job | None = None


def sight(inbox: Inbox, path: str, journal: str, book: marker.Book | None) -> Sight:
    """Look at the disk, without changing anything there.

    Args:
        inbox: the inbox.
        path: relative to it.
        journal: the journal's id; "" where there is none yet.
        book: what that journal remembers of folders; None likewise.
    """
    root = os.fspath(inbox.path)
    try:
        marker.inspect(root, "inbox", inbox.name, journal, book)
    except marker.OldJournal as error:
        stopped = because("unavailable", detail=str(error), inbox=inbox.name)
        return Sight(unavailable=replace(stopped, action="Run `diffio-watch journal rebuild`; nothing is spent until "
                                                         "then."))
    except marker.MarkerError as error:
        return Sight(unavailable=because("unavailable", detail=str(error), inbox=inbox.name))
    try:
        other = somebodys(root, path)
        link = _link(inbox, root, path)
        status = os.stat(f"{root}/{path}", follow_symlinks=link is None)  # noqa: PTH116 - joined as text: in a Path an absolute one would replace the root
    except (FileNotFoundError, NotADirectoryError):
        return Sight()
    except OSError as error:
        return Sight(error=error.strerror or str(error))
    kind = next((word for test, word in _KINDS if test(status.st_mode)), "symbolic link")
    readable = os.access(f"{root}/{path}", os.R_OK, effective_ids=os.access in os.supports_effective_ids)
    return Sight(kind, status.st_size, status.st_mtime_ns, link, other, readable=readable)


def explain(inbox: Inbox, path: str, seen: Sight, records: Records, now: float) -> Explanation:
    """Say what is with a file.

    Args:
        inbox: the inbox.
        path: relative to it.
        seen: what the disk tells.
        records: what the journal tells.
        now: seconds since the epoch.
    """
    known, job, settling = records.known, records.job, records.settling
    stands = known is not None and not known.changed and (known.size, known.mtime_ns) == (seen.size, seen.mtime_ns)
    if seen.unavailable is not None:
        rules = [Rule("available", holds=False, detail=seen.unavailable.message)]
        next_look = records.report.next_check_at if records.report is not None and records.running else None
        return Explanation(path, "unavailable", seen.unavailable, tuple(rules), next_look, job)
    there = bool(seen.kind) or seen.error is not None
    rules = [Rule("available", holds=True, detail="the inbox is there and this journal's"),
             Rule("exists", there, seen.error or seen.kind or "nothing stands there")]
    if not there:
        return Explanation(path, "missing" if job is None else "job", None if job is None else job.because,
                           tuple(rules), None, job)
    names = Rules(inbox.name, inbox.include, inbox.exclude, recursive=inbox.recursive)
    if seen.kind == "folder" and seen.link is None and seen.root is None and job is None:
        return _folder(inbox, path, names, rules)
    rules += _kind_rules(seen) + names.explain(path)
    if settling is not None and job is not None and settling.since <= (job.settled_at or 0.0):
        settling = None  # from before it settled: intake tells its list once a second
    if job is not None and stands and settling is None:
        rules += [Rule(name, holds=True, detail=words) for name, words in _WAIT_RULES.items()]
        rules.append(Rule("journalled", holds=True, detail=f"job {job.id} is {job.state}"))
        return Explanation(path, "job", job.because, tuple(rules), job.due_at or None, job)
    refusal = next((rule.refusal for rule in rules if not rule.holds), None)
    if refusal is not None:
        return Explanation(path, "ignored", refusal, tuple(rules), None, job)
    rules += _waiting_rules(settling)
    unread = settling is None and not seen.readable
    if unread:
        rules.append(Rule("readable", holds=False, detail="whoever asks here may not open it; the service has to"))
    rules.append(Rule("watched", records.running, "a daemon runs" if records.running else
                      "no daemon runs: it is looked at once `diffio-watch run` is started"))
    why = (settling.because if settling is not None else
           because("unreadable", detail="this user may not open it") if unread else
           because("settling", seconds=f"{_quiet(records.report):g}"))
    if not records.running and not unread:
        why = replace(why, action="No daemon runs: start it, and it goes on.")
    return Explanation(path, "waiting", why, tuple(rules), _next_look(inbox, records, now), job)


def _folder(inbox: Inbox, path: str, names: Rules, rules: list[Rule]) -> Explanation:
    """A folder is never a job, and what lies in it may be."""
    itself = path == "."
    rules.append(Rule("regular", holds=False, detail="the inbox itself" if itself else "folder"))
    told = because("not_regular", detail="folder")
    if itself or names.takes_from(path):
        whose = f"the inbox {inbox.name} itself" if itself else "a folder"
        told = replace(told, message=f"It is {whose}: what lies in it is looked through.", action="Name a file in it.")
    else:
        told = next((rule.refusal for rule in names.explain(f"{path}/x") if rule.refusal is not None), told)
    return Explanation(path, "ignored", told, tuple(rules))


def outside(path: str) -> Explanation:
    """A path in no inbox."""
    return Explanation(path, "outside", None, (Rule("inside", holds=False, detail="it is in none of the inboxes"),))


def _link(inbox: Inbox, root: str, path: str) -> str | None:
    """The first symbolic link on the way to a file, and why it is not followed."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        way = "/".join(parts[:depth])
        if stat.S_ISLNK(os.lstat(f"{root}/{way}").st_mode):
            if not inbox.follow_symlinks:
                return ", and `follow_symlinks` is off" if depth == len(parts) else f" at {way}"
            if inside(root, way) is None:
                return " that leads out of the inbox" if depth == len(parts) else f" at {way}, which leads out"
    return None


def _kind_rules(seen: Sight) -> list[Rule]:
    regular = seen.kind == "regular file" or seen.error is not None or seen.link is not None
    return [
        Rule("not_a_root", seen.root is None, "no folder on the way has a marker of its own" if seen.root is None else
             f"{show(seen.root)} has a marker", because("other_root", detail=show(seen.root)) if seen.root else None),
        Rule("not_linked", seen.link is None, f"a symbolic link{seen.link}" if seen.link else "reached without links",
             because("link", detail=seen.link) if seen.link else None),
        Rule("regular", regular, seen.kind or "unknown", None if regular else because("not_regular", detail=seen.kind)),
    ]


def _waiting_rules(settling: SettlingEntry | None) -> list[Rule]:
    """What a file has to wait for; of what comes after the one it waits for, nothing is known yet."""
    if settling is None:
        return [Rule("seen", holds=False, detail="an event or the next scan will find it")]
    failing = _WAITS.get(settling.because.code, "unchanged")
    before = list(_WAIT_RULES)[:list(_WAIT_RULES).index(failing)]
    return [Rule("seen", holds=True, detail="it was seen"),
            *(Rule(name, holds=True, detail=_WAIT_RULES[name]) for name in before),
            Rule(failing, holds=False, detail=settling.because.message)]


def _quiet(report: InboxReport | None) -> float:
    return report.settle_seconds if report is not None else SETTLE_EVENTS


def _next_look(inbox: Inbox, records: Records, now: float) -> float | None:
    if not records.running:
        return None
    if records.settling is not None:
        return records.settling.next_look_at
    report = records.report
    if report is None or report.last_scan_at is None:
        return None
    if report.next_scan_at is not None:
        return max(now, report.next_scan_at)
    return max(now, report.last_scan_at + pause_between_scans(inbox, watching=report.watch == "events"))
