"""demo: the whole way once, on loopback: the sandbox service, the real daemon, some files, and a look at them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from diffio_watch.cli import demo_files, demo_page
from diffio_watch.cli.base import FAILED, REFUSED, Trouble, say
from diffio_watch.cli.demo_files import INBOX
from diffio_watch.job import ENDED, Because, Job, State
from diffio_watch.report.running import as_typed

if TYPE_CHECKING:
    from diffio_watch.cli.status import View
    from diffio_watch.journal import Journal

_QUICK: Final = 3.0  # seconds that the service works on each
_SLOWER: Final = 15.0  # … while somebody looks at the page
_AT_REST: Final = ENDED | {State.HELD}
_EVERY: Final = 0.25  # seconds between two looks
_START: Final = 30.0  # seconds for the daemon to make its journal
_CUT: Final = 3.0  # seconds that the word of a file cut short may be from before its copy was whole
_STOP: Final = 10.0  # seconds for it to end
_FOREIGN: Final = frozenset({"CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC",
                             "WATCHDOG_PID", "SSL_CERT_FILE", "SSL_CERT_DIR"})
_RESTORES_NOTHING: Final = ("The sandbox restores nothing: {}. What you saw is the way; the real service does the "
                            "restoring.")
_AS_GIVEN: Final = "each result holds just what was given"
_FILTERED: Final = ("the sound went through a plain filter, which takes rumble, hiss and what is fine in a voice, so "
                    "that it differs")


@click.command()
@click.argument("files", metavar="[FILE...]", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--keep", metavar="DIR", type=click.Path(path_type=Path),
              help="A new or empty folder for everything; by default a temporary one. It stays either way.")
@click.option("--page", is_flag=True, help="Show the page for editors beside it, until Ctrl-C.")
def demo(files: Sequence[Path], *, keep: Path | None, page: bool) -> int:
    """See it work: files (or a short sample) go their whole way, with no key, no network and no money.

    A stand-in for the service runs on loopback with the real daemon beside it. It restores nothing.
    """
    from diffio_watch.cli.status import View
    from diffio_watch.config import load
    from diffio_watch.sandbox import Sandbox, filtered

    folder = _folder(keep)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    service = Sandbox(seconds=_SLOWER if page else _QUICK, filters=True)
    seen = _Seen()
    try:
        service.start()
        web = demo_page.make(folder) if page else None
        config = _configure(folder, service.base_url, web)
        with _daemon(config, folder / "daemon.log") as process:
            view = View(load(config, _clean(os.environ)))
            _wait_for_journal(view, process, folder)
            if web is not None:
                demo_page.wait(web, lambda: _must_run(process, folder))
                say(["Open the page in a browser:", f"  {web.url}"])
            seen.paths = demo_files.drop(files, folder / "inbox")
            say([f"Dropped {_count(len(seen.paths))} into", f"  {folder / 'inbox'}"])
            _follow(view, process, folder, seen)
            if web is not None:
                _stay(folder, seen, lambda: _must_run(process, folder))
                return _code(seen)
    except KeyboardInterrupt:
        say("\nBroken off: nothing of it runs any more.")
        _tell(folder, seen)
        raise
    finally:
        service.close()
    _tell(folder, seen)
    restores = _RESTORES_NOTHING.format(_FILTERED if filtered.possible() else _AS_GIVEN)
    say([restores, "For real recordings:", f"  {as_typed()} init --inbox DIR --outbox DIR"])
    return _code(seen)


def _code(seen: _Seen) -> int:
    done = {State.DELIVERED, State.SKIPPED}
    return 0 if all(path in seen.jobs and seen.jobs[path].state in done for path in seen.paths) else FAILED


def _stay(folder: Path, seen: _Seen, must_run: Callable[[], None]) -> None:
    """Let the page go on until Ctrl-C, which is how this ends."""
    _tell(folder, seen)
    try:
        say("\nThe page stays until Ctrl-C; drop more recordings into the inbox, and watch.")
        while True:
            must_run()
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        say("\nNothing of it runs any more.")


@dataclass
class _Seen:
    """The files of a demo: their paths in its inbox, and the last that was seen of them.

    Attributes:
        paths: in the order in which they were dropped.
        jobs: the newest job at a path.
        waits: why a path is not picked up yet.
    """

    paths: Sequence[str] = ()
    jobs: Mapping[str, Job] = field(default_factory=dict)
    waits: Mapping[str, Because] = field(default_factory=dict)
    _cut: Mapping[str, float] = field(default_factory=dict)

    def look(self, journal: Journal) -> None:
        """Look again."""
        self.jobs = {job.path: job for job in reversed(journal.jobs.newest(inbox=INBOX))}
        self.waits = {entry.path: entry.because for entry in journal.inboxes.settling_in(INBOX)}
        now = time.monotonic()
        self._cut = {path: self._cut.get(path, now) for path, why in self.waits.items()
                     if why.code == "cut_short" and path not in self.jobs}

    def cut_short(self, path: str) -> bool:
        """Whether a file waits for the rest of its content, which nobody copies any more."""
        return path in self._cut and time.monotonic() - self._cut[path] >= _CUT

    def rests(self, path: str) -> bool:
        """Whether nothing will become of a file but what is so now."""
        return (path in self.jobs and self.jobs[path].state in _AT_REST) or self.cut_short(path)


def _folder(keep: Path | None) -> Path:
    """The demo's own folder, empty."""
    if keep is None:
        return Path(os.path.realpath(tempfile.mkdtemp(prefix="diffio-watch-demo-")))
    folder = Path(os.path.abspath(keep))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Trouble(f"{folder} is not empty: name a new folder with --keep.", REFUSED)
    except OSError as error:
        raise Trouble(f"{folder} can't be used: {error.strerror}. Name another with --keep.", REFUSED) from error
    return folder


