"""What tests tell of recorded sound by."""

from __future__ import annotations

import array

import hearing
import pytest
import tones


@pytest.mark.parametrize("late", [-0.02, 0.0, 0.001, 0.015, 0.045])
def test_how_far_two_sides_are_apart_is_told_to_a_millisecond(late: float) -> None:
    voice = array.array("f", (each / 32768 for each in tones.voice(4)))
    shift = round(0.05 * tones.RATE) + round(late * tones.RATE)
    one, other = voice[round(0.05 * tones.RATE):], array.array("f", [0.0] * shift) + voice
    other = array.array("f", (each / 8 for each in other[round(0.1 * tones.RATE):]))
    found = list(hearing.apart(one, other, tones.RATE))
    assert len(found) >= 6
    assert found == pytest.approx([late] * len(found), abs=0.001)


def test_of_what_has_nothing_in_common_it_is_not_told() -> None:
    one, other = (array.array("f", tones.voice(4, seed)) for seed in (1, 2))
    assert set(hearing.apart(one, other, tones.RATE)) == {None}
    assert set(hearing.apart(one, array.array("f", [0.0] * len(one)), tones.RATE)) == {None}
