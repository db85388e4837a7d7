"""What a restoration took away: the original minus the restored side, as FLAC. Runs in the child alone.

Both are brought to the sample first, and the restored side to the level at which least is left of the original.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import pairwise
from operator import mul
from typing import Any, Final

import av
import av.filter

from diffio_watch.service.sound.decode import NoSound, Sound
from diffio_watch.service.sound.preview import RATE, encoded

_LOOK: Final = 30  # seconds from the start in which a place to compare is looked for
_STRETCH: Final = RATE // 2  # samples that are compared
_NEAR: Final = RATE // 500  # samples by which what envelopes tell may be off: 2 ms
_ALIKE: Final = 0.3  # correlation below which one is no part of the other


def write(one: int, other: int, target: int, late: float) -> dict[str, Any]:
    """Write what the second file lacks of the first.

    Args:
        one: descriptor of the original.
        other: of the restored side.
        target: an empty file, open for writing and reading.
        late: seconds that the restored side is late, to 2 ms.

    Returns:
        JSON: `seconds`, the `samples` at 48 kHz that it is late by, and the `gain` that the restored side got.

    Raises:
        NoSound: they have too little in common, or one can't be decoded.
    """
    (here, begins), (there, begins_there) = _start(one), _start(other)
    samples, gain = _fit(here, there, round((late + begins - begins_there) * RATE))
    return {"seconds": encoded(target, "stereo", _mixed(one, other, samples, gain)), "samples": samples,
            "gain": round(gain, 4)}


def _start(descriptor: int) -> tuple[array[int], float]:
    """The first seconds in mono, and the seconds of the file's time before them."""
    found = array("h")
    sound = Sound(descriptor)
    for frame in _frames(sound, av.AudioResampler("s16", "mono", RATE)):
        found.frombytes(memoryview(frame.planes[0])[:frame.samples * 2])
        if len(found) > _LOOK * RATE:
            break
    return found, sound.late


def _fit(one: array[int], other: array[int], guess: int) -> tuple[int, float]:
    """Samples by which the second is late, and the gain that makes it most like the first."""
    first = max(0, -guess) + _NEAR
    last = min(len(one), len(other) - guess) - _STRETCH - _NEAR
    places = range(first, max(first + 1, last), _STRETCH)
    at = max(places, key=lambda place: sum(map(abs, one[place:place + _STRETCH:16])))
    here = one[at:at + _STRETCH]
    best, samples, energy = 0.0, guess, 1.0
    for shift in range(guess - _NEAR, guess + _NEAR + 1):
        there = other[at + shift:at + shift + len(here)] if at + shift >= 0 else array("h")
        if len(there) == len(here) and here:
            product = float(sum(map(mul, here, there)))
            if abs(product) > abs(best):
                best, samples, energy = product, shift, float(sum(map(mul, there, there)))
    own = float(sum(map(mul, here, here)))
    if not own or not energy or abs(best) / math.sqrt(own * energy) < _ALIKE:
        raise NoSound("Both have too little in common to tell what was removed.")
    return samples, best / energy


def _mixed(one: int, other: int, samples: int, gain: float) -> Iterator[Any]:
    """Both in one, the second turned over."""
    graph: Any = av.filter.Graph()
    graph.threads = 1
    mix, sink = graph.add("amix", "inputs=2:normalize=0:duration=first:dropout_transition=0"), graph.add("abuffersink")
    sounds = [Sound(descriptor) for descriptor in (one, other)]
    layouts = ["mono" if sound.channels == 1 else "stereo" for sound in sounds]
    sources: list[Any] = []
    in_step = [("atrim", f"start_sample={samples}"), ("asetpts", "PTS-STARTPTS")] if samples > 0 \
        else [("adelay", f"{-samples}S:all=1")]
    for number, (filters, level, layout) in enumerate(zip(([], in_step), (1.0, -gain), layouts, strict=True)):
        source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout=layout)
        # one channel counts in full on both sides, as players have it
        both = f"stereo|c0={level:.6f}*c0|c1={level:.6f}*c{0 if layout == 'mono' else 1}"
        nodes = [source, *(graph.add(*each) for each in filters), graph.add("pan", both), mix]
        for left, right in pairwise(nodes):
            left.link_to(right, 0, number if right is mix else 0)
        sources.append(source)
    in_time = graph.add("adelay", f"{round(sounds[0].late * RATE)}S:all=1")
    mix.link_to(in_time)
    in_time.link_to(sink)
    graph.configure()
    resample = av.AudioResampler("s16", "stereo", RATE)
    streams = [_frames(sound, av.AudioResampler("fltp", layout, RATE))
               for sound, layout in zip(sounds, layouts, strict=True)]
    pushed = [0, 0]
    going = {0, 1}
    while going:
        number = min(going, key=lambda each: pushed[each])
        frame = next(streams[number], None)
        if frame is None:
            going.discard(number)
        else:
            frame.pts = pushed[number]
            pushed[number] += frame.samples
        sources[number].push(frame)
        while True:
            try:
                mixed = graph.pull()
            except (BlockingIOError, EOFError):
                break
            mixed.pts = None
            yield from resample.resample(mixed)


def _frames(sound: Sound, convert: Any) -> Iterator[Any]:
    for frame in sound.frames():
        yield from convert.resample(frame)
    yield from convert.resample(None)