def _configure(folder: Path, base_url: str, web: demo_page.Page | None) -> Path:
    """A configuration of its own, which owes nothing to the person's; JSON is YAML too."""
    for name in ("inbox", "outbox", "state"):
        (folder / name).mkdir(mode=0o700 if name == "state" else 0o777)
    path = folder / "config.yaml"
    path.write_text(json.dumps({
        "api": {"base_url": base_url},
        "state_dir": str(folder / "state"),
        "inboxes": [{"name": INBOX, "path": str(folder / "inbox"), "outbox": str(folder / "outbox")}],
        "limits": {"approve_over_files": None, "min_free": 0},
        "log": {"format": "console"},
        **({} if web is None else {"web": web.config}),
    }, indent=2) + "\n")
    return path


def _clean(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without the person's own service, key, proxies and unit."""
    return {name: value for name, value in env.items()
            if not name.startswith("DIFFIO_") and not name.lower().endswith("_proxy") and name not in _FOREIGN}


@contextmanager
def _daemon(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real daemon as a process of its own, in a session of its own: Ctrl-C is for us, and we end it."""
    package = str(Path(__file__).parents[2])
    env = _clean(os.environ) | {"DIFFIO_API_KEY": "sandbox-key", "PYTHONPATH": package}
    with log.open("wb") as out, subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-P", "-m", "diffio_watch", "run", "-c", str(config)],
        env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            # where things are is said after this, to whoever presses Ctrl-C once more too
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            process.terminate()
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_journal(view: View, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _START
    while view.journal() is None:
        _must_run(process, folder)
        if time.monotonic() > end:
            raise Trouble(f"The daemon has not begun within {_START:.0f} s; its log is {folder / 'daemon.log'}.")
        time.sleep(_EVERY)


def _must_run(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is not None:
        from diffio_watch.disk.names import terminal

        log = folder / "daemon.log"
        last = log.read_text("utf-8", "replace").splitlines()[-5:]
        raise Trouble("\n".join([f"The daemon ended with code {process.returncode}; its log is {log}:",
                                 *(f"  {terminal(line)}" for line in last)]))


def _follow(view: View, process: subprocess.Popen[bytes], folder: Path, seen: _Seen) -> None:
    """Show the files on their way until nothing more will become of any."""
    from rich.console import Console
    from rich.live import Live

    from diffio_watch.cli import draw, panel
    from diffio_watch.disk import names
    from diffio_watch.report.pace import Pace

    pace, began = Pace(), time.monotonic()
    console = Console(highlight=False)
    told: set[str] = set()
    with Live(console=console, auto_refresh=False, transient=True) if draw.is_live() else nullcontext() as screen:
        while not (seen.paths and all(seen.rests(path) for path in seen.paths)):
            time.sleep(_EVERY)
            _must_run(process, folder)
            journal = view.journal()
            assert journal is not None
            seen.look(journal)
            if screen is not None:
                pace.note(seen.jobs.values(), time.monotonic())
                passed = time.monotonic() - began
                screen.update(panel.journey(seen.paths, seen.jobs, seen.waits, console.height - 4, pace, passed),
                              refresh=True)
                continue
            for path in seen.paths:
                if path not in told and seen.rests(path):
                    told.add(path)
                    end = "cut short" if seen.cut_short(path) else seen.jobs[path].state
                    draw.write(draw.words(f"{names.show(path)}: {end}"))


def _tell(folder: Path, seen: _Seen) -> None:
    """Say what became of each file, and where everything is."""
    delivered = 0
    for path in seen.paths:
        job = seen.jobs.get(path)
        outputs = [one.path for one in job.outputs if one.path is not None] if job is not None else []
        if job is not None and job.state is State.DELIVERED and outputs:
            delivered += 1
            say([_plain(path), *(f"  -> {_plain(str(folder / 'outbox' / output))}" for output in outputs)])
        else:
            say(f"{_plain(path)}: {_undone(job, seen.waits.get(path))}")
    if seen.paths:
        say(f"\nDelivered {delivered} of {_count(len(seen.paths))}{', with a sidecar beside each' * bool(delivered)}.")
    say(["Everything stays in", f"  {folder}"])


def _undone(job: Job | None, waits: Because | None) -> str:
    """How far a file came that was not delivered."""
    if job is not None:
        return f"{job.state}. {_plain(job.because.message) if job.because else ''}".rstrip()
    if waits is not None and waits.code == "cut_short":
        return (f"not picked up. {_plain(waits.message)} A daemon waits up to 15 minutes for the rest, then such a "
                "file fails as `truncated`; the demo does not wait.")
    return "not picked up yet."


def _plain(text: str) -> str:
    from diffio_watch.disk import names

    return names.terminal(names.show(text))


def _count(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
