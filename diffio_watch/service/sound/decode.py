"""The one seam to PyAV: a descriptor becomes frames of sound. Runs in the child process alone."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any, Final

import av
import av.error

_MOST_BAD: Final = 1000  # packets in a row that can't be decoded
_DISK: Final = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENXIO})


class NoSound(Exception):
    """There is nothing to be decoded; the message is a sentence for people."""


class Unreadable(Exception):
    """The disk or share beneath the file fails: another time it may not."""


class Sound:
    """The sound of an open file, as players choose and time it.

    Attributes:
        codec: FFmpeg's name of it.
        form: of the container, FFmpeg's name.
        rate: samples a second.
        channels: how many.
        late: seconds of the file's time before its sound begins.
        bad: packets that could not be decoded, and were left out.

    Args:
        descriptor: of the file. FFmpeg gets this and can open nothing else: what a playlist names stays closed.

    Raises:
        NoSound: nothing in it can be decoded.
        Unreadable: it can't be read.
    """

    def __init__(self, descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            self._container = av.open("fd:", options={"fd": str(descriptor), "protocol_whitelist": "fd"},
                                      metadata_errors="ignore")
        except (av.error.FFmpegError, ValueError) as error:
            _must_be_its_own(error)
            raise NoSound("It can't be opened as sound.") from error
        self._stream = self._container.streams.best("audio")
        if self._stream is None:
            raise NoSound("There is no sound in it.")
        self._stream.thread_type = "SLICE"
        self._stream.codec_context.thread_count = 1  # one core, so that the rest of the machine has the others
        self.codec = str(self._stream.codec_context.name)
        self.form = str(self._container.format.name)
        self.bad = 0
        self.late = 0.0
        self._frames = self._decoded()
        self._first = next(self._frames, None)
        if self._first is None:
            raise NoSound("Nothing of its sound can be decoded.")
        self.rate = int(self._first.sample_rate)
        self.channels = int(self._first.layout.nb_channels)
        self._key = _kind(self._first)
        if self._first.pts is not None and self._first.time_base is not None:
            self.late = max(0.0, float(self._first.pts * self._first.time_base)
                            - (self._container.start_time or 0) / av.time_base)

    @property
    def seconds(self) -> float | None:
        """How long the container says that it is."""
        length = self._container.duration
        return length / av.time_base if length and length > 0 else None

    def frames(self) -> Iterator[Any]:
        """Every frame from the start on, all of the first one's kind and rate; once only."""
        first, self._first = self._first, None
        if first is None:
            return
        form, layout = first.format.name, first.layout
        kind, convert = self._key, None
        yield _plain(first)
        for frame in self._frames:
            if _kind(frame) != kind:  # chained or switched streams change it on the way
                if convert is not None:
                    yield from map(_plain, convert.resample(None))
                kind = _kind(frame)
                convert = None if kind == self._key else av.AudioResampler(form, layout, self.rate)
            if convert is None:
                yield _plain(frame)
            else:
                yield from map(_plain, convert.resample(_plain(frame)))

    def _decoded(self) -> Iterator[Any]:
        in_a_row = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:  # what comes after it can't be found
                _must_be_its_own(error)
                self.bad += 1
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                _must_be_its_own(error)
                if isinstance(error, av.error.EOFError):
                    return
                self.bad += 1
                in_a_row += 1
                if in_a_row > _MOST_BAD:
                    return
                continue
            in_a_row = 0
            yield from (frame for frame in frames if frame.samples)

    def close(self) -> None:
        """Let go of what the decoder holds."""
        self._container.close()


def _kind(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _plain(frame: Any) -> Any:
    """Without its time: what counts is how many samples came before it."""
    frame.pts = None
    return frame


def _must_be_its_own(error: Exception) -> None:
    """Go on where the file is at fault, and neither memory nor disk."""
    if isinstance(error, MemoryError):
        raise error
    if getattr(error, "errno", None) in _DISK:
        raise Unreadable(_words(error)) from error


def _words(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)[:200]
