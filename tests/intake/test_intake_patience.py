"""Patience is for one system call: long looks show life, end when asked, come last, and lose nothing."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

from intake_media import TONE, riff, tone
from intake_room import Room

SOUND = TONE.tobytes()


def long_winded(path: Path, chunks: int = 300) -> Path:
    """A file into which a look takes many reads: chunk after chunk of nothing before the sound."""
    content = riff(SOUND)
    nothing = (b"junk" + struct.pack("<I", 2) + b"\0\0") * chunks
    body = content[12:36] + nothing + content[36:]
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    return path


class Slow:
    """Each read takes a tenth of a second of the room's clock; a look into a plain file takes a second or two."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.beats: list[float] = []
        room.intake._desk.heartbeat = self

    def __call__(self, _: str) -> None:
        self.room.clock.at += 0.1
        self.beats.append(self.room.clock.at)


def order(room: Room) -> list[str]:
    return [job.path for job in reversed(room.journal.jobs.newest())]


def test_a_look_that_takes_long_shows_life_all_the_while_and_comes_after_all_others(room: Room) -> None:
    """A share of 3 MB/s and one large video: its inbox flapped for ever, and nothing in it was journalled."""
    slow = Slow(room)
    long_winded(room.inbox / "a long one.wav")
    for number in range(4):
        tone(room.inbox / f"b{number}.wav")
    began = room.clock.at
    while len(order(room)) < 5:
        assert room.clock.at < began + 600
        room.pass_time(1.0)
    assert order(room)[-1] == "a long one.wav", "the others had theirs first"
    assert slow.beats[-1] - began > 30.0, "the look alone took longer than patience is"
    assert max(after - before for before, after in zip(slow.beats, slow.beats[1:], strict=False)) < 5.0


def test_a_long_look_ends_when_the_program_stops_and_what_was_learned_before_is_journalled(room: Room) -> None:
    tone(room.inbox / "a.wav")
    long_winded(room.inbox / "b.wav")
    room.pass_time(1.0)
    room.clock.at += 5.0
    beats = iter(range(10_000))

    def stop_in_the_middle(_: str) -> None:
        if room.intake._looking == "b.wav" and next(beats) == 100:
            room.intake.stop()

    room.intake._desk.heartbeat = stop_in_the_middle
    room.intake.run()
    assert room.states() == {"a.wav": "queued"}
    room.restart()
    room.pass_time(5.0)
    assert room.states() == {"a.wav": "queued", "b.wav": "queued"}
    assert len(room.journal.jobs.newest()) == 2


def test_who_goes_on_after_a_hang_looks_last_into_the_file_that_hung(room: Room) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        tone(room.inbox / name)
    room.pass_time(1.0)
    room.clock.at += 5.0
    hung, back = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        if room.intake._looking == "a.wav":
            hung.set()
            back.wait(30)

    first = room.intake
    first._desk.heartbeat = hang
    thread = threading.Thread(target=first.run)
    thread.start()
    assert hung.wait(30)
    first.abandon()  # as the supervisor does
    room.intake = room.another()
    room.intake.beware(first)
    room.pass_time(5.0)
    assert order(room)[-1] == "a.wav"
    assert set(room.states().values()) == {"queued"}
    back.set()
    thread.join(30)
    assert len(room.journal.jobs.newest()) == 3, "the one that came back tells the journal nothing"


def test_a_whole_folder_that_leaves_a_slow_share_is_noticed_with_signs_of_life(room: Room) -> None:
    for number in range(40):
        tone(room.inbox / f"{number}.wav")
    room.pass_time(3.0)
    slow = Slow(room)
    for path in room.inbox.glob("*.wav"):
        path.unlink()
    del slow.beats[:]
    room.pass_time(60.0)
    assert set(room.states().values()) == {"cancelled: vanished"}
    assert len(slow.beats) > 80, "each of them was looked for, and each look showed life"
