"""`Content-Disposition` of a file, whatever it is called (RFC 6266, RFC 8187). Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

# what turns or hides text, ends a line, or leads elsewhere
_ACTING: Final = re.compile("[\x00-\x1f\x7f-\x9f/\\\\\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                            "\ufff9-\ufffb\ud800-\udfff]")
_PLAIN: Final = re.compile(r"[^ !#$&()+,.0-9:;=@A-Z\[\]^_`a-z{}~-]")
_CHARS: Final = "!#$&+-.^_`|~"  # attr-char, besides letters and digits


def disposition(name: str, *, download: bool) -> str:
    """The header: the name in ASCII for old programs, and as it is for all others.

    Args:
        name: of the file, without its folder.
        download: it is to be saved, not shown.
    """
    safe = _ACTING.sub("_", name).strip() or "recording"
    plain = _PLAIN.sub("_", safe)
    told = f'{"attachment" if download else "inline"}; filename="{plain}"'
    return told if plain == safe else f"{told}; filename*=UTF-8''{quote(safe, safe=_CHARS)}"
