"""Extensions come from our own table."""

from __future__ import annotations

import pytest

from diffio_watch.job import DownloadType
from diffio_watch.outbox.types import EXTENSIONS, extension


@pytest.mark.parametrize(("kind", "mime_type", "media_format", "ext"), [
    ("audio", "audio/mpeg", None, ".mp3"),
    ("audio", "Audio/WAV ; codecs=1", None, ".wav"),
    ("audio", "audio/mp4;codecs=mp4a.40.2", None, ".m4a"),
    ("video", "video/quicktime", None, ".mov"),
    ("audio", "audio/mpeg", "FLAC", ".mp3"),  # the service's word is believed where it says something
    ("audio", "application/octet-stream", "Wave", ".wav"),
    ("video", "application/octet-stream", "Matroska", ".mkv"),
    ("audio", None, "MPEG-4", ".m4a"),
    ("video", "", "MPEG-4", ".mp4"),
    ("audio", "x/y", None, ".mp3"),
    ("video", "../../etc", None, ".mp4"),
    ("video", None, "unheard of", ".mp4"),
    ("transcript", "audio/mpeg", "Wave", ".json"),
])
def test_extension(kind: DownloadType, mime_type: str | None, media_format: str | None, ext: str) -> None:
    assert extension(kind, mime_type, media_format) == ext


def test_the_table_is_lower_case_and_sane() -> None:
    for mime_type, ext in EXTENSIONS.items():
        assert mime_type == mime_type.lower().strip()
        assert ext.startswith(".")
        assert ext[1:].isalnum()
        assert ext == ext.lower()
