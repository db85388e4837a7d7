"""From the file to the models: read, fill in from the environment, merge `defaults`, check, tell everything wrong."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.config import messages, paths, yaml12
from diffio_watch.config.errors import ConfigError, Problem, Wrong, plain, shown
from diffio_watch.config.group import Refused, keys_of
from diffio_watch.config.model import Config, Defaults
from diffio_watch.config.small_file import read_small

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from diffio_watch.config.yaml12 import Document, Location

_BASE_URL: Final = "DIFFIO_API_BASE_URL"
_PATIENCE: Final = 10.0  # seconds
_STATE_DIR: Final = re.compile(r"^state_dir:[ \t]+([^\s#'\"]+)[ \t]*(?:#.*)?$", re.MULTILINE)
_REMEDIES: Final[dict[type[OSError], str]] = {
    FileNotFoundError: "Write one with `diffio-watch init --inbox DIR --outbox DIR`, or name another with `-c FILE`.",
    PermissionError: "Let this user read it, or name another with `-c FILE`.",
    OSError: "Name another with `-c FILE`.",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What a configuration was read from: the file, absolute, and the SHA-256 of what stood in it."""

    file: str
    sha256: str


def load(path: Path | str | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """The configuration at `path`, or where `find` finds it. What stands in the file wins over `env`.

    Raises:
        ConfigError: there is none, or something is wrong with it; it tells everything at once.
    """
    return load_from(path, env)[0]


def load_from(path: Path | str | None = None, env: Mapping[str, str] = os.environ) -> tuple[Config, Source]:
    """As `load`, together with what it was read from, so that a later change of the file is noticed.

    Raises:
        ConfigError: there is none, or something is wrong with it; it tells everything at once.
    """
    file = paths.find(path, env)
    try:
        text = _read(file)
    except OSError as error:
        remedy = _REMEDIES.get(type(error), _REMEDIES[OSError])
        raise ConfigError([Problem("", None, f"It can't be read: {error.strerror}.", remedy)], str(file)) from None
    return parse(text, env, file=str(file)), source_of(file, text)


def source_of(file: Path, text: bytes | None = None) -> Source:
    """What stands in a configuration file now.

    Args:
        file: the file.
        text: its content, where it was read already.

    Raises:
        OSError: it can't be read.
    """
    content = _read(file) if text is None else text
    return Source(str(file.absolute()), hashlib.sha256(content).hexdigest())


def state_dir_of(file: Path, env: Mapping[str, str]) -> Path | None:
    """The `state_dir` of a configuration that may be wrong elsewhere, or be no YAML at all; None: it tells none."""
    try:
        text = _read(file)
    except OSError:
        return paths.default_state_dir(env, str(file))
    data = yaml12.read(text).data
    if isinstance(data, dict):
        named = data.get("state_dir")
    else:  # a line of its own is enough
        found = _STATE_DIR.search(text.decode("utf-8", "replace"))
        named = found[1] if found else None
    try:
        return paths.default_state_dir(env, str(file)) if named is None else paths.expand(named, env)
    except Wrong:
        return None


def _read(file: Path) -> bytes:
    # a shell's `<(…)` is no regular file, and may take its time
    return read_small(file, yaml12.MOST_BYTES, patience=_PATIENCE, regular=False).content


def parse(text: bytes, env: Mapping[str, str], *, file: str = "configuration") -> Config:
    """The configuration in `text`; `file` is its name in errors.

    Raises:
        ConfigError: something is wrong with it; it tells everything at once.
    """
    document = yaml12.read(text)
    if not isinstance(document.data, dict):
        if not document.faults:
            what = "The file is empty." if document.data is None else "There are no keys in it."
            wrong = Wrong(what, "Write `inboxes:` and what belongs to it; `diffio-watch init` writes an example.")
            document.faults.append(yaml12.Fault((), None, wrong))
        raise ConfigError([_problem(fault) for fault in document.faults], file)
    filled = _Filled(document, env, file)
    config: Config | None = None
    try:
        config = Config.of(filled.data, env)
    except Refused as refused:
        for slip in refused.slips:
            filled.tell(slip.location, messages.wrong_of(slip))
    filled.check_inboxes()
    if config is None or filled.problems:
        raise ConfigError(filled.problems, file)
    return config


def _problem(fault: yaml12.Fault) -> Problem:
    return Problem(messages.path_of(fault.location), fault.line, fault.wrong.message, fault.wrong.remedy)


class _Filled:
    """What the file says together with what the environment and `defaults` add, and whence each came."""

    def __init__(self, document: Document, env: Mapping[str, str], file: str) -> None:
        self.env = env
        self.file = file
        self.lines = document.lines
        self.problems: list[Problem] = []
        self.refused: set[Location] = set()  # told already; the models would only complain of the hole
        self.data: dict[str, Any] = dict(document.data)
        for fault in document.faults:
            if fault.hole:
                self.refused.add(fault.location)
            self.problems.append(_problem(fault))
        self.from_env = False
        self._fill()
        self.inboxes: list[dict[str, Any]] = self._merge()

    def _fill(self) -> None:
        api = self.data.get("api")
        if api is None or (isinstance(api, dict) and api.get("base_url") is None):
            api = {name: value for name, value in (api or {}).items() if name != "base_url"}
            if url := self.env.get(_BASE_URL):
                self.from_env = True
                api["base_url"] = url
            self.data["api"] = api
        if self.data.get("state_dir") is None:
            self.data["state_dir"] = paths.default_state_dir(self.env, self.file)

    def _merge(self) -> list[dict[str, Any]]:
        shared = self.data.get("defaults")
        shared = shared if isinstance(shared, dict) else {}
        self.shared = {name: value for name, value in shared.items() if name in keys_of(Defaults)}
        inboxes = self.data.get("inboxes")
        if not isinstance(inboxes, list):
            return []
        self.own = [set(inbox) if isinstance(inbox, dict) else set() for inbox in inboxes]
        self.data["inboxes"] = [{**self.shared, **inbox} if isinstance(inbox, dict) else inbox for inbox in inboxes]
        return [inbox if isinstance(inbox, dict) else {} for inbox in self.data["inboxes"]]

    def tell(self, location: Location, wrong: Wrong) -> None:
        """Note a problem where its cause stands: an inbox's key may come from `defaults`."""
        match location:
            case ("inboxes", int(index), str(key), *rest) if key in self.shared and key not in self.own[index]:
                location = ("defaults", key, *rest)
        if location in self.refused:
            return
        if self.from_env and location == ("api", "base_url"):
            self.problems.append(Problem(f"${_BASE_URL}", None, wrong.message, wrong.remedy))
        else:
            self.problems.append(Problem(messages.path_of(location), self.line(location), wrong.message, wrong.remedy))

    def line(self, location: Location) -> int | None:
        """The line of a key, or of what it would stand in."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location) if location else None

    def check_inboxes(self) -> None:
        """Names that stand twice, and folders that overlap; also where something else is wrong with an inbox."""
        places = [self._place("the state_dir", ("state_dir",), self.data["state_dir"])]
        names: dict[str, int] = {}
        for index, inbox in enumerate(self.inboxes):
            name = inbox.get("name")
            if isinstance(name, str):
                first = names.setdefault(name, index)
                if first != index:
                    self.tell(("inboxes", index, "name"), Wrong(f"inboxes[{first}] has the name {shown(name)} already.",
                                                                "Give each inbox a name of its own."))
            whose = plain(name) if isinstance(name, str) else f"inboxes[{index}]"
            for key, what in (("path", "the inbox"), ("outbox", "the outbox of"), ("archive", "the archive of")):
                if inbox.get(key) is not None:
                    places.append(self._place(f"{what} {whose}", ("inboxes", index, key), inbox[key]))
        self.problems += paths.overlaps(place for place in places if place is not None)

    def _place(self, what: str, location: Location, value: object) -> paths.Place | None:
        try:
            path = paths.expand(value, self.env)
        except Wrong:
            return None  # the models tell it
        return paths.Place(what, messages.path_of(location), self.line(location), path)
