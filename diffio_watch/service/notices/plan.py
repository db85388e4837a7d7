"""Who is told what, and when: pure, with the time passed in.

What comes is counted together by inbox and reason. The first is told at once; what follows is told together after five
quiet minutes, or thirty. What lasts, a stop or what waits for a person, is told once, and a stop once more at its end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from diffio_watch.disk import names
from diffio_watch.job import State
from diffio_watch.journal import Halt
from diffio_watch.journal.notice_records import News, Outage, Telling
from diffio_watch.report.attention import Attention, for_many

QUIET: Final = 300.0  # seconds without anything new, after which what came is told
LONGEST: Final = 1800.0  # … and that it waits at most
FILES: Final = "files"  # the lane of what concerns single files
_STANDS: Final = 15.0  # seconds that a stop which may end by itself lasts, and an end stands, before it is told
_MODEL_STANDS: Final = 600.0  # … and an end of a model's stop: each start takes it back, until a job tries the model
_WAITS: Final = 900.0  # … and that a file waits for a person, as with its error file
_NAMES: Final = 5  # of files that are named
_MOST: Final = 200  # reasons in a lane; what is more of them is counted with the last
_LONGEST_TEXT: Final = 600  # characters of a sentence
EVENTS: Final = {State.FAILED: "failed", State.HELD: "held", State.DELIVERED: "delivered"}


def states(events: Collection[str]) -> frozenset[State]:
    """The states that jobs come to and that are told, for the events of the configuration."""
    return frozenset(state for state, event in EVENTS.items() if event in events)


def of_jobs(news: Iterable[News]) -> list[Telling]:
    """What is to be told of jobs."""
    found = []
    for one in news:
        why = one.job.because if one.job.state is not State.DELIVERED else None
        found.append(Telling(FILES, EVENTS[one.job.state], one.job.inbox, why.code if why else "", 1,
                             (_short(names.show(one.job.path)),), _short(why.message) if why else "",
                             _short(why.action) if why else "", one.at, one.at))
    return found


def merged(known: Iterable[Telling], new: Iterable[Telling]) -> list[Telling]:
    """Together by lane, event, inbox and reason; what is known came before what is new."""
    found: dict[tuple[str, str, str, str, str], Telling] = {}
    for one in (*known, *new):
        key = (one.lane, one.event, one.inbox, one.code, one.key)
        if key not in found and sum(other.lane == one.lane for other in found.values()) >= _MOST:
            key = next(reversed([place for place, other in found.items() if other.lane == one.lane]))
        before = found.get(key)
        found[key] = one if before is None else replace(
            before, count=before.count + one.count, names=(before.names + one.names)[:_NAMES],
            message=before.message if before.names else one.message,
            action=_of_many(before) if before.names else one.action, last_at=max(before.last_at, one.last_at),
            lasted=one.lasted if before.key else 0.0, waited=max(before.waited, one.waited))
    return list(found.values())


def due(tellings: Iterable[Telling], last_at: Mapping[str, float | None], now: float) -> list[str]:
    """The lanes that have a message to send now.

    Args:
        tellings: what is to be told.
        last_at: when each lane sent its last message, in seconds since the epoch.
        now: seconds since the epoch.
    """
    found = []
    for lane in dict.fromkeys(one.lane for one in tellings):
        those = [one for one in tellings if one.lane == lane]
        first, newest = min(one.first_at for one in those), max(one.last_at for one in those)
        last = last_at.get(lane)
        # what happens around a look may be stamped before it and come after it, or the other way round; hours between
        # two moments are a clock that was set, and no reason to wait
        fresh = last is None or abs(first - last) >= QUIET
        if fresh or abs(now - newest) >= QUIET or abs(now - first) >= LONGEST:
            found.append(lane)
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands in the way now: a stop, or what waits for a person.

    `count` is of files, 0 where it is none of files.
    """

    key: str
    inbox: str
    code: str
    message: str
    action: str
    since: float
    count: int = 0
    names: tuple[str, ...] = ()


