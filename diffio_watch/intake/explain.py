"""Why a file is, or is not yet, or never will be picked up: each rule in turn, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from diffio_watch.config import Inbox
from diffio_watch.disk.names import show
from diffio_watch.intake.junk import Rule, Rules
from diffio_watch.intake.look import Sight
from diffio_watch.intake.pauses import SETTLE_EVENTS, pause_between_scans
from diffio_watch.job import OPEN, Because, Job, State
from diffio_watch.journal.records import InboxReport, Known, SettlingEntry
from diffio_watch.reasons import because, still_empty, told

VerdictWord = Literal["job", "waiting", "ignored", "unavailable", "outside", "missing"]
# what a file waits for, and the rule that it is
_WAITS: Final = {"settling": "unchanged", "open_for_writing": "closed", "empty_yet": "not_empty", "cut_short": "whole",
                 "unreadable": "readable", "in_use": "readable", "disk": "readable", "internal": "readable"}
# what a job has against its file, likewise; what it has against the world breaks no rule of the file's
_FAULTS: Final = {"changed": "unchanged", "unreadable": "readable", "in_use": "readable", "empty": "not_empty",
                  "empty_yet": "not_empty", "truncated": "whole", "not_media": "medium", "no_sound": "medium"}
# in the order in which they are asked
_WAIT_RULES: Final = {"unchanged": "it was unchanged for the quiet time", "readable": "it can be read",
                      "closed": "no program holds it open for writing", "not_empty": "something is in it",
                      "whole": "it is not cut short", "medium": "there is sound in it"}


@dataclass(frozen=True, slots=True)
class Records:
    """What the journal tells about a path of an inbox.

    Attributes:
        known: what stands at the path, or stood there.
        job: its newest job.
        settling: the daemon's last word on why it waits.
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


def explain(inbox: Inbox, path: str, seen: Sight, records: Records, now: float) -> Explanation:
    """Say what is with a file.

    Args:
        inbox: the inbox.
        path: relative to it.
        seen: what the disk tells.
        records: what the journal tells.
        now: seconds since the epoch.
    """
    known, job, settling, report = records.known, records.job, records.settling, records.report
    away = seen.unavailable
    if away is None and records.running and report is not None and not report.available:
        away = report.stopped  # the daemon knows more: perhaps the share hangs for it
    if away is not None:
        rules = [Rule("available", holds=False, detail=away.message)]
        next_look = report.next_check_at if report is not None and records.running else None
        return Explanation(path, "unavailable", told(away, running=records.running), tuple(rules), next_look, job)
    stands = known is not None and not known.changed and not _gone(job) and (
        seen.error is not None or (known.size, known.mtime_ns) == (seen.size, seen.mtime_ns))
    rules = [Rule("available", holds=True, detail="the inbox is there and this journal's"),
             Rule("exists", bool(seen.kind), f"whoever asks here can't look: {seen.error}" if seen.error else
                  seen.kind or "nothing stands there")]
    if not seen.kind and seen.error is None:
        return Explanation(path, "missing" if job is None else "job", None if job is None else job.because,
                           tuple(rules), None, job)
    names = Rules.of(inbox)
    if seen.kind == "folder" and seen.link is None and seen.root is None and job is None:
        return _folder(inbox, path, names, rules)
    about_it = ([] if seen.error else _kind_rules(seen)) + names.explain(path)
    if settling is not None and not _is_news(settling, seen, job, running=records.running):
        settling = None
    if seen.silent and settling is None:
        about_it.append(Rule("sounds", holds=False, detail="there is no sound in it that is meant here",
                             refusal=because("left_alone")))
    if job is not None and stands and settling is None:
        rules += [one if one.holds else replace(one, detail=f"{one.detail}; it was picked up before that was so")
                  for one in about_it]
        return _job(path, job, rules, records, now)
    rules += about_it
    refusal = next((rule.refusal for rule in rules if not rule.holds), None)
    if refusal is not None:
        return Explanation(path, "ignored", refusal, tuple(rules), None, job)
    rules += [_watched(running=records.running), *_waiting_rules(settling)]
    unread = settling is None and (not seen.readable or seen.error is not None)
    if unread:
        rules.append(Rule("readable", holds=False, detail="whoever asks here may not open it; the service has to"))
    why = (settling.because if settling is not None else
           because("unreadable", detail=seen.error or "this user may not open it") if unread else
           because("settling", seconds=f"{_quiet(report):g}"))
    return Explanation(path, "waiting", told(why, running=records.running), tuple(rules),
                       _next_look(inbox, settling, records, now), job)


def _job(path: str, job: Job, rules: list[Rule], records: Records, now: float) -> Explanation:
    """A file that has its job: what the job has against it is a rule that does not hold."""
    empty = still_empty(job, now)
    why = because("empty_yet") if empty else job.because
    fault = _FAULTS.get(why.code) if why is not None else None
    if job.state in OPEN or empty:
        rules.append(_watched(running=records.running))
    # of what is asked after the one that does not hold, nothing is known
    for name, words in _WAIT_RULES.items():
        rules.append(Rule(name, name != fault, words if name != fault or why is None else why.message))
        if name == fault:
            break
    if not empty:
        rules.append(Rule("journalled", holds=True, detail=f"job {job.id} is {job.state}"))
    told_why = None if why is None else told(why, running=records.running)
    later = (job.due_at or None) if records.running else None
    return Explanation(path, "waiting" if empty else "job", told_why, tuple(rules), later, job)


def _gone(job: Job | None) -> bool:
    """Whether a job ended for its file was gone: if it is there again, that is not seen yet."""
    why = job.because if job is not None and job.state is State.CANCELLED else None
    return why is not None and why.code == "vanished"


def _is_news(settling: SettlingEntry, seen: Sight, job: Job | None, *, running: bool) -> bool:
    """Whether the word on why a file waits is still about what stands there."""
    if job is not None and settling.since <= (job.settled_at or 0.0):
        return False  # from before it settled: intake tells its list once a second
    still = settling.still
    return running or (still is not None and (still.size, still.mtime_ns) == (seen.size, seen.mtime_ns))


def _watched(*, running: bool) -> Rule:
    return Rule("watched", running, "a daemon runs" if running else "no daemon runs: nothing is looked at")


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


def _next_look(inbox: Inbox, settling: SettlingEntry | None, records: Records, now: float) -> float | None:
    if not records.running:
        return None
    if settling is not None:
        return settling.next_look_at
    report = records.report
    if report is None or report.last_scan_at is None:
        return None
    if report.next_scan_at is not None:
        return max(now, report.next_scan_at)
    return max(now, report.last_scan_at + pause_between_scans(inbox, watching=report.watch == "events"))
