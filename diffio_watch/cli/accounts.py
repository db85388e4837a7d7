"""Users and groups of this machine, by name and by number, and which of them gives a command."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NO_LOGIN: Final = 2**32 - 1


def person(name: str) -> pwd.struct_passwd:
    """A user by name or number.

    Raises:
        KeyError: there is none.
    """
    return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)


def gid(name: str) -> int:
    """A group's number, by its name or as it is.

    Raises:
        KeyError: there is none.
    """
    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid


def user(uid: int) -> str:
    """A user's name; its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def group(number: int) -> str:
    """A group's name; its number where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return f"#{number}"


def myself() -> str:
    """Who runs this command, by name."""
    return user(os.geteuid())


def asker(env: Mapping[str, str] = os.environ) -> str:
    """Which person runs this command: also behind `sudo`, or as root after a login of one's own."""
    if os.getuid() == 0 and (name := env.get("SUDO_USER")):
        return f"{name} (sudo)"
    try:
        login = int(Path("/proc/self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        login = _NO_LOGIN
    own = user(os.getuid())
    return own if login in (_NO_LOGIN, os.getuid()) else f"{user(login)} (as {own})"
