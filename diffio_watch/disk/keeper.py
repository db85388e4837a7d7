"""Who keeps a journal, as its markers tell others: a user on a host, the folder, and the process while it works."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LONGEST: Final = {"user": 64, "host": 64, "state_dir": 300, "machine": 16}  # characters; others may have written them
_MOST_PID: Final = 2**32
FRESH: Final = 900.0  # seconds; a daemon that works shows life at its markers in a third of that


@dataclass(frozen=True, slots=True)
class Keeper:
    """Whose a marker is, for people. Empty words: it is not known.

    Attributes:
        user: the account's name.
        host: the machine's name.
        state_dir: where the journal is.
        machine: tells one boot of one machine (and one container) from every other; says nothing else.
        pid: of the daemon that wrote the marker; 0 where a command did.
    """

    user: str = ""
    host: str = ""
    state_dir: str = ""
    machine: str = ""
    pid: int = 0

    @classmethod
    def here(cls, state_dir: Path, *, runs: bool) -> Keeper:
        """This process's account; `runs` says whether it is the daemon."""
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            user = f"#{os.geteuid()}"
        words = {"user": user, "host": socket.gethostname(), "state_dir": os.fspath(state_dir), "machine": _machine()}
        return cls.of(words | {"pid": os.getpid() if runs else 0})

    @classmethod
    def of(cls, found: object) -> Keeper:
        """What a marker says, as far as it can be meant: anybody may have written it."""
        if not isinstance(found, dict):
            return cls()
        pid = found.get("pid")
        good = type(pid) is int and 0 < pid < _MOST_PID
        words = {name: _word(found.get(name), most) for name, most in _LONGEST.items()}
        return cls(**words, pid=pid if good and type(pid) is int else 0)

    def __str__(self) -> str:
        who = f"user {self.user} on {self.host}" if self.user and self.host else self.user or self.host
        return f"{who}, in {self.state_dir}" if who and self.state_dir else who

    def works(self, seen_at: float, now: float) -> bool:
        """Whether the daemon that wrote a marker may be at work.

        Args:
            seen_at: when the marker was last written or touched, in seconds since the epoch.
            now: seconds since the epoch, by the clock of who asks.
        """
        if not self.pid or abs(now - seen_at) > FRESH:
            return False
        return self.machine != _machine() or (self.pid != os.getpid() and _exists(self.pid))


def _word(text: object, most: int) -> str:
    """A word that can be printed anywhere."""
    return text[:most] if isinstance(text, str) and text.isprintable() else ""


NOBODY: Final = Keeper()


@functools.cache
def _machine() -> str:
    told = [socket.gethostname()]
    with contextlib.suppress(OSError):  # another system's
        told += [Path("/proc/sys/kernel/random/boot_id").read_text(), str(Path("/proc/self/ns/pid").readlink())]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True
