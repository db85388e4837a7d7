"""What the sandbox gives back where it is asked for a difference that can be heard: a plain filter, no restoration."""

from __future__ import annotations

import importlib.util
import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.sandbox.state import Blob

if TYPE_CHECKING:
    from collections.abc import Iterator

MIME_TYPE: Final = "audio/wav"
_DELAY: Final = 0.02  # seconds that the filter holds back
# rumble and hiss go, and with them what is fine in a voice
_FILTER: Final = f"gain='if(between(f,150,3000),0,-40)':delay={_DELAY}"


def possible() -> bool:
    """Whether PyAV, the extra `waveforms`, is here."""
    return importlib.util.find_spec("av") is not None


def filtered(blob: Blob, target: Path) -> Blob | None:
    """The sound of a medium through the filter, as 16-bit WAV; None where none of it can be decoded.

    Args:
        blob: the medium.
        target: where the WAV goes, unless it is there already.
    """
    import av  # noqa: PLC0415 - an extra
    import av.error  # noqa: PLC0415 - heavy, or an extra

    if not target.exists():
        part = target.with_suffix(".part")
        try:
            with av.open(io.BufferedReader(_Reader(blob), 1 << 20), metadata_errors="ignore") as medium, \
                    wave.open(str(part), "wb") as file:
                stream = medium.streams.audio[0]
                file.setnchannels(min(2, stream.channels))
                file.setsampwidth(2)
                file.setframerate(stream.rate)
                late = round(_DELAY * stream.rate) * file.getnchannels() * 2
                for samples in _in_time(_samples(medium, stream), late):
                    file.writeframesraw(samples)
        except (av.error.FFmpegError, wave.Error, IndexError, ValueError):
            part.unlink(missing_ok=True)
            return None
        part.rename(target)
    return Blob(((target, target.stat().st_size),), etag=target.stem)


def _in_time(pieces: Iterator[bytes], late: int) -> Iterator[bytes]:
    """Without the bytes that the filter puts before the sound, and without as many at the end: they are its own."""
    held = b""
    skip = late
    for piece in pieces:
        held += piece[skip:]
        skip = max(0, skip - len(piece))
        if len(held) > late:
            yield held[:-late]
            held = held[-late:]


def _samples(medium: Any, stream: Any) -> Iterator[bytes]:
    import av  # noqa: PLC0415 - heavy, or an extra
    import av.filter  # noqa: PLC0415 - heavy, or an extra

    layout = "mono" if stream.channels == 1 else "stereo"
    to_words = av.AudioResampler("s16", layout, stream.rate)
    graph = av.filter.Graph()
    nodes = [graph.add_abuffer(template=stream), graph.add("firequalizer", _FILTER), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()

    def pulled() -> Iterator[bytes]:
        while True:
            try:
                frame = graph.pull()
            except (BlockingIOError, EOFError):
                return
            frame.pts = None
            for part in to_words.resample(frame):
                yield bytes(part.planes[0])[:part.samples * 2 * part.layout.nb_channels]

    for frame in medium.decode(stream):
        graph.push(frame)
        yield from pulled()
    graph.push(None)
    yield from pulled()


class _Reader(io.RawIOBase):
    """A medium in parts, as one file."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blob.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = b"".join(self._blob.read(self._at, min(self._blob.size, self._at + len(buffer))))
        buffer[:len(data)] = data
        self._at += len(data)
        return len(data)
