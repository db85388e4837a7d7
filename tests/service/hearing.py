"""What can be told of recorded sound: how loud it is, how far two sides are apart."""

from __future__ import annotations

import array
import itertools
import math
from collections.abc import Iterator, Sequence
from operator import mul
from typing import Final

_ENOUGH: Final = 0.9  # of a correlation: below it a side was just being moved, or is silent


def level(samples: Sequence[float]) -> float:
    """RMS in dB."""
    return 10 * math.log10(sum(map(mul, samples, samples)) / max(1, len(samples)) + 1e-12)


def windows(samples: array.array[float], rate: float, seconds: float) -> list[float]:
    """The level of one piece after the other."""
    each = round(rate * seconds)
    return [level(samples[at:at + each]) for at in range(0, len(samples) - each + 1, each)]


def step(samples: array.array[float]) -> float:
    """The largest from a sample to the next."""
    return max(abs(there - here) for here, there in itertools.pairwise(samples))


def apart(one: array.array[float], other: array.array[float], rate: float, most: float = 0.05,
          ) -> Iterator[float | None]:
    """By how many seconds the other side is behind, for each half second; None where that can't be told.

    Both are taken to have nothing above 500 Hz, and to be no more than `most` apart.
    """
    every = int(rate / 3000)
    one, other, rate = one[::every], other[::every], rate / every
    far, length = round(most * rate), round(rate / 2)
    energies = list(itertools.accumulate(map(mul, other, other), initial=0.0))
    for at in range(far, len(one) - length - far, length):
        here = one[at:at + length]
        loud = sum(map(mul, here, here))
        found, shift = max((_alike(here, other[to:to + length], loud * (energies[to + length] - energies[to])), to - at)
                           for to in range(at - far, at + far + 1))
        yield shift / rate if found > _ENOUGH else None


def _alike(one: Sequence[float], other: Sequence[float], energies: float) -> float:
    """1 where they are the same but for their loudness, 0 where they have nothing in common.

    `energies` is the product of those of both.
    """
    return sum(map(mul, one, other)) / math.sqrt(energies) if energies > 0 else 0.0
