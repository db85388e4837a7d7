"""The names of everything that lands in an outbox.

For `show 12/interview.wav`: `show 12/interview.restored.mp3`, `show 12/interview.transcript.json`, the sidecar
`show 12/interview.wav.json` and, while it failed or is held, `show 12/interview.wav.error.json`. All files of a job
share one number: 1 adds nothing, 2 makes it `interview.restored (2).mp3` and `interview.wav (2).json`.

Not every filesystem takes every name, and none tells its rules. What it refuses as it is, is written without what FAT,
NTFS and SMB refuse (`escaped`), and at last in ASCII of at most 100 bytes as well (`short`).
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
from diffio_watch.job import DownloadType, Form, Job
from diffio_watch.media.types import extension

DROP_FILE: Final = "too many files at once.error.json"  # at the outbox's root, for all that is held as one drop
STATUS_FILE: Final = "_status.html"  # at the outbox's root, for those who see the folder only
LONGEST: Final = 255  # bytes of one name, on every filesystem of note
FORMS: Final[tuple[Form, ...]] = ("plain", "escaped", "short")
_SHORT: Final = 100  # bytes; filesystems that encrypt names have 143, or less
# what some filesystems refuse, and how far a name is that every one takes
_REFUSED: Final = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\ud800-\udfff]|[. ]+$')
_DEVICE: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)")
_ORDINARY: Final = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_()+,=@~ .-]{0,98}(?<![ .])")
TempKind = Literal["audio", "video", "transcript", "sidecar", "error", "original", "names", "status"]

_FIELD: Final = re.compile(r"\{(stem|ext|model|inbox|date)\}")
_TEMP: Final = re.compile(
    r"\.diffio-watch-([0-9A-Za-z]{1,64})-(?:audio|video|transcript|sidecar|error|original|names|status)\.part")


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
    sidecar = sidecar_path(job.path, number, job.form)
    paths: dict[DownloadType, str] = {}
    for kind, mime_type in wanted.items():
        ext = extension(kind, mime_type, media.get(kind))
        path = output_path(job, kind, ext, number)
        # audio and video of one media type; the transcript of an original called `interview.transcript`
        if fold(path) in {fold(other) for other in (*paths.values(), sidecar)}:
            path = output_path(job, kind, f".{kind}{ext}", number)
        paths[kind] = path
    return Plan(number, paths, sidecar)


def keys_of(job: Job) -> tuple[str, ...]:
    """What a job with a number has reserved, or has to reserve again: every name of it, folded."""
    paths = [output.path for output in job.outputs if output.path is not None]
    return tuple(dict.fromkeys(fold(path) for path in (*paths, sidecar_of(job))))


def output_path(job: Job, kind: DownloadType, ext: str, number: int = 1) -> str:
    """Where an output of the job goes. `ext` has its dot; the mirrored folder comes from the job's own path."""
    folder, source = split(job.path, job.form)
    stem = _suffix(source)[0]
    if kind == "transcript":
        return _join(folder, _name(f"{stem}.transcript", ext, number, job.form))
    facts = {"stem": stem, "ext": ext, "model": job.settings.model, "inbox": job.inbox,
             "date": time.strftime("%Y-%m-%d", time.localtime(job.detected_at))}
    name = _FIELD.sub(lambda found: facts[found.group(1)], job.settings.output_name)
    # whatever a template, a model or an inbox is called: one name, visible, and none of the program's own
    name = re.sub(r"[/\0]", "_", name)
    if name.startswith("."):
        name = "_" + name
    return _join(folder, _name(name.removesuffix(ext), ext, number, job.form))


def sidecar_path(path: str, number: int = 1, form: Form = "plain") -> str:
    """The sidecar of the file at `path` in the inbox."""
    folder, name = split(path, form)
    return _join(folder, _name(name, ".json", number, form))


def sidecar_of(job: Job) -> str:
    """Where the sidecar of a job is, or is to be."""
    return sidecar_path(job.path, job.number or 1, job.form)


def error_path(path: str, form: Form = "plain") -> str:
    """The error file of the file at `path` in the inbox."""
    folder, name = split(path, form)
    return _join(folder, _name(name, ".error.json", 1, form))


def error_paths(path: str) -> tuple[str, ...]:
    """Where the error file of the file at `path` may be, in the order it is tried to write it."""
    return tuple(dict.fromkeys(error_path(path, form) for form in FORMS))


def is_ordinary(name: str) -> bool:
    """Whether every filesystem takes this single name."""
    return _ORDINARY.fullmatch(name) is not None and _DEVICE.match(name) is None


def numbered(name: str, number: int) -> str:
    """A single name with a number before its extension, as the archive gives it: `take (2).wav`."""
    return _name(*_suffix(name), number)


def split(path: str, form: Form = "plain") -> tuple[str, str]:
    """The mirrored folder ("" at the top) and the name of a path in the inbox.

    Raises:
        ValueError: the path is absolute or has a part that could lead elsewhere; intake makes no such paths.
    """
    *folders, name = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in (*folders, name)):
        raise ValueError(f"no path within an inbox: {path!r}")
    return "/".join(_name(folder, "", 1, form) for folder in folders), name


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


def _name(stem: str, ext: str, number: int, form: Form = "plain") -> str:
    """`stem (number).ext`; over 255 bytes the stem loses its end, at a character, for `~` and 8 hex."""
    tail = (f" ({number})" if number > 1 else "") + ext
    full = os.fsencode(stem + tail)
    if form != "plain":
        stem = _escaped(stem + tail).removesuffix(tail)
    longest, other = LONGEST, False
    if form == "short":
        longest, plain = _SHORT, "".join(char if char.isascii() else "_" for char in stem)
        stem, other = plain, plain != stem
    if len(os.fsencode(stem + tail)) <= longest and not other:
        return stem + tail
    tail = "~" + hashlib.sha256(full).hexdigest()[:8] + tail
    room = longest - len(os.fsencode(tail))
    kept = 0
    for char in stem:
        room -= len(os.fsencode(char))
        if room < 0:
            break
        kept += 1
    return stem[:kept] + tail


def _escaped(name: str) -> str:
    """A single name without what FAT, NTFS and SMB refuse: each such byte as `%` and its two hex digits."""
    name = _REFUSED.sub(lambda found: "".join(f"%{byte:02X}" for byte in os.fsencode(found.group())), name)
    return f"_{name}" if _DEVICE.match(name) else name
