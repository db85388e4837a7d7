"""The files of `systemd/`, which come along with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
# in a wheel they lie beside this module, in a checkout at the top
_PLACES: Final = (_HERE / "systemd", _HERE.parent.parent / "systemd")

UNIT: Final = "diffio-watch.service"
SYSUSERS: Final = "diffio-watch.sysusers.conf"


def shipped(name: str) -> str:
    """The text of one of them.

    Raises:
        FileNotFoundError: this program was not installed whole.
    """
    for place in _PLACES:
        if (place / name).is_file():
            return (place / name).read_text(encoding="utf-8")
    raise FileNotFoundError(2, "not among the files of this program", name)
