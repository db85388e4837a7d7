"""What every command shares: its options, the configuration, the journal, its errors and its output.

Only click is imported at the top here and in the command modules: `--help` has to answer at once, and structlog,
httpx and rich take longer to import than that. What a command needs it imports when it runs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from diffio_watch.cli.service import Service
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal

DONE, FAILED, REFUSED = 0, 1, 2  # the exit codes of the outside contract
_CONFIG = "diffio_watch.config"  # where the context keeps the path given with --config
# the same as it was typed, for hints: they are also printed when the context is left
named_config: ContextVar[str | None] = ContextVar("named_config", default=None)
_COMMAND = re.compile(r"\bdiffio-watch (?=(?:run|once|check|status|jobs|show|explain|retry|cancel|approve|pause|resume|"
                      r"bump|journal|remote)\b(?![^`]* (?:-c|--config)\b))")
_QUOTED = re.compile(r"`[^`]*`")
_BLANK = "\ue000"  # in place of one that is no place to break


class Trouble(click.ClickException):
    """What went wrong, as a plain sentence with what to do about it.

    Args:
        message: the sentence.
        code: `FAILED`: something did not get done; `REFUSED`: wrong usage, or a state that no restart cures.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence to standard error."""
        if file is None:
            complain(self.message)
        else:
            click.echo(fitted(self.message, file), file=file)


def _remember_config(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[_CONFIG] = Path(value)
        named_config.set(value)


config_option = click.option(
    "-c", "--config", metavar="FILE", type=click.Path(), expose_value=False, is_eager=True, callback=_remember_config,
    help="The configuration, instead of the one in its usual places.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@dataclass(frozen=True)
class Workplace:
    """The configuration in force and the journal beside it; `who` asks."""

    config: Config
    who: str = ""

    @contextmanager
    def read(self) -> Iterator[Journal | None]:
        """The journal for reading: never made, never migrated; None where there is none yet.

        Raises:
            JournalError: it can't be read.
        """
        from diffio_watch.journal import Journal, JournalMissing

        try:
            journal = Journal.open(self.config.state_dir, read_only=True)
        except JournalMissing:
            must_be_theirs(self.config, None)
            yield None
            return
        with journal:
            must_be_theirs(self.config, journal)
            yield journal

    def write(self) -> Journal:
        """The journal for asking something of the daemon; never made.

        Raises:
            JournalError: there is none, or it can't be written.
        """
        from diffio_watch.journal import Journal

        return Journal.open(self.config.state_dir)


def given_config(context: click.Context | None = None) -> Path | None:
    """The path given with `--config`, before or after the command's name."""
    found = (context or click.get_current_context()).meta.get(_CONFIG)
    return found if isinstance(found, Path) else None


def workplace(*, key: bool = False, makes: bool = False) -> Workplace:
    """Load the configuration, and become the owner of its journal where root asks.

    Args:
        key: the command asks the service something: bring along the key that systemd gives the installed one.
        makes: it makes a journal where there is none, and says itself what is in its way.

    Raises:
        ConfigError: the configuration is missing or wrong.
        Trouble: this user can't see the journal: then nothing can be said of what runs, or does not.
    """
    from diffio_watch.cli.accounts import asker
    from diffio_watch.config import load
    from diffio_watch.daemon import claims

    config = load(given_config(), os.environ)
    who = asker()  # before it is another
    become_owner(config.state_dir, key=key, make=makes)
    told = claims.hidden(config.state_dir)
    if told is not None and not makes:
        raise Trouble(told, REFUSED)
    return Workplace(config, who)


def must_be_theirs(config: Config, journal: Journal | None) -> None:
    """Make sure that the journal that was found is that of the configured folders, before anything is said of them.

    Args:
        config: the configuration.
        journal: it; None where there is none.

    Raises:
        Trouble: the folders are another journal's.
    """
    from diffio_watch.daemon import claims
    from diffio_watch.disk.names import terminal

    told = claims.elsewhere(config, journal)
    if told is not None:
        raise Trouble(terminal(told), REFUSED)


