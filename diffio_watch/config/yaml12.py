"""Reads YAML 1.2 into plain values, and remembers the line of each.

PyYAML speaks YAML 1.1, where `no`, `1:30`, `0664` and `2026-01-01` are a boolean, a number in base 60, another in
base 8 and a date. Here only `true`, `false`, `null` (or nothing) and decimal numbers are not strings. Keys are
strings and stand once; what is not plain data is refused; depth and number of values are bounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from diffio_watch.config.errors import MOUNT_IT, Wrong, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 256 << 10  # of the file
_MOST_VALUES: Final = 20_000  # with aliases written out
_DEEPEST: Final = 40

_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_STR, _SEQ, _MAP = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_SIGNS: Final = "-+0123456789"
_KINDS: Final = (
    (_NULL, re.compile(r"(?:null)?\Z"), ["", "n"]),
    (_BOOL, re.compile(r"(?:true|false)\Z"), ["t", "f"]),
    (_INT, re.compile(r"[-+]?[0-9]+\Z"), list(_SIGNS)),
    (_FLOAT, re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z"), [*_SIGNS, "."]),
)

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the text: where in the tree, the line from 1, and the two sentences."""

    location: Location
    line: int | None
    wrong: Wrong
    hole: bool = False  # the data has None there instead


@dataclass(slots=True)
class Document:
    """What stood in the text: the data, the line (from 1) of each key and item, and what was wrong in it."""

    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read(text: bytes) -> Document:
    """The document in `text`. Nothing is raised: `faults` says what is wrong, `data` is what could be read."""
    document = Document()
    try:
        _Builder(document).fill(text)
    except _Unreadable as error:
        document.faults.append(Fault((), error.line, error.wrong))
    return document


class _Unreadable(Exception):
    def __init__(self, line: int | None, message: str, remedy: str) -> None:
        super().__init__(message)
        self.line = line
        self.wrong = Wrong(message, remedy)


class _Loader(yaml.SafeLoader):
    """SafeLoader's reader with YAML 1.2's idea of a plain scalar, and a bound on depth."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in the base class
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _DEEPEST:
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call] # the stubs leave it out
            raise _Unreadable(line, f"Values are nested more than {_DEEPEST} deep.", "Write it flatter.")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in _KINDS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0
        self.within: set[int] = set()  # the nodes being built, to see one that holds itself

    def fill(self, data: bytes) -> None:
        if len(data) > MOST_BYTES:
            raise _Unreadable(None, f"The file is larger than {MOST_BYTES >> 10} KiB.", "Is it the right file?")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise _Unreadable(line, "This line is not UTF-8.", "Save the file as UTF-8.") from None
        try:
            node = _Loader(text).get_single_node()
        except yaml.YAMLError as error:
            raise _syntax(error, text) from None
        except (ValueError, OverflowError):
            raise _Unreadable(None, "An escape (`\\U…`) names no character.", "Write the character itself.") from None
        if node is not None:
            self.document.data = self.build(node, ())

    def build(self, node: yaml.Node, location: Location) -> Any:
        self.values += 1
        line = _line(node)
        self.document.lines.setdefault(location, line)
        if self.values > _MOST_VALUES or id(node) in self.within:
            raise _Unreadable(line, "Written out, the aliases (`*name`) have no end.", "Write the values out.")
        self.within.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
                return [self.build(item, (*location, index)) for index, item in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
                return {key: self.build(item, (*location, key)) for key, item in self.pairs(node, location)}
            return _scalar(node)
        except Wrong as wrong:
            self.document.faults.append(Fault(location, line, wrong, hole=True))
            return None
        finally:
            self.within.discard(id(node))

    def pairs(self, node: yaml.MappingNode, location: Location) -> Iterator[tuple[str, yaml.Node]]:
        """The keys with their values; what can't be a key is told and left out."""
        seen: dict[str, int] = {}
        for key_node, item in node.value:
            line = _line(key_node)
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR or not _encodable(key):
                name = plain(key) if isinstance(key, str) else "a list or a mapping"
                remedy = f'Write `"{name}":`.' if isinstance(key, str) else "Write a word."
                self.fault(location, line, Wrong(f"A key is a string, and this is not: {name}.", remedy))
            elif key == "<<" and key_node.style is None:
                self.fault(location, line, Wrong("`<<` merges nothing in YAML 1.2.",
                                                 "What several inboxes share goes under `defaults:`."))
            elif key in seen:
                self.fault((*location, key), line,
                           Wrong(f"It stands a second time; the first is in line {seen[key]}.", "Keep one of the two."))
            else:
                seen[key] = line
                self.document.lines[(*location, key)] = line
                yield key, item

    def fault(self, location: Location, line: int, wrong: Wrong) -> None:
        self.document.faults.append(Fault(location, line, wrong))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1 if node.start_mark else 1


