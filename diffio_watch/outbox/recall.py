"""Sidecars and error files read back: as the jobs that a lost journal is made of anew, and as word of one file."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from diffio_watch.disk import names as disk_names
from diffio_watch.job import Because, Job, Media, Output, Settings, State
from diffio_watch.outbox import names
from diffio_watch.outbox.files import parsed, peek
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar import Sidecar, SidecarOutput, from_rfc3339

_NUMBER: Final = re.compile(r" \(([0-9]{1,9})\)\.json$", re.IGNORECASE)
_LISTED_FOR: Final = 60.0  # seconds
_MOST_LISTINGS: Final = 256


def recall(found: Sidecar, path: str, inbox: str, settings: Settings) -> Job:
    """The job of a sidecar or error file.

    Args:
        found: what it holds.
        path: where it stands, relative to the outbox.
        inbox: name of the inbox that the outbox belongs to.
        settings: what a sidecar does not tell is taken from here. Originals of delivered jobs stay where they are:
            what was configured at their time is not known.
    """
    ended = found.state in {State.DELIVERED, State.SKIPPED}
    settings = replace(settings, model=found.request.model, sampling=found.request.sampling,
                       params=found.request.params, outputs=tuple(found.request.outputs),
                       originals="keep" if ended else settings.originals)
    source, service = found.source, found.service
    times = {name: _seconds(text) for name, text in found.times.model_dump().items()}
    because = None if found.because is None else Because(**found.because.model_dump())
    media = None if source.media is None else Media(**source.media.model_dump())
    job = Job(
        id=found.job, inbox=inbox, path=source.name, size=source.size,
        mtime_ns=-1 if source.modified_at is None else from_rfc3339(source.modified_at),
        settings=settings, state=found.state, because=because, run=found.run, sha256=source.sha256, media=media,
        due_at=None, attempts=found.attempts, base_url=service.base_url, project_id=service.project_id,
        uploaded=times["uploaded_at"] is not None or service.generation_id is not None,
        generation_id=service.generation_id, model_key=service.model_key, replayed=service.idempotent_replay,
        number=_number(path, source.name) if ended else None,
        outputs=tuple(map(_output, found.outputs)) if ended else (),
        notes=tuple(found.notes), error_file=not ended,
        duplicate_of=found.duplicate_of.job if found.duplicate_of else None,
        detected_at=times["detected_at"] or 0.0, settled_at=times["settled_at"], uploaded_at=times["uploaded_at"],
        generated_at=times["generated_at"], completed_at=times["completed_at"], delivered_at=times["delivered_at"],
        created_at=times["detected_at"] or 0.0)
    key = found.request.idempotency_key
    if key is None:
        return job
    return replace(job, idempotency_key=key, body=_body(found, key),
                   intent_at=job.generated_at or job.uploaded_at or job.detected_at)


def _output(told: SidecarOutput) -> Output:
    media = None if told.media is None else Media(**told.media.model_dump(), has_video=told.type == "video")
    return Output(told.type, "published", told.name, told.size, told.sha256, told.mime_type, media)


def _body(found: Sidecar, key: str) -> str | None:
    """The paid request as it was sent, so that it may be sent again without being charged again."""
    if found.service.project_id is None:
        return None
    body: dict[str, Any] = {"apiProjectId": found.service.project_id, "idempotencyKey": key}
    body |= {name: value for name, value in (("sampling", found.request.sampling), ("params", found.request.params))
             if value}
    return json.dumps(body)


def _number(path: str, source: str) -> int:
    """The number in a sidecar's name; 1 where people renamed it."""
    name = path.rpartition("/")[2]
    match = _NUMBER.search(name)
    number = int(match.group(1)) if match else 1
    wanted = names.sidecar_path(source, number).rpartition("/")[2]
    return number if disk_names.fold(wanted) == disk_names.fold(name) else 1


def _seconds(text: str | None) -> float | None:
    return None if text is None else from_rfc3339(text) / 1e9


def buyer(found: Sidecar) -> str | None:
    """The id of the job whose generation a sidecar or error file tells of; None where nothing was bought."""
    if found.duplicate_of is not None:
        return found.duplicate_of.job
    bought = found.request.idempotency_key is not None or found.service.generation_id is not None
    return found.job if bought or found.state in {State.DELIVERED, State.SKIPPED} else None


@dataclass(frozen=True, slots=True)
class _Listing:
    """The sidecars of a folder that have a number: their names by their keys without case, and the numbers in use."""

    until: float
    names: dict[str, list[str]]
    numbers: list[int]


class Evidence:
    """What an outbox tells of single files of its inbox. Safe to use from many threads.

    Args:
        root: of the outbox.
        monotonic: seconds of a clock that nobody sets.
    """

    def __init__(self, root: Root, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._monotonic = monotonic
        self._listings: dict[str, _Listing] = {}

    def of(self, path: str) -> list[Sidecar]:
        """The sidecars and the error file of the file at `path` in the inbox, whoever's jobs they tell of.

        Those with a number that others put there within the last minute may be missing.

        Raises:
            OutboxGone, DiskTrouble: the outbox can't be looked at.
        """
        folder = names.split(path)[0]
        with self._root.existing(folder) as fd:
            if fd is None:
                return []
            plain = [one.rpartition("/")[2] for one in (names.sidecar_path(path), names.error_path(path))]
            told = [parsed(peek(name, fd)) for name in (*plain, *self._numbered(path, folder, fd))]
        return [found for found in told if found is not None and found.source.name == path]

    def _numbered(self, path: str, folder: str, fd: int) -> list[str]:
        """The names of the sidecars of `path` that have a number. Any may be missing: all files of a job share one."""
        listing = self._listings.get(folder)
        if listing is None or self._monotonic() >= listing.until:
            listing = self._list(fd)
            if len(self._listings) >= _MOST_LISTINGS:
                self._listings.clear()
            self._listings[folder] = listing
        keys = (disk_names.fold(names.sidecar_path(path, number).rpartition("/")[2]) for number in listing.numbers)
        return [name for key in keys for name in listing.names.get(key, ())]

    def _list(self, fd: int) -> _Listing:
        # once for many files: of the thousands in a folder each would have to be listed for each
        found: dict[str, list[str]] = {}
        numbers = set()
        for name in os.listdir(fd):
            match = _NUMBER.search(name)
            if match is not None and (number := int(match.group(1))) > 1:
                found.setdefault(disk_names.fold(name), []).append(name)
                numbers.add(number)
        return _Listing(self._monotonic() + _LISTED_FOR, found, sorted(numbers))