def become_owner(state_dir: Path, *, key: bool = False, early: bool = False,
                 make: bool = False) -> Service | None:
    """Run as root, go on as the user the journal belongs to, so that nothing in it ends up root's.

    Args and what is returned are `service.become_owner`'s.

    Raises:
        Trouble: the system does not allow it.
    """
    if os.geteuid() != 0:
        return None
    from diffio_watch.cli import service

    try:
        return service.become_owner(state_dir, key=key, early=early, make=make)
    except OSError as error:
        raise Trouble(f"Can't become the owner of {state_dir}: {error.strerror}. Run it as that user.",
                      REFUSED) from error


def print_json(value: object) -> None:
    """Print one JSON document."""
    _write_json(value, indent=2)


def print_json_line(value: object) -> None:
    """Print one JSON document on a line of its own."""
    _write_json(value, indent=None)


def _write_json(value: object, *, indent: int | None) -> None:
    from diffio_watch.disk import names

    # JSON is UTF-8 whatever the terminal's encoding
    sys.stdout.flush()
    sys.stdout.buffer.write((names.dumps(value, indent=indent) + "\n").encode())
    sys.stdout.buffer.flush()


def say(lines: str | Iterable[str]) -> None:
    """Print lines for people. Those that begin with two blanks are for copying: nothing breaks them."""
    for line in [lines] if isinstance(lines, str) else lines:
        click.echo(fitted(line, sys.stdout))


def complain(line: str) -> None:
    """Print a line about what did not get done, to standard error; in systemd's journal it is an error."""
    from diffio_watch.lines import goes_to_journal, prioritised

    text = fitted(line, sys.stderr)
    click.echo(prioritised(text, "error") if goes_to_journal(sys.stderr) else text, err=True)


def hinted(text: str) -> str:
    """The text with its commands as they have to be typed here: with the configuration that this one was given."""
    config = named_config.get()
    return text if config is None else _COMMAND.sub(lambda found: f"{found[0]}-c {shlex.quote(config)} ", text)


def escaped(text: str) -> str:
    """Our own lines with nothing in them that a terminal would act on, whatever name or word went into them."""
    from diffio_watch.disk.names import terminal

    return "\n".join(terminal(line) for line in text.split("\n"))


def fitted(text: str, stream: IO[Any]) -> str:
    """The text with its commands as they have to be typed, and escaped; for a terminal, broken between words only.

    A word is also a path without blanks and whatever stands in backticks.
    """
    text = escaped(hinted(text))
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(line if len(line) <= width or line.startswith("  ") else _broken(line, width)
                     for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    whole = _QUOTED.sub(lambda found: found[0].replace(" ", _BLANK), line)
    return textwrap.fill(whole, width, break_long_words=False, break_on_hyphens=False).replace(_BLANK, " ")


def explained(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code for an error that reached the top."""
    if isinstance(error, ImportError):
        return (f"A part of this program can't be read ({error.name}): install it whole, where the service's user can "
                "read it too."), REFUSED
    from diffio_watch.api.errors import ApiError
    from diffio_watch.cli import refusals
    from diffio_watch.config import ConfigError, KeyMissing
    from diffio_watch.daemon.startup import CannotRun
    from diffio_watch.disk.names import terminal
    from diffio_watch.journal import JournalCorrupt, JournalError, JournalLocked, JournalMissing

    if isinstance(error, ConfigError):
        from diffio_watch.report.running import meanwhile

        return "\n".join([str(error), *meanwhile(error)]), REFUSED
    if isinstance(error, CannotRun | KeyMissing | JournalCorrupt | JournalLocked | JournalMissing):
        passing = isinstance(error, KeyMissing) and error.passing
        return terminal(str(error)), FAILED if passing else REFUSED
    if isinstance(error, ApiError):
        return terminal(refusals.told(error)), FAILED
    if isinstance(error, JournalError):
        return terminal(str(error)), FAILED
    if isinstance(error, PermissionError):
        place = terminal(os.fsdecode(error.filename)) if error.filename else "what this needs"
        return f"This user may not use {place}: run it as its owner, or with sudo.", FAILED
    if isinstance(error, OSError):
        place = f" ({terminal(os.fsdecode(error.filename))})" if isinstance(error.filename, str | bytes) else ""
        return f"The system refuses: {error.strerror or error}{place}.", FAILED
    import traceback

    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    told = terminal(str(error))
    return f"An error of this program: {type(error).__name__}: {told} ({where}). Please report it.", FAILED
