"""Groups of keys: plain frozen dataclasses, each of whose fields knows its kind, and how they are read.

No library for it: this is all that is needed of one, and every command reads the configuration first, `status` too,
which has to answer at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

from diffio_watch.config.errors import Wrong

if TYPE_CHECKING:
    from diffio_watch.config.yaml12 import Location

Env = Mapping[str, str]
Read = Callable[[Any, Env], Any]


class Unfit(Exception):
    """A value of another type, or out of bounds: what it is not, and the bound, as `messages` tells it."""

    def __init__(self, what: str, bound: float = 0.0) -> None:
        super().__init__(what)
        self.what = what
        self.bound = bound


@dataclass(frozen=True, slots=True)
class Slip:
    """What a key does not take.

    Attributes:
        location: of the key, or of the item of its list.
        value: what stands there.
        what: `unknown`, `missing`, `nothing`, or what an `Unfit` says; "" where `wrong` says it.
        bound: that it is out of.
        wrong: what is wrong with it, in words.
    """

    location: Location
    value: object
    what: str = ""
    bound: float = 0.0
    wrong: Wrong | None = None


class Refused(ValueError):
    """What a group of keys does not take, all of it."""

    def __init__(self, slips: Iterable[Slip]) -> None:
        self.slips = tuple(slips)
        super().__init__(self.slips)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of key.

    Attributes:
        read: makes the program's value of what stands there; raises `Wrong` or `Unfit`.
        schema: of what may stand there.
        nullable: nothing may stand there, and means something.
        choices: the words that it takes, if it takes words only.
        items: the kind of what is in it, where it is a list.
        least: how many at least.
        group: the class of a group of keys.
    """

    read: Read
    schema: Mapping[str, Any] = field(default_factory=dict)
    nullable: bool = False
    choices: tuple[str, ...] = ()
    items: Kind | None = None
    least: int = 0
    group: type[Group] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is as good as a group without keys (`limits:` and nothing under it)."""
        return self.group is not None or self.schema.get("additionalProperties") is True


@dataclass(frozen=True, slots=True)
class Key:
    """What a field of a group knows: its kind, its default as it is written, whether it has one, and what it is for."""

    kind: Kind
    about: str
    written: Any = None
    has_default: bool = True


def key(kind: Kind, written: Any, about: str, *, value: Callable[[], Any] | None = None, hidden: bool = False) -> Any:
    """A key with a default, as it is written in the file; `value` makes another of it than its kind would."""
    known = {"key": Key(kind, about, written)}
    return field(default_factory=value or (lambda: _value(kind, written)), metadata=known, repr=not hidden)


def needed(kind: Kind, about: str) -> Any:
    """A key without a default."""
    return field(metadata={"key": Key(kind, about, has_default=False)})


def section(group: type[Group], about: str) -> Any:
    """A group of keys, each with a default of its own."""
    return field(default_factory=group, metadata={"key": Key(within(group), about, has_default=False)})


def _value(kind: Kind, written: Any) -> Any:
    if written is None:
        return None
    return tuple(_value(kind.items, one) for one in written) if kind.items is not None else kind.read(written, {})


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of keys."""

    @classmethod
    def of(cls, data: object, env: Env = os.environ) -> Self:
        """The group that stands in the file as `data`.

        Raises:
            Refused: there is something in it that it does not take.
        """
        slips: list[Slip] = []
        found = read(within(cls), data, (), env, slips)
        if slips or not isinstance(found, cls):
            raise Refused(slips)
        return found

    @classmethod
    def across(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:  # noqa: ARG003 - for those with such rules
        """What is wrong with keys of which each is right for itself, as far as they could be read; by key."""
        return iter(())


def keys_of(group: type[Group]) -> Mapping[str, Key]:
    """The keys of a group by name, in order."""
    return {one.name: one.metadata["key"] for one in fields(group)}


_HOLE: Final = object()  # in place of what could not be read


def read(kind: Kind, value: object, at: Location, env: Env, slips: list[Slip]) -> Any:
    """What the program works with; `slips` gets what can't be had so."""
    if value is None:
        if kind.nullable:
            return None
        if not kind.empty:
            slips.append(Slip(at, value, "nothing"))
            return _HOLE
        value = {}
    if kind.group is not None:
        return _read_group(kind.group, value, at, env, slips)
    if kind.items is not None:
        return _read_list(kind, kind.items, value, at, env, slips)
    try:
        return kind.read(value, env)
    except Wrong as wrong:
        slips.append(Slip(at, value, wrong=wrong))
    except Unfit as unfit:
        slips.append(Slip(at, value, unfit.what, unfit.bound))
    return _HOLE


def _read_list(kind: Kind, items: Kind, value: object, at: Location, env: Env, slips: list[Slip]) -> Any:
    if not isinstance(value, list | tuple):
        slips.append(Slip(at, value, "list"))
        return _HOLE
    if len(value) < kind.least:
        slips.append(Slip(at, value, "empty"))
        return _HOLE
    found = [read(items, one, (*at, index), env, slips) for index, one in enumerate(value)]
    return _HOLE if _HOLE in found else tuple(found)


def _read_group(group: type[Group], value: object, at: Location, env: Env, slips: list[Slip]) -> Any:
    if not isinstance(value, dict):
        slips.append(Slip(at, value, "group"))
        return _HOLE
    known, found, before = keys_of(group), {}, len(slips)
    slips += [Slip((*at, name), value[name], "unknown") for name in value if name not in known]
    for one in fields(group):
        if one.name in value:
            found[one.name] = read(known[one.name].kind, value[one.name], (*at, one.name), env, slips)
        elif one.default_factory is not MISSING:
            found[one.name] = one.default_factory()
        else:
            slips.append(Slip((*at, one.name), None, "missing"))
    right = {name: one for name, one in found.items() if one is not _HOLE}
    slips += [Slip((*at, name), right[name], wrong=wrong) for name, wrong in group.across(right)]
    return group(**right) if len(slips) == before else _HOLE


def within(group: type[Group]) -> Kind:
    """The kind of a group of keys."""
    return Kind(_never, group=group)


def several(items: Kind, least: int = 0) -> Kind:
    """A list of a kind."""
    return Kind(_never, items=items, least=least)


def or_none(kind: Kind) -> Kind:
    """A kind, or nothing."""
    return replace(kind, nullable=True)


def _never(_: object, __: Env) -> Any:
    raise Unfit("group")
