"""service install, update, uninstall: the program as a systemd service of this machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diffio_watch.install.steps import Step, Tree

_UNIT = "diffio-watch.service"

_root = click.option("--root", metavar="DIR", type=click.Path(path_type=Path), default=Path("/"),
                     help="Write below DIR, for an image or a package, and run nothing.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only show what it would do.")
_yes = click.option("-y", "--yes", is_flag=True, help="Don't ask.")
_from = click.option("--from", "source", metavar="WHAT", help="A checkout, a wheel or a version such as "
                     "diffio-watch==1.2, instead of where this came from.")
_python = click.option("--python", metavar="FILE", help="The Python that runs it, instead of this one.")


@click.group()
def service() -> None:
    """Install, update or remove the systemd service."""


@service.command()
@click.option("--inbox", metavar="DIR", type=click.Path(path_type=Path),
              help="Where recordings are dropped, for the first configuration.")
@click.option("--outbox", metavar="DIR", type=click.Path(path_type=Path), help="Where results appear, likewise.")
@click.option("--group", metavar="G", help="The group that shares the folders.")
@click.option("--key-file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True),
              help="A file with the API key, which is copied; - is standard input. Without it, it is asked for.")
@click.option("--no-start", is_flag=True, help="Put it in place, for a machine that stands by.")
@_from
@_python
@_root
@_dry_run
@_yes
def install(*, inbox: Path | None, outbox: Path | None, group: str | None, key_file: Path | None, source: str | None,  # noqa: PLR0913 - options
            python: str | None, root: Path, no_start: bool, dry_run: bool, yes: bool) -> int:
    """Make this program a service of this machine, and start it.

    Shows the files and commands, asks, and does it. Run again, it does what is still to be done: after a run that
    broke, or when the configuration names other folders. Your recordings and the journal are never touched.
    """
    from diffio_watch.cli.install_steps import Installation
    from diffio_watch.install import program, system
    from diffio_watch.install.steps import Tree

    tree = Tree(Path(os.path.abspath(root)))
    _must_be_root(tree, dry_run=dry_run)
    os.umask(0o022)
    try:
        plan = Installation(tree, inbox, outbox, group, source, python)
        plan.ask_for_key(key_file, may_ask=not yes and not dry_run and sys.stdin.isatty())
        steps = plan.steps(asks=dry_run and key_file is None)
    except (program.Refused, system.Broke) as error:
        raise Trouble(str(error), REFUSED) from error
    _tell(steps, plan.shown())
    if dry_run:
        return 0
    if any(step.act is not None for step in steps):
        _ask(yes=yes)
    _do(steps)
    if tree.staged:
        say(["", f"Written below {tree.root}. There, once, as root:", *(f"  {line}" for line in plan.later())])
        return 0
    return plan.stand_by() if no_start else plan.start()


@service.command()
@_from
@_python
@click.option("--back", is_flag=True, help="Return to the version that was in use before.")
@_dry_run
@_yes
def update(*, source: str | None, python: str | None, back: bool, dry_run: bool, yes: bool) -> int:
    """Put another version in the place of the one in use, once its `check` finds that it works here.

    Run from a new checkout or environment, it is that program; run as the installed one, the newest in the index.
    """
    from diffio_watch.cli.install_steps import check_of
    from diffio_watch.install import program, system
    from diffio_watch.install.steps import Tree

    _must_be_root(Tree(), dry_run=dry_run)
    os.umask(0o022)
    old = program.current()
    if old is None:
        raise Trouble("No service is installed here: `diffio-watch service install` does that.", REFUSED)
    try:
        make = _previous(old) if back else _built(source, python, old)
    except program.Refused as error:
        raise Trouble(str(error), REFUSED) from error
    if dry_run:
        return 0
    _ask(yes=yes)
    try:
        new = make()
        if new == old:
            say(f"{new} is that already.")
            return 0
        check_of(new, instead_of=old)
        code, _ = system.ended(new / "bin/python", "-m", "diffio_watch", "service", "install", "--yes", loud=True)
    except (system.Broke, OSError) as error:
        raise Trouble(f"{error} The version in use is still {old.name}.") from error
    if code:
        raise Trouble(f"{new.name} could not be put in place; `diffio-watch service update --back` returns to "
                      f"{old.name}.")
    for folder in program.prune():
        say(f"Removed {folder}.")
    say(f"In use is {new.name}; `sudo diffio-watch service update --back` returns to {old.name}.")
    return 0


def _previous(old: Path) -> Callable[[], Path]:
    """What finds the version before, once a person agrees."""
    from diffio_watch.install import program

    found = program.others()
    if not found:
        raise program.Refused(f"{program.BASE} holds no other version than {old.name}.")
    say(f"Back from {old.name} to {found[0].name}: checks it, switches, and starts the service again.")
    return lambda: found[0]


def _built(source: str | None, python: str | None, old: Path) -> Callable[[], Path]:
    """What makes another version, once a person agrees."""
    from diffio_watch.install import program, system

    spec = source or (program.NAME if program.here() else program.source())
    interpreter = program.interpreter(python)
    say([f"Makes an environment of {spec} with {interpreter} in {program.BASE},",
         f"checks it, switches from {old.name}, and starts the service again."])

    def make() -> Path:
        with system.alone(program.BASE):
            return program.build(spec, interpreter, program.extras())

    return make


@service.command()
@_root
@_dry_run
@_yes
def uninstall(*, root: Path, dry_run: bool, yes: bool) -> int:
    """Stop the service and remove it, but for its configuration, key, journal and all recordings."""
    from diffio_watch.install import steps as installed
    from diffio_watch.install.steps import Tree

    tree = Tree(Path(os.path.abspath(root)))
    _must_be_root(tree, dry_run=dry_run)
    there = os.path.lexists(tree.at(installed.UNITS / _UNIT))
    steps = [tree.command("systemctl", "disable", "--now", _UNIT, note="it stops", needed=there)]
    if tree.staged:
        steps = [tree.removal(installed.UNITS / "multi-user.target.wants" / _UNIT, "it starts no more")]
    steps += [*installed.removals(tree), tree.command("systemctl", "daemon-reload", note="", needed=there)]
    last = installed.program_goes(tree)
    steps += [] if last is None else [last]
    if all(step.act is None for step in steps):
        say("Nothing of it is installed here.")
        return 0
    _tell(steps, [])
    if dry_run:
        return 0
    _ask(yes=yes)
    kept = [f"Kept: {installed.ETC} with configuration and key, the journal (`state_dir`, /var/lib/diffio-watch as a",
            "rule), the user diffio-watch, and every inbox, outbox and archive."]
    _do(steps)
    say(kept)
    return 0


def _must_be_root(tree: Tree, *, dry_run: bool) -> None:
    if not tree.staged and not dry_run and os.geteuid() != 0:
        raise Trouble("This needs root: run it with sudo. `--dry-run` shows what it would do.", REFUSED)
    if not tree.staged and shutil.which("systemctl") is None:
        raise Trouble("There is no systemd on this machine. `diffio-watch run` works everywhere; README.md tells of "
                      "containers.", REFUSED)


def _tell(steps: Sequence[Step], shown: Sequence[str]) -> None:
    lines = [f"  {step.verb:8}{step.what}{f'   ({step.note})' if step.note else ''}" for step in steps if step.act]
    kept = [f"  {step.what}" for step in steps if step.act is None and step.verb != "runs"]
    say(["This will be done:", *lines, *shown] if lines else "All of it is in place.")
    if lines and kept:
        say(["As it should be already:", *kept])


def _ask(*, yes: bool) -> None:
    if not yes and not click.confirm("Go on?"):
        raise Trouble("Nothing was done.")


def _do(steps: Sequence[Step]) -> None:
    from diffio_watch.install import program, system

    for step in steps:
        act: Callable[[], object] | None = step.act
        if act is None:
            continue
        try:
            act()
        except (system.Broke, program.Refused) as error:
            raise Trouble(f"{error} What was done before stays; run this again to go on.", FAILED) from error
        except OSError as error:
            raise Trouble(f"{step.what}: {error.strerror or error}. What was done before stays; run this again to go "
                          "on.", FAILED) from error
