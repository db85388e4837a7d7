"""What is known of one content's sound, as the child told it and as it is kept: checked, for decoders may err."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, replace
from typing import Any, Final

VERSION: Final = 1
LARGEST: Final = 16 << 20  # bytes of JSON
TRIES: Final = 2
_MOST_COLUMNS: Final = 26 * 3600 * 10 + 10
_MOST_WINDOWS, _LONGEST_WINDOW = 400, 4000
_NUMBERS: Final = ("seconds", "late", "column", "integrated", "range", "true_peak")


class Unfit(ValueError):
    """These are no measures."""


@dataclass(frozen=True, slots=True)
class Record:
    """The sound of one content; without `peaks`, only why there is none.

    Attributes:
        tries: how often it was tried in vain.
        note: why there are no measures, as a sentence.
        seconds: how long it is.
        late: seconds of its time before the sound begins.
        rate: samples a second.
        channels: how many.
        codec: FFmpeg's name of it.
        form: of the container, FFmpeg's name.
        column: seconds that each pair of `peaks` stands for.
        peaks: int8 pairs, the least and the most.
        short: loudness of each second's last three, as -2 x LUFS.
        integrated: LUFS; None in silence.
        range: LU.
        true_peak: dBTP.
        windows: envelopes for `lag`.
    """

    tries: int = 0
    note: str = ""
    seconds: float = 0.0
    late: float = 0.0
    rate: int = 0
    channels: int = 0
    codec: str = ""
    form: str = ""
    column: float = 0.1
    peaks: bytes = b""
    short: bytes = b""
    integrated: float | None = None
    range: float | None = None
    true_peak: float | None = None
    windows: tuple[bytes, ...] = ()

    @property
    def final(self) -> bool:
        """Whether it is not to be tried again."""
        return bool(self.peaks) or self.tries >= TRIES

    def failed(self, note: str, *, for_good: bool = False) -> Record:
        """The record after one more try in vain."""
        return replace(Record(), tries=TRIES if for_good else self.tries + 1, note=note)

    def dump(self) -> bytes:
        """As it is kept: a line of facts, which the sidecar has too, and one of the rest."""
        told = {name: getattr(self, name) for name in self.__slots__ if name not in {"peaks", "short", "windows"}}
        rest = {"peaks": text(self.peaks), "short": text(self.short), "windows": [text(each) for each in self.windows]}
        return "\n".join(json.dumps(line) for line in ({"version": VERSION, **told}, rest)).encode()


def load(data: bytes) -> Record:
    """What was kept.

    Raises:
        Unfit: it is none, of another version, or damaged.
    """
    facts, _, rest = data.partition(b"\n")
    found = _object(facts) | _object(rest)
    if found.get("version") != VERSION or type(found.get("tries")) is not int or type(found.get("note")) is not str:
        raise Unfit("another version")
    if not found.get("peaks"):
        return Record(tries=found["tries"], note=found["note"])
    return measured(found)


def measured(found: dict[str, Any]) -> Record:
    """The child's answer as a record.

    Raises:
        Unfit: it can't be one.
    """
    numbers = {name: found.get(name) for name in _NUMBERS}
    for name, number in numbers.items():
        if number is None and name in {"integrated", "range", "true_peak"}:
            continue
        if not isinstance(number, (int, float)) or not math.isfinite(number) or abs(number) > 1e6:
            raise Unfit(name)
    counts = {name: found.get(name) for name in ("rate", "channels")}
    if any(type(count) is not int or not 0 < count <= 10_000_000 for count in counts.values()):
        raise Unfit("rate or channels")
    if not 0.01 <= (numbers["column"] or 0) <= 10:
        raise Unfit("column")
    windows = found.get("windows")
    if type(windows) is not list or len(windows) > _MOST_WINDOWS:
        raise Unfit("windows")
    peaks = _bytes(found.get("peaks"), 2 * _MOST_COLUMNS)
    if not peaks or len(peaks) % 2:
        raise Unfit("peaks")
    return Record(
        **{**numbers, **counts},  # type: ignore[arg-type]  # just checked
        codec=str(found.get("codec"))[:40], form=str(found.get("form"))[:80], peaks=peaks,
        short=_bytes(found.get("short"), _MOST_COLUMNS),
        windows=tuple(_bytes(window, _LONGEST_WINDOW) for window in windows))


def lag(found: Any) -> dict[str, Any] | None:
    """The child's answer on a lag, checked; None where there is none.

    Raises:
        Unfit: it can't be one.
    """
    if found is None:
        return None
    if type(found) is not dict or any(type(found.get(name)) not in {int, float} or not math.isfinite(found[name])
                                      for name in ("ms", "drift", "windows", "of")):
        raise Unfit("lag")
    return {"ms": float(found["ms"]), "drift": float(found["drift"]), "drifts": bool(found.get("drifts")),
            "windows": int(found["windows"]), "of": int(found["of"])}


def text(data: bytes) -> str:
    """Bytes as JSON has them."""
    return b64encode(data).decode()


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unfit("no JSON") from error
    if type(found) is not dict:
        raise Unfit("no object")
    return found


def _bytes(value: Any, most: int) -> bytes:
    if type(value) is not str or len(value) > most * 4 // 3 + 4:
        raise Unfit("too long, or no text")
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError) as error:
        raise Unfit("no base64") from error
