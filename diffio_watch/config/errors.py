"""Everything that can be wrong with a configuration, and how it is told.

- `Wrong` (a ValueError): one value; what is wrong with it, and what to write instead
- `ConfigError`: the whole file; every problem at once
- `KeyMissing`: there is no usable API key
- `SecretMissing`: there is no usable secret of webhooks where one is to be
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST: Final = 60
MOUNT_IT: Final = ("Mount it on this machine (for instance in /etc/fstab), and name the mount point, for instance "
                   "`/mnt/studio/inbox`.")


def plain(text: str) -> str:
    """Text without the characters that steer a terminal or turn its direction."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def shown(value: object) -> str:
    """A value of the file as a message repeats it: short, a string in quotes."""
    text = plain(value if isinstance(value, str) else repr(value))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return f'"{text}"' if isinstance(value, str) else text


class Wrong(ValueError):
    """A value that can't be used. `message` says what is wrong with it, `remedy` what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right: where it is (`inboxes[0].settle`, `""` for the whole file), line from 1."""

    path: str
    line: int | None
    message: str
    remedy: str

    def __str__(self) -> str:
        place = ": ".join(part for part in (f"line {self.line}" if self.line else "", self.path) if part)
        return f"{place}: {self.message} {self.remedy}" if place else f"{self.message} {self.remedy}"


class ConfigError(Exception):
    """The configuration can't be used. No restart cures it; all its problems are told at once."""

    def __init__(self, problems: Sequence[Problem], file: str | None = None) -> None:
        self.file = file
        self.problems = sorted(set(problems), key=lambda problem: (problem.line or 0, problem.path, problem.message))
        super().__init__(file, self.problems)

    def __str__(self) -> str:
        if self.file is None:
            return "\n".join(map(str, self.problems))
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n".join([f"{count} in {plain(self.file)}:", *(f"  {problem}" for problem in self.problems)])


class KeyMissing(Exception):
    """There is no API key that could be used. The sentence never holds anything of a key.

    Attributes:
        passing: what it is on does not answer now, or went away, or the host is short: it may be there all the same.
    """

    def __init__(self, message: str, remedy: str, *, passing: bool = False) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
        self.passing = passing


class SecretMissing(Exception):
    """There is no webhook secret where one is to be. The sentence never holds anything of a secret."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
