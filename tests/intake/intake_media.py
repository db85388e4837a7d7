"""Real media for intake's tests: a second of a tone in many containers, made by ffmpeg, sox or by hand.

What a program takes long to make is made once for all workers, and copied.
"""

from __future__ import annotations

import array
import fcntl
import math
import shutil
import struct
import subprocess
import wave
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from diffio_watch.media.completeness import Fault, fault

TONE = array.array("h", (int(8000 * math.sin(number / 20)) for number in range(8000)))  # a second at 8 kHz
# what ffmpeg is told to make each from a WAV
RECIPES = {
    "a.mp3": [], "a.flac": [], "a.m4a": [], "a.aac": [], "a.ogg": [], "a.opus": [], "a.wma": [], "a.aiff": [],
    "a.w64": [], "a.mka": [], "a.webm": [], "a24.wav": ["-c:a", "pcm_s24le"], "rf64.wav": ["-rf64", "always"],
    "bext.wav": ["-write_bext", "1", "-metadata", "description=take"],
}
_PICTURE = ["-f", "lavfi", "-i", "testsrc=d=1:s=32x32:r=25"]
VIDEOS = {"v.mp4": [], "v.mov": [], "v.mkv": [], "v.webm": [], "v.avi": [], "v.ts": [],
          "fast.mp4": ["-movflags", "+faststart"], "pieces.mp4": ["-movflags", "+frag_keyframe+empty_moov"]}


_kept: list[Path] = []  # where; the last counts


def keep_in(folder: Path) -> None:
    """Say where such files are kept."""
    folder.mkdir(exist_ok=True)
    _kept.append(folder)


def _once(name: str, key: str, make: Callable[[Path], None], path: Path) -> Path:
    """Have a file made, or copied where that was done; `make` skips the test if it can't be."""
    kept = _kept[-1] / f"{zlib.crc32(key.encode())}-{name}"
    with kept.with_name(f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            half = kept.with_name(f"half-{kept.name}")
            make(half)
            half.rename(kept)
    shutil.copyfile(kept, path)
    return path


def tone(path: Path, seconds: int = 1) -> Path:
    """A WAV file, by the standard library."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(TONE.tobytes() * seconds)
    return path


@cache
def made(folder: Path, name: str) -> Path:
    """One of the files above; the test is skipped where no ffmpeg can make it."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")

    def make(path: Path) -> None:
        source = tone(path.with_name(f"{path.name}.source"))  # others are made at the same time
        command = ["ffmpeg", "-v", "error", "-y", *(_PICTURE if name in VIDEOS else []), "-i", str(source)]
        done = subprocess.run([*command, *(RECIPES | VIDEOS)[name], str(path)], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            pytest.skip(f"this ffmpeg makes no {name}: {done.stderr.strip()[:200]}")

    return _once(name, "made", make, folder / name)


def with_cover(source: Path, path: Path) -> Path:
    """A copy of a sound file with a picture in it."""
    picture = ["-f", "lavfi", "-i", "testsrc=d=1:s=32x32", "-map", "0:a", "-map", "1:v", "-frames:v", "1"]
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), *picture, "-c:a", "copy", "-c:v", "mjpeg",
               "-disposition:v", "attached_pic", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this ffmpeg puts no cover into {path.name}: {done.stderr.strip()[:200]}")
    return path


def piped(folder: Path, name: str, command: list[str]) -> Path:
    """What a program writes into a pipe, where it can't go back to tell sizes; the test is skipped where it can't."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")

    def make(path: Path) -> None:
        done = subprocess.run(command, capture_output=True, check=False)
        if not done.stdout:
            pytest.skip(f"this {command[0]} makes no {name}: {done.stderr[:200]!r}")
        path.write_bytes(done.stdout)

    return _once(name, " ".join(command), make, folder / name)


def fault_of(path: Path) -> Fault:
    """What its container says is wrong with a file."""
    with path.open("rb") as file:
        return fault(file.fileno())


def riff(data: bytes, *, stated: int | None = None, sound: int | None = None, after: bytes = b"") -> bytes:
    """A WAV file whose stated sizes are given: of the whole, and of its sound."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + form + b"data" + struct.pack("<I", len(data) if sound is None else sound) + data + after
    return b"RIFF" + struct.pack("<I", len(body) if stated is None else stated) + body