def stops(halts: Mapping[str, Halt], inboxes: Collection[str]) -> list[Seen]:
    """The stops among what is seen.

    Args:
        halts: all, by scope.
        inboxes: names of the configured ones.
    """
    found = []
    for scope, halt in halts.items():
        kind, _, rest = scope.partition(":")
        name = rest.partition(":")[0] if kind == "inbox" else ""
        if not name or name in inboxes:
            why = halt.because
            found.append(Seen(scope, name, why.code, _short(why.message), _short(why.action), halt.since))
    return found


def for_a_person(those: Iterable[Attention], now: float) -> list[Seen]:
    """What waits for a person without being a stop, a failure or a hold."""
    return [Seen(f"{one.what}:{one.inbox}:{one.code}", one.inbox, one.code, _short(one.message), _short(one.action),
                 now, max(1, one.count), (_short(names.show(one.path)),) if one.path is not None else ())
            for one in those if one.what in {"waiting", "originals"}]


def outages(known: Mapping[str, Outage], seen: Iterable[Seen], waits: Mapping[str, int], inboxes: Collection[str],
            now: float) -> tuple[dict[str, Outage], list[Telling]]:
    """What lasts from now on, and what is to be told of it.

    Args:
        known: what lasted so far.
        seen: what stands in the way now.
        waits: how many recordings were on their way at the last look, by inbox.
        inboxes: names of the configured ones: what is configured no more has no end that anybody waits for.
        now: seconds since the epoch.
    """
    found: dict[str, Outage] = {}
    told: list[Telling] = []
    present = {one.key: one for one in seen}
    for key, one in present.items():
        before = known.get(key)
        since = before.since if before is not None else min(one.since, now)
        outage = Outage(key, one.inbox, one.code, one.message, one.action, since, before is not None and before.told,
                        None, one.count)
        another = before is not None and before.told and before.code != one.code
        if another or (not outage.told and not 0 <= now - since < _patience(key)):
            outage = replace(outage, told=True)
            told.append(replace(_telling(outage, "halted" if one.count == 0 else "waiting", now), names=one.names))
        found[key] = outage
    for key, before in known.items():
        if key in present or not before.told or (before.inbox and before.inbox not in inboxes):
            continue
        gone = before if before.gone_at is not None else replace(
            before, gone_at=now, waited=waits.get(before.inbox, 0) if before.inbox else sum(waits.values()))
        assert gone.gone_at is not None
        if 0 <= now - gone.gone_at < (_MODEL_STANDS if key.endswith(":model") else _STANDS):
            found[key] = gone
        elif gone.count == 0:
            told.append(_telling(gone, "resumed", now))
    return found, told


def wanted(tellings: Iterable[Telling], events: Collection[str]) -> list[Telling]:
    """Those that are told, for the events of the configuration. What waits for a person goes with what is held."""
    return [one for one in tellings if ("held" if one.event == "waiting" else one.event) in events]


def _telling(outage: Outage, event: str, now: float) -> Telling:
    lane = FILES if event == "waiting" else outage.key.partition(":")[0]
    over = event == "resumed"
    return Telling(lane, event, outage.inbox, outage.code, max(1, outage.count), (), outage.message, outage.action, now,
                   now, max(0.0, (outage.gone_at or now) - outage.since) if over else 0.0,
                   outage.waited if over else 0, outage.key)


def _of_many(one: Telling) -> str:
    """What to do about many; what the first one came with names that job alone, but for a drop."""
    state = {event: state for state, event in EVENTS.items()}[one.event]
    return one.action if one.code in {"", "drop_size"} else for_many(one.inbox, state, one.code)


def _patience(key: str) -> float:
    kind = key.partition(":")[0]
    return {"account": 0.0, "origin": _STANDS, "inbox": _STANDS}.get(kind, _WAITS)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT - 1] + "…"
