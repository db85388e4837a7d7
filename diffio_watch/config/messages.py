"""Turns what the models refuse into problems a person can put right."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from diffio_watch.config.errors import Wrong, shown
from diffio_watch.config.model import Config, Defaults, Inbox
from diffio_watch.config.values import SETS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from diffio_watch.config.yaml12 import Location

_EXAMPLES: Final[dict[str, Any]] = {  # of keys whose default is no example
    "name": "podcasts", "path": "/srv/studio/inbox", "outbox": "/srv/studio/outbox", "archive": "/srv/studio/archive",
    "requests_per_second": 5, "daily_files": 200, "daily_minutes": 600,
}  # fmt: skip
_SECRETIVE: Final = ("api", "web", "webhook", "notify")  # groups whose wrong values are not repeated
_KEYS: Final = re.compile(r"(?:api[-_]?)?(?:key|token|secret)", re.IGNORECASE)
_YES_NO: Final = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_BOUNDS: Final = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than",
                  "less_than_equal": "at most"}


def path_of(location: Location) -> str:
    """A location as people write it: `inboxes[0].settle`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w-]{1,60}", part) else shown(part)
            text += f".{name}" if text else name
    return text


def wrong_of(error: ErrorDetails) -> Wrong:
    """The two sentences for one error of pydantic."""
    location, value, kind = error["loc"], error["input"], error["type"]
    if kind == "extra_forbidden":
        return _unknown(location)
    if kind == "missing":
        return Wrong("It is missing.", f"Write `{_example(location)}`.")
    if value is None and not _nullable(location):
        if isinstance(location[-1], int):
            return Wrong("The item is empty.", "Write a value, or remove the line.")
        return Wrong("Nothing stands behind it.", f"Write `{_example(location)}`, or remove the line.")
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, Wrong):
        return raised
    return _mistyped(kind, location, value, error)


def _mistyped(kind: str, location: Location, value: object, error: ErrorDetails) -> Wrong:
    said = "This" if location[0] in _SECRETIVE else shown(value)
    name, example = _name(location), _example(location)
    if kind == "bool_type":
        meant = _YES_NO.get(value.lower()) if isinstance(value, str) else None
        return Wrong(f"{said} is neither true nor false.",
                     f"Write `{name}: {meant}`." if meant else f"Write `{name}: true` or `{name}: false`.")
    if kind in {"int_type", "int_from_float"}:
        return Wrong(f"{said} is not a whole number.", f"Write for instance `{example}`, without quotes.")
    if kind == "float_type":
        return Wrong(f"{said} is not a number.", f"Write for instance `{example}`, without quotes.")
    if kind == "string_type":
        return Wrong(f"{said} is not a string.", "Put it in quotes.")
    if kind == "literal_error":
        return _not_one_of(location, value, said)
    if kind in {"tuple_type", "list_type"}:
        if name == "inboxes":
            return Wrong("It is not a list.", "Begin each inbox below it with a dash: `- name: podcasts`.")
        items = [part for one in value.split(",") if (part := one.strip())] if (
            isinstance(value, str) and location[0] not in _SECRETIVE) else None
        if items and name == "include":
            items = [f"*.{one}" if one.isalnum() and one not in SETS else one for one in items]
        return Wrong(f"{said} is not a list.", f"Write `{f'{name}: {_flow(items)}' if items else example}`.")
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return Wrong(f"{said} is not a group of keys.", f"Write its keys below it, indented: {_inside(location)}.")
    if kind in _BOUNDS:
        bound = next(v for k, v in error["ctx"].items() if k in {"gt", "ge", "lt", "le"})
        return Wrong(f"{said} is out of range.", f"Write {_BOUNDS[kind]} {bound:g}.")
    if kind == "too_short":
        return Wrong("The list is empty.", f"Write for instance `{example}`.")
    return Wrong(f"It can't be used: {error['msg']}.", f"Write for instance `{example}`.")


def _not_one_of(location: Location, value: object, said: str) -> Wrong:
    choices = _choices(_field(location))
    word = str(value).lower()
    near = difflib.get_close_matches("audio" if word == "mp3" else word, choices, 1)  # as the service says too
    remedy = f"Did you mean `{near[0]}`?" if near else f"Write one of {', '.join(f'`{choice}`' for choice in choices)}."
    return Wrong(f"{said} is none of {', '.join(choices)}.", remedy)


def _unknown(location: Location) -> Wrong:
    name = str(location[-1])
    group = _model(location[:-1])
    if _KEYS.fullmatch(name) and (len(location) == 1 or location[0] in {"api", "inboxes", "defaults"}):
        return Wrong("An API key must not stand in this file.",
                     "Put it into a file of its own that only the service's user can read, and write that file's path "
                     "as `key_file` under `api`; or set $DIFFIO_API_KEY.")
    if group is Defaults and name in Inbox.model_fields:
        return Wrong("Each inbox has its own; it can't be a default.", "Write it into each inbox.")
    here = list(group.model_fields) if group else []
    near = difflib.get_close_matches(name.lower().replace("-", "_"), here, 1, 0.7)
    if near:
        return Wrong("There is no such key here.", f"Did you mean `{near[0]}`?")
    if elsewhere := _homes().get(name):
        return Wrong("There is no such key here.", f"It belongs {elsewhere}.")
    return Wrong("There is no such key.", f"Known here are {', '.join(here)}.")


@cache
def _homes() -> dict[str, str]:
    """Every key -> where it belongs, in words."""
    homes: dict[str, str] = {}

    def walk(model: type[BaseModel], above: str, where: str) -> None:
        for name, field in model.model_fields.items():
            homes.setdefault(name, where)
            inner = _inner(field.annotation)
            if inner is Inbox:
                walk(inner, "", "in an inbox, or under `defaults`")
            elif inner is not None and inner is not Defaults:
                walk(inner, f"{above}{name}.", f"under `{above}{name}`")

    walk(Config, "", "at the left margin, outside every group")
    for name in ("name", "path", "outbox", "archive"):
        homes[name] = "in an inbox"
    return homes


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model that a key's type is made of, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _inner(arg)) is not None), None)


def _model(location: Location) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Config
    for part in location:
        if isinstance(part, str):
            field = model.model_fields.get(part) if model else None
            model = _inner(field.annotation) if field else None
    return model


def _field(location: Location) -> FieldInfo | None:
    names = [index for index, part in enumerate(location) if isinstance(part, str)]
    model = _model(location[: names[-1]]) if names else None
    return model.model_fields.get(str(location[names[-1]])) if model else None


def _choices(field: FieldInfo | None) -> list[str]:
    def words(annotation: Any) -> list[str]:
        return [word for arg in get_args(annotation) for word in ([arg] if isinstance(arg, str) else words(arg))]

    return words(field.annotation) if field else []


def _nullable(location: Location) -> bool:
    field = _field(location)
    return field is not None and isinstance(location[-1], str) and type(None) in get_args(field.annotation)


def _name(location: Location) -> str:
    return next((part for part in reversed(location) if isinstance(part, str)), "")


def _example(location: Location) -> str:
    name, field = _name(location), _field(location)
    extra = field.json_schema_extra if field else None
    if name not in _EXAMPLES and isinstance(extra, dict) and extra.get("default") is not None:
        return f"{name}: {_flow(extra['default'])}"
    return f"{name}: {_flow(_EXAMPLES[name])}" if name in _EXAMPLES else f"{name}:"


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[\w/.-]*[A-Za-z][\w/.-]*", value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _inside(location: Location) -> str:
    model = _model(location)
    return ", ".join(f"`{name}`" for name in model.model_fields) if model else "`key: value`"
