"""Recordings for tests of listening: tones, squares, and something with the rhythm of speech."""

from __future__ import annotations

import array
import functools
import itertools
import math
import os
import random
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RATE = 16_000


def write(path: Path, *channels: Sequence[int], rate: int = RATE) -> Path:
    """A 16-bit WAV of these channels."""
    samples = array.array("h", [0]) * (len(channels[0]) * len(channels))
    for number, channel in enumerate(channels):
        samples[number::len(channels)] = array.array("h", channel)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def sine(seconds: float, *, hertz: int = 1000, decibels: float = -23.0, rate: int = 48_000) -> list[int]:
    top = 32768 * 10 ** (decibels / 20)
    again = [round(top * math.sin(math.tau * hertz * at / rate)) for at in range(rate // math.gcd(rate, hertz))]
    return list(itertools.islice(itertools.cycle(again), round(seconds * rate)))


@functools.cache
def speech(seconds: int, seed: int = 1) -> array.array[int]:
    """Noise in syllables of chance lengths and loudness, with gaps between them."""
    chance = random.Random(seed)
    found = array.array("h")
    while len(found) < seconds * RATE:
        loud = chance.choice((0.0, 0.02, 0.3, 0.6, 1.0)) * 0.5
        noise = array.array("h", chance.randbytes(2 * round(RATE * chance.uniform(0.03, 0.25))))
        found.extend(int(each * loud) for each in noise)
    return found[:seconds * RATE]


@functools.cache
def voice(seconds: int, seed: int = 1) -> array.array[int]:
    """A soft tone whose pitch and loudness wander by chance: no steps, and no moment of it is like another."""
    chance = random.Random(seed)
    points = [(chance.uniform(120, 480) / RATE, chance.uniform(3_600, 12_000)) for _ in range(seconds * 20 + 1)]
    each = RATE // 20
    found, turn = array.array("h"), 0.0
    for (pitch, loud), (next_pitch, next_loud) in itertools.pairwise(points):
        for at in range(each):
            turn += pitch + (next_pitch - pitch) * at / each
            found.append(int(math.sin(math.tau * turn) * (loud + (next_loud - loud) * at / each)))
    return found


def silence(path: Path, hours: float) -> Path:
    """A WAV of 48 kHz in stereo whose samples are a hole in its file."""
    size, rate, frame = round(hours * 3600 * 48_000) * 4, 48_000, 4
    path.write_bytes(b"RIFF" + (size + 36).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
                     + (1).to_bytes(2, "little") + (2).to_bytes(2, "little") + rate.to_bytes(4, "little")
                     + (rate * frame).to_bytes(4, "little") + frame.to_bytes(2, "little") + (16).to_bytes(2, "little")
                     + b"data" + size.to_bytes(4, "little"))
    os.truncate(path, size + 44)
    return path


def gigabyte(path: Path) -> Path:
    """A WAV of 1.1 GB, silent but for a minute from 1:00:00 on."""
    with silence(path, 1.6).open("r+b") as file:
        file.seek(44 + 3600 * 48_000 * 4)
        tone = sine(60, hertz=440, decibels=-12)
        file.write(array.array("h", [each for sample in tone for each in (sample, sample)]))
    return path


def encode(source: Path, target: Path, codec: str, form: str, **options: str) -> Path:
    """Another format of a recording, by PyAV."""
    import av  # noqa: PLC0415 - an extra

    with av.open(str(source)) as there, av.open(str(target), "w", format=form, options=options) as here:
        stream: Any = here.add_stream(codec, rate=48_000)
        stream.layout = "stereo"
        resampler = av.AudioResampler(stream.format, "stereo", 48_000, stream.codec_context.frame_size or None)
        for frame in there.decode(audio=0):
            for part in resampler.resample(frame):
                here.mux(stream.encode(part))
        for part in resampler.resample(None):
            here.mux(stream.encode(part))
        here.mux(stream.encode(None))
    return target
