"""Jobs on the page that can be heard."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from folders import use
from service_page import Place

from diffio_watch.job import Job, Output, Settings, State


def delivered(place: Place, original: Path, output: Path, /, sha256: str = "", **facts: Any) -> Job:
    """A job that was delivered just now, of files that are there; `sha256` of both, if that is told."""
    def sha(path: Path) -> str:
        with path.open("rb") as file:
            return sha256 or hashlib.file_digest(file, "sha256").hexdigest()

    use(place.journal, facts.get("inbox", "podcasts"), inbox=place.inbox, outbox=place.outbox,
        archive=place.root / "archive")
    status = original.stat()
    out = Output("audio", "published", str(output.relative_to(place.outbox)), output.stat().st_size, sha(output),
                 "audio/wav")
    return place.add(original.name, **{
        "state": State.DELIVERED, "size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha(original),
        "outputs": (out,), "delivered_at": time.time(), "settings": Settings(), "original": "kept", **facts})


def until(ask: Callable[[], Any], done: Callable[[Any], bool], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not done(found := ask()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def known(place: Place, job: Job) -> Any:
    """What is told of a job's sound once all of it is known."""
    return until(lambda: place.get(f"/api/jobs/{job.id}/sound"), lambda found: found.json["lag"] is not None).json
