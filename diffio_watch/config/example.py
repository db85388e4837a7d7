"""The commented example, and the configuration that `init` makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffio_watch.config import values
from diffio_watch.config.errors import Wrong, shown
from diffio_watch.config.schema import SCHEMA_FILE

if TYPE_CHECKING:
    import os

_HERE: Final = Path(__file__).parent
# in a wheel it lies beside this module, in a checkout at the top
_PLACES: Final = (_HERE / "example.yaml", _HERE.parent.parent / "config.example.yaml")


def example() -> str:
    """The text of `config.example.yaml`: every key with its default, and what it is for."""
    return next(place for place in _PLACES if place.is_file()).read_text(encoding="utf-8")


def render_init(inbox: os.PathLike[str] | str, outbox: os.PathLike[str] | str, *, name: str | None = None,
                state_dir: os.PathLike[str] | str | None = None) -> str:
    """A commented configuration with one inbox. `name` is the inbox's; without it, its folder's name serves.

    `state_dir` stands in it, so that whoever reads it means one and the same journal; None leaves it out.

    Raises:
        Wrong: a path is not absolute or can't be written in the file, or `name` is no name.
    """
    text = example()
    folder = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(inbox).name).strip("-")[:64] or "inbox"
    called = values.name(name or folder)
    if not called[0].isalpha() or called in {"true", "false", "null"}:
        called = f'"{called}"'  # else it would not be read as a string
    for key, value in (("name", called), ("path", _quoted(inbox)), ("outbox", _quoted(outbox))):
        before, held, after = re.split(rf"(?m)(?<=^  [- ] {key}: )(\S+ *)", text, maxsplit=1)
        text = before + f"{value} ".ljust(len(held)) + after
    if state_dir is not None:
        text = re.sub(r"(?m)^state_dir:$", lambda _: f"state_dir: {_quoted(state_dir)}", text, count=1)
    return f"# yaml-language-server: $schema={SCHEMA_FILE.as_uri()}\n{text}"


def _quoted(path: os.PathLike[str] | str) -> str:
    """The path as a value of YAML, quoted where it has to be."""
    text = str(path)
    if not text.startswith("/") or "${" in text:
        raise Wrong(f"{shown(text)} can't stand in a configuration.", "Give an absolute path without `${`.")
    if re.fullmatch(r"[\w/.+@-]+", text):
        return text
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Wrong(f"{shown(text)} is no UTF-8, which a configuration has to be.", "Give the folder another name.")
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
