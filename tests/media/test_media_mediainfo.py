"""What a file is, by MediaInfo and by the sizes it states."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import pytest
from intake_media import RECIPES, TONE, VIDEOS, fault_of, made, riff, tone, with_cover

from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.fingerprint import EMPTY, partial, whole
from diffio_watch.job import Media
from diffio_watch.media import libmediainfo, mediainfo
from diffio_watch.media.mediainfo import longest_possible, probe

FORMATS = {
    "a.mp3": "MPEG Audio", "a.flac": "FLAC", "a.m4a": "MPEG-4", "a.aac": "ADTS", "a.ogg": "Ogg", "a.opus": "Ogg",
    "a.wma": "Windows Media", "a.aiff": "AIFF", "a.w64": "Wave64", "a.mka": "Matroska", "a.webm": "WebM",
    "a24.wav": "Wave", "rf64.wav": "Wave", "bext.wav": "Wave", "v.mp4": "MPEG-4", "fast.mp4": "MPEG-4",
    "pieces.mp4": "MPEG-4", "v.mov": "MPEG-4", "v.mkv": "Matroska", "v.webm": "WebM", "v.avi": "AVI", "v.ts": "MPEG-TS",
}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


def facts(path: Path) -> Media | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return probe(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", FORMATS)
def test_format_duration_and_video_are_told_and_a_whole_file_is_not_cut(shelf: Path, name: str) -> None:
    path = made(shelf, name)
    media = facts(path)
    assert media is not None
    assert (media.format, media.has_video) == (FORMATS[name], name in VIDEOS)
    if name == "a.aac":
        assert media.duration_s is None, "a bare stream of frames does not tell"
    else:
        assert media.duration_s == pytest.approx(1.0, abs=0.2)
    assert fault_of(path) is None


def test_every_recipe_is_tried() -> None:
    assert set(FORMATS) == set(RECIPES) | set(VIDEOS)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.m4a"])
def test_cover_art_is_no_video(shelf: Path, name: str) -> None:
    media = facts(with_cover(made(shelf, name), shelf / f"cover-{name}"))
    assert media is not None
    assert not media.has_video


def titled(source: Path, path: Path, title: bytes) -> Path:
    """A copy of an MP3 file with these bytes as its title, in an ID3v2.3 tag of its own."""
    content = source.read_bytes()
    if content.startswith(b"ID3"):
        content = content[10 + sum(byte << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True)):]
    frame = b"TIT2" + struct.pack(">I", len(title)) + b"\0\0" + title
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + length + frame + content)
    return path


@pytest.mark.parametrize("title", [
    b"\x01\xff\xfe\x00\xd8a\0", b"\x01\xff\xfea\0\x00\xdc", b"\0a\x01\x02\x1b", b"\0a|b|c\r\nVideo|AVC|1",
    b"\x03a\xfd\xbf\xbf\xbf\xbf\xbfb\xff", b"\0</track>", b"\0" + b"x" * 100_000,
], ids=["half a surrogate", "the other half", "control characters", "bars and lines", "no UTF-8", "markup", "long"])
def test_no_tag_of_a_stranger_keeps_a_file_from_being_known(shelf: Path, tmp_path: Path, title: bytes) -> None:
    media = facts(titled(made(shelf, "a.mp3"), tmp_path / "a.mp3", title))
    assert media is not None
    assert (media.format, media.has_video) == ("MPEG Audio", False)


def test_a_length_that_so_few_bytes_can_not_have_is_bounded_by_them(tmp_path: Path) -> None:
    """A WAV header that says one byte a second: numbers of others are held against what is possible."""
    content = bytearray(riff(TONE.tobytes()))
    content[24:36] = struct.pack("<IIHH", 1, 1, 2, 16)
    (tmp_path / "a.wav").write_bytes(content)
    media = facts(tmp_path / "a.wav")
    assert media is not None
    assert media.duration_s is not None
    assert media.duration_s <= longest_possible("Wave", len(content)) == len(content) * 8 / 2000


def test_each_read_of_a_look_shows_life_and_none_begins_once_it_is_to_stop(shelf: Path) -> None:
    with made(shelf, "v.ts").open("rb") as file:
        answers = iter([True, True, *[True] * 1000])
        probe(file.fileno(), lambda: next(answers))
        assert len(list(answers)) < 1001, "it was asked more than once"
        answers = iter([True, False])
        with pytest.raises(Interrupted):
            probe(file.fileno(), lambda: next(answers))


def test_what_a_read_says_comes_out_of_the_look_unchanged(shelf: Path) -> None:
    descriptor = os.open(made(shelf, "a.mp3"), os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            probe(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("content", [
    b"hello " * 1000, bytes(range(256)) * 40, b"\0" * 5000, b"RIFF", b"\x89PNG\r\n\x1a\n",
])
def test_what_holds_neither_sound_nor_picture_is_no_medium(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert facts(tmp_path / "a.wav") is None


def test_an_odd_name_and_an_unlinked_file_are_no_matter(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\n%s.wav"
    os.rename(tone(tmp_path / "a.wav"), name)  # noqa: PTH104  # pathlib takes no bytes
    descriptor = os.open(name, os.O_RDONLY)
    os.unlink(name)  # noqa: PTH108  # likewise
    try:
        assert probe(descriptor) == Media("Wave", 1.0, has_video=False)
    finally:
        os.close(descriptor)


def test_equal_contents_have_equal_cheap_fingerprints_and_different_ones_mostly_not(tmp_path: Path) -> None:
    def cheap(content: bytes) -> str:
        (tmp_path / "x").write_bytes(content)
        descriptor = os.open(tmp_path / "x", os.O_RDONLY)
        try:
            return partial(descriptor, len(content))
        finally:
            os.close(descriptor)

    big = bytes(1 << 20)
    contents = [b"", b"a", b"b", b"aa", big, big + b"\0", b"x" + big[1:], big[:-1] + b"x",
                big[:1 << 19] + b"x" + big[(1 << 19) + 1:]]
    assert len({cheap(content) for content in contents}) == len(contents)
    assert cheap(big) == cheap(bytes(1 << 20))


def test_the_whole_fingerprint_is_sha256_and_stops_when_told(tmp_path: Path) -> None:
    content = os.urandom((3 << 20) + 17)
    (tmp_path / "x").write_bytes(content)
    (tmp_path / "empty").touch()
    descriptor, empty = os.open(tmp_path / "x", os.O_RDONLY), os.open(tmp_path / "empty", os.O_RDONLY)
    asked = iter([True, True, False])
    try:
        assert whole(descriptor, lambda: True) == hashlib.sha256(content).hexdigest()
        assert whole(empty, lambda: True) == EMPTY
        with pytest.raises(Interrupted):
            whole(descriptor, lambda: next(asked))
    finally:
        os.close(descriptor)
        os.close(empty)


@pytest.mark.parametrize("title", [b"a\0\x3d\xd8b\0", b"\x00\xdc", b"\xff\xff\xfe\xff", b"\x01\0\x1b\0", b"a\0\0\0b\0"],
                         ids=["half", "lower half", "no characters", "controls", "NUL"])
def test_whatever_a_title_holds_the_file_is_what_it_is(shelf: Path, tmp_path: Path, title: bytes) -> None:
    """An ID3 tag in UTF-16, as it comes from old taggers; MediaInfo hands on what it finds."""
    sound = made(shelf, "a.mp3").read_bytes()
    size = sound[6] << 21 | sound[7] << 14 | sound[8] << 7 | sound[9] if sound.startswith(b"ID3") else -10
    frame = b"TIT2" + struct.pack(">IH", len(title) + 3, 0) + b"\x01\xff\xfe" + title
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3\x03\0\0\0\0\0" + bytes([len(frame)]) + frame + sound[size + 10:])
    with path.open("rb") as file:
        found = probe(file.fileno())
    assert found is not None
    assert (found.format, found.has_video) == ("MPEG Audio", False)


@pytest.mark.parametrize("name", FORMATS)
def test_the_parser_that_a_beginning_names_says_what_all_of_them_say(
    shelf: Path, name: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = made(shelf, name)
    found = facts(path)
    monkeypatch.setattr(mediainfo, "_parser", lambda _: "")
    assert found == facts(path)


@pytest.mark.parametrize(("begin", "name"), [
    (b"\x1a\x45\xdf\xa3", "a.mp3"), (b"fLaC", "a.aac"), (b"ID3\x03\0\0\0\0\0\0", "a.aac"),
])
def test_a_beginning_that_names_the_wrong_parser_hides_nothing(
    shelf: Path, tmp_path: Path, begin: bytes, name: str,
) -> None:
    (tmp_path / name).write_bytes(begin + made(shelf, name).read_bytes())
    media = facts(tmp_path / name)
    assert media is not None
    assert (media.format, media.has_sound) == (FORMATS[name], True)


def test_the_library_is_loaded_once(shelf: Path) -> None:
    facts(made(shelf, "a.mp3"))
    before = libmediainfo._library()
    facts(made(shelf, "a.flac"))
    assert libmediainfo._library() is before
