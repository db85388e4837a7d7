"""What the sandbox gives back where a difference is to be heard: the same sound through a plain filter."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

import pytest

from diffio_watch.sandbox.filtered import filtered, possible
from diffio_watch.sandbox.state import Blob

pytest.importorskip("av")

_RATE = 16_000


def _level(path: Path) -> float:
    with wave.open(str(path), "rb") as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    return 10 * math.log10(sum(each * each for each in samples) / len(samples))


def _tone(path: Path, hertz: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(array.array("h", [
            round(8000 * math.sin(math.tau * hertz * at / _RATE)) for at in range(2 * _RATE)]).tobytes())
    return path


@pytest.mark.parametrize(("hertz", "least", "most"), [(50, -60, -12), (500, -3, 0.1), (6000, -60, -12)])
def test_it_takes_what_is_low_and_high_and_leaves_the_middle(tmp_path: Path, hertz: float, least: float,
                                                             most: float) -> None:
    given, half = _tone(tmp_path / "given.wav", hertz), tmp_path / "half"
    whole = given.read_bytes()
    half.write_bytes(whole[1000:])
    given_in_parts = Blob(((given, 1000), (half, len(whole) - 1000)), "given")
    found = filtered(given_in_parts, tmp_path / "target.wav")
    assert found is not None
    assert possible()
    with wave.open(str(tmp_path / "target.wav"), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (_RATE, 1, 2 * _RATE)
    assert least < _level(tmp_path / "target.wav") - _level(given) < most
    assert filtered(given_in_parts, tmp_path / "target.wav") == found


def test_what_can_t_be_decoded_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("nothing to be heard")
    assert filtered(Blob(((path, path.stat().st_size),), "x"), tmp_path / "target.wav") is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["text.wav"]
