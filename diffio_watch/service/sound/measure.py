"""One decode of a file gives all that is kept of it: peaks, loudness, and envelopes of a few windows."""

from __future__ import annotations

import math
from array import array
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

import av
import av.error
import av.filter

from diffio_watch.service.sound import lag
from diffio_watch.service.sound.decode import NoSound, Sound

LONGEST: Final = 26 * 3600.0  # seconds
_RATE: Final = 8000  # of what envelopes are made of
_QUIETEST: Final = -70.0  # LUFS: ebur128's word for silence


class TooLong(NoSound):
    """It goes on for longer than anybody listens."""


def measure(descriptor: int) -> dict[str, Any]:
    """Decode a file from its start to its end, and tell what it is.

    Returns:
        JSON: `seconds`, `rate`, `channels`, `codec`, `form`; `column` seconds that each pair of `peaks` stands for
        (int8, least and most over all channels); `integrated` and `range` (LUFS, LU), `true_peak` (dBTP): null in
        silence; `short`, a byte a second: -2 x LUFS; `windows`, envelopes for `lag.between`. Bytes are in base64.

    Raises:
        NoSound: nothing in it can be decoded.
    """
    sound = Sound(descriptor)
    peaks, short = bytearray(), bytearray()
    windows = _Windows(sound.rate, sound.late)
    to_bytes = av.AudioResampler(format="u8")
    column, samples = 0, 0
    facts: Any = {}
    for frame in _hundred_ms(sound):
        column = column or frame.samples
        samples += frame.samples
        if samples > LONGEST * sound.rate:
            raise TooLong(f"It is longer than {LONGEST / 3600:.0f} h.")
        facts = frame.metadata or facts
        if len(peaks) % 20 == 0:
            short.append(_loudness_byte(facts.get("lavfi.r128.S")))
        for part in to_bytes.resample(frame):
            values = set(memoryview(part.planes[0])[:part.samples * sound.channels])
            peaks += bytes((min(values) ^ 128, max(values) ^ 128))  # u8 to int8
        windows.add(frame)
    if not samples:
        raise NoSound("Nothing of its sound can be decoded.")
    integrated = _number(facts.get("lavfi.r128.I"))
    silent = integrated is None or integrated <= _QUIETEST
    true_peak = _number(facts.get("lavfi.r128.true_peak"))
    return {
        "seconds": round(sound.late + samples / sound.rate, 3), "late": round(sound.late, 4), "rate": sound.rate,
        "channels": sound.channels, "codec": sound.codec, "form": sound.form, "bad": sound.bad,
        "column": column / sound.rate, "peaks": _text(peaks), "short": _text(short),
        "integrated": None if silent or integrated is None else round(integrated, 1),
        "range": None if silent else _number(facts.get("lavfi.r128.LRA")),
        "true_peak": round(20 * math.log10(true_peak), 1) if true_peak else None,
        "windows": [_text(window) for window in windows.done()],
    }


def _hundred_ms(sound: Sound) -> Iterator[Any]:
    """The sound as ebur128 gives it out: frames of 100 ms, with how loud it was up to there."""
    graph: Any = None
    source: Any = None
    sink: Any = None
    for frame in sound.frames():
        if graph is None:
            graph = av.filter.Graph()
            graph.threads = 1
            source = graph.add_abuffer(sample_rate=sound.rate, format=frame.format, layout=frame.layout,
                                       time_base=frame.time_base)
            loudness = graph.add("ebur128", "peak=true:metadata=1")
            sink = graph.add("abuffersink")
            source.link_to(loudness)
            loudness.link_to(sink)
            graph.configure()
        source.push(frame)
        yield from _pulled(sink)
    if graph is not None:
        source.push(None)
        yield from _pulled(sink)


def _pulled(sink: Any) -> Iterator[Any]:
    while True:
        try:
            yield sink.pull()
        except (BlockingIOError, EOFError):
            return


class _Windows:
    """Envelopes at 1 kHz of the windows that `lag` compares."""

    def __init__(self, rate: int, late: float) -> None:
        self._rate = rate
        self._late = late
        self._at = 0  # samples that came
        self._envelopes: list[bytes] = []
        self._convert: Any = None
        self._ahead = 0  # ms of the window before its first frame
        self._samples = array("h")

    def add(self, frame: Any) -> None:
        """Take the next frame into account."""
        begins = self._late + self._at / self._rate
        self._at += frame.samples
        ends = self._late + self._at / self._rate
        if len(self._envelopes) >= lag.MOST:
            return
        opens = lag.place(len(self._envelopes))
        if self._convert is None and ends > opens:
            self._convert = av.AudioResampler("s16", "mono", _RATE)
            # what of the frame lies before the window is cut off; what of the window lies before the sound is silent
            self._ahead = round((begins - opens) * 1000)
        if self._convert is not None:
            self._take(self._convert.resample(frame))
            if ends >= opens + lag.WINDOW:
                self._close()

    def done(self) -> list[bytes]:
        """All of them; the last may be shorter."""
        if self._convert is not None:
            self._close()
        return self._envelopes

    def _take(self, parts: Any) -> None:
        for part in parts:
            self._samples.frombytes(memoryview(part.planes[0])[:part.samples * 2])

    def _close(self) -> None:
        self._take(self._convert.resample(None))
        self._convert = None
        step = _RATE // 1000
        loud = list(map(abs, self._samples))
        self._samples = array("h")
        # the root keeps what is quiet, in a byte
        found = bytes(min(255, round(1.4 * math.sqrt(sum(loud[at:at + step]) / step)))
                      for at in range(0, len(loud) - step + 1, step))
        found = bytes(self._ahead) + found if self._ahead > 0 else found[-self._ahead:]
        self._envelopes.append(found[:round(lag.WINDOW * 1000)])


def _loudness_byte(value: str | None) -> int:
    number = _number(value)
    return 255 if number is None else max(0, min(255, round(-2 * number)))


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(data: bytes | bytearray) -> str:
    return b64encode(data).decode()
