"""Turns what the models refuse into problems a person can put right."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.config.errors import Wrong, shown
from diffio_watch.config.group import Group, Key, Slip, keys_of
from diffio_watch.config.model import Config, Defaults, Inbox
from diffio_watch.config.values import SETS

if TYPE_CHECKING:
    from diffio_watch.config.yaml12 import Location

_EXAMPLES: Final[dict[str, Any]] = {  # of keys whose default is no example
    "name": "podcasts", "path": "/srv/studio/inbox", "outbox": "/srv/studio/outbox", "archive": "/srv/studio/archive",
    "requests_per_second": 5, "daily_files": 200, "daily_minutes": 600,
}  # fmt: skip
_SECRETIVE: Final = ("api", "web", "webhook", "notify")  # groups whose wrong values are not repeated
_KEYS: Final = re.compile(r"(?:api[-_]?)?(?:key|token|secret)", re.IGNORECASE)
_YES_NO: Final = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_BOUNDS: Final = frozenset({"more than", "at least", "at most"})


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


def wrong_of(slip: Slip) -> Wrong:
    """The two sentences for what a key does not take."""
    if slip.wrong is not None:
        return slip.wrong
    if slip.what == "unknown":
        return _unknown(slip.location)
    if slip.what == "missing":
        return Wrong("It is missing.", f"Write `{_example(slip.location)}`.")
    if slip.what == "nothing":
        if isinstance(slip.location[-1], int):
            return Wrong("The item is empty.", "Write a value, or remove the line.")
        return Wrong("Nothing stands behind it.", f"Write `{_example(slip.location)}`, or remove the line.")
    return _mistyped(slip.what, slip.location, slip.value, slip.bound)


def _mistyped(what: str, location: Location, value: object, bound: float) -> Wrong:
    said = "This" if location[0] in _SECRETIVE else shown(value)
    name, example = _name(location), _example(location)
    if what == "bool":
        meant = _YES_NO.get(value.lower()) if isinstance(value, str) else None
        return Wrong(f"{said} is neither true nor false.",
                     f"Write `{name}: {meant}`." if meant else f"Write `{name}: true` or `{name}: false`.")
    if what == "integer":
        return Wrong(f"{said} is not a whole number.", f"Write for instance `{example}`, without quotes.")
    if what == "number":
        return Wrong(f"{said} is not a number.", f"Write for instance `{example}`, without quotes.")
    if what == "word":
        return _not_one_of(location, value, said)
    if what == "list":
        return _no_list(location, value, said)
    if what == "group":
        return Wrong(f"{said} is not a group of keys.", f"Write its keys below it, indented: {_inside(location)}.")
    if what in _BOUNDS:
        return Wrong(f"{said} is out of range.", f"Write {what} {bound:g}.")
    if what == "empty":
        return Wrong("The list is empty.", f"Write for instance `{example}`.")
    return Wrong(f"{said} is not a string.", "Put it in quotes.")


def _no_list(location: Location, value: object, said: str) -> Wrong:
    name = _name(location)
    if name == "inboxes":
        return Wrong("It is not a list.", "Begin each inbox below it with a dash: `- name: podcasts`.")
    items = [part for one in value.split(",") if (part := one.strip())] if (
        isinstance(value, str) and location[0] not in _SECRETIVE) else None
    if items and name == "include":
        items = [f"*.{one}" if one.isalnum() and one not in SETS else one for one in items]
    return Wrong(f"{said} is not a list.", f"Write `{f'{name}: {_flow(items)}' if items else _example(location)}`.")


def _not_one_of(location: Location, value: object, said: str) -> Wrong:
    choices = _choices(_key(location))
    word = str(value).lower()
    near = difflib.get_close_matches("audio" if word == "mp3" else word, choices, 1)  # as the service says too
    remedy = f"Did you mean `{near[0]}`?" if near else f"Write one of {', '.join(f'`{choice}`' for choice in choices)}."
    return Wrong(f"{said} is none of {', '.join(choices)}.", remedy)


def _unknown(location: Location) -> Wrong:
    name = str(location[-1])
    group = _group(location[:-1])
    if _KEYS.fullmatch(name) and (len(location) == 1 or location[0] in {"api", "inboxes", "defaults"}):
        return Wrong("An API key must not stand in this file.",
                     "Put it into a file of its own that only the service's user can read, and write that file's path "
                     "as `key_file` under `api`; or set $DIFFIO_API_KEY.")
    if group is Defaults and name in keys_of(Inbox):
        return Wrong("Each inbox has its own; it can't be a default.", "Write it into each inbox.")
    here = list(keys_of(group)) if group else []
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

    def walk(group: type[Group], above: str, where: str) -> None:
        for name, one in keys_of(group).items():
            homes.setdefault(name, where)
            inner = _inner(one)
            if inner is Inbox:
                walk(inner, "", "in an inbox, or under `defaults`")
            elif inner is not None and inner is not Defaults:
                walk(inner, f"{above}{name}.", f"under `{above}{name}`")

    walk(Config, "", "at the left margin, outside every group")
    for name in ("name", "path", "outbox", "archive"):
        homes[name] = "in an inbox"
    return homes


def _inner(one: Key) -> type[Group] | None:
    """The group that a key is made of, if any."""
    return one.kind.items.group if one.kind.items is not None else one.kind.group


def _group(location: Location) -> type[Group] | None:
    group: type[Group] | None = Config
    for part in location:
        if isinstance(part, str):
            one = keys_of(group).get(part) if group else None
            group = _inner(one) if one else None
    return group


def _key(location: Location) -> Key | None:
    names = [index for index, part in enumerate(location) if isinstance(part, str)]
    group = _group(location[: names[-1]]) if names else None
    return keys_of(group).get(str(location[names[-1]])) if group else None


def _choices(one: Key | None) -> tuple[str, ...]:
    if one is None:
        return ()
    return one.kind.items.choices if one.kind.items is not None else one.kind.choices


def _name(location: Location) -> str:
    return next((part for part in reversed(location) if isinstance(part, str)), "")


def _example(location: Location) -> str:
    name, one = _name(location), _key(location)
    if name not in _EXAMPLES and one is not None and one.written is not None:
        return f"{name}: {_flow(one.written)}"
    return f"{name}: {_flow(_EXAMPLES[name])}" if name in _EXAMPLES else f"{name}:"


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[\w/.-]*[A-Za-z][\w/.-]*", value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _inside(location: Location) -> str:
    group = _group(location)
    return ", ".join(f"`{name}`" for name in keys_of(group)) if group else "`key: value`"
