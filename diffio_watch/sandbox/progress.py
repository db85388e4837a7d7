"""A generation's course in numbers: what get_generation_progress tells at a given fraction of its time."""

from __future__ import annotations

from typing import Any

from diffio_watch.sandbox.answers import SANDBOX
from diffio_watch.sandbox.state import Generation

QUEUED = 0.1  # fractions of the whole at which each phase ends
PREPARED = 0.35
INFERRED = 0.9


def _stage(generation: Generation, name: str, fraction: float, start: float, end: float) -> dict[str, Any]:
    part = min(1.0, max(0.0, (fraction - start) / (end - start)))
    broken = generation.error is not None and fraction >= 1
    failed = broken and name == "inference"
    if broken and name == "restoredVideo":
        part = 0.0
    status = "failed" if failed else "complete" if part == 1 else "processing" if part > 0 else "pending"
    return {
        "jobId": f"{generation.id}-{name}",
        "jobState": status,
        "status": status,
        "progress": int(part * 100),
        "statusMessage": SANDBOX,
        "error": generation.error if failed else None,
        "errorDetails": None,
    }


def transcription(fraction: float, setting: str) -> str:
    """Pending until inference begins: current models transcribe before they restore (official SDK 0.3)."""
    return setting if fraction >= PREPARED else "pending"


def overall(generation: Generation, now: float) -> int:
    """Per cent of the whole, 0 to 100."""
    return int(generation.fraction(now) * 100)


def report(generation: Generation, now: float, transcript: str) -> dict[str, Any]:
    """The answer of get_generation_progress."""
    fraction = generation.fraction(now)
    status = generation.status(now)
    video = generation.project.has_video
    end = INFERRED if video else 1.0
    answer: dict[str, Any] = {
        "generationId": generation.id,
        "apiProjectId": generation.project.id,
        "status": status,
        "hasVideo": video,
        "preProcessing": _stage(generation, "preProcessing", fraction, QUEUED, PREPARED),
        "inference": _stage(generation, "inference", fraction, PREPARED, end),
        "error": generation.error if status == "failed" else None,
        "errorDetails": None,
        "transcription": {"status": transcription(fraction, transcript)},
    }
    if video:
        answer["restoredVideo"] = _stage(generation, "restoredVideo", fraction, INFERRED, 1.0)
    if status == "queued":
        answer["stage"] = "queue"
        answer["queue"] = {"position": 1, "message": "Waiting for a machine."}
    elif status == "processing":
        stage = next(
            name for name in ("preProcessing", "inference", "restoredVideo")
            if name in answer and answer[name]["progress"] < 100
        )
        answer["stage"] = stage
        answer["stageProgress"] = {"stage": stage, "progress": answer[stage]["progress"]}
    return answer
