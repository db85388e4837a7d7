"""init: the first configuration. completion: the shell's help."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, config_option, given_config, say


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--inbox", metavar="DIR", required=True, type=click.Path(path_type=Path),
              help="Where recordings are dropped.")
@click.option("--outbox", metavar="DIR", required=True, type=click.Path(path_type=Path),
              help="Where results appear.")
@config_option
def init(path: Path | None, inbox: Path, outbox: Path) -> int:
    """Write a commented configuration, and make the folders.

    PATH is where it goes; by default where the program looks for it. An existing file is never touched.
    """
    from diffio_watch.config import ConfigError, Wrong, parse, render_init

    path = Path(os.path.abspath(path or given_config() or _usual()))
    inbox, outbox = (Path(os.path.abspath(folder.expanduser())) for folder in (inbox, outbox))
    try:
        text = render_init(inbox, outbox).encode()
        config = parse(text, os.environ, file="what would be written")
    except Wrong as wrong:
        raise Trouble(f"{wrong.message} {wrong.remedy}", REFUSED) from wrong
    except ConfigError as error:
        told = "\n".join(f"{problem.message} {problem.remedy}" for problem in error.problems)
        raise Trouble(told, REFUSED) from error
    if os.path.lexists(path):
        raise _exists(path)
    for option, folder in (("--inbox", inbox), ("--outbox", outbox)):
        _make(folder, option)
    _write(path, text)  # at last: what fails above may be tried again
    named = "" if path == _usual() else f"-c {shlex.quote(str(path))} "
    say(["Written:", f"  {path}", f"  inbox   {inbox}", f"  outbox  {outbox}", f"  journal {config.state_dir}", "",
         "Next: put the API key into a file that only the service's user may read, and its path into `api.key_file`.",
         "Then prove that all works here, and begin:",
         f"  diffio-watch {named}check", f"  diffio-watch {named}run"])
    return 0


def _usual() -> Path:
    """Where the program looks: what the environment names, /etc for root, else the person's own place."""
    from diffio_watch.config import standard_places

    if named := os.environ.get("DIFFIO_WATCH_CONFIG"):
        return Path(named).expanduser()
    own, system = standard_places(os.environ)
    return system if os.geteuid() == 0 else own


def _make(folder: Path, option: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        there = folder
        while not os.path.lexists(there) and there != there.parent:
            there = there.parent
        if os.path.lexists(there) and not there.is_dir():
            raise Trouble(f"{there} is no folder: name another with {option}.", REFUSED) from error
        why = f"this user may not write into {there}" if isinstance(error, PermissionError) else error.strerror
        raise Trouble(f"{folder} can't be made: {why}. Make it yourself (perhaps with sudo), or name another with "
                      f"{option}.", REFUSED) from error


def _exists(path: Path) -> Trouble:
    return Trouble(f"{path} exists already and stays as it is: name another path, or edit it.", REFUSED)


def _write(path: Path, text: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(text)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Trouble(f"{path} can't be written: {error.strerror}. Name another path.", FAILED) from error


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script that lets the shell complete commands, options and inboxes.

    bash: eval "$(diffio-watch completion bash)" in ~/.bashrc; zsh likewise; fish: diffio-watch completion fish >
    ~/.config/fish/completions/diffio-watch.fish
    """
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root()
    if kind is None:
        raise Trouble(f"There is no completion for {shell}.", REFUSED)
    click.echo(kind(root.command, {}, "diffio-watch", "_DIFFIO_WATCH_COMPLETE").source())
    return 0
