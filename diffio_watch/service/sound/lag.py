"""How much later one side of a recording is than the other, and whether that changes: from envelopes at 1 kHz.

An envelope tells when it was loud, not how: a restored voice has the same one as the voice in its noise. It is kept of
short windows at the same places of both sides, each decoded from the start, for a seek may land beside its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, starmap
from operator import mul
from statistics import median
from typing import Final

WINDOW: Final = 4.0  # seconds
_DENSE, _EVERY, _THEN_EVERY = 12, 10.0, 240.0  # so many windows each 10 s, then one each 4 min
MOST: Final = 400  # windows: 26 h
_FAR: Final = 1500  # ms that a side may be late
_COARSE: Final = 10  # ms
_ALIKE: Final = 0.5  # correlation that makes a window count
_SPAN: Final = 15.0  # seconds between first and last window from which on a drift can be told
_NEAR: Final = 4.0  # ms from the line
_DRIFTS: Final = 20.0  # millionths from which on it drifts; two clocks of one machine differ by less
LATE: Final = 40.0  # ms from which on lips and voice part


@dataclass(frozen=True, slots=True)
class Lag:
    """How the second side lies to the first.

    Attributes:
        ms: at the start; positive where the second is late.
        drift: millionths by which the second is longer.
        windows: places that agree on it.
        of: places that were looked at and had anything to compare.
    """

    ms: float
    drift: float
    windows: int
    of: int

    @property
    def drifts(self) -> bool:
        """Whether it is another lag further on."""
        return abs(self.drift) >= _DRIFTS


def place(number: int) -> float:
    """Where the window of this number begins, in seconds."""
    return number * _EVERY if number < _DENSE else (_DENSE - 1) * _EVERY + (number - _DENSE + 1) * _THEN_EVERY


def between(one: Sequence[bytes], other: Sequence[bytes]) -> Lag | None:
    """The lag of the second side; None where nothing of them is alike.

    Args:
        one: envelopes of the first side's windows, a byte a millisecond, by number.
        other: likewise.
    """
    found: list[tuple[float, float]] = []
    looked = 0
    for number, (here, there) in enumerate(zip(one, other, strict=False)):
        near = found[-1][1] if found else None
        told = _window(here, there, near)
        if told is None:
            continue
        looked += 1
        if told[1] >= _ALIKE:
            found.append((place(number) + WINDOW / 2, told[0]))
            if abs(told[0]) > _FAR * 0.8:
                break  # it runs out of sight
    if not found:
        return None
    drift = 0.0
    if found[-1][0] - found[0][0] >= _SPAN and len(found) >= 3:
        drift = median((b - a) / (t - s) for (s, a), (t, b) in combinations(found, 2))
    start = median(lag - drift * at for at, lag in found)
    near_it = sum(abs(start + drift * at - lag) <= _NEAR for at, lag in found)
    if near_it * 2 <= len(found):
        return None
    return Lag(round(start, 1), round(drift * 1000, 1), near_it, looked)


def _window(one: bytes, other: bytes, near: float | None) -> tuple[float, float] | None:
    """Lag in ms and how alike they are; None where one of them is silent."""
    if min(len(one), len(other)) < 500 or max(one) < 4 or max(other) < 4:
        return None
    coarse = [_thin(one), _thin(other)]
    far = min(_FAR, min(len(one), len(other)) // 2) // _COARSE
    best = max(((_alike(coarse[0], coarse[1], lag), lag) for lag in range(-far, far + 1)), default=(0.0, 0))
    middle = best[1] * _COARSE
    if near is not None and abs(middle - near) > 100:  # a rhythm is like itself a beat later
        around = range(round(near / _COARSE) - 10, round(near / _COARSE) + 11)
        again = max((_alike(coarse[0], coarse[1], lag), lag) for lag in around)
        if again[0] > best[0] - 0.1:
            middle = again[1] * _COARSE
    scores = {lag: _alike(one, other, lag) for lag in range(middle - 15, middle + 16)}
    top = max(scores, key=lambda lag: scores[lag])
    return top + _between(scores.get(top - 1), scores[top], scores.get(top + 1)), scores[top]


def _thin(envelope: bytes) -> list[int]:
    return [sum(envelope[at:at + _COARSE]) for at in range(0, len(envelope) - _COARSE + 1, _COARSE)]


def _alike(one: Sequence[int], other: Sequence[int], lag: int) -> float:
    """The correlation where the second is late by so many steps."""
    here = one[max(0, -lag):len(other) - lag]
    there = other[max(0, lag):len(one) + lag]
    count = min(len(here), len(there))
    if count < 2:
        return 0.0
    here, there = here[:count], there[:count]
    a, b = sum(here), sum(there)
    both = sum(starmap(mul, zip(here, there, strict=True))) - a * b / count
    spread = (sum(map(mul, here, here)) - a * a / count) * (sum(map(mul, there, there)) - b * b / count)
    return both / math.sqrt(spread) if spread > 0 else 0.0


def _between(left: float | None, top: float, right: float | None) -> float:
    """Where between the steps the top of the curve through three of them is."""
    if left is None or right is None or (bend := left - 2 * top + right) >= 0:
        return 0.0
    return max(-0.5, min(0.5, (left - right) / (2 * bend)))
