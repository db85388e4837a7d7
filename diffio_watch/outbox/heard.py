"""What listening found out about contents, as the sidecar tells it. It may know nothing yet: nobody waits for it.

It keeps a file a content in `state_dir/sound`, of which the first line is read here: short, and local.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from diffio_watch.job import Job

FOLDER: Final = "sound"
_LONGEST: Final = 4096  # bytes of a first line
_MOST: Final = 1000.0  # dB
_FACTS: Final = {"integrated": "integrated_lufs", "range": "range_lu", "true_peak": "true_peak_dbtp"}


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a job's sides.

    Attributes:
        loudness: as a sidecar has it, by the content's SHA-256.
        notes: what whoever uses both sides has to know.
    """

    loudness: Mapping[str, dict[str, float | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


NOTHING: Final = Heard()


def heard(state_dir: Path, job: Job) -> Heard:
    """What is known by now of a job's original and results."""
    folder = state_dir / FOLDER
    results = [output.sha256 for output in job.outputs if output.sha256 is not None and output.type != "transcript"]
    contents = [job.sha256, *results] if job.sha256 is not None else results
    found = {sha256: told for sha256 in contents if (told := _loudness(_first_line(folder / f"{sha256}.json")))}
    notes = [_first_line(folder / f"{job.sha256[:32]}-{result[:32]}.json").get("note") for result in results
             if job.sha256 is not None]
    return Heard(found, tuple(dict.fromkeys(note for note in notes if isinstance(note, str) and note)))


def _loudness(facts: dict[str, Any]) -> dict[str, float | None] | None:
    """None where nothing was measured, and in silence."""
    told = {name: facts.get(kept) for kept, name in _FACTS.items()}
    fit = all(value is None or (type(value) in {int, float} and abs(value) < _MOST) for value in told.values())
    return told if fit and told["integrated_lufs"] is not None else None


def _first_line(path: Path) -> dict[str, Any]:
    """A line of JSON; empty where there is none, for whatever reason: it can all be measured again."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.readline(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
