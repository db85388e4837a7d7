"""The folders of a rebuild, each held open from its beginning to its end: what is taken over is what was read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffio_watch.config import Config, Inbox
from diffio_watch.daemon import claims
from diffio_watch.daemon.startup import folders
from diffio_watch.disk import marker, marker_file
from diffio_watch.disk.mounts import expected_but_unmounted
from diffio_watch.journal import Journal


class CannotRebuild(Exception):
    """Something that has to be mended first. Its text says what; nothing of what was learned is lost by it."""


@dataclass(frozen=True, slots=True)
class HeldRoot:
    """A root folder, open.

    Attributes:
        inbox: whose it is.
        role: what it is used as.
        folder: it.
        seen: its marker as it was when the rebuild began; None: there was none, or a damaged one.
        damaged: there was one, and nobody can say whose.
    """

    inbox: Inbox
    role: marker.Role
    folder: marker.Held
    seen: marker.Marker | None
    damaged: bool

    def must_be_same(self) -> None:
        """What is found, or written, by path is of this folder only if the path still leads here and nobody else came.

        Raises:
            CannotRebuild: that is not so. The folder is left as it is.
        """
        try:
            self.folder.must_be()
            found, _ = _marker(self.folder)
        except marker.FolderGone as error:
            raise _gone(self.inbox, self.role, self.folder.root, str(error)) from error
        if found == self.seen:
            return
        if found is None:
            raise _gone(self.inbox, self.role, self.folder.root, f"its marker {marker.NAME} is missing or damaged now")
        # the machine that this journal was copied from, too, has to be dead: it counts in its markers before it pays
        raise CannotRebuild(f"Another daemon works on in the {self.role} of {self.inbox.name}, or took it over just now"
                            f" ({marker.whose(found)}): stop that one first, or two would pay for everything.")

    def may_lack_marker(self, journal: Journal) -> None:
        """Without a marker it may be new, or read-only; but not where the journal knows one, or another mount there.

        Such a folder is an empty mount point, whatever the system tells of it, and not all that was paid for.

        Raises:
            CannotRebuild: that is so.
        """
        if self.seen is not None or self.damaged:
            return
        try:
            marker.inspect(self.folder, self.role, self.inbox.name, journal.id, journal.folders)
        except marker.MarkerError as error:
            raise CannotRebuild(f"{_gone(self.inbox, self.role, self.folder.root, str(error))} If it is the right one "
                                f"as it is, run `diffio-watch journal adopt {self.inbox.name}` first.") from error


@contextlib.contextmanager
def held(config: Config) -> Iterator[list[HeldRoot]]:
    """Every root folder of the configuration.

    All of them have to be there: what could not be seen of one would be paid for again as soon as it is back.

    Raises:
        CannotRebuild: one is not, or is another one by its marker.
    """
    with contextlib.ExitStack() as stack:
        yield [_hold(stack, *place) for place in folders(config)]


def _hold(stack: contextlib.ExitStack, inbox: Inbox, role: marker.Role, path: Path) -> HeldRoot:
    try:
        folder = stack.enter_context(marker.hold(str(path)))
        point = expected_but_unmounted(str(path))
        folder.must_be()
        found, damaged = _marker(folder)
    except marker_file.MarkerHidden as error:
        raise CannotRebuild(f"The {role} of {inbox.name}, {path}, {claims.HIDDEN}") from error
    except marker.FolderGone as error:
        raise _gone(inbox, role, path, str(error)) from error
    if point is not None:
        raise CannotRebuild(f"The {role} of {inbox.name}, {path}, is not mounted: run `mount {point}` first.")
    if found is not None and found.role != role:
        raise CannotRebuild(f"{path} is configured as the {role} of {inbox.name}, and its marker says that it is the "
                            f"{found.role} of {found.name}: correct the configuration.")
    return HeldRoot(inbox, role, folder, found, damaged)


def _marker(folder: marker.Held) -> tuple[marker.Marker | None, bool]:
    """The marker, and whether it is damaged: then it is written anew."""
    try:
        return marker.read(folder.fd), False
    except marker_file.MarkerHidden:
        raise
    except marker.FolderGone:
        return None, True


def _gone(inbox: Inbox, role: marker.Role, path: str | Path, why: str) -> CannotRebuild:
    return CannotRebuild(f"The {role} of {inbox.name}, {path}: {why}. It is left as it is: bring it back, or take "
                         f"{inbox.name} out of the configuration, and run the rebuild again.")
