r"""File names are bytes; this is how they are told to people and programs, and read back.

Inside the program a name is a `str` as `os.fsdecode` makes it: bytes that are no UTF-8 are lone surrogates. Such a
string can't be printed, logged or put into JSON, so it is shown: valid UTF-8 stands as it is; in a name that is
not, each bad byte becomes `\xNN` and each backslash `\\`, with a field `path_hex` beside it in JSON.
"""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

_ESCAPE: Final = re.compile(rb"\\(?:\\|x(?!00)([0-9A-Fa-f]{2}))")  # no name holds a NUL
# what is not ASCII and yet acts on a terminal or hides: C1 controls, direction marks, line separators, fillers, tags;
# not the joiners of Persian words and of emoji, which neither move nor hide what stands around them
_ACTING: Final = ("\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                  "\U000e0000-\U000e007f")
_IN_JSON: Final = re.compile(f"[{_ACTING}]")
_ON_TERMINAL: Final = re.compile(f"[\0-\x1f{_ACTING}\ud800-\udfff]")


def show(path: str) -> str:
    r"""The name as JSON and people get it: `a.wav` as it is, a byte FF as `\xff` and then a backslash as `\\`."""
    if is_utf8(path):
        return path
    raw = os.fsencode(path).replace(b"\\", b"\\\\")
    return raw.decode("utf-8", "backslashreplace")


def path_hex(path: str) -> str | None:
    """The bytes of a name that is no UTF-8, in hexadecimal; None for every other."""
    return None if is_utf8(path) else os.fsencode(path).hex()


def is_utf8(path: str) -> bool:
    """Whether the bytes of this name are valid UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse(text: str, in_hex: str | None = None) -> str:
    r"""The name that was shown as `text`; `in_hex` (a `path_hex`) wins where it is given.

    Reads what `terminal` escaped as well. A command tries its argument as it is first, then so: a valid name may
    hold `\x41` or two backslashes in its own right.

    Raises:
        ValueError: `in_hex` is not hexadecimal.
    """
    if in_hex is not None:
        return os.fsdecode(bytes.fromhex(in_hex))
    return os.fsdecode(_ESCAPE.sub(_unescape, os.fsencode(text)))


def _unescape(found: re.Match[bytes]) -> bytes:
    digits = found.group(1)
    return b"\\" if digits is None else bytes.fromhex(digits.decode())


def terminal(text: str) -> str:
    r"""The text with nothing in it that a terminal would act on, each such character as the `\xNN` of its bytes.

    That is control characters (terminal escapes, newlines), marks that turn the direction of writing, and what is
    invisible or breaks lines. Takes names and foreign words alike, shown before or not.
    """
    return _ON_TERMINAL.sub(_as_bytes, text)


def _as_bytes(found: re.Match[str]) -> str:
    char = found.group()
    # a byte of a name that is no UTF-8, or half a character of a foreign word
    errors = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", errors))


def fold(path: str) -> str:
    """The key by which two names are one where case or the form of accents do not count (Unicode D145)."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def dumps(value: Any, *, indent: int | None = None) -> str:
    r"""JSON in readable UTF-8, safe to print: control and direction characters are `\uXXXX`, lone surrogates too.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    text = _IN_JSON.sub(lambda found: json.dumps(found.group())[1:-1], text)
    return text.encode("utf-8", "backslashreplace").decode()


def whole(text: str) -> str:
    r"""Foreign words as UTF-8 can hold them: half a character, as JSON may have it, becomes `\udNNN`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def plain(value: Any) -> Any:
    """What JSON can hold of a value: no number that is none, every key a string. Its strings stay as they are."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
