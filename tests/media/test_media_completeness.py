"""Whether a container is whole, cut short or bare: no whole file is called cut, and no cut one whole."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from intake_media import TONE, fault_of, made, piped, riff

from diffio_watch.media.completeness import Bare, Cut, Fault, fault
from diffio_watch.media.mediainfo import probe

SOUND = TONE.tobytes()
WHOLE = ["a.mp3", "a.flac", "a.m4a", "a.ogg", "a.opus", "a.aiff", "a.mka", "a.webm", "a24.wav", "rf64.wav", "bext.wav",
         "v.mp4", "v.mov", "v.mkv", "v.webm", "fast.mp4", "pieces.mp4"]
NOISE = ["-f", "lavfi", "-i", "anoisesrc=d=2:r=48000"]
FFMPEG = ["ffmpeg", "-v", "error", *NOISE]
SOX = ["sox", "-n", "-r", "16000", "-c", "2"]
SYNTH = ["-", "synth", "1", "sine", "300"]
PIPES: dict[str, list[str]] = {
    "sox.wav": [*SOX, "-b", "16", "-t", "wav", *SYNTH], "sox24.wav": [*SOX, "-b", "24", "-t", "wav", *SYNTH],
    "sox.aiff": [*SOX, "-b", "24", "-t", "aiff", *SYNTH], "sox.aifc": [*SOX, "-b", "16", "-t", "aifc", *SYNTH],
    "sox.flac": [*SOX, "-t", "flac", *SYNTH], "sox.ogg": [*SOX, "-t", "ogg", *SYNTH],
    "espeak.wav": ["espeak-ng", "--stdout", "one two three"],
    **{f"ffmpeg.{kind}": [*FFMPEG, "-f", kind, "-"] for kind in ("wav", "aiff", "flac", "ogg", "opus", "mp3", "webm")},
    "ffmpeg.mkv": [*FFMPEG, "-f", "matroska", "-"],
    "ffmpeg.mp4": [*FFMPEG, "-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-"],
}
# of these a cut can be told although the writer could not go back: by the frames, pages, pieces and elements
TOLD_IN_PIPES = ["sox.flac", "sox.ogg", "ffmpeg.flac", "ffmpeg.ogg", "ffmpeg.opus", "ffmpeg.webm", "ffmpeg.mkv",
                 "ffmpeg.mp4"]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


def cuts(path: Path, content: bytes, offsets: list[int]) -> Iterator[tuple[int, Fault]]:
    """What is said of a file that ends at each of these offsets."""
    path.write_bytes(content)
    with path.open("r+b") as file:
        for offset in sorted(offsets, reverse=True):
            file.truncate(offset)
            yield offset, fault(file.fileno())


def places(content: bytes, seed: str, count: int = 150) -> list[int]:
    """Where a copy may have broken off: in the head, near the end, in the middle, and at what rsync writes at once."""
    size = len(content)
    found = {*range(1, min(90, size)), *range(max(1, size - 90), size), *range(4096, size, 32 << 10)}
    chance = random.Random(seed)
    return sorted(found | {chance.randrange(1, size) for _ in range(count)})


@pytest.mark.parametrize("name", PIPES)
def test_what_a_program_wrote_into_a_pipe_is_whole(shelf: Path, name: str) -> None:
    """SoX, espeak and ffmpeg leave numbers in the place of sizes that they can't go back to tell."""
    path = piped(shelf, name, PIPES[name])
    assert fault_of(path) is None
    with path.open("rb") as file:
        assert probe(file.fileno()) is not None


@pytest.mark.parametrize("name", WHOLE)
def test_wherever_a_copy_breaks_off_it_is_told(shelf: Path, tmp_path: Path, name: str) -> None:
    """For each listed container, made by a real encoder."""
    content = made(shelf, name).read_bytes()
    assert fault_of(shelf / name) is None
    index = content.find(b"mfra") - 4 if name == "pieces.mp4" else len(content)  # what comes after it is no sound
    called_whole = [offset for offset, found in cuts(tmp_path / name, content, places(content, name))
                    if not isinstance(found, Cut) and offset < index]
    assert [offset for offset in called_whole if not _ends_well(content, name, offset)] == []


