"""init: the first configuration. completion: the shell's help."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import get_completion_class

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, config_option, given_config, say

if TYPE_CHECKING:
    from diffio_watch.config import Config

_UNIT: Final = "diffio-watch.service"
_SHARED: Final = 0o2775  # setgid: what is made in it is the group's too


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--inbox", metavar="DIR", required=True, type=click.Path(path_type=Path),
              help="Where recordings are dropped.")
@click.option("--outbox", metavar="DIR", required=True, type=click.Path(path_type=Path),
              help="Where results appear.")
@click.option("--group", metavar="G", help="The group that shares the folders; what is made is writable for it.")
@config_option
def init(path: Path | None, inbox: Path, outbox: Path, group: str | None) -> int:
    """Write a commented configuration, and make the folders.

    PATH is where it goes; by default where the program looks for it. An existing file is never touched, nor are the
    owner and mode of an existing folder.
    """
    path = Path(os.path.abspath(path or given_config() or _usual()))
    shared = None if group is None else _group(group)
    config, text, inbox, outbox = first_configuration(path, inbox, outbox, os.environ)
    put_first_configuration(path, text, (inbox, outbox), group)
    named = "" if path == _usual() else f"-c {shlex.quote(str(path))} "
    say(["Written:", f"  {path}", f"  inbox   {inbox}", f"  outbox  {outbox}", f"  journal {config.state_dir}", "",
         *_rights((inbox, outbox), group, shared),
         *_key(path),
         "Then prove that all works here, and begin:", f"  diffio-watch {named}check",
         f"  {'sudo diffio-watch service install' if _is_services(path) else f'diffio-watch {named}run'}"])
    return 0


def first_configuration(path: Path, inbox: Path, outbox: Path,
                        env: Mapping[str, str]) -> tuple[Config, bytes, Path, Path]:
    """What the first configuration at a path is to be: it, its text, and both folders as absolute paths.

    Raises:
        Trouble: the folders can't be used so.
    """
    from diffio_watch.config import ConfigError, Wrong, parse, render_init
    from diffio_watch.config.paths import must_be_here

    try:
        for folder in (inbox, outbox):
            must_be_here(str(folder))
        inbox, outbox = (Path(os.path.abspath(folder.expanduser())) for folder in (inbox, outbox))
        config = parse(render_init(inbox, outbox).encode(), env, file=str(path))
        return config, render_init(inbox, outbox, state_dir=config.state_dir).encode(), inbox, outbox
    except Wrong as wrong:
        raise Trouble(f"{wrong.message} {wrong.remedy}", REFUSED) from wrong
    except ConfigError as error:
        told = "\n".join(f"{problem.message} {problem.remedy}" for problem in error.problems)
        raise Trouble(told, REFUSED) from error


def put_first_configuration(path: Path, text: bytes, folders: Sequence[Path], group: str | None) -> None:
    """Make the folders, and write the configuration last: what fails before may be tried again.

    Raises:
        Trouble: there is a file already, or a folder can't be made.
    """
    shared = None if group is None else _group(group)
    if os.path.lexists(path):
        raise _exists(path)
    for option, folder in zip(("--inbox", "--outbox"), folders, strict=False):
        _make(folder, option, shared)
    _write(path, text)


def _is_services(path: Path) -> bool:
    """Whether a configuration is the one that the systemd service reads."""
    from diffio_watch.config import standard_places

    return path == standard_places(os.environ)[-1]


def _key(path: Path) -> list[str]:
    """Where the API key goes: what the unit of the service names, or what a person has."""
    if _is_services(path):
        return [f"Next: put the API key where the unit {_UNIT} reads it (type the key, Enter, Ctrl-D):",
                f"  sudo install -m 0600 /dev/stdin {path.parent}/api-key"]
    return [("Next: put the API key into $DIFFIO_API_KEY; or into a file that only you can read, and its path into "
             "`api.key_file`.")]


def _usual() -> Path:
    """Where the program looks: what the environment names, /etc for root, else the person's own place."""
    from diffio_watch.config import standard_places

    if named := os.environ.get("DIFFIO_WATCH_CONFIG"):
        return Path(named).expanduser()
    own, system = standard_places(os.environ)
    return system if os.geteuid() == 0 else own


def _group(name: str) -> int:
    """The number of a group."""
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Trouble(f"There is no group {name} on this machine: make it with `sudo groupadd {name}`, or name another "
                      "with --group.", REFUSED) from None


def _make(folder: Path, option: str, group: int | None) -> None:
    """Make a folder, and those above it; for a group, such that all of it can write there and what comes is theirs."""
    above = [one for one in reversed(folder.parents) if not one.exists()]
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if group is not None and made:
            for one in above:
                one.chmod(0o755)  # whatever the umask: the group has to come through
            os.chown(folder, -1, group)
            folder.chmod(_SHARED)
    except OSError as error:
        there = folder
        while not os.path.lexists(there) and there != there.parent:
            there = there.parent
        if os.path.lexists(there) and not there.is_dir():
            raise Trouble(f"{there} is no folder: name another with {option}.", REFUSED) from error
        if folder.is_dir():
            raise Trouble(f"{folder} can't be given to that group by this user: {error.strerror}. Run it with sudo, or "
                          f"`sudo chgrp` and `sudo chmod 2775` it yourself.", REFUSED) from error
        why = f"this user may not write into {there}" if isinstance(error, PermissionError) else error.strerror
        raise Trouble(f"{folder} can't be made: {why}. Make it yourself (perhaps with sudo), or name another with "
                      f"{option}.", REFUSED) from error


def _rights(folders: Sequence[Path], group: str | None, number: int | None) -> list[str]:
    """What is still to be done so that a group can use the folders; nothing where none was named."""
    if group is None:
        return []
    told = []
    for folder in folders:
        status, quoted = folder.stat(), shlex.quote(str(folder))
        if status.st_gid != number or status.st_mode & 0o2070 != 0o2070:
            told += [f"{folder} was there already and stays as it is. So that the group {group} can use it:",
                     f"  sudo chgrp {shlex.quote(group)} {quoted} && sudo chmod 2775 {quoted}"]
    return [*told, f"The service's user has to be in the group {group}, and everybody who drops recordings:",
            f"  sudo usermod -aG {shlex.quote(group)} USER", ""]


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

    bash, in ~/.bashrc, and zsh likewise: eval "$(diffio-watch completion bash)"

    fish: into ~/.config/fish/completions/diffio-watch.fish
    """
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root()
    if kind is None:
        raise Trouble(f"There is no completion for {shell}.", REFUSED)
    click.echo(kind(root.command, {}, "diffio-watch", "_DIFFIO_WATCH_COMPLETE").source())
    return 0
