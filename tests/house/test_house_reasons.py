"""Whoever switches a check off says why, in the same line."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

_TOP = Path(__file__).parents[2]
_OFF = re.compile(r"#\s*(?:noqa(?:: ?[A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*)?|type: ?ignore(?:\[[a-z-, ]+\])?)")


def _bare(text: str) -> list[int]:
    """The lines whose comment switches a check off and says no more."""
    comments = (one for one in tokenize.generate_tokens(io.StringIO(text).readline) if one.type == tokenize.COMMENT)
    return [one.start[0] for one in comments
            if _OFF.search(one.string) and len(_OFF.sub("", one.string).strip(" #-")) < len("a by")]


def test_a_check_that_is_switched_off_has_its_reason_beside_it() -> None:
    assert _bare("a = 1  # noqa: S608\nb = 1  # type: ignore[misc]  # a class made by a function\n") == [1]
    paths = (path for room in ("diffio_watch", "tests") for path in (_TOP / room).rglob("*.py"))
    found = {str(path.relative_to(_TOP)): bare for path in paths if (bare := _bare(path.read_text("utf-8")))}
    assert found == {}
