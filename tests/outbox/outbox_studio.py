"""What the outbox's tests share: an inbox, an outbox and an archive on disk, and the pipeline's way through them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from diffio_watch.job import DownloadType, Job, Output, Settings, State, new_id
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import ContentLost, NameTaken
from diffio_watch.outbox.root import Root

RESULTS: dict[DownloadType, bytes] = {"audio": b"restored sound " * 500, "transcript": b'{"words": []}'}
MIMES: dict[DownloadType, str | None] = {"audio": "audio/mpeg", "video": "video/mp4", "transcript": "application/json"}


def always() -> None:
    """The folder is there."""


@dataclass
class Studio:
    """The folders of one inbox, made in `base`."""

    base: Path
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox, self.root, self.archive = (self.base / name for name in ("inbox", "outbox", "archive"))
        for folder in (self.inbox, self.root, self.archive):
            folder.mkdir(exist_ok=True)

    def outbox(self, available: Callable[[], None] = always, root: Path | None = None) -> Outbox:
        return Outbox(str(root or self.root), inbox="podcasts", available=available, tell=self.told.append)

    def inbox_root(self) -> Root:
        return Root(str(self.inbox), always)

    def archive_root(self) -> Root:
        return Root(str(self.archive), always)

    def job(self, path: str = "show 12/interview.wav", content: bytes = b"RIFF", **changes: Any) -> Job:
        """A job whose content is known; `settings` may be a dict of what differs."""
        settings = replace(Settings(), **changes.pop("settings", {}))
        made = Job(new_id(), "podcasts", path, len(content), 1_700_000_000_123_456_789, settings,
                   state=State.DOWNLOADING, sha256=sha256(content).hexdigest(), detected_at=1_700_000_000.0)
        return replace(made, **changes)

    def original(self, job: Job, content: bytes = b"RIFF") -> Path:
        """The job's original on disk, with its modification time."""
        path = self.inbox / job.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(job.mtime_ns, job.mtime_ns))
        return path

    def files(self, root: Path | None = None) -> dict[str, bytes]:
        """Every file below the outbox by its relative path, hidden ones too."""
        found = {}
        for folder, _, names in os.walk(root or self.root):
            for name in names:
                path = Path(folder, name)
                found[str(path.relative_to(root or self.root))] = (
                    os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes())
        return found

    def visible(self) -> dict[str, bytes]:
        """Like `files`, without hidden ones."""
        return {path: data for path, data in self.files().items() if not path.rpartition("/")[2].startswith(".")}


def reserve(outbox: Outbox, job: Job, wanted: Mapping[DownloadType, bytes] = RESULTS,
            taken: frozenset[str] = frozenset()) -> Job:
    """The commit that reserves names."""
    plan = outbox.number_for(job, {kind: MIMES[kind] for kind in wanted}, taken.__contains__)
    by_type = {output.type: output for output in job.outputs}
    outputs = tuple(replace(by_type.get(kind, Output(kind, mime_type=MIMES[kind])), path=path)
                    for kind, path in plan.paths.items())
    return replace(job, number=plan.number, outputs=outputs)


def fetch(outbox: Outbox, job: Job, output: Output, data: bytes) -> Output:
    """A download and its commit."""
    with outbox.temp(job, output) as temp:
        temp.write(data[:7])
        temp.write(data[7:])
        done = temp.finish()
    return replace(output, state="fetched", size=done.size, sha256=done.sha256)


def fetched(outbox: Outbox, job: Job, wanted: Mapping[DownloadType, bytes] = RESULTS) -> Job:
    """All names reserved, all outputs fetched."""
    job = reserve(outbox, job, wanted)
    return replace(job, outputs=tuple(fetch(outbox, job, output, wanted[output.type]) for output in job.outputs))


def step(outbox: Outbox, job: Job, wanted: Mapping[DownloadType, bytes] = RESULTS) -> Job:
    """The next effect of a delivery and its commit, as the pipeline does it. Ends with `delivered`."""
    if job.number is None:
        if not job.outputs:
            return reserve(outbox, job, wanted)
        for output in job.outputs:
            outbox.unpublish(job, output)
        return reserve(outbox, job, wanted)
    for output in job.outputs:
        swapped = tuple(other for other in job.outputs if other is not output)
        if output.state == "wanted":
            return replace(job, outputs=(*swapped, fetch(outbox, job, output, wanted[output.type])))
        if output.state == "fetched":
            try:
                outbox.publish(job, output)
            except NameTaken:
                return renumbering(job)
            except ContentLost:
                return replace(job, outputs=(*swapped, replace(output, state="wanted")))
            return replace(job, outputs=(*swapped, replace(output, state="published")))
    delivered = replace(job, state=State.DELIVERED, because=None, delivered_at=1_700_000_100.5)
    try:
        outbox.write_sidecar(delivered)
    except NameTaken:
        return renumbering(job)
    return delivered


def renumbering(job: Job) -> Job:
    """The intent to take the next number."""
    return replace(job, number=None, outputs=tuple(replace(output, state="fetched") for output in job.outputs))


def deliver(outbox: Outbox, job: Job, wanted: Mapping[DownloadType, bytes] = RESULTS) -> Job:
    """All steps to the end."""
    while job.state is not State.DELIVERED:
        job = step(outbox, job, wanted)
    return job
