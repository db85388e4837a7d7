"""What the page gets to hear of a job: its sides with waveform and loudness, how they lie, where they differ."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.service.sound import record
from diffio_watch.service.sound.lag import LATE
from diffio_watch.service.sound.record import Record

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.service.sound.store import Store

COLUMNS: Final = 1800  # of a waveform: more than any screen shows
_PLACES: Final = 12  # where the sides differ
_AT_LEAST: Final = 3.0  # LU that make a difference
_APART: Final = 5  # seconds between two of them, and a fiftieth of the whole
_SHIFT_TOLD: Final = 10.0  # ms below which nobody notices


def side(known: Record) -> dict[str, Any]:
    """A side that was measured, or why it was not."""
    if not known.peaks:
        return {"note": known.note or None}
    peaks, column = pooled(known.peaks, known.column)
    return {"note": None, "seconds": known.seconds, "late": known.late, "channels": known.channels,
            "rate": known.rate, "codec": known.codec, "integrated": known.integrated, "range": known.range,
            "true_peak": known.true_peak, "column": column, "peaks": record.text(peaks)}


def pooled(peaks: bytes, column: float) -> tuple[bytes, float]:
    """At most `COLUMNS` pairs of least and most, and the seconds that each stands for."""
    count = len(peaks) // 2
    each = -(-count // COLUMNS)
    if each <= 1:
        return peaks, column
    least, most = memoryview(peaks).cast("b")[::2].tolist(), memoryview(peaks).cast("b")[1::2].tolist()
    found = bytearray()
    for at in range(0, count, each):
        found += bytes((min(least[at:at + each]) & 255, max(most[at:at + each]) & 255))
    return bytes(found), column * each


def lag(found: dict[str, Any] | None) -> dict[str, Any]:
    """How the restored side lies to the original, in numbers and in words."""
    if found is None:
        return {"ms": 0.0, "drift": 0.0, "sure": False, "words": "It can't be told whether both are in sync."}
    told = {"ms": found["ms"], "drift": found["drift"], "sure": not found["drifts"]}
    late = f"{abs(found['ms']):.0f} ms {'late' if found['ms'] > 0 else 'early'}"
    if found["drifts"]:
        begins = f"begins {late} and " if abs(found["ms"]) >= _SHIFT_TOLD else ""
        goes = "falls behind" if found["drift"] > 0 else "runs ahead"
        each = f"{abs(found['drift']) * 0.06:.0f} ms a minute"
        return {**told, "words": f"The restored one {begins}{goes} by {each}."}
    if abs(found["ms"]) < _SHIFT_TOLD:
        return {**told, "words": "In sync."}
    return {**told, "words": f"The restored one is {late}; the player makes up for it."}


def aligned(found: dict[str, Any] | None, seconds: float) -> bool:
    """Whether both sides stay within a millisecond to their end, once the lag is made up for."""
    return found is not None and not found["drifts"] and abs(found["drift"]) * seconds / 1000 <= 1.0


def note(found: dict[str, Any] | None) -> str | None:
    """What a person who uses both files has to know of how they lie; None where it does not matter."""
    if found is None:
        return None
    if found["drifts"]:
        return (f"The sound drifts against the original: {abs(found['drift']) / 10000:.3f} % "
                f"{'longer' if found['drift'] > 0 else 'shorter'}.")
    if abs(found["ms"]) > LATE:
        return f"The sound is {abs(found['ms']):.0f} ms {'late' if found['ms'] > 0 else 'early'} against the original."
    return None


def loudness(store: Store, job: Job) -> dict[str, float | None] | None:
    """LUFS before and after, as far as they are known; None where nothing is."""
    results = [output.sha256 for output in job.outputs if output.state == "published" and output.type != "transcript"]
    before = store.integrated(job.sha256) if job.sha256 is not None else None
    after = store.integrated(results[-1]) if results and results[-1] is not None else None
    return None if before is None and after is None else {"before": before, "after": after}


def differences(one: bytes, other: bytes, late: float = 0.0) -> list[float]:
    """Seconds at which the sides differ most in loudness, beyond what they differ by as a rule; in their order.

    Args:
        one: short-term loudness of the original, a byte a second.
        other: likewise of the restored side.
        late: seconds that this one is late.
    """
    shift = round(late)
    pairs = [(at, one[at], other[at + shift]) for at in range(len(one)) if 0 <= at + shift < len(other)]
    if not pairs:
        return []
    # what is silent on both sides differs in nothing that can be heard
    heard = {at: (min(a, 140) - min(b, 140)) / 2 for at, a, b in pairs if min(a, b) < 120}
    if not heard:
        return []
    usual = median(heard.values())
    apart = max(_APART, len(one) // 50)
    found: list[int] = []
    for at in sorted(heard, key=lambda at: -abs(heard[at] - usual)):
        if len(found) >= _PLACES or abs(heard[at] - usual) < _AT_LEAST:
            break
        if all(abs(at - other_at) >= apart for other_at in found):
            found.append(at)
    # a value is of the three seconds before it
    return [float(max(0, at - 2)) for at in sorted(found)]
