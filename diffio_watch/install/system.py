"""Files written whole and durably, links that change in one step, and commands that are run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

# what a person's shell may say to Python and pip is not meant for the service's program; where packages come from is
_LEFT_OUT: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER",
                    "PIP_REQUIRE_VIRTUALENV", "__PYVENV_LAUNCHER__")


class Broke(Exception):
    """A command ended with an error; the text says which, and what it said."""


def write(path: Path, text: bytes, mode: int) -> None:
    """Put a file in its place, whole or not at all, with this mode whatever the umask.

    Raises:
        OSError: what the system says.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from the beginning
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync(path.parent)


def link(path: Path, target: str) -> None:
    """Make a symbolic link, or let it lead elsewhere, in one step.

    Raises:
        OSError: what the system says; something that is no link stands there, perhaps.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.new"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    os.replace(temporary, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def content(path: Path) -> bytes | None:
    """What is in a file; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def run(*command: str | os.PathLike[str], loud: bool = False) -> str:
    """Run a command to its end and give what it prints.

    Args:
        command: its words; no secret is ever among them.
        loud: let it speak to the person instead.

    Raises:
        Broke: it ended with an error, or is not there.
    """
    code, told = ended(*command, loud=loud)
    if code:
        raise Broke(f"`{' '.join(os.fspath(word) for word in command)}` ended with {code}{': ' if told else '.'}{told}")
    return told


def ended(*command: str | os.PathLike[str], loud: bool = False) -> tuple[int, str]:
    """Run a command to its end: its exit code, and what it printed.

    Raises:
        Broke: it is not there.
    """
    pipe = None if loud else subprocess.PIPE
    try:
        done = subprocess.run(command, env=clean(os.environ), text=True, errors="replace", check=False,  # noqa: S603  # words of our own
                              stdin=subprocess.DEVNULL, stdout=pipe, stderr=None if loud else subprocess.STDOUT)
    except OSError as error:
        raise Broke(f"{os.fspath(command[0])} can't be started: {error.strerror}.") from error
    return done.returncode, (done.stdout or "").strip()


def clean(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without what would lead Python or pip elsewhere."""
    return {name: value for name, value in env.items() if name not in _LEFT_OUT}


def quoted(words: Sequence[str | os.PathLike[str]]) -> str:
    """A command as a person would type it."""
    return shlex.join(os.fspath(word) for word in words)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one who changes a folder.

    Raises:
        Broke: another is at it.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Broke(f"Another installation is at work in {folder}: wait for it.") from error
    finally:
        os.close(handle)