def _ends_well(content: bytes, name: str, offset: int) -> bool:
    """Where a stream has nothing but its header yet: it is bare, and waits as an empty file does."""
    return name in {"a.ogg", "a.opus", "pieces.mp4"} and offset < len(content) // 3


@pytest.mark.parametrize("name", TOLD_IN_PIPES)
def test_a_stream_that_breaks_off_within_a_frame_is_told(shelf: Path, tmp_path: Path, name: str) -> None:
    content = piped(shelf, name, PIPES[name]).read_bytes()
    found = list(cuts(tmp_path / name, content, places(content, name, 20)[::2]))
    whole = [offset for offset, one in found if one is None]
    assert len(whole) <= len(found) // 40, "only where it breaks off between two pieces can nobody tell"


APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)


@pytest.mark.parametrize("hung_on", [b"TAG" + bytes(125), bytes(300), bytes(5000), APE, APE + b"TAG" + bytes(125)],
                         ids=["ID3v1", "zeros", "many zeros", "APE", "APE and ID3v1"])
@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "v.mp4"])
def test_what_was_hung_on_to_a_whole_file_takes_nothing_from_it(
        shelf: Path, tmp_path: Path, name: str, hung_on: bytes) -> None:
    (tmp_path / name).write_bytes(made(shelf, name).read_bytes() + hung_on)
    assert fault_of(tmp_path / name) is None


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_a_tag_at_the_start_is_no_matter(shelf: Path, tmp_path: Path, name: str) -> None:
    content = b"ID3\x03\0\0\0\0\x02\x0a" + bytes(266) + made(shelf, name).read_bytes()
    (tmp_path / name).write_bytes(content)
    assert fault_of(tmp_path / name) is None
    for length in (5, 100, len(content) // 2, len(content) - 1):
        (tmp_path / name).write_bytes(content[:length])
        assert isinstance(fault_of(tmp_path / name), Cut)


def test_of_a_torn_flac_it_is_said_how_far_it_goes(shelf: Path, tmp_path: Path) -> None:
    content = made(shelf, "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[:-100])
    found = fault_of(tmp_path / "a.flac")
    assert isinstance(found, Cut)
    assert "of 1.0 s" in found.detail


@pytest.mark.parametrize("name", ["e.wav", "e.aiff", "e.flac", "e.ogg", "e.opus", "e.mp3", "e.m4a", "e.mka", "e.webm"])
def test_a_container_without_a_single_sample_is_bare(shelf: Path, name: str) -> None:
    path = shelf / name
    piped(shelf, f"nothing-{name}", ["sh", "-c", f"ffmpeg -v error -y -f lavfi -i anullsrc -t 0 {path} && echo done"])
    assert fault_of(path) == Bare()


def test_a_stream_without_the_mark_of_its_end_may_be_all_there(shelf: Path, tmp_path: Path) -> None:
    """Some recorders never write it: a file that rests is taken."""
    content = made(shelf, "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(content[:content.rindex(b"OggS")])
    found = fault_of(tmp_path / "a.ogg")
    assert found == Bare() or (isinstance(found, Cut) and found.slight)


@pytest.mark.parametrize("stated", [
    0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFF000, 0x7F000008, 3_000_000_000])
def test_a_size_that_no_file_the_service_takes_could_have_is_a_placeholder(tmp_path: Path, stated: int) -> None:
    (tmp_path / "a.wav").write_bytes(riff(SOUND, stated=min(stated + 36, 0xFFFFFFFF), sound=stated))
    assert fault_of(tmp_path / "a.wav") is None


@pytest.mark.parametrize("off", [1, 8, 44, 64, 65, 500])
def test_a_size_off_by_a_header_is_a_miscount(tmp_path: Path, off: int) -> None:
    (tmp_path / "a.wav").write_bytes(riff(SOUND, sound=len(SOUND) + off, stated=36 + len(SOUND) + off))
    found = fault_of(tmp_path / "a.wav")
    assert isinstance(found, Cut)
    assert (found.missing, found.slight) == (off, off <= 64)


SEGMENT = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67"
BLOCK = b"\x1f\x43\xb6\x75\x84\xa3\x82\0\0"


@pytest.mark.parametrize(("content", "said"), [
    (riff(SOUND), "whole"),
    (riff(SOUND, stated=0), "whole"),
    (riff(SOUND, stated=0xFFFFFFFF, sound=0xFFFFFFFF), "whole"),
    (riff(SOUND, sound=0), "whole"),
    (riff(SOUND, sound=0xFFFFFFFF), "whole"),
    (riff(SOUND, stated=36 + len(SOUND) + 8), "whole"),  # counted with its own header, as some do
    (riff(SOUND + b"\0", sound=len(SOUND) + 1), "whole"),
    (riff(SOUND[:-1], sound=len(SOUND)), "cut"),
    (riff(SOUND, sound=len(SOUND) + 1), "cut"),
    (riff(SOUND, stated=len(SOUND) + 5000), "cut"),
    (riff(SOUND, after=b"LIST" + struct.pack("<I", 400) + b"x" * 400), "whole"),
    (riff(SOUND, after=b"LIST" + struct.pack("<I", 400) + b"x" * 20, stated=36 + len(SOUND) + 408), "cut"),
    (riff(SOUND)[:30], "cut"),
    (riff(SOUND, stated=0)[:40], "cut"),
    (riff(b""), "bare"),
    (riff(b"", stated=0xFFFFFFFF, sound=0xFFFFFFFF), "bare"),
    (riff(b"", stated=0, sound=0), "bare"),
    (riff(b"", after=b"LIST" + struct.pack("<I", 4) + b"INFO"), "bare"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "cut"),
    (b"FORM\0\0\0\0AIFFCOMM", "cut"),
    (b"FORM\0\0\xff\0AIFF", "cut"),
    (b"RIFF", "cut"),
    (b"\0\0\0\x08ftyp", "cut"),
    (b"\0\0\0\x0cftypisom\0\0\0\x08moov" + b"\0" * 100, "bare"),
    (b"\0\0\0\x0cftypisom\0\0\0\0mdat" + b"x" * 100, "cut"),
    (b"\0\0\0\x0cftypisom\0\0\0\x08moov\0\0\0\x01mdat\0\0\0\0\0\0\xff\xff", "cut"),
    (b"\0\0\0\x0cftypisom\0\0\0\x01", "cut"),
    (b"\0\0\0\x0cftypheic" + b"\0\0\0\x08meta" + b"x" * 50, "whole"),  # a picture, which has no `moov`
    (b"\x1a\x45\xdf\xa3", "cut"),
    (SEGMENT + b"\x01\xff\xff\xff\xff\xff\xff\xff" + BLOCK, "whole"),  # a live stream
    (SEGMENT + b"\x01\xff\xff\xff\xff\xff\xff\xff" + BLOCK[:-1], "cut"),
    (SEGMENT + b"\x01\xff\xff\xff\xff\xff\xff\xff", "bare"),
    (SEGMENT + bytes([0x80 + len(BLOCK)]) + BLOCK, "whole"),
    (SEGMENT + bytes([0x80 + len(BLOCK) + 1]) + BLOCK, "cut"),
    (b"OggS", "cut"),
    (b"fLaC\0\0", "cut"),
    (b"ID3\x03\0\0\0\0\x02\x0a", "cut"),
    (b"hello " * 1000, "whole"),
    (b"\0" * 5000, "whole"),
])  # fmt: skip
def test_the_stated_sizes_are_held_against_the_file(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(content)
    found = fault_of(tmp_path / "x")
    assert {None: "whole", Bare: "bare", Cut: "cut"}[None if found is None else type(found)] == said, found


def test_no_broken_content_makes_the_judge_stumble(shelf: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    for name in WHOLE:
        content = bytearray(made(shelf, name).read_bytes()[:20_000])
        for _ in range(10):
            broken = bytearray(content)
            for _ in range(chance.randrange(1, 30)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            (tmp_path / "x").write_bytes(broken[:chance.randrange(1, len(broken))])
            fault_of(tmp_path / "x")
