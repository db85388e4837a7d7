"""Real recordings: speech by espeak-ng, in every form that sox and ffmpeg make of it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_PICTURE: Final = ["-f", "lavfi", "-i", "testsrc=d=10:s=64x48:r=10", "-shortest"]


@dataclass(frozen=True)
class Recipe:
    """How a form is made, and what MediaInfo calls it."""

    format: str
    tool: str
    options: tuple[str, ...] = ()
    has_video: bool = False


RECIPES: Final = {
    "wav 16 bit.wav": Recipe("Wave", "sox", ("-b", "16")),
    "wav 24 bit.wav": Recipe("Wave", "sox", ("-b", "24")),
    "rf64.wav": Recipe("Wave", "ffmpeg", ("-rf64", "always")),
    "broadcast.wav": Recipe("Wave", "ffmpeg", ("-write_bext", "1", "-metadata", "description=take 4")),
    "take.aiff": Recipe("AIFF", "sox"),
    "take.mp3": Recipe("MPEG Audio", "ffmpeg"),
    "take.flac": Recipe("FLAC", "sox"),
    "take.m4a": Recipe("MPEG-4", "ffmpeg"),
    "take.ogg": Recipe("Ogg", "ffmpeg", ("-c:a", "libvorbis")),
    "voice.opus": Recipe("Ogg", "ffmpeg"),
    "film.mp4": Recipe("MPEG-4", "ffmpeg", has_video=True),
    "film.mov": Recipe("MPEG-4", "ffmpeg", has_video=True),
    "film.mkv": Recipe("Matroska", "ffmpeg", has_video=True),
}


def make(folder: Path) -> None:
    """Make all of them in a folder, each with words of its own.

    Raises:
        RuntimeError: a tool makes one not; its words.
    """
    folder.mkdir(exist_ok=True)
    for number, (name, recipe) in enumerate(RECIPES.items()):
        words = folder / "words.wav"
        _run("espeak-ng", "-w", words, f"Take {number}. The quick brown fox jumps over the lazy dog.")
        if recipe.tool == "sox":
            _run("sox", words, *recipe.options, folder / name)
        else:
            picture = _PICTURE if recipe.has_video else []
            _run("ffmpeg", "-v", "error", "-y", "-i", words, *picture, *recipe.options, folder / name)
        words.unlink()


def need_tools() -> None:
    """Skip the test where they can't be made."""
    for tool in ("espeak-ng", "sox", "ffmpeg", "ffprobe"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[:300]}")


def duration(path: Path) -> float:
    """Seconds, by ffprobe."""
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path],
                          capture_output=True, text=True, check=True)
    return float(done.stdout)


def another(content: bytes, suffix: str, number: int) -> bytes:
    """The same recording with another content: as good a file of its kind, of a number of its own."""
    mark = struct.pack(">Q", number)
    if suffix in {".mp4", ".mov", ".m4a"}:
        return content + struct.pack(">I4s", 16, b"free") + mark  # ISO 14496-12: a box without meaning
    if suffix == ".mkv":
        return content + b"\xec\x88" + mark  # RFC 8794: a Void element of 8 bytes
    if suffix == ".mp3":
        return content + b"TAG" + f"{number:030d}".encode() + b"\0" * 95  # ID3v1
    if suffix == ".flac":  # RFC 9639: an application's block behind the first, which is 34 bytes long
        return content[:42] + b"\x02\0\0\x0cmark" + mark + content[42:]
    if suffix in {".ogg", ".opus"}:
        return _numbered(content, number)
    return content[:-8] + mark  # the last samples


def _numbered(content: bytes, number: int) -> bytes:
    """An Ogg file whose stream has this number (RFC 3533); it stands in each page, and each has a checksum."""
    pages, offset = [], 0
    while offset < len(content):
        segments = content[offset + 26]
        lengths = content[offset + 27:offset + 27 + segments]
        end = offset + 27 + segments + sum(lengths)
        page = bytearray(content[offset:end])
        page[14:18], page[22:26] = struct.pack("<I", number), bytes(4)
        page[22:26] = struct.pack("<I", _checksum(page))
        pages.append(bytes(page))
        offset = end
    return b"".join(pages)


def _checksum(page: bytes | bytearray) -> int:
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[value >> 24 ^ byte]
    return value


def _rest(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


_CHECKSUMS: Final = tuple(_rest(byte << 24) for byte in range(256))
