"""The demo's own recordings: a few seconds of something like speech, made of sums."""

from __future__ import annotations

import array
import math
import random
import sys
import wave
from pathlib import Path
from typing import Final

_RATE: Final = 16_000
# of a vowel's three strongest bands: a, e, i, o, u
_VOWELS: Final = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
_FILES: Final = (("welcome.wav", 110.0), ("show 12/interview.wav", 165.0), ("show 12/outro.wav", 130.0))


def write_samples(folder: Path, seconds: float = 3.0) -> list[Path]:
    """Write three short recordings, two of them in a folder below; their paths."""
    written = []
    for name, pitch in _FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(_babble(pitch, seconds))
        written.append(path)
    return written


def _babble(pitch: float, seconds: float) -> bytes:
    """Syllables, four a second: harmonics of a voice's pitch, shaped by vowels, over a little hiss."""
    chance = random.Random(pitch)  # noqa: S311 - the same voice each time, no secret
    samples = array.array("h")
    phase = 0.0
    vowel = _VOWELS[0]
    for index in range(int(_RATE * seconds)):
        at = index / _RATE
        if index % (_RATE // 4) == 0:
            vowel = chance.choice(_VOWELS)
        phase += pitch * (1 + 0.06 * math.sin(2.1 * at)) / _RATE
        voice = sum(math.sin(math.tau * phase * round(band / pitch)) / (1.6 ** number)
                    for number, band in enumerate(vowel))
        loudness = max(0.0, math.sin(math.pi * 4 * at % math.pi)) ** 0.6
        samples.append(int(9000 * loudness * voice / 2 + chance.gauss(0, 250)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
