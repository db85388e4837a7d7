"""What a browser can't play, as FLAC, which each can: 16 bit, 48 kHz, one channel or two. Runs in the child alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import av
import av.error

from diffio_watch.service.sound.decode import NoSound, Sound

RATE: Final = 48_000


def write(descriptor: int, target: int) -> dict[str, Any]:
    """Decode a file from its start and write it as FLAC.

    Args:
        descriptor: of the file.
        target: an empty file, open for writing and reading.

    Returns:
        JSON: `seconds` of sound that were written.

    Raises:
        NoSound: nothing in it can be decoded, or it is too long for a preview.
    """
    sound = Sound(descriptor)
    layout = "mono" if sound.channels == 1 else "stereo"
    convert = av.AudioResampler("s16", layout, RATE)
    return {"seconds": encoded(target, layout, _parts(sound, convert, layout, round(sound.late * RATE)))}


def encoded(target: int, layout: str, parts: Iterator[Any]) -> float:
    """Write frames of 16 bit and 48 kHz as FLAC; the seconds that they are.

    Raises:
        NoSound: it can't be written, or is too long.
    """
    samples = 0
    try:
        with os.fdopen(target, "wb+") as file, av.open(file, "w", format="flac") as flac:
            stream = flac.add_stream("flac", rate=RATE, options={"compression_level": "2"})
            stream.layout = layout
            stream.format = "s16"
            for part in parts:
                part.pts = samples
                samples += part.samples
                flac.mux(stream.encode(part))
            flac.mux(stream.encode(None))
    except (av.error.FFmpegError, OSError) as error:
        raise NoSound(f"No preview of it can be made: {getattr(error, 'strerror', None) or error}.") from error
    return round(samples / RATE, 3)


def _parts(sound: Sound, convert: Any, layout: str, silence: int) -> Any:
    """What was decoded, in the preview's form, after as much silence as the file has before it."""
    while silence > 0:
        empty = av.AudioFrame("s16", layout, min(silence, RATE))
        empty.sample_rate = RATE
        for plane in empty.planes:
            plane.update(bytes(plane.buffer_size))
        silence -= empty.samples
        yield empty
    for frame in sound.frames():
        yield from convert.resample(frame)
    yield from convert.resample(None)
