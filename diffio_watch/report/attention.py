"""What waits for a person: held jobs, failures, files and originals with trouble, stops; each with what to do.

Pure: records in, rows out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk import names
from diffio_watch.job import Because, State
from diffio_watch.journal import Halt
from diffio_watch.journal.overview import Group
from diffio_watch.journal.records import InboxReport, SettlingEntry
from diffio_watch.reasons import REASONS, Kind, because, told

_NOTHING: Final = "Nothing to do"
# of many held for one reason: what releases them all; the others' ways differ from job to job
_RELEASED: Final = {
    "daily_limit": "They go on by themselves tomorrow, or at once with `diffio-watch approve --inbox {inbox}`.",
    "unproven": "`diffio-watch approve --inbox {inbox}` pays for all that is held there; {each}.",
    "duplicate_gone": "`diffio-watch approve --inbox {inbox}` pays for all that is held there; {each}.",
}
_SHARED: Final = frozenset({"drop_size", "daily_limit"})  # what they tell is of the inbox or the day
_EACH: Final = "`diffio-watch jobs --inbox {inbox} --state {state} --reason {code}` names them"


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that waits for a person.

    Attributes:
        inbox: where; "" for all of them.
        what: `stopped`, `held`, `failed`, `waiting` (a job, or a file that is no job yet) or `originals`.
        code: of the reason; "" where it has none.
        count: how many files.
        message: what is the matter.
        action: what to do.
        path: of the file, where it is one.
        state: of the jobs; None where they are none.
        scope: of the stop that the daemon asks about from time to time; "" where it is none.
    """

    inbox: str
    what: str
    code: str
    count: int
    message: str
    action: str
    path: str | None = None
    state: State | None = None
    scope: str = ""


def stops(inboxes: Sequence[str], halts: Mapping[str, Halt], pauses: Mapping[str, float],
          reports: Mapping[str, InboxReport], *, running: bool) -> list[Attention]:
    """What stops single inboxes, as far as a person has to help."""
    found = []
    for name in inboxes:
        # a pause stands beside what else stops it: the one does not end with the other
        for why in (stop(name, halts, {}, reports), stop(name, {}, pauses, {})):
            if why is not None and not why.because.action.startswith(_NOTHING):
                reason = told(why.because, running=running)
                found.append(Attention(name, "stopped", reason.code, 0, reason.message, reason.action,
                                       scope=why.scope if why.scope in halts else ""))
    return found


def stop(name: str, halts: Mapping[str, Halt], pauses: Mapping[str, float],
         reports: Mapping[str, InboxReport]) -> Halt | None:
    """What stops one inbox: it is not there, the service refuses its model, or a person paused it."""
    report = reports.get(name)
    if report is not None and report.stopped is not None:
        return Halt(f"inbox:{name}", report.stopped, report.since or 0.0, report.next_check_at)
    # "inbox:NAME:outbox" sorts after "inbox:NAME:model"
    own = [halt for scope, halt in sorted(halts.items()) if scope.split(":")[:2] == ["inbox", name]]
    if own:
        return own[-1]
    since = pauses.get(name, pauses.get("*"))
    return None if since is None else Halt(f"inbox:{name}", because("paused"), since, None)


def files(groups: Iterable[Group], settling: Mapping[str, Sequence[SettlingEntry]], originals: Mapping[str, int], *,
          running: bool, inboxes: Collection[str]) -> list[Attention]:
    """What waits for a person among the files: held first, then failed, then what waits for a right or for room.

    Args:
        groups: jobs by inbox, state and reason.
        settling: files that are no jobs yet, by inbox.
        originals: how many can't go where they should, by inbox.
        running: whether a daemon runs.
        inboxes: names of the configured ones: no other can be approved as a whole.
    """
    found = [_group(group, running=running, known=group.inbox in inboxes)
             for group in groups if _is_for_a_person(group)]
    for inbox, entries in settling.items():
        troubled: dict[str, list[SettlingEntry]] = {}
        for entry in entries:
            row = REASONS.get(entry.because.code)
            if row is not None and row.kind in {Kind.PARKED, Kind.FAILED}:
                troubled.setdefault(entry.because.code, []).append(entry)
        for code, those in troubled.items():
            reason = told(those[0].because, running=running)
            one = len(those) == 1
            found.append(Attention(inbox, "waiting", code, len(those),
                                   reason.message if one else _of_one(those[0].path, reason), reason.action,
                                   those[0].path if one else None))
    found += [Attention(inbox, "originals", "", count, "The original of a delivered file can't go where it should.",
                        f"`diffio-watch jobs --inbox {inbox} --original stuck` names them, `diffio-watch show FILE` "
                        "says why; it is tried again by itself.") for inbox, count in originals.items()]
    order = {what: number for number, what in enumerate(("held", "failed", "waiting", "originals"))}
    return sorted(found, key=lambda one: order[one.what])


def _is_for_a_person(group: Group) -> bool:
    if group.state in {State.HELD, State.FAILED}:
        return True
    row, why = REASONS.get(group.code), group.newest.because
    return row is not None and why is not None and row.kind is Kind.PARKED and not why.action.startswith(_NOTHING)


def _group(group: Group, *, running: bool, known: bool) -> Attention:
    why = group.newest.because or Because("", "", "")
    reason = told(why, running=running)
    what = group.state.value if group.state in {State.HELD, State.FAILED} else "waiting"
    if group.count == 1:
        return Attention(group.inbox, what, group.code, 1, reason.message, reason.action, group.newest.path,
                         group.state)
    action = reason.action if group.code == "drop_size" and known else _of_many(group, running=running, known=known)
    return Attention(group.inbox, what, group.code, group.count, _of_one(group.newest.path, reason), action,
                     state=group.state)


def _of_one(path: str, reason: Because) -> str:
    """The words about one of many, with its name where they can't be the others' too."""
    row = REASONS.get(reason.code)
    if reason.code in _SHARED or (row is not None and row.message == reason.message):
        return reason.message
    return f"For instance {names.show(path)}: {reason.message}"


def _of_many(group: Group, *, running: bool, known: bool) -> str:
    action = for_many(group.inbox, group.state, group.code, known=known)
    return told(Because(group.code, "", action), running=running).action


def for_many(inbox: str, state: State, code: str, *, known: bool = True) -> str:
    """What to do about many; the sample's own words would name one job only.

    Args:
        inbox: its name.
        state: where they are.
        code: of the reason.
        known: the inbox is configured: it can be approved as a whole.
    """
    each = _EACH.format(inbox=inbox, state=state.value, code=code)
    way = _RELEASED.get(code) if known else None
    if way is not None:
        return way.format(inbox=inbox, each=each)
    if state is State.FAILED:
        return f"{each}, and `diffio-watch show JOB` what to do with each."
    return f"{each}, and `diffio-watch show JOB` what to do."
