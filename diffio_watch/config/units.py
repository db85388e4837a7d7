"""Durations, sizes and modes as people write them, turned into seconds, bytes and bits.

Each function takes what stands in the file and returns what the program works with, or raises `Wrong`.
"""

from __future__ import annotations

import re
from typing import Final

from diffio_watch.config.errors import Wrong, shown

LONGEST: Final = 3650 * 86400.0  # seconds; more is a slip of the pen, and overflows the waits of the system

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_MEASURE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z]+)?", re.ASCII)
_LOOSE: Final = re.compile(r"\s*([0-9]{1,15}(?:[.,][0-9]{1,9})?)\s*([A-Za-zµ]+)\.?\s*")
_MEANT: Final = {  # what people write for a unit -> the unit
    "msec": "ms", "msecs": "ms", "millisecond": "ms", "milliseconds": "ms",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d",
    "k": "KiB", "kb": "KiB", "kib": "KiB", "mb": "MiB", "mib": "MiB",
    "g": "GiB", "gb": "GiB", "gib": "GiB", "t": "TiB", "tb": "TiB", "tib": "TiB",
}  # fmt: skip
_OCTAL: Final = re.compile(r"(?:0o)?([0-7]{3,5})", re.ASCII)


def duration(value: object) -> float:
    """Seconds, from `250ms`, `2s`, `10m`, `6h`, `7d` or plain seconds."""
    seconds = _measure(value, _SECONDS, 1.0)
    if seconds is None:
        raise Wrong(f"{shown(value)} is not a duration.", _instead(value, _SECONDS, "`250ms`, `2s`, `10m`, `6h`, `7d`"))
    if seconds > LONGEST:
        raise Wrong(f"{shown(value)} is longer than ten years.", "Write at most `3650d`.")
    return seconds


def size(value: object) -> int:
    """Bytes, from `32MiB`, `2GiB` or plain bytes."""
    count = _measure(value, _BYTES, 1)
    if count is None or count != int(count):
        raise Wrong(f"{shown(value)} is not a size.", _instead(value, _BYTES, "`512KiB`, `32MiB`, `2GiB`"))
    if count >= 1 << 60:
        raise Wrong(f"{shown(value)} is larger than any disk.", "Write for instance `1GiB`.")
    return int(count)


def mode(value: object) -> int:
    """Permission bits. The digits are octal, quoted or not: `"0664"`, `0664` and `664` are the same.

    An unquoted `0664` arrives as the decimal number 664, as YAML 1.2 has it.
    """
    digits = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    found = _OCTAL.fullmatch(digits)
    bits = int(found[1], 8) if found else -1
    if not 0 <= bits <= 0o7777:
        raise Wrong(f"{shown(value)} is not a mode.", 'Write octal digits, for instance `"0664"` or `"2775"`.')
    return bits


def _measure(value: object, units: dict[str, float] | dict[str, int], plain: float) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value * plain if value >= 0 else None
    found = _MEASURE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    factor = plain if found[2] is None else units.get(found[2])
    return None if factor is None else float(found[1]) * factor


def _instead(value: object, units: dict[str, float] | dict[str, int], examples: str) -> str:
    found = _LOOSE.fullmatch(value) if isinstance(value, str) else None
    if found:
        unit = found[2].lower()
        unit = unit if unit in units else _MEANT.get(unit, "")
        if unit in units and f"{found[1]}{unit}" != value:
            return f"Write `{found[1].replace(',', '.')}{unit}`."
    return f"Write one number and one unit, for instance {examples}."
