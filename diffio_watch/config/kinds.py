"""The kinds of keys: how what stands in the file becomes what the program works with, and what the JSON Schema says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from diffio_watch.config import paths, units, values
from diffio_watch.config.errors import Wrong, shown
from diffio_watch.config.group import Env, Kind, Unfit

AUTO: Final = "auto"


def integer(least: int, most: int) -> Kind:
    """A whole number within bounds."""

    def run(value: object, _: Env) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit("integer")
        _bounded(value, least, most)
        return value

    return Kind(run, {"minimum": least, "maximum": most, "type": "integer"})


def number(least: float, most: float, *, above: bool = False) -> Kind:
    """A number within bounds; `above` the least one."""

    def run(value: object, _: Env) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Unfit("number")
        if above and not value > least:
            raise Unfit("more than", least)
        _bounded(value, least, most)
        return float(value)

    return Kind(run, {"exclusiveMinimum" if above else "minimum": least, "maximum": most, "type": "number"})


def _bounded(value: float, least: float, most: float) -> None:
    if not value >= least:
        raise Unfit("at least", least)
    if not value <= most:
        raise Unfit("at most", most)


def word(*choices: str) -> Kind:
    """One of some words."""

    def run(value: object, _: Env) -> object:
        if not isinstance(value, str) or value not in choices:
            raise Unfit("word")
        return value

    return Kind(run, {"enum": list(choices), "type": "string"}, choices=choices)


def _bool(value: object, _: Env) -> bool:
    if not isinstance(value, bool):
        raise Unfit("bool")
    return value


def _mapping(value: object, _: Env) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unfit("group")
    return dict(value)


def _string(check: Callable[[str], str], **schema: Any) -> Kind:
    """Takes a string and nothing that merely looks like one, then applies a check of its own."""

    def run(value: object, _: Env) -> str:
        if isinstance(value, str):
            return check(value)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        raise Wrong(f"{shown(value)} is not a string.", f'Put it in quotes: `"{value}"`.' if plain else "Write a word.")

    return Kind(run, {"type": "string", **schema})


def _secret(check: Callable[[str], str], **schema: Any) -> Kind:
    """Likewise, and nothing of it is repeated."""

    def run(value: object, _: Env) -> str:
        if isinstance(value, str):
            return check(value)
        raise Wrong("This is not a string.", "Write an address, in quotes.")

    return Kind(run, {"type": "string", **schema})


def _or_auto(value: object, env: Env) -> object:
    if value == AUTO:
        return AUTO
    try:
        return _positive(value, env)
    except Wrong as wrong:
        raise Wrong(wrong.message, f"{wrong.remedy.rstrip('.')}, or `auto`.") from None


def _positive(value: object, _: Env) -> float:
    seconds = units.duration(value)
    if seconds <= 0:
        raise Wrong("It can't be 0.", "Write for instance `2s`.")
    return seconds


def _mode(needed: int, purpose: str) -> Kind:
    def run(value: object, _: Env) -> int:
        bits = units.mode(value)
        if bits & needed != needed:
            raise Wrong(f"With {shown(value)} the program could not {purpose}.", f'Write `"{bits | needed:04o}"`.')
        return bits

    return Kind(run, {"type": ["string", "integer"], "pattern": "^(0o)?[0-7]{3,5}$"})


def _secret_file(value: object, env: Env) -> object:
    if isinstance(value, str) and value.startswith(("/", "~", "$")):
        return paths.expand(value, env)
    # not repeated: it is most likely the secret itself
    raise Wrong("This is not the absolute path of a file.",
                "Put the secret into a file of its own that only the service's user can read, and write its path here.")


_DURATION: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}
_SIZE: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(KiB|MiB|GiB|TiB)$"}
_NUMBER: Final = {"type": "number", "minimum": 0}
_SOME: Final = {"type": "string", "minLength": 1}

BOOL: Final = Kind(_bool, {"type": "boolean"})
MAPPING: Final = Kind(_mapping, {"additionalProperties": True, "type": ["object", "null"]})
DURATION: Final = Kind(_positive, {"anyOf": [_DURATION, _NUMBER]})
DURATION_OR_AUTO: Final = Kind(_or_auto, {"anyOf": [{"const": AUTO}, _DURATION, _NUMBER]})
SIZE: Final = Kind(lambda value, _: units.size(value), {"anyOf": [_SIZE, {"type": "integer", "minimum": 0}]})
FILE_MODE: Final = _mode(0o600, "read and write its own files")
DIR_MODE: Final = _mode(0o700, "work in its own folders")
PATH: Final = Kind(paths.expand, _SOME)
STATE_DIR: Final = Kind(paths.expand, {"type": ["string", "null"], "minLength": 1})
SECRET_FILE: Final = Kind(_secret_file, _SOME)
BASE_URL: Final = _string(values.base_url, type=["string", "null"])
NAME: Final = _string(values.name, pattern="^[A-Za-z0-9_-]{1,64}$")
MODEL: Final = _string(values.model, minLength=1)
OUTPUT_NAME: Final = _string(values.output_name, pattern=r"\{stem\}")
INCLUDE: Final = _string(values.include, minLength=1)
GLOB: Final = _string(values.glob, minLength=1)
LISTEN: Final = _string(values.listen, pattern="^unix:/|:[0-9]+$")
HOST: Final = _string(values.host, minLength=1)
NOTICE_URL: Final = _secret(values.notice_url, pattern="^[A-Za-z][A-Za-z0-9_+.-]*://")
HEARTBEAT: Final = _secret(values.heartbeat, pattern="^https?://")
