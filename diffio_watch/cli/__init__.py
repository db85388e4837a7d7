"""The commands. One module a group of them: they draw, ask and exit; what they do is done below.

    run      run, once                    jobs     jobs, show, explain
    demo     demo                         change   retry, cancel, approve, pause, resume, bump
    init     init, completion             journal  journal backup, rebuild, adopt, export
    check    check                        remote   remote projects, generations, download, usage, test-event
    status   status                       sandbox  sandbox
    installing  service install, update, uninstall

Beside them `base` (what all share), `resolve` (which job an argument means), `shapes` (JSON) and `draw` (terminal).
"""

from __future__ import annotations

import codecs
import locale
import os
import pwd
import sys
from collections.abc import Sequence
from typing import Final, NoReturn, TextIO

import click

from diffio_watch import __version__
from diffio_watch.cli import change, check, demo, init, installing, jobs, journal, remote, run, sandbox, status
from diffio_watch.cli.base import FAILED, REFUSED, Trouble, complain, config_option, explained, named_config

_SECTIONS: Final[dict[str, tuple[click.Command, ...]]] = {
    "Begin": (demo.demo, init.init, check.check),
    "Run": (run.run, run.once),
    "Look": (status.status, jobs.jobs, jobs.show, jobs.explain),
    "Decide": (change.retry, change.cancel, change.approve, change.pause, change.resume, change.bump),
    "Look after": (installing.service, journal.journal, remote.remote, sandbox.sandbox, init.completion),
}


_UTF8: Final = ("-X", "utf8")
_SIGNS: Final = {"…": "~", "━": "-", "╸": "-", "╺": "-"}  # ours, of bars and of words that were cut


class _Sections(click.Group):
    """A group whose help tells its commands in the order in which they are needed."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(command.name or "", command.get_short_help_str(ctx.max_content_width or 70))
                                    for command in commands])


@click.group(cls=_Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@config_option
@click.version_option(__version__, "-V", "--version", prog_name="diffio-watch", message="%(prog)s %(version)s")
def group() -> None:
    """Watch folders for recordings and bring them back restored by the Diffio service.

    A JOB is an id or its beginning; a FILE is a path in an inbox, or `inbox:path`.
    """


# how each command ends; what is not named here ends as a change does
_ENDS: Final = {
    "status": "0: it could answer.",
    "jobs": "0: it could answer.",
    "show": "0: it could answer; 1: nothing is known of that job or file.",
    "explain": "0: it could answer; 1: there is no such file.",
    "check": "0: it will work, perhaps with warnings; 1: a fault was found.",
    "run": "0: it was told to stop; 1: it broke, and a restart may help.",
    "once": "0: all was brought to its end, or a daemon runs already; 1: a file failed, is held or still waits, or "
            "something is stopped.",
    "demo": "0: all was delivered; 1: it was not.",
}
_REFUSES: Final = "2: wrong usage, or what no restart cures (configuration, key, a foreign folder, a corrupt journal)."


def _say_how_it_ends(command: click.Command) -> None:
    """Put the exit codes below a command's help, and below that of each command in it."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _say_how_it_ends(below)
    ends = _ENDS.get(command.name or "", "0: done; 1: something did not get done.")
    command.epilog = f"Exit codes: {ends.removesuffix('.')}; {_REFUSES}"


for _commands in _SECTIONS.values():
    for _command in _commands:
        group.add_command(_command)
_say_how_it_ends(group)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """What is printed in place of signs that an encoding does not have; see `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start:error.end]
    return "".join(_SIGNS.get(sign, sign.encode("ascii", "backslashreplace").decode()) for sign in missing), error.end


codecs.register_error("diffio-watch", _nearest)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code; whatever goes wrong is told in plain sentences."""
    if arguments is None:
        _speak_utf8()
    named_config.set(None)
    # a name may hold what the terminal's encoding has no sign for
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="diffio-watch", encoding=_of_terminal(stream))
    try:
        code = group.main(arguments, prog_name="diffio-watch", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.code if isinstance(error, Trouble) else error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130  # as a shell tells an interrupted command
    except BrokenPipeError:
        code = REFUSED  # whoever read it has enough
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, never a traceback
        closed = _closed() if isinstance(error, ImportError) else None
        if closed is not None:  # nothing more can be loaded to say it with
            sys.stderr.write(f"The service's user {_me()} may not read this program in {closed}: install it where that "
                             "user may, such as /opt/diffio-watch.\n")
            code = REFUSED
        else:
            sentence, code = explained(error)
            if isinstance(error, OSError) and not _flushed():
                sentence, code = f"The output can't be written: {error.strerror}.", FAILED
            complain(sentence)
    if not _flushed():
        # the interpreter must not try it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code if isinstance(code, int) else 0)


def _closed() -> str | None:
    """A folder of this program that who it has become may not read; None if there is none."""
    for folder in sys.path:
        try:
            if os.path.isabs(folder):
                os.listdir(folder)
        except PermissionError:
            return folder
        except OSError:
            continue  # not there, or an archive
    return None


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"#{os.geteuid()}"


def _speak_utf8() -> None:
    """Begin anew where the locale made Python take names for something else than UTF-8.

    One byte would be another letter for who dropped the file than for the sidecar that tells of it.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.executable and sys.orig_argv[1:3] != list(_UTF8):
        os.execv(sys.executable, [sys.executable, *_UTF8, *sys.orig_argv[1:]])  # noqa: S606 - this very program


def _of_terminal(stream: TextIO) -> str:
    """The encoding that a stream is to be written in: where names are taken for UTF-8, a terminal keeps its own.

    One that says it knows ASCII only is left out: those of today that are told nothing take UTF-8.
    """
    own = locale.getencoding()
    eight_bit = codecs.lookup(own).name not in {"ascii", "utf-8"}
    forced = "PYTHONIOENCODING" in os.environ or not sys.flags.utf8_mode
    return own if eight_bit and not forced and stream.isatty() else stream.encoding


def _flushed() -> bool:
    """Whether standard output takes what is printed."""
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True
