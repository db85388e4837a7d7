"""The JSON Schema of the file, so that editors complete and check it while it is written."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from diffio_watch.config.group import Group, Key, Kind, keys_of
from diffio_watch.config.model import Config

SCHEMA_FILE: Final = Path(__file__).with_name("schema.json")  # the published twin of `json_schema()`


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what may stand in the file; defaults are as they are written there."""
    below: dict[str, Any] = {}
    whole = _group(Config, below)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of diffio-watch",
        "$defs": dict(sorted(below.items())),
        **whole,
    }


def _group(group: type[Group], below: dict[str, Any]) -> dict[str, Any]:
    """The schema of a group; those of the groups in it go into `below`."""
    keys = keys_of(group)
    needed = [field.name for field in fields(group) if field.default_factory is MISSING]
    return {
        "additionalProperties": False, "description": inspect.cleandoc(group.__doc__ or ""),
        "properties": {name: _key(one, below) for name, one in keys.items()},
        **({"required": needed} if needed else {}), "type": "object",
    }


def _key(one: Key, below: dict[str, Any]) -> dict[str, Any]:
    kind = one.kind
    schema = _kind(kind, below)
    if kind.group is not None:
        schema = {"anyOf": [schema, {"type": "null"}]}
        if below[kind.group.__name__]["description"] == one.about:
            return schema
    if kind.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {**schema, **({"default": one.written} if one.has_default else {}), "description": one.about}


def _kind(kind: Kind, below: dict[str, Any]) -> dict[str, Any]:
    if kind.group is not None:
        name = kind.group.__name__
        if name not in below:
            below[name] = _group(kind.group, below)
        return {"$ref": f"#/$defs/{name}"}
    if kind.items is not None:
        least = {"minItems": kind.least} if kind.least else {}
        return {"type": "array", "items": _kind(kind.items, below), **least}
    return dict(kind.schema)
