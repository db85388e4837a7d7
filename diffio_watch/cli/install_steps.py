"""The steps of `service install`, from what a person says and what is there."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from diffio_watch import __version__
from diffio_watch.cli.base import FAILED, REFUSED, Trouble, say
from diffio_watch.cli.init import first_configuration, put_first_configuration
from diffio_watch.install import dropin, machine, program, system
from diffio_watch.install.shipped import UNIT
from diffio_watch.install.steps import CONFIG, DROP_IN, KEY, USERS, Step, Tree

if TYPE_CHECKING:
    from diffio_watch.config import Config

_LONGEST: Final = 4096  # bytes of a key


class Installation:
    """One run of `service install`.

    Args:
        tree: where.
        inbox: for the first configuration; likewise
        outbox: and
        group: of the folders.
        source: what the program is made of; None: where this one came from.
        python: the interpreter; None: this one's.

    Raises:
        Trouble: the configuration is missing, or wrong for a service.
        program.Refused: the program can't be a service's.
    """

    def __init__(self, tree: Tree, inbox: Path | None, outbox: Path | None, group: str | None,
                 source: str | None, python: str | None) -> None:
        self._tree = tree
        self._group = group
        self._first: tuple[bytes, list[Path]] | None = None
        self._key: bytes | None = None
        self._program: Path | None = None
        self.config = self._configuration(inbox, outbox)
        self._must_be_seen()
        self._here = None if source or tree.staged else program.here()
        self._spec = source or ("" if self._here or tree.staged else program.source())
        self._python = "" if self._here or tree.staged else program.interpreter(python)
        paths = [path for paths in dropin.folders(self.config).values() for path in paths]
        named = [*([group] if group else []), *self._groups_before()]
        self._facts = machine.facts(paths, named)
        self._drop_in = dropin.render(self.config, self._facts)

    def _configuration(self, inbox: Path | None, outbox: Path | None) -> Config:
        from diffio_watch.config import parse

        place = self._tree.at(CONFIG)
        text = system.content(place)
        env = {name: value for name, value in os.environ.items() if name.startswith("DIFFIO_API_BASE")}
        if text is not None:
            return parse(text, env, file=str(CONFIG))
        if inbox is None or outbox is None:
            raise Trouble(f"There is no configuration at {place} yet: name the folders with --inbox and --outbox, and "
                          "their group with --group; or write one.", REFUSED)
        config, text, inbox, outbox = first_configuration(CONFIG, inbox, outbox, env)
        self._first = (text, [] if self._tree.staged else [inbox, outbox])
        return config

    def _must_be_seen(self) -> None:
        """What the service is to read must not lie where ProtectHome hides it, unless a folder takes that back."""
        open_home = any(dropin.in_home(path) for paths in dropin.folders(self.config).values() for path in paths)
        for key, path in dropin.secrets(self.config).items():
            if dropin.in_home(path) and not open_home:
                raise Trouble(f"{key} is {path}, in somebody's home, which the service does not see: put it into "
                              f"{CONFIG.parent}, and only the service's user may read it.", REFUSED)

    def ask_for_key(self, file: Path | None, *, may_ask: bool) -> None:
        """Take the key from a file or the terminal, where there is none yet. It is in no argument and in no log.

        Raises:
            Trouble: it can't be read, or is none.
        """
        if file is not None:
            try:
                text = sys.stdin.buffer.read(_LONGEST + 1) if str(file) == "-" else file.read_bytes()[:_LONGEST + 1]
            except OSError as error:
                raise Trouble(f"{file} can't be read: {error.strerror}.", REFUSED) from error
        elif may_ask and not self._has_key():
            text = click.prompt("API key (not shown; empty: later)", hide_input=True, default="",
                                show_default=False).encode()
            if not text.strip():
                return
        else:
            return
        key = text.strip()
        if not key or len(text) > _LONGEST or not key.isascii() or not key.decode().isprintable() or b" " in key:
            raise Trouble("That is no API key.", REFUSED)
        self._key = key + b"\n"

    def _has_key(self) -> bool:
        if self.config.api.key_file is not None or self._key is not None or os.path.lexists(self._tree.at(KEY)):
            return True
        return any("diffio-api-key" in (system.content(path) or b"").decode("utf-8", "replace")
                   for path in self._tree.at(DROP_IN).parent.glob("*.conf") if path.name != DROP_IN.name)

    def _groups_before(self) -> list[str]:
        """The groups of an earlier installation: a share that is not there now does not tell its own."""
        text = (system.content(self._tree.at(DROP_IN)) or b"").decode("utf-8", "replace")
        return [name for line in text.splitlines() if line.startswith("SupplementaryGroups=")
                for name in line.partition("=")[2].split() if self._tree.staged or machine.has_group(name)]

    def shown(self) -> list[str]:
        """The drop-in, for whoever decides."""
        lines = [line for line in self._drop_in.splitlines() if not line.startswith("#")]
        then = ("Then systemctl daemon-reload, diffio-watch check, the link "
                f"{program.BASE}/current, systemctl enable and systemctl restart.")
        return [f"{DROP_IN.name} is:", *(f"  {line}" for line in lines), *([] if self._tree.staged else [then])]

    def steps(self, *, asks: bool = False) -> list[Step]:
        """All there is to do, up to the start; `asks`: a key that is missing would be asked for then, and is told."""
        tree = self._tree
        groups = self._facts.groups
        steps = [tree.command("groupadd", group, note="the group of the folders", needed=not machine.has_group(group))
                 for group in ([self._group] if self._group else [])]
        steps.append(tree.user(groups))
        steps.append(tree.command("systemd-sysusers", USERS, note="makes that user, a member of these groups",
                                  needed=not machine.has_user(groups)))
        if not tree.staged:
            steps.append(self._makes())
        steps.append(tree.on_the_path())
        if self._first is not None:
            steps.append(Step("writes", str(tree.at(CONFIG)), "the configuration" if tree.staged else
                              "the configuration; its folders are made where they are missing", self._configure))
        if self._key is not None:
            steps.append(tree.key(self._key))
        elif asks and not self._has_key():
            steps.append(Step("writes", str(tree.at(KEY)), "the key, for root alone: it is asked for", lambda: None))
        steps += [tree.unit(), tree.drop_in(self._drop_in)]
        if tree.staged:
            steps.append(tree.boots())
        return steps

    def _makes(self) -> Step:
        def act() -> None:
            with system.alone(program.BASE):
                self._program = program.build(self._spec, self._python, program.extras())

        if self._here is not None:
            self._program = self._here
            return Step("makes", str(self._here), "the program", None)
        return Step("makes", f"{program.BASE}/VERSION", f"the program, from {self._spec}, with {self._python}", act)

    def _configure(self) -> None:
        assert self._first is not None
        put_first_configuration(self._tree.at(CONFIG), *self._first, None if self._tree.staged else self._group)

    def later(self) -> list[str]:
        """The commands for whoever boots a staging tree, with what this program came from."""
        place = program.BASE / __version__
        group = f"-g {shlex.quote(self._group)} -m 2775 " if self._group else ""
        folders = [f"install -d {group}{shlex.quote(str(folder))}"
                   for inbox in self.config.inboxes for folder in (inbox.path, inbox.outbox)]
        return [*([f"groupadd -f {shlex.quote(self._group)}"] if self._group else []), "systemd-sysusers",
                *dict.fromkeys(folders), f"python3 -m venv {place}",
                f"{place}/bin/pip install {shlex.quote(self._spec or program.source())}",
                f"ln -s {place.name} {program.BASE}/current",
                *([] if self._has_key() else [f"install -m 0600 /dev/stdin {KEY}"])]

    def stand_by(self) -> int:
        """Switch to this program, and start nothing; the exit code.

        Raises:
            Trouble: the system refuses.
        """
        assert self._program is not None
        try:
            system.run("systemctl", "daemon-reload")
        except system.Broke as error:
            raise Trouble(str(error)) from error
        system.link(program.BASE / "current", self._program.name)
        say(f"In place, and not started: `sudo systemctl enable --now {UNIT}` does that.")
        return 0

    def start(self) -> int:
        """Check, switch to this program, and start; the exit code.

        Raises:
            Trouble: it will not work here.
        """
        assert self._program is not None
        if not self._has_key():
            say(["Not started yet: there is no API key. Put it in place (type it, Enter, Ctrl-D), and install again:",
                 f"  sudo install -m 0600 /dev/stdin {KEY}", "  sudo diffio-watch service install"])
            system.link(program.BASE / "current", self._program.name)  # so that there is this command
            return FAILED
        try:
            system.run("systemctl", "daemon-reload")
            before = program.current()
            if before != self._program or self._tree.changed or not _active():
                check_of(self._program, instead_of=before if _active() else None)
            if before != self._program:
                system.link(program.BASE / "current", self._program.name)
            _enable()
            if not _active() or before != self._program or self._tree.changed:
                system.run("systemctl", "restart", UNIT)
                say("It runs. `sudo diffio-watch status` shows how it is.")
            else:
                say("It runs already, as it should.")
        except system.Broke as error:
            raise Trouble(f"{error} `systemctl status {UNIT}` and `journalctl -u {UNIT}` say more.") from error
        return 0


def _active() -> bool:
    return system.ended("systemctl", "is-active", "--quiet", UNIT)[0] == 0


def _enable() -> None:
    if system.ended("systemctl", "is-enabled", "--quiet", UNIT)[0]:
        system.run("systemctl", "enable", "--quiet", UNIT)


def _refuses_journal(told: str) -> bool:
    """Whether that is among the errors that a `check` printed."""
    return any(line.split()[:2] == ["error", "journal"] for line in told.splitlines())


def check_of(new: Path, *, instead_of: Path | None) -> None:
    """Have a version prove that it will work here.

    Args:
        new: its environment.
        instead_of: the environment in use: what its own check finds as well keeps no other one away.

    Raises:
        Trouble: it will not.
    """
    os.environ["DIFFIO_WATCH_CONFIG"] = str(CONFIG)
    code, told = system.ended(new / "bin/diffio-watch", "check")
    if code == 0:
        say(told.splitlines()[-1:])
        return
    if code == FAILED and instead_of is not None and instead_of != new:
        code, theirs = system.ended(instead_of / "bin/diffio-watch", "check")
        # an older version may not know the journal's form any more: it would not even start
        if code == FAILED and not (_refuses_journal(told) and not _refuses_journal(theirs)):
            say([told, f"{instead_of.name}, which is in use, finds faults as well."])
            return
    say(told.splitlines())
    raise Trouble("It is not started like this: mend what `check` found, and run this again." if instead_of is None else
                  f"It is not put in place like this; {instead_of.name} stays in use.", FAILED)
