"""What the service says, made fit for a person, a log and a journal."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 300  # characters of a message that are kept

_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)([^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[!-~]{4,}")
_PARAMETER = re.compile(
    r"(?i)\b((?:x-(?:goog|amz)-[a-z-]+|[a-z_-]*(?:token|signature|secret|password|api-?key)|sig)\s*[=:]\s*)[^\s&,;\"'<>]+"
)
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: str, secrets: tuple[str, ...] = (), longest: int = LONGEST) -> str:
    """One line of `text` without control or direction characters, secrets, and the queries of URLs.

    Args:
        text: foreign words.
        secrets: what must not be in it: a key, a token.
        longest: characters at most; what is cut ends in an ellipsis.
    """
    text = text[: longest * 20]  # no message needs more looking at
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    text = "".join(" " if unicodedata.category(char) in _HIDDEN else char for char in text)
    text = _URL.sub(lambda match: f"{match[1]}{match[3]}{'?…' if match[4] else ''}", text)
    text = _BEARER.sub(r"\1 …", text)
    text = _PARAMETER.sub(r"\1…", text)
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def code(value: object) -> str | None:
    """`value` if it looks like a code of the service, such as "model_retired"; else None."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None
