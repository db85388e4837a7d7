"""A job as a row, and a row as a job."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from functools import lru_cache
from typing import Any, Final

from diffio_watch.disk import names
from diffio_watch.job import Because, Job, Media, Output, Settings, State
from diffio_watch.journal.records import Known
from diffio_watch.reasons import because as reason

_HELD: Final = "was held: "
COLUMNS: Final = tuple(field.name for field in fields(Job))


def _fields(record: object) -> dict[str, Any]:
    """What a record holds, for JSON; unlike `asdict` it copies nothing."""
    return {name: getattr(record, name) for name in record.__slots__}  # type: ignore[attr-defined]  # none other comes


_JSON: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False, default=_fields)


def dump(value: object) -> str:
    """JSON as the journal stores it: compact, non-UTF-8 names as lone surrogates escaped in ASCII.

    A number that is none is null: SQLite reads no JSON with NaN in it, in no query.

    Args:
        value: what JSON can hold, and the project's records.
    """
    try:
        return _JSON.encode(value)
    except (TypeError, ValueError):  # numbers beyond all numbers, keys that can't be sorted: a YAML file has such
        return _JSON.encode(names.plain(asdict(value) if is_dataclass(value) else value))  # type: ignore[arg-type]  # no class


def dump_because(because: Because | None) -> str | None:
    """A reason as stored."""
    return None if because is None else dump(because)


@lru_cache
def load_because(text: str | None) -> Because | None:
    """A stored reason."""
    return None if text is None else Because(**json.loads(text))


def _load_output(found: dict[str, Any]) -> Output:
    media = found.pop("media", None)
    return Output(**found, media=Media(**media) if media else None)


@lru_cache  # a studio has a few settings, and a million jobs that were journalled with them
def _load_settings(text: str) -> Settings:
    found = json.loads(text)
    return Settings(**{**found, "outputs": tuple(found["outputs"])})


_TO_ROW: Final[dict[str, Callable[[Any], Any]]] = {
    "path": os.fsencode,
    "settings": dump,
    "because": dump_because,
    "media": lambda media: None if media is None else dump(media),
    "outputs": dump,
    "notes": dump,
}
_FROM_ROW: Final[dict[str, Callable[[Any], Any]]] = {
    "path": os.fsdecode,
    "settings": _load_settings,
    "state": {state.value: state for state in State}.__getitem__,
    "because": load_because,
    "media": lambda text: None if text is None else Media(**json.loads(text)),
    "outputs": lambda text: () if text == "[]" else tuple(_load_output(found) for found in json.loads(text)),
    "notes": lambda text: () if text == "[]" else tuple(json.loads(text)),
    "as_is": bool,
    "approved": bool,
    "rebuy": bool,
    "released": bool,
    "unproven": bool,
    "uploaded": bool,
    "replayed": bool,
    "error_file": bool,
}


def to_row(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a job as column values."""
    return {name: _TO_ROW[name](value) if name in _TO_ROW else _column(value) for name, value in values.items()}


def _column(value: Any) -> Any:
    return names.whole(value) if isinstance(value, str) else value


def job_row(job: Job) -> dict[str, Any]:
    """A whole job as column values."""
    return to_row({name: getattr(job, name) for name in COLUMNS})


_CONVERTED: Final = tuple((COLUMNS.index(name), load) for name, load in _FROM_ROW.items())


def to_job(row: sqlite3.Row) -> Job:
    """A job from a row of `COLUMNS`, in their order; what comes after them is left out."""
    values = list(row[:len(COLUMNS)])
    for index, load in _CONVERTED:
        values[index] = load(values[index])
    return Job(*values)


def note_hold(job: Job) -> str | None:
    """For `stage`: why and until when a job is held, where something else keeps it first; None: it is not held."""
    if job.state is not State.HELD or job.because is None:
        return None
    return f"{_HELD}{dump([dump_because(job.because), job.due_at, job.stage])}"


def noted_hold(job: Job) -> dict[str, Any] | None:
    """What `note_hold` noted, as changes that hold a job so again; None where nothing is noted."""
    if not (job.stage or "").startswith(_HELD):
        return None
    noted = (job.stage or "").removeprefix(_HELD)
    if not noted.startswith("["):  # by a program that noted the reason's code alone
        why = reason(noted, job=job.id, inbox=job.inbox, limit="the limit of", other="another file",
                     detail="It was held when its file left")
        return {"state": State.HELD, "because": why, "due_at": None, "stage": None}
    dumped, due_at, *before = json.loads(noted)
    return {"state": State.HELD, "because": load_because(dumped), "due_at": due_at,
            "stage": before[0] if before else None}


def to_known(row: sqlite3.Row) -> Known:
    """What stands at a path, from a row of its facts and its job's."""
    return Known(row["id"], os.fsdecode(row["path"]), row["size"], row["mtime_ns"], State(row["state"]), row["inode"],
                 row["partial"], row["sha256"], changed=bool(row["changed"]), renamed=bool(row["renamed"]))
