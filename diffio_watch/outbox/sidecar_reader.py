"""Sidecars and error files read back: as the jobs that a lost journal is made of anew, and as word of one file."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from diffio_watch.clock import from_rfc3339
from diffio_watch.disk import names as disk_names
from diffio_watch.job import Because, Form, Job, Media, Output, Settings, State
from diffio_watch.outbox import names
from diffio_watch.outbox.errors import DiskTrouble, translated
from diffio_watch.outbox.files import parsed, peek, read_small
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar import MARK, NotASidecar, parse
from diffio_watch.outbox.sidecar_model import Sidecar, SidecarOutput
from diffio_watch.reasons import REASONS, because

_NUMBER: Final = re.compile(r" \(([0-9]{1,9})\)\.json$", re.IGNORECASE)
_LISTED_FOR: Final = 60.0  # seconds
_MOST_LISTINGS: Final = 256
_MOST_ATTEMPTS: Final = 1_000_000
_LONGEST: Final = 1e8  # seconds of media, three years


def told(root: Root, path: str, fd: int, aside: Callable[[str, str], None]) -> Sidecar | None:
    """What the file at `path` below the root tells; None where it is nothing of this program.

    Args:
        root: of the outbox.
        path: of the file, relative to it.
        fd: an open descriptor of its folder.
        aside: told of a file that can't be read, or that is of this program and was bent.

    Raises:
        OutboxGone: the outbox went away.
    """
    try:
        with translated(root.path, path):
            data = read_small(path.rpartition("/")[2], fd)
    except DiskTrouble as trouble:
        aside(path, trouble.detail)
        return None
    try:
        return parse(data) if data else None
    except NotASidecar as error:
        if data and MARK in data:
            aside(path, f"it is no sidecar any more ({error})")
        return None


def recall(found: Sidecar, path: str, inbox: str, settings: Settings, now: float) -> Job:
    """The job of a sidecar or error file. What in it can't be is left out, where neither file nor money hang on it.

    Args:
        found: what it holds.
        path: where it stands, relative to the outbox.
        inbox: name of the inbox that the outbox belongs to.
        settings: what a sidecar does not tell is taken from here. Originals of delivered jobs stay where they are:
            what was configured at their time is not known.
        now: seconds since the epoch; nothing that is told happened later.
    """
    ended = found.state in {State.DELIVERED, State.SKIPPED}
    settings = replace(settings, model=found.request.model, sampling=found.request.sampling,
                       params=found.request.params, outputs=tuple(found.request.outputs) or settings.outputs,
                       originals="keep" if ended else settings.originals)
    source, service = found.source, found.service
    times = {name: _seconds(text, now) for name, text in found.times.model_dump().items()}
    media = None if source.media is None else Media(
        source.media.format, _duration(source.media.duration_s), source.media.has_video)
    number, form = _number(path, source.name)
    job = Job(
        id=found.job, inbox=inbox, path=source.name, size=source.size,
        mtime_ns=_mtime_ns(source.modified_at),
        settings=settings, state=found.state, because=_because(found), run=found.run, sha256=source.sha256,
        media=media, due_at=None, attempts=min(found.attempts, _MOST_ATTEMPTS), base_url=service.base_url,
        project_id=service.project_id,
        uploaded=times["uploaded_at"] is not None or service.generation_id is not None,
        generation_id=service.generation_id, model_key=service.model_key, replayed=service.idempotent_replay,
        number=number if ended else None, form=form,
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


def _because(found: Sidecar) -> Because | None:
    """The reason, of those that this program knows: a code is looked up again later."""
    if found.because is None:
        return None
    told = Because(**found.because.model_dump())
    code = "unproven" if found.state is State.HELD else "internal"
    return told if told.code in REASONS else replace(because(code, job=found.job), message=told.message)


def _output(one: SidecarOutput) -> Output:
    media = None if one.media is None else Media(one.media.format, _duration(one.media.duration_s),
                                                 has_video=one.type == "video")
    return Output(one.type, "published", one.name, one.size, one.sha256, one.mime_type, media)


def _body(found: Sidecar, key: str) -> str | None:
    """The paid request as it was sent, so that it may be sent again without being charged again."""
    if found.service.project_id is None:
        return None
    body: dict[str, Any] = {"apiProjectId": found.service.project_id, "idempotencyKey": key}
    body |= {name: value for name, value in (("sampling", found.request.sampling), ("params", found.request.params))
             if value}
    return json.dumps(body)


def _number(path: str, source: str) -> tuple[int, Form]:
    """The number in a sidecar's name, and the form of that; 1 and plain where people renamed it."""
    name = path.rpartition("/")[2]
    match = _NUMBER.search(name)
    number = int(match.group(1)) if match else 1
    for form in names.FORMS:
        wanted = names.sidecar_path(source, number, form).rpartition("/")[2]
        if disk_names.fold(wanted) == disk_names.fold(name):
            return number, form
    return 1, "plain"


def _seconds(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    try:
        return max(0.0, min(from_rfc3339(text) / 1e9, now))
    except ValueError:  # a date of no calendar: when it was is not known, that it was is
        return 0.0


def _mtime_ns(text: str | None) -> int:
    """-1, which no file has, where it is none that a file can have."""
    try:
        told = -1 if text is None else from_rfc3339(text)
    except ValueError:
        return -1
    return told if abs(told) < 1 << 63 else -1


def _duration(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST else None  # and not NaN


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
        homes: dict[str, list[Form]] = {}
        for form in names.FORMS:
            homes.setdefault(names.split(path, form)[0], []).append(form)
        read = [found for folder, forms in homes.items() for found in self._in(folder, path, forms)]
        return [found for found in read if found is not None and found.source.name == path]

    def _in(self, folder: str, path: str, forms: Collection[Form]) -> list[Sidecar | None]:
        with self._root.existing(folder) as fd:
            if fd is None:
                return []
            plain = {one.rpartition("/")[2]: None for form in forms
                     for one in (names.sidecar_path(path, form=form), names.error_path(path, form))}
            return [parsed(peek(name, fd)) for name in (*plain, *self._numbered(path, folder, forms, fd))]

    def _numbered(self, path: str, folder: str, forms: Collection[Form], fd: int) -> list[str]:
        """The names of the sidecars of `path` that have a number. Any may be missing: all files of a job share one."""
        listing = self._listings.get(folder)
        if listing is None or self._monotonic() >= listing.until:
            listing = self._list(fd)
            if len(self._listings) >= _MOST_LISTINGS:
                self._listings.clear()
            self._listings[folder] = listing
        keys = dict.fromkeys(disk_names.fold(names.sidecar_path(path, number, form).rpartition("/")[2])
                             for number in listing.numbers for form in forms)
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
