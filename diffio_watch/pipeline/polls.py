"""When a generation is asked for again: by what the service tells of it, and by how long others took.

`pause` is pure. Whatever is told or was learned moves a poll only between two fences. A pause lasts from the
shortest to the longest configured, and where the end is thought to be far, no more than a share of the time waited:
a wrong guess costs that much. And there are never more polls than the blind pace would have made by then, which is
what one takes who knows nothing: what knowledge saves on the way is spent around the end.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from diffio_watch.clock import Clock
from diffio_watch.journal.totals import Took

_BLIND: Final = 0.15  # a pause's share of the time waited, where nothing is known
_FAR: Final = 0.3  # … and at most, where the end is thought to be far
_PART: Final = 0.7  # of the way to an end that is guessed: then it is guessed anew
_AGREES: Final = (0.7, 1.5)  # shares of a guess, between which what others took bears it out
_LEAST: Final = 5  # generations, before which nothing is learned from them
_MOST: Final = 50  # … and the newest ones that count
_LOOK_EVERY: Final = 10.0  # seconds between two looks at how long they took
_MODELS: Final = 100  # that are remembered; a name is the service's word


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a generation when a poll has found it unfinished.

    Attributes:
        waited: seconds since it was bought.
        polls: how many there were, with this one.
        queued: whether the service has not begun it.
        remaining: seconds that it still takes, as the service says.
        percent: how far it is, as the service says.
        before: what `waited` and `percent` were at the poll before, if that found it in the same stage.
        ends: seconds that others like it took, the shortest first.
        announced: whether the service will most likely say by itself when it ends.
    """

    waited: float
    polls: int
    queued: bool = False
    remaining: float | None = None
    percent: float | None = None
    before: tuple[float, float | None] | None = None
    ends: Sequence[float] = ()
    announced: bool = False


def pause(look: Look, first: float, longest: float) -> float:
    """Seconds until the next poll.

    Args:
        look: what is known.
        first: the shortest pause.
        longest: the longest one.
    """
    if look.announced:
        return longest
    blind = _Blind(first, longest)
    wish = _towards(look.remaining, blind) if look.remaining else min(_wish(look, blind), look.waited * _FAR)
    bounded = min(longest, max(first, wish))
    spare = blind.polls(look.waited) - look.polls
    return bounded if spare >= 1 else max(bounded, blind.pause(look.waited))


def ends(took: Sequence[Took], length: float | None) -> list[float]:
    """Seconds that a medium of this length would have taken, by each of those that are complete, the shortest first."""
    log = _log(length)
    if log is None:
        return sorted(one.seconds for one in took) if len(took) >= _LEAST else []
    known = [(its_log, one.seconds) for one in took if (its_log := _log(one.length)) is not None]
    if len(known) < _LEAST:
        return []
    lengths = [its_log for its_log, _ in known]
    grows = 0.0  # the time with the length: from not at all to in proportion
    if max(lengths) > min(lengths):
        grows = statistics.linear_regression(lengths, [math.log(seconds) for _, seconds in known]).slope
    grows = min(1.0, max(0.0, grows))
    return sorted(seconds * math.exp(grows * (log - its_log)) for its_log, seconds in known)


def _log(length: float | None) -> float | None:
    """Of a length that can be; a file's header may tell any."""
    return math.log(length) if length is not None and 0.001 < length < 1e9 else None


class Earlier:
    """How long earlier generations took, as the journal knows it.

    Args:
        took: those of a model, the newest so many.
        clock: says when to look again.
    """

    def __init__(self, took: Callable[[str, int], list[Took]], clock: Clock) -> None:
        self._took = took
        self._clock = clock
        self._known: dict[str, tuple[float, list[Took]]] = {}  # model → when it was looked up, and what was found

    def ends(self, model_key: str | None, length: float | None) -> list[float]:
        """Seconds that a medium of this length would have taken; empty where too little is known."""
        if model_key is None:
            return []
        now = self._clock.monotonic()
        at, took = self._known.get(model_key, (-math.inf, []))
        if now - at >= _LOOK_EVERY:
            took = self._took(model_key, _MOST)
            if len(self._known) >= _MODELS:
                self._known = {}
            self._known[model_key] = now, took
        return ends(took, length)


@dataclass(frozen=True, slots=True)
class _Blind:
    """The pace of one who knows nothing: short at first, stretching with the time waited."""

    first: float
    longest: float

    def pause(self, waited: float) -> float:
        return min(self.longest, max(self.first, waited * _BLIND))

    def polls(self, waited: float) -> float:
        """How many polls it makes within that time."""
        grows = min(waited, self.first / _BLIND)
        stays = min(waited, max(grows, self.longest / _BLIND))
        return (grows / self.first + math.log(stays / grows) / math.log(1 + _BLIND) + (waited - stays) / self.longest
                if grows > 0 else 0.0)


def _wish(look: Look, blind: _Blind) -> float:
    if look.queued:
        return math.inf
    gone, done = _course(look)
    if done > 0:
        left = (100.0 - (look.percent or 0.0)) * gone / done
        guess = _towards(left, blind)
        if not look.ends:
            return guess
        low, high = _AGREES
        agreeing = [end for end in look.ends if low * left <= end - look.waited <= high * left]
        return _by_others(look, agreeing, blind) if agreeing else min(guess, _by_others(look, look.ends, blind))
    if look.ends:
        return _by_others(look, look.ends, blind)
    usual = blind.pause(look.waited)
    # what stands still is told in whole steps, and may be about to take half a one
    return min(usual, (100.0 - look.percent) * 2 * gone) if gone and look.percent else usual


def _towards(left: float, blind: _Blind) -> float:
    """A guess that is near is right; one from afar is made anew on the way."""
    return left + blind.first / 4 if left < 2 * blind.first else left * _PART


def _course(look: Look) -> tuple[float, float]:
    """Seconds since the poll before, and percent that were done in them; nothing where these tell nothing."""
    if look.percent is None or look.before is None or look.before[1] is None or look.percent < look.before[1]:
        return 0.0, 0.0
    return max(0.0, look.waited - look.before[0]), look.percent - look.before[1]


def _by_others(look: Look, took: Sequence[float], blind: _Blind) -> float:
    """So long that each poll there may still be finds an equal share of the others at their end."""
    rest = [end - look.waited for end in took if end > look.waited]
    spare = blind.polls(look.waited + rest[-1]) - look.polls if rest else 0.0
    if spare >= 1:
        return rest[math.ceil(len(rest) / spare) - 1]
    usual = blind.pause(look.waited)
    return min(usual, (look.waited - took[-1]) * _FAR) if took and not rest else usual
