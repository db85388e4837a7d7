"""What the explorer's worlds hold, and how each must end, however often it is killed on the way."""

from __future__ import annotations

import io
import random
import struct
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from diffio_watch.job import Because, State
from diffio_watch.reasons import because

INBOX: Final = "podcasts"
PART: Final = 16 * 1024


def sound(seed: int, seconds: float = 2.2) -> bytes:
    """A recording of its own: three parts of `PART` bytes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(random.Random(seed).randbytes(2 * int(8000 * seconds)))
    return file.getvalue()


def film(seed: int) -> bytes:
    """An AVI with one stream, of pictures that nobody has to be able to decode; three parts of `PART` bytes."""
    def chunk(name: bytes, *content: bytes) -> bytes:
        whole = b"".join(content)
        return name + struct.pack("<I", len(whole)) + whole + b"\0" * (len(whole) % 2)

    pictures = [chunk(b"00dc", random.Random(seed + number).randbytes(7000)) for number in range(5)]
    whole = struct.pack("<14I", 40_000, 0, 0, 0x10, len(pictures), 0, 1, 7000, 64, 48, 0, 0, 0, 0)
    stream = struct.pack("<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1, 25, 0, len(pictures), 7000, 0, 0, 0, 0,
                         64, 48)
    shape = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MJPG", 64 * 48 * 3, 0, 0, 0, 0)
    head = chunk(b"LIST", b"hdrl", chunk(b"avih", whole),
                 chunk(b"LIST", b"strl", chunk(b"strh", stream), chunk(b"strf", shape)))
    return chunk(b"RIFF", b"AVI ", head, chunk(b"LIST", b"movi", *pictures))


@dataclass(frozen=True)
class Scenario:
    """A world. Paths are relative to the inbox, outbox and archive; contents are those at the end."""

    files: Mapping[str, bytes]
    outputs: Mapping[str, bytes | None]  # None: a transcript, whose words are the service's
    sidecars: Mapping[str, State]  # and error files
    charges: int = 1
    states: Mapping[str, State] = field(default_factory=dict)  # where it is not `delivered`, by path
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    inbox: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, bytes] = field(default_factory=dict)  # somebody else's files, in the outbox from the start
    intrudes: tuple[str, str] | None = None  # somebody makes this file when this call is first seen
    intrudes_after: str | None = None  # … and not before this file stands in the outbox
    takes_away: tuple[str, ...] = ()  # outputs that a person moves elsewhere before asking for something
    refused: Mapping[str, Because] = field(default_factory=dict)  # files that intake refuses
    asks: tuple[tuple[str, Mapping[str, Any]], ...] = ()  # what a person asks for, one thing after the other
    remains: tuple[str, ...] | None = None  # originals in the inbox at the end; None: all
    archived: Mapping[str, bytes] = field(default_factory=dict)
    archive_elsewhere: bool = False  # on another filesystem
    # where it begins to differ from `multipart`: before, it is not explored
    since: State = State.QUEUED
    since_call: str | None = "*"  # None: its calls are the same


TAKE: Final = "show 12/take.wav"
_WAV: Final = {TAKE: sound(1)}
_OUT: Final = {"show 12/take.restored.wav": sound(1)}
_SIDE: Final = {"show 12/take.wav.json": State.DELIVERED}
_OTHER: Final = b"somebody else's"

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "multipart": Scenario(_WAV, _OUT, _SIDE),
    "put": Scenario(_WAV, _OUT, _SIDE, sandbox={"upload": "put"}),
    "transcript": Scenario(_WAV, {**_OUT, "show 12/take.transcript.json": None}, _SIDE,
                           inbox={"outputs": ["audio", "transcript"]},
        since=State.DOWNLOADING, since_call="link"),
    "video": Scenario(
        {"film.avi": film(2)},
        {"film.restored.avi": film(2), "film.restored.audio.avi": film(2), "film.transcript.json": None},
        {"film.avi.json": State.DELIVERED}, inbox={"outputs": ["video", "audio", "transcript"]},
        since=State.DOWNLOADING, since_call="link"),
    "duplicate": Scenario(
        {"one.wav": sound(3), "two.wav": sound(3)}, {"one.restored.wav": sound(3)},
        {"one.wav.json": State.DELIVERED, "two.wav.json": State.SKIPPED}, states={"two.wav": State.SKIPPED}),
    "duplicates-wanted": Scenario(
        {"one.wav": sound(3), "two.wav": sound(3)}, {"one.restored.wav": sound(3), "two.restored.wav": sound(3)},
        {"one.wav.json": State.DELIVERED, "two.wav.json": State.DELIVERED}, charges=2,
        inbox={"duplicates": "process"}, since=State.DELIVERED, since_call=None),
    "archive": Scenario(_WAV, _OUT, _SIDE, inbox={"originals": "archive"}, remains=(), archived=_WAV,
        since=State.DELIVERED, since_call=None),
    "archive-elsewhere": Scenario(_WAV, _OUT, _SIDE, inbox={"originals": "archive"}, remains=(), archived=_WAV,
                                  archive_elsewhere=True,
        since=State.DELIVERED, since_call=None),
    "delete": Scenario(_WAV, _OUT, _SIDE, inbox={"originals": "delete"}, remains=(),
        since=State.DELIVERED, since_call=None),
    "name-taken": Scenario(
        _WAV, {"show 12/take.restored (2).wav": sound(1), "show 12/take.transcript (2).json": None},
        {"show 12/take.wav (2).json": State.DELIVERED}, inbox={"outputs": ["audio", "transcript"]},
        others={"show 12/TAKE.transcript.json": _OTHER},
        since=State.DOWNLOADING, since_call=None),
    "name-taken-late": Scenario(
        _WAV, {"show 12/take.restored (2).wav": sound(1), "show 12/take.transcript (2).json": None},
        {"show 12/take.wav (2).json": State.DELIVERED}, inbox={"outputs": ["audio", "transcript"]},
        intrudes=("download", "show 12/take.transcript.json"),
        since=State.DOWNLOADING, since_call=None),
    "sidecar-taken-late": Scenario(
        _WAV, {"show 12/take.restored (2).wav": sound(1)}, {"show 12/take.wav (2).json": State.DELIVERED},
        intrudes=("download", "show 12/take.wav.json"),
        since=State.DOWNLOADING, since_call=None),
    "name-taken-again": Scenario(
        _WAV, {"show 12/take.restored (2).wav": sound(1), "show 12/take.transcript (2).json": None},
        {"show 12/take.wav (2).json": State.DELIVERED}, inbox={"outputs": ["audio", "transcript"]},
        takes_away=("show 12/take.transcript.json",), asks=(("retry", {"missing": ["transcript"]}),),
        intrudes=("download", "show 12/take.transcript.json"), intrudes_after="show 12/take.wav.json",
        since=State.DELIVERED, since_call=None),
    "generation-fails": Scenario(
        _WAV, {}, {"show 12/take.wav.error.json": State.FAILED}, states={TAKE: State.FAILED},
        sandbox={"failing": {"*": "too much wind"}},
        since=State.WAITING, since_call="progress"),
    "refused": Scenario(
        {"cut.wav": sound(4)[:9000]}, {}, {"cut.wav.error.json": State.FAILED}, charges=0,
        states={"cut.wav": State.FAILED}, refused={"cut.wav": because("truncated", detail="27 kB", job="?")},
        since_call=None),
    "held-and-approved": Scenario(
        {"one.wav": sound(5), "two.wav": sound(6)}, {"one.restored.wav": sound(5), "two.restored.wav": sound(6)},
        {"one.wav.json": State.DELIVERED, "two.wav.json": State.DELIVERED}, charges=2, limits={"daily_files": 1},
        asks=(("approve", {}),),
        since=State.HELD, since_call=None),
    "bought-again": Scenario(
        _WAV, {**_OUT, "show 12/take.restored (2).wav": sound(1)},
        {**_SIDE, "show 12/take.wav (2).json": State.DELIVERED}, charges=2, asks=(("retry", {"fresh": True}),),
        since=State.DELIVERED, since_call="download"),
    "answers-lost": Scenario(
        _WAV, _OUT, _SIDE, faults=tuple({"call": call, "kind": "reset", "after": True, "first": 1} for call in (
            "create_project", "start", "part", "complete", "complete_project_upload", "generate", "progress", "link"))),
    "url-expires": Scenario(_WAV, _OUT, _SIDE, sandbox={"upload": "put"}, faults=(
        {"call": "put", "kind": "expired", "first": 1}, {"call": "download", "kind": "expired", "first": 1})),
    "session-lost": Scenario(_WAV, _OUT, _SIDE, faults=(
        {"call": "part", "kind": "expired", "nth": 2},
        {"call": "download", "kind": "truncate", "at": 9000, "first": 1})),
    "several": Scenario(
        {f"day {day}/take {day}.wav": sound(10 + day, 0.8) for day in range(3)},
        {f"day {day}/take {day}.restored.wav": sound(10 + day, 0.8) for day in range(3)},
        {f"day {day}/take {day}.wav.json": State.DELIVERED for day in range(3)}, charges=3),
}