def _scalar(node: yaml.Node) -> Any:
    text = node.value
    if node.tag == _STR and isinstance(text, str):
        try:  # JSON escapes what lies beyond U+FFFF as two halves
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise Wrong("It holds half of a character (a lone surrogate).", "Write the character itself.") from None
    for tag, pattern, _ in _KINDS:
        if node.tag == tag and isinstance(text, str) and pattern.match(text):
            return _plain(tag, text)
    raise Wrong(f"The tag {shown(node.tag)} is not for a configuration.", "Remove it.")


def _plain(tag: str, text: str) -> Any:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text == "true"
    if len(text) > 300 or not math.isfinite(float(text)):
        raise Wrong("The number is too large.", "Write a smaller one, or put it in quotes.")
    return int(text) if tag == _INT else float(text)


def _encodable(text: object) -> bool:
    try:
        return isinstance(text, str) and text.encode() is not None
    except UnicodeEncodeError:
        return False


def _syntax(error: yaml.YAMLError, text: str) -> _Unreadable:
    """PyYAML's complaint in the words of somebody who edits a file once a year."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return _Unreadable(line, "A control character stands in this line.", "Remove it.")
    if not isinstance(error, yaml.MarkedYAMLError):
        return _Unreadable(None, "This is not YAML.", "Compare it with config.example.yaml.")
    mark = error.problem_mark or error.context_mark
    at = mark.line + 1 if mark is not None else None
    said = error.problem or error.context or "it can't be read"
    if "'\\t'" in said:
        return _Unreadable(at, "A tab stands where only spaces may.", "Indent with spaces.")
    if "single document" in (error.context or ""):
        return _Unreadable(at, "A second document begins here.", "Remove the line `---`.")
    if "end of stream" in said and error.context_mark is not None:
        return _Unreadable(error.context_mark.line + 1, "A quote is opened and never closed.", "Close it.")
    if "could not find expected ':'" in said and error.context_mark is not None:
        at = error.context_mark.line + 1  # it is told where the next key begins
    elif "mapping values are not allowed" in said and at is not None:
        above = _above(text, at)
        if above is not None:
            at, said = above, "could not find expected ':'"
    for words, (message, remedy) in _SAID.items():
        if words in said:
            return _Unreadable(at, message, remedy)
    return _Unreadable(at, f"This is not YAML: {said}.", "Look at this line and the one above it.")


def _above(text: str, at: int) -> int | None:
    """The line above one, blank ones left out, if it is a key whose colon has no blank behind it: both became one."""
    for number in range(at - 1, 0, -1):
        line = text.splitlines()[number - 1]
        if line.strip():
            return number if _UNSPACED.match(line) else None
    return None


_UNSPACED: Final = re.compile(r"\s*(?:-\s+)?[A-Za-z_][\w-]*:[^\s:]\S*\s*\Z")
_NO_ESCAPE: Final = ("In double quotes a backslash begins an escape, and this is none.",
                     f"Use single quotes. A path of Windows is no folder of this machine, though. {MOUNT_IT}")
_SAID: Final = {
    "escape character": _NO_ESCAPE,
    "hexadecimal numbers": _NO_ESCAPE,  # of `\u`, `\U` and `\x`
    "mapping values are not allowed": (
        "A colon stands where no key can be.",
        "Check the indentation of this line and the one above; put a value that holds `: ` in quotes.",
    ),
    "could not find expected ':'": (
        "A key without its colon and a space.", "Write `key: value`, with a space after the colon."),
    "expected <block end>": (
        "This line is not indented like those it belongs to.",
        "Give all keys of one group the same indentation.",
    ),
    "undefined alias": ("There is no anchor of this name.", "Put a value that begins with `*` in quotes."),
    "cannot start any token": ("A value begins with a sign that YAML keeps for itself.", "Put the value in quotes."),
    "expected alphabetic or numeric": ("A value begins with `*` or `&`.", 'Put it in quotes, for instance `"*.wav"`.'),
}
