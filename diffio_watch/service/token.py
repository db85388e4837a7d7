"""The page's token: one word in a file that only the service's user can read, read again when the file changes."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diffio_watch.config import Small, read_small

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
    try:
        found = read_small(file, _LONGEST)
    except OSError as error:
        raise _unread(file, error) from None
    return _token_of(file, found)


def _unread(file: Path, error: OSError) -> BadToken:
    what = f"The page's token can't be read from {file}: {error.strerror}."
    return BadToken(what, "Until it does, what was read last stays in force." if isinstance(error, TimeoutError) else
                    _make(file))


def _make(file: Path) -> str:
    return f"`openssl rand -hex 24 | install -m 600 /dev/stdin {file}` makes one, as the service's user."


def _token_of(file: Path, found: Small) -> str:
    if found.facts.st_mode & 0o077 and not _is_for_us_alone(found.facts):
        raise BadToken(f"Others can read the page's token in {file}.", _end_that(file, found.facts))
    make, text = _make(file), found.content.decode("utf-8", "replace")
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
    _seen: object = None

    def look(self) -> bool:
        """Read it, if it is another file than last time, or was changed; whether anything is new.

        While what it is on does not answer, the token that it held last stays.
        """
        if self.path is None:
            return False
        had = (self.token, self.trouble)
        try:
            found = read_small(self.path, _LONGEST)
            seen = (found.content, found.facts.st_mode, found.facts.st_uid, found.facts.st_gid)
            if seen == self._seen:
                return False
            self._seen = seen
            self.token, self.trouble = _token_of(self.path, found), ""
            self.remember(self.token)
        except BadToken as error:
            self.token, self.trouble = None, str(error)
        except OSError as error:
            self._seen = None
            self.token = self.token if isinstance(error, TimeoutError) else None
            self.trouble = str(_unread(self.path, error))
        return had != (self.token, self.trouble)
