"""The types of keys: how each is read, and what the JSON Schema says of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, PlainValidator, ValidationInfo, WithJsonSchema

from diffio_watch.config import paths, units, values
from diffio_watch.config.errors import Wrong, shown

AUTO: Final = "auto"
_DURATION: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}
_SIZE: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(KiB|MiB|GiB|TiB)$"}
_NUMBER: Final = {"type": "number", "minimum": 0}


def _string(check: Callable[[str], str]) -> PlainValidator:
    """Takes a string and nothing that merely looks like one, then applies a check of its own."""

    def run(value: object) -> str:
        if isinstance(value, str):
            return check(value)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        raise Wrong(f"{shown(value)} is not a string.", f'Put it in quotes: `"{value}"`.' if plain else "Write a word.")

    return PlainValidator(run)


def _or_auto(value: object) -> float | Literal["auto"]:
    if value == AUTO:
        return AUTO
    try:
        return _positive(value)
    except Wrong as wrong:
        raise Wrong(wrong.message, f"{wrong.remedy.rstrip('.')}, or `auto`.") from None


def _positive(value: object) -> float:
    seconds = units.duration(value)
    if seconds <= 0:
        raise Wrong("It can't be 0.", "Write for instance `2s`.")
    return seconds


def _file_mode(value: object) -> int:
    return _mode(value, 0o600, "read and write its own files")


def _dir_mode(value: object) -> int:
    return _mode(value, 0o700, "work in its own folders")


def _mode(value: object, needed: int, purpose: str) -> int:
    bits = units.mode(value)
    if bits & needed != needed:
        raise Wrong(f"With {shown(value)} the program could not {purpose}.", f'Write `"{bits | needed:04o}"`.')
    return bits


def _path(value: object, info: ValidationInfo) -> Path:
    context = info.context or {}
    return paths.expand(value, context.get("env", os.environ))


def _secret_file(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, str) and value.startswith(("/", "~", "$")):
        return _path(value, info)
    # not repeated: it is most likely the secret itself
    raise Wrong("This is not the absolute path of a file.",
                "Put the secret into a file of its own that only the service's user can read, and write its path here.")


_MODE_SCHEMA: Final = {"type": ["string", "integer"], "pattern": "^(0o)?[0-7]{3,5}$"}

Duration = Annotated[float, PlainValidator(_positive), WithJsonSchema({"anyOf": [_DURATION, _NUMBER]})]
DurationOrAuto = Annotated[
    float | Literal["auto"], PlainValidator(_or_auto), WithJsonSchema({"anyOf": [{"const": AUTO}, _DURATION, _NUMBER]})
]
Size = Annotated[int, PlainValidator(units.size), WithJsonSchema({"anyOf": [_SIZE, {"type": "integer", "minimum": 0}]})]
FileMode = Annotated[int, PlainValidator(_file_mode), WithJsonSchema(_MODE_SCHEMA)]
DirMode = Annotated[int, PlainValidator(_dir_mode), WithJsonSchema(_MODE_SCHEMA)]
AbsPath = Annotated[Path, PlainValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
SecretFile = Annotated[Path, PlainValidator(_secret_file), WithJsonSchema({"type": "string", "minLength": 1})]
BaseUrl = Annotated[str, _string(values.base_url), WithJsonSchema({"type": ["string", "null"]})]
Name = Annotated[str, _string(values.name), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})]
Model = Annotated[str, _string(values.model), WithJsonSchema({"type": "string", "minLength": 1})]
OutputName = Annotated[str, _string(values.output_name), WithJsonSchema({"type": "string", "pattern": r"\{stem\}"})]
Include = Annotated[str, _string(values.include), WithJsonSchema({"type": "string", "minLength": 1})]
Glob = Annotated[str, _string(values.glob), WithJsonSchema({"type": "string", "minLength": 1})]
Listen = Annotated[str, _string(values.listen), WithJsonSchema({"type": "string", "pattern": "^unix:/|:[0-9]+$"})]
Host = Annotated[str, _string(values.host), WithJsonSchema({"type": "string", "minLength": 1})]


def given(value: object) -> object:
    """An empty section (`limits:` and nothing under it) is a section without keys."""
    return {} if value is None else value


def key(default: Any, about: str, *, read: Callable[[Any], Any] | None = None, **more: Any) -> Any:
    """A key: its default as it is written in the file (`read` makes the value of it), and what it is for."""
    if isinstance(default, list | dict):
        read = tuple if isinstance(default, list) else dict
    make = read or (lambda written: written)
    more["json_schema_extra"] = {"default": default}
    return Field(default_factory=lambda: make(default), description=about, **more)


def section(model: type[BaseModel], about: str) -> Any:
    """A group of keys, each with a default of its own."""
    return Field(default_factory=model, description=about)
