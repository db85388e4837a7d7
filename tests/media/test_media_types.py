"""Types and extensions come from our own table, used both ways: by the content, never by the host's tables."""

from __future__ import annotations

import mimetypes

import pytest

from diffio_watch.intake.junk import SETS
from diffio_watch.job import DownloadType, Media
from diffio_watch.media.types import EXTENSIONS, GENERIC, content_type, extension, label


def media(media_format: str | None, *, video: bool = False) -> Media | None:
    return None if media_format is None else Media(media_format, 1.0, has_video=video)


@pytest.mark.parametrize(("kind", "mime_type", "found", "ext"), [
    ("audio", "audio/mpeg", None, ".mp3"),
    ("audio", "Audio/WAV ; codecs=1", None, ".wav"),
    ("audio", "audio/mp4;codecs=mp4a.40.2", None, ".m4a"),
    ("video", "video/quicktime", None, ".mov"),
    ("video", "video/quicktime", media("MPEG-4", video=True), ".mov"),  # one of the names of such a content
    ("audio", "audio/mpeg", media("FLAC"), ".flac"),  # the content says what it is
    ("audio", "video/mp4", media("Wave"), ".wav"),
    ("audio", "audio/opus", media("Ogg"), ".opus"),
    ("audio", "audio/mpeg", media("unheard of"), ".mp3"),
    ("audio", "application/octet-stream", media("Wave"), ".wav"),
    ("video", "application/octet-stream", media("Matroska", video=True), ".mkv"),
    ("video", "application/octet-stream", media("Matroska"), ".mka"),
    ("audio", None, media("MPEG-4"), ".m4a"),
    ("video", "", media("MPEG-4", video=True), ".mp4"),
    ("audio", "x/y", None, ".mp3"),
    ("video", "../../etc", None, ".mp4"),
    ("video", None, media("unheard of"), ".mp4"),
    ("transcript", "audio/mpeg", media("Wave"), ".json"),
])
def test_extension(kind: DownloadType, mime_type: str | None, found: Media | None, ext: str) -> None:
    assert extension(kind, mime_type, found) == ext


@pytest.mark.parametrize(("name", "media_format", "video", "media_type", "short"), [
    ("take.wav", "Wave", False, "audio/wav", "wav"),
    ("TAKE.WAV", "Wave", False, "audio/wav", "wav"),
    ("take.bwf", "Wave", False, "audio/wav", "bwf"),
    ("00012.MTS", "BDAV", True, "video/mp2t", "mts"),
    ("film.ts", "MPEG-TS", True, "video/mp2t", "ts"),
    ("film.mp3", "MPEG-4", True, "video/mp4", "mp4"),
    ("film.mp3", "Matroska", True, "video/x-matroska", "mkv"),
    ("voice.mp4", "MPEG-4", False, "audio/mp4", "mp4"),
    ("voice.qta", "MPEG-4", False, "audio/mp4", "qta"),
    ("voice", "MPEG-4", False, "audio/mp4", "m4a"),
    ("take 3 ", "Wave", False, "audio/wav", "wav"),
    ("film.mov", "MPEG-4", True, "video/quicktime", "mov"),
    ("talk.wav", "MPEG Audio", False, "audio/mpeg", "mp3"),
    ("talk.opus", "Ogg", False, "audio/opus", "opus"),
    ("talk.3gp", "MPEG-4", False, "audio/3gpp", "3gp"),
    ("film.3gp", "MPEG-4", True, "video/3gpp", "3gp"),
    ("odd.mod", "unheard of", False, "video/mpeg", "mod"),
    ("odd.xyz", "unheard of", True, GENERIC, "xyz"),
    ("cut.wav", None, False, "audio/wav", "wav"),  # sent as it is: its name is all there is
    ("film.mp4", None, False, "video/mp4", "mp4"),
    ("words.txt", None, False, GENERIC, "txt"),
    ("words", None, False, GENERIC, None),
    ("x.\u00e4\u00f6", None, False, GENERIC, None),
    ("x." + "y" * 200, None, False, GENERIC, None),
])
def test_an_upload_is_what_its_content_says(
    name: str, media_format: str | None, *, video: bool, media_type: str, short: str | None,
) -> None:
    found = media(media_format, video=video)
    assert (content_type(found, name), label(found, name)) == (media_type, short)


def test_the_hosts_tables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_, **__: ("model/vnd.mts", None))
    mimetypes.add_type("text/plain", ".wav")
    try:
        assert content_type(media("Wave"), "a.wav") == "audio/wav"
        assert content_type(None, "a.mts") == "video/mp2t"
    finally:
        mimetypes.init()


def test_a_picture_makes_a_video_and_none_makes_none() -> None:
    """The service chooses the default output by it."""
    for media_format in ("MPEG-4", "Matroska", "WebM", "Ogg", "Windows Media"):
        for name in ("a", "a.mp3", "a.mp4", "a.mkv", "a.webm", "a.ogg", "a.wmv", "a.3gp", "a.asf"):
            assert content_type(media(media_format, video=True), name).startswith("video/"), (media_format, name)
            assert content_type(media(media_format), name).startswith("audio/"), (media_format, name)


def test_what_is_picked_up_by_its_name_has_a_type_by_its_name() -> None:
    generic = {ext for each in SETS.values() for ext in each if content_type(None, f"a.{ext}") == GENERIC}
    # speech recorders' and other rare ones, which have no media type that anybody agrees on
    assert generic <= {"8svx", "aa3", "dff", "dss", "ds2", "gsm", "mpc", "msv", "qcp", "sd2", "tak", "voc", "vox"}


def test_the_table_is_lower_case_and_sane() -> None:
    for mime_type, ext in EXTENSIONS.items():
        assert mime_type == mime_type.lower().strip()
        assert ext.startswith(".")
        assert ext[1:].isalnum()
        assert ext == ext.lower()
