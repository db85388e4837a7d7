"""Recordings that tests make up."""

from __future__ import annotations

import hashlib
import io
import wave


def sound(mark: str, seconds: float = 0.2) -> bytes:
    """A WAV of 8000 bytes a second whose content is `mark`'s own."""
    frames = b"".join(hashlib.sha256(f"{mark}{n}".encode()).digest() for n in range(int(8000 * seconds) // 32))
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(frames)
    return made.getvalue()
