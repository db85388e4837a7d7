"""Events: hints that a path is worth a look. Only this module knows `watchdog`.

Nothing here is relied on: the scan finds whatever an event did not tell.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import warnings
import weakref
from pathlib import Path
from typing import Final

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

# not: opened, read, closed after reading (our own reading would be news), modified (a copy makes thousands)
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
    FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent,
]
_LEAVING: Final = (DirDeletedEvent, DirMovedEvent, FileDeletedEvent, FileMovedEvent)
_MOST_HINTS: Final = 10_000
_SYSCTLS: Final = {errno.ENOSPC: "fs.inotify.max_user_watches", errno.EMFILE: "fs.inotify.max_user_instances"}


class WatchRefused(Exception):
    """No events can be had. Its text says why and what helps."""


class Hints:
    """Paths worth a look, left by any thread for the intake thread, which waits here."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._paths: set[str] = set()
        self._left: set[str] = set()
        self._lost = False
        self._woken = False

    def add(self, path: str, *, left: bool = False) -> None:
        """A path relative to the inbox, and whether something left it; of too many, only that they were is kept."""
        with self._condition:
            if len(self._paths) >= _MOST_HINTS:
                self._lost = True
            else:
                self._paths.add(path)
                if left:
                    self._left.add(path)
            self._condition.notify()

    def lose(self) -> None:
        """Events were lost: everything is worth a look."""
        with self._condition:
            self._lost = True
            self._condition.notify()

    def wake(self) -> None:
        """End the wait although there is nothing to look at."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def wait(self, seconds: float) -> None:
        """Until there is a hint, a wake, or the time is over."""
        with self._condition:
            self._condition.wait_for(lambda: self._paths or self._lost or self._woken, timeout=seconds)
            self._woken = False

    def take_left(self) -> set[str]:
        """The paths that something left since the last call, whatever stands there now."""
        with self._condition:
            left, self._left = self._left, set()
            return left

    def take(self) -> tuple[set[str], bool]:
        """The hints since the last call, and whether some were lost."""
        with self._condition:
            found, self._paths = self._paths, set()
            lost, self._lost = self._lost, False
            return found, lost


def identity(root: str) -> tuple[int, int] | None:
    """Which folder stands at a path now; None if there is none."""
    try:
        status = Path(root).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Watch:
    """Events of one inbox, while it lasts. Made, started and stopped by the intake thread.

    Args:
        root: the inbox.
        hints: where paths are left.
        recursive: whether folders below are watched too.

    Raises:
        WatchRefused: the system gives no events.
    """

    def __init__(self, root: str, hints: Hints, *, recursive: bool) -> None:
        # A folder met twice, in watchdog's walk and in its event: harmless, but the text names each folder that is
        # watched, and under `-W error` it would end the thread that reads events.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.observers\.")
        self._root = root
        self._hints = hints
        self._identity = identity(root)
        _LISTENER.hints.add(hints)
        real = os.path.realpath(root)  # of a link, inotify would watch the link itself
        self._observer = _started(real, _Handler(real, hints), recursive=recursive)

    def trouble(self) -> str | None:
        """Why there may be no events any more; None while all is well.

        Raises:
            WatchRefused: there is no room for further watches, so that folders may be unwatched.
        """
        if not self._observer.is_alive():
            return "the dispatcher ended"
        # an observer says that it is alive when its emitters are not
        emitters = self._observer.emitters
        if not emitters or not all(emitter.is_alive() for emitter in emitters):
            return "an emitter ended"
        # in watchdog 7.1 one more thread reads inotify; it has no public name
        reader = getattr(self._observer, "_inotify_fd", None)
        if isinstance(reader, threading.Thread) and not reader.is_alive():
            return "the reader of events ended"
        if identity(self._root) != self._identity:
            return "another folder stands in the inbox's place"
        self._must_have_room()
        return None

    def stop(self) -> None:
        """End the events."""
        _stop(self._observer)

    def _must_have_room(self) -> None:
        """Watchdog passes over folders below that it could not watch, so a watch more is tried for."""
        _stop(_started(self._root, FileSystemEventHandler(), recursive=False))


class _Handler(FileSystemEventHandler):
    """Leaves hints and does nothing else: an exception here would end watchdog's dispatching thread."""

    def __init__(self, root: str, hints: Hints) -> None:
        self._prefix = root.rstrip("/") + "/"
        self._hints = hints

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                full = os.fsdecode(path)
                if full.startswith(self._prefix):
                    left = path == event.src_path and isinstance(event, _LEAVING)
                    self._hints.add(full[len(self._prefix):], left=left)
                else:
                    self._hints.lose()  # the root itself


class _Listener(logging.Handler):
    """Watchdog tells of an overflow in its log only. Whatever it warns of, each inbox has a look."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.hints: weakref.WeakSet[Hints] = weakref.WeakSet()
        logging.getLogger("watchdog").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # that there is one is enough
        for hints in list(self.hints):
            hints.lose()


_LISTENER: Final = _Listener()


def _started(root: str, handler: FileSystemEventHandler, *, recursive: bool) -> BaseObserver:
    try:
        observer: BaseObserver = Observer()
    except OSError as error:
        raise WatchRefused(_refusal(error)) from error
    try:
        observer.schedule(handler, root, recursive=recursive, event_filter=_EVENTS)
        observer.start()
    except OSError as error:
        _stop(observer)
        raise WatchRefused(_refusal(error)) from error
    return observer


def _stop(observer: BaseObserver) -> None:
    """Stop an observer, started or not: it has a thread of its own from its making on."""
    observer.stop()
    if observer.ident is not None:
        observer.join(timeout=5.0)


def _refusal(error: OSError) -> str:
    """Inotify's limit reads "no space left on device"."""
    name = _SYSCTLS.get(error.errno or 0)
    if name is None:
        return f"the system gives no events ({error.strerror or error})"
    try:
        value = Path("/proc/sys", *name.split(".")).read_text().strip()
    except OSError:
        value = "?"
    return f"the limit {name} = {value} is reached; raise it with `sysctl`, and keep it in /etc/sysctl.d"
