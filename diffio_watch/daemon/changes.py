"""What one configuration changes of another, in words and by inbox. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from diffio_watch.config import Config

# the journal's folder and lock are the process's own
_AT_START: Final = ("state_dir",)
_SECRET: Final = frozenset({"notify.urls", "notify.heartbeat"})  # passwords stand in them
_LONGEST: Final = 60  # characters of a value


@dataclass(frozen=True, slots=True)
class Changes:
    """What another configuration changes.

    Attributes:
        config: what is in force from now on.
        told: each difference in words; empty if there is none.
        at_start: keys whose new value a restart puts in force.
        added: names of inboxes that there were not.
        removed: names of inboxes that there are no more.
        changed: names of inboxes that differ.
        service: whether the service, or the way to it, is another one.
    """

    config: Config
    told: tuple[str, ...] = ()
    at_start: tuple[str, ...] = ()
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    service: bool = False


def compare(old: Config, new: Config) -> Changes:
    """What `new` changes of `old`, which is in force."""
    later = tuple(name for name in _AT_START if getattr(old, name) != getattr(new, name))
    config = replace(new, **{name: getattr(old, name) for name in later})
    before, after = ({inbox.name: inbox for inbox in one.inboxes} for one in (old, config))
    told = [*_told(_flat(old), _flat(config))]
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            told.append(f"inbox {name}: added, {after[name].path}")
        elif name not in after:
            told.append(f"inbox {name}: removed")
        else:
            told += _told(asdict(before[name]), asdict(after[name]), f"inbox {name}: ")
    told += [f"{name}: takes a restart" for name in later]
    return Changes(
        config, tuple(told), later, frozenset(after.keys() - before.keys()), frozenset(before.keys() - after.keys()),
        frozenset(name for name in before.keys() & after.keys() if before[name] != after[name]),
        old.api != config.api)


def renamed(old: Config, changes: Changes) -> tuple[str, str] | None:
    """An inbox whose folders have another one's name now, and that name; None where each kept its own."""
    for after in changes.config.inboxes:
        for before in old.inboxes:
            if before.name != after.name and (before.path == after.path or before.outbox == after.outbox):
                return before.name, after.name
    return None


def _flat(config: Config) -> dict[str, Any]:
    """Every key but those of inboxes; `defaults` stand in the inboxes already."""
    return dict(_leaves({name: value for name, value in asdict(config).items() if name not in {"inboxes", "defaults"}}))


def _leaves(value: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        if isinstance(below, dict):
            yield from _leaves(below, f"{within}{key}.")
        else:
            yield f"{within}{key}", below


def _told(before: Mapping[str, Any], after: Mapping[str, Any], whose: str = "") -> Iterator[str]:
    for key in after:
        if before.get(key) != after[key]:
            what = "changed" if key in _SECRET else f"{_short(before.get(key))} -> {_short(after[key])}"
            yield f"{whose}{key}: {what}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)  # a path
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
