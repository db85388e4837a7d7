"""What an installation is made of: steps that are told before they are done, and that find what is done already."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from diffio_watch.install import program, system
from diffio_watch.install.machine import USER
from diffio_watch.install.shipped import SYSUSERS, UNIT, shipped

ETC: Final = Path("/etc/diffio-watch")
CONFIG: Final = ETC / "config.yaml"
KEY: Final = ETC / "api-key"
UNITS: Final = Path("/etc/systemd/system")
DROP_IN: Final = UNITS / f"{UNIT}.d" / "10-folders.conf"
USERS: Final = Path("/etc/sysusers.d/diffio-watch.conf")
COMMAND: Final = Path("/usr/local/bin/diffio-watch")
_WANTED: Final = UNITS / "multi-user.target.wants" / UNIT


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        verb: what is done: writes, links, makes, runs, removes.
        what: the path, or the command.
        note: what it is for.
        act: does it; None: it is done already.
    """

    verb: str
    what: str
    note: str
    act: Callable[[], object] | None


@dataclass
class Tree:
    """The files of an installation below a root: `/`, or a staging tree in which no command is run.

    Attributes:
        root: it.
        changed: something was written since this was made, so that a service that runs has to start again.
    """

    root: Path = field(default_factory=lambda: Path("/"))
    changed: bool = False

    @property
    def staged(self) -> bool:
        """Whether it is a staging tree."""
        return self.root != Path("/")

    def at(self, path: Path) -> Path:
        """Where a path of the installed system lies."""
        return self.root / path.relative_to("/")

    def file(self, path: Path, text: bytes, note: str, mode: int = 0o644, *, restarts: bool = True) -> Step:
        """A file with this content and mode."""
        place = self.at(path)
        same = system.content(place) == text and stat.S_IMODE(place.stat().st_mode) == mode

        def act() -> None:
            system.write(place, text, mode)
            self.changed = self.changed or restarts

        return Step("writes", str(place), note, None if same else act)

    def link(self, path: Path, target: str, note: str) -> Step:
        """A symbolic link; over another link, never over what is none.

        Raises:
            program.Refused: something else stands there.
        """
        place = self.at(path)
        if place.is_symlink():
            if os.readlink(place) == target:
                return Step("links", f"{place} → {target}", note, None)
            if not os.readlink(place).startswith(str(program.BASE)):
                raise program.Refused(f"{place} leads to {os.readlink(place)}, which is another installation's: remove "
                                      "it first.")
        elif os.path.lexists(place):
            raise program.Refused(f"{place} is there already and no link of this program's: remove it first.")
        return Step("links", f"{place} → {target}", note, lambda: system.link(place, target))

    def command(self, *words: str | os.PathLike[str], note: str, needed: bool = True) -> Step:
        """A command; in a staging tree it is for whoever boots it."""
        told = system.quoted(words)
        return Step("runs", told, note, (lambda: system.run(*words)) if needed and not self.staged else None)

    def removal(self, path: Path, note: str) -> Step:
        """A file or link of ours that goes."""
        place = self.at(path)
        return Step("removes", str(place), note, place.unlink if os.path.lexists(place) else None)

    def user(self, groups: Iterable[str]) -> Step:
        """The file that tells of the service's user, and of its groups, so that it has them outside of the unit too."""
        members = "".join(f"m {USER} {group}\n" for group in groups if not group.isdigit())
        return self.file(USERS, (shipped(SYSUSERS) + members).encode(), "the user diffio-watch")

    def unit(self) -> Step:
        """The unit."""
        return self.file(UNITS / UNIT, shipped(UNIT).encode(), "the unit")

    def drop_in(self, text: str) -> Step:
        """Its drop-in."""
        return self.file(DROP_IN, text.encode(), "what your configuration asks of it")

    def key(self, text: bytes) -> Step:
        """The credential, which only root reads."""
        return self.file(KEY, text, "the key, for root alone", 0o600)

    def on_the_path(self) -> Step:
        """The command that people type."""
        return self.link(COMMAND, str(program.BASE / "current/bin/diffio-watch"), "the command")

    def boots(self) -> Step:
        """The link by which a boot starts the unit: in a staging tree, what `systemctl enable` would do."""
        place = self.at(_WANTED)
        target = str(UNITS / UNIT)
        same = place.is_symlink() and os.readlink(place) == target
        return Step("links", f"{place} → {target}", "it starts with the machine",
                    None if same else lambda: system.link(place, target))


def removals(tree: Tree) -> list[Step]:
    """All that an installation wrote, but for configuration, key and data."""
    steps = [tree.removal(path, note) for path, note in (
        (UNITS / UNIT, "the unit"), (DROP_IN, "its drop-in"), (USERS, "what told of its user"))]
    place = tree.at(COMMAND)
    if place.is_symlink() and os.readlink(place).startswith(f"{program.BASE}/"):
        steps.append(tree.removal(COMMAND, "the command"))
    return steps


def program_goes(tree: Tree) -> Step | None:
    """The program's folder goes; last, for this may be it. None where there is none."""
    base = tree.at(program.BASE)
    try:
        ours = [one for one in base.iterdir()
                if one.is_symlink() or program.record(one) or (one / "pyvenv.cfg").exists()]
    except OSError:
        return None

    def act() -> None:
        for one in ours:
            if one.is_symlink():
                one.unlink()
            else:
                shutil.rmtree(one)
        if not any(base.iterdir()):
            base.rmdir()

    return Step("removes", str(base), "the program", act)
