"""The page's token: one word in a file that only the service's user can read, read again when the file changes."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LONGEST: Final = 4096
_SHORTEST: Final = 16  # characters


class BadToken(Exception):
    """There is no usable token: `message` says what is wrong, `action` what to do."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(f"{message} {action}")
        self.message = message
        self.action = action


def read_token(file: Path) -> str:
    """The token in a file.

    Raises:
        BadToken: it can't be read, others can read it, or what it holds is none.
    """
    make = f"`openssl rand -hex 24 | install -m 600 /dev/stdin {file}` makes one, as the service's user."
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise BadToken(f"{file} is no file.", make)
            if facts.st_mode & 0o077 and not _is_for_us_alone(facts):
                raise BadToken(f"Others can read the page's token in {file}.", _end_that(file, facts))
            text = os.read(descriptor, _LONGEST + 1).decode("utf-8", "replace")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadToken(f"The page's token can't be read from {file}: {error.strerror}.", make) from None
    token = text.strip()
    if len(text) > _LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise BadToken(f"What {file} holds is no token: that is one word of ASCII, in one line.", make)
    if len(token) < _SHORTEST:
        raise BadToken(f"The token in {file} is shorter than {_SHORTEST} characters, and can be guessed.", make)
    return token


def _is_for_us_alone(facts: os.stat_result) -> bool:
    """Whether an administrator's file lets only this program's own group read, in which nobody else is."""
    group = facts.st_gid
    if facts.st_uid == os.geteuid() or facts.st_mode & 0o037 or group != os.getegid():
        return False
    try:
        named = grp.getgrgid(group).gr_mem
    except KeyError:
        named = []
    return {*named, *(one.pw_name for one in pwd.getpwall() if one.pw_gid == group)} <= {_who(), "root"}


def _end_that(file: Path, facts: os.stat_result) -> str:
    if facts.st_uid == os.geteuid():
        return f"`chmod 600 {file}` ends that."
    return f"`chown {_who()} {file} && chmod 600 {file}`, as root, leaves it to this user alone."


def _who() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@dataclass
class TokenFile:
    """A file that is looked at again and again.

    Attributes:
        path: of it; None where there is to be no token.
        remember: told each token that it holds.
        token: that it held last; None where it holds none.
        trouble: why not; "" where all is well.
    """

    path: Path | None
    remember: Callable[[str], None] = lambda _: None
    token: str | None = None
    trouble: str = ""
    _seen: tuple[int, ...] | None = None

    def look(self) -> bool:
        """Read it, if it is another file than last time, or was changed; whether anything is new."""
        if self.path is None:
            return False
        seen: tuple[int, ...]
        try:
            facts = os.stat(self.path)
            seen = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        except OSError as error:
            seen = (error.errno or 0,)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.token, self.trouble = read_token(self.path), ""
            self.remember(self.token)
        except BadToken as error:
            self.token, self.trouble = None, str(error)
        return True
