"""Whether a daemon runs, and what there is to say first where none does."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffio_watch.config import Config, ConfigError
    from diffio_watch.journal import Journal, runs

_SERVICES: Final = Path("/var/lib/diffio-watch")  # the state_dir of the unit
_UNITS: Final = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                 "/lib/systemd/system")


def is_running(config: Config) -> bool:
    """Whether a daemon works with the journal of this configuration."""
    from diffio_watch.journal import holder

    return config.state_dir.is_dir() and holder(config.state_dir) is not None


def meanwhile(error: ConfigError) -> list[str]:
    """What the daemon does that read the file before it was as wrong as it is now: it runs on; nothing where none does.

    A person who asks how everything is must not take a slip in the file for the end of the work.
    """
    from diffio_watch.config import state_dir_of
    from diffio_watch.journal import holder

    if error.file is None:
        return []
    state_dir = state_dir_of(Path(error.file), os.environ)
    try:
        pid = holder(state_dir) if state_dir is not None else None
    except OSError:
        return []  # not this user's to see
    if pid is None:
        return []
    process = f" (process {pid})" if pid else ""
    return [(f"A daemon runs{process}, and goes on with what it read before; `diffio-watch status` shows it once this "
             "is put right.")]


def asleep(config: Config, journal: Journal | None) -> str | None:
    """That no daemon runs, how the last one ended, and what starts one; None where one runs."""
    from diffio_watch.journal import runs

    return None if is_running(config) else resting(config.state_dir, runs.last(journal) if journal else None)


def resting(state_dir: Path, run: runs.Run | None) -> str:
    """The same for a journal that no daemon works with, and its last run, if there was one."""
    from diffio_watch.journal import runs

    ended = runs.how_it_ended(run) if run is not None else "None was started with this journal yet."
    return f"No daemon runs, so nothing goes on. {ended} {how_to_start(state_dir, run)}"


def how_to_start(state_dir: Path, run: runs.Run | None) -> str:
    """What starts a daemon, as a sentence: the way the last one was started, else the service where it is installed."""
    from diffio_watch.journal import runs

    installed = any(Path(folder, "diffio-watch.service").exists() for folder in _UNITS)
    if run is None and installed and state_dir == _SERVICES:
        return "`systemctl start diffio-watch` starts it."
    return runs.start_hint(run)


def as_typed() -> str:
    """This program as it has to be typed here: an environment that nobody activated is not on the PATH."""
    called = sys.argv[0]
    away = os.path.basename(called) == "diffio-watch" and shutil.which("diffio-watch") is None
    return shlex.quote(called) if away else "diffio-watch"
