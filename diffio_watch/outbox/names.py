"""The names of everything that lands in an outbox.

For `show 12/interview.wav`: `show 12/interview.restored.mp3`, `show 12/interview.transcript.json`, the sidecar
`show 12/interview.wav.json` and, while it failed or is held, `show 12/interview.wav.error.json`. All files of a job
share one number: 1 adds nothing, 2 makes it `interview.restored (2).mp3` and `interview.wav (2).json`.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from diffio_watch.disk.names import fold
from diffio_watch.job import DownloadType, Job
from diffio_watch.outbox.types import extension

DROP_FILE: Final = "too many files at once.error.json"  # at the outbox's root, for all that is held as one drop
LONGEST: Final = 255  # bytes of one name, on every filesystem of note
TempKind = Literal["audio", "video", "transcript", "sidecar", "error", "original"]

_FIELD: Final = re.compile(r"\{(stem|ext|model|inbox|date)\}")
_TEMP: Final = re.compile(r"\.diffio-watch-([0-9A-Za-z]{1,64})-(?:audio|video|transcript|sidecar|error|original)\.part")


@dataclass(frozen=True, slots=True)
class Plan:
    """The names of one job under its number, relative to the outbox."""

    number: int
    paths: dict[DownloadType, str]
    sidecar: str

    @property
    def keys(self) -> tuple[str, ...]:
        """What is to be reserved: every name, folded."""
        return tuple(fold(path) for path in (*self.paths.values(), self.sidecar))


def plan(job: Job, wanted: Mapping[DownloadType, str | None], number: int) -> Plan:
    """The names of a job's outputs and sidecar under `number`.

    Args:
        job: where an output was fetched already, MediaInfo's word about it wins over the service's.
        wanted: each output's media type in the service's words.
        number: from 1.
    """
    media = {output.type: output.media for output in job.outputs}
    paths: dict[DownloadType, str] = {}
    for kind, mime_type in wanted.items():
        ext = extension(kind, mime_type, media.get(kind))
        path = output_path(job, kind, ext, number)
        if fold(path) in {fold(other) for other in paths.values()}:  # audio and video of one media type
            path = output_path(job, kind, f".{kind}{ext}", number)
        paths[kind] = path
    return Plan(number, paths, sidecar_path(job.path, number))


def keys_of(job: Job) -> tuple[str, ...]:
    """What a job with a number has reserved, or has to reserve again: every name of it, folded."""
    paths = [output.path for output in job.outputs if output.path is not None]
    return tuple(dict.fromkeys(fold(path) for path in (*paths, sidecar_path(job.path, job.number or 1))))


def output_path(job: Job, kind: DownloadType, ext: str, number: int = 1) -> str:
    """Where an output of the job goes. `ext` has its dot; the mirrored folder comes from the job's own path."""
    folder, source = split(job.path)
    stem = _suffix(source)[0]
    if kind == "transcript":
        return _join(folder, _name(f"{stem}.transcript", ext, number))
    facts = {"stem": stem, "ext": ext, "model": job.settings.model, "inbox": job.inbox,
             "date": time.strftime("%Y-%m-%d", time.localtime(job.detected_at))}
    name = _FIELD.sub(lambda found: facts[found.group(1)], job.settings.output_name)
    # whatever a template, a model or an inbox is called: one name, visible, and none of the program's own
    name = re.sub(r"[/\0]", "_", name)
    if name.startswith("."):
        name = "_" + name
    return _join(folder, _name(name.removesuffix(ext), ext, number))


def sidecar_path(path: str, number: int = 1) -> str:
    """The sidecar of the file at `path` in the inbox."""
    folder, name = split(path)
    return _join(folder, _name(name, ".json", number))


def error_path(path: str) -> str:
    """The error file of the file at `path` in the inbox."""
    folder, name = split(path)
    return _join(folder, _name(name, ".error.json", 1))


def numbered(name: str, number: int) -> str:
    """A single name with a number before its extension, as the archive gives it: `take (2).wav`."""
    return _name(*_suffix(name), number)


def split(path: str) -> tuple[str, str]:
    """The mirrored folder ("" at the top) and the name of a path in the inbox.

    Raises:
        ValueError: the path is absolute or has a part that could lead elsewhere; intake makes no such paths.
    """
    *folders, name = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in (*folders, name)):
        raise ValueError(f"no path within an inbox: {path!r}")
    return "/".join(_name(folder, "", 1) for folder in folders), name


def temp_name(job_id: str, kind: TempKind) -> str:
    """The hidden name under which a file is written; it carries the job it belongs to."""
    name = f".diffio-watch-{job_id}-{kind}.part"
    if not _TEMP.fullmatch(name):
        raise ValueError(f"no id of a job: {job_id!r}")
    return name


def temp_owner(name: str) -> str | None:
    """The id of the job whose temporary file has this name; None for everybody else's files."""
    found = _TEMP.fullmatch(name)
    return found.group(1) if found else None


def _suffix(name: str) -> tuple[str, str]:
    stem, dot, ext = name.rpartition(".")
    return (stem, dot + ext) if stem else (name, "")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _name(stem: str, ext: str, number: int) -> str:
    """`stem (number).ext`; over 255 bytes the stem loses its end, at a character, for `~` and 8 hex."""
    tail = (f" ({number})" if number > 1 else "") + ext
    full = os.fsencode(stem + tail)
    if len(full) <= LONGEST:
        return stem + tail
    tail = "~" + hashlib.sha256(full).hexdigest()[:8] + tail
    room = LONGEST - len(os.fsencode(tail))
    kept = 0
    for char in stem:
        room -= len(os.fsencode(char))
        if room < 0:
            break
        kept += 1
    return stem[:kept] + tail
