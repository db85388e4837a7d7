"""Seeing files: hints looked at, scans, renames followed, absence inferred."""

from __future__ import annotations

import os
import stat
from collections.abc import Container
from dataclasses import replace
from typing import Final

import structlog

from diffio_watch.disk.names import show
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.presence import Desk, Presence
from diffio_watch.intake.reading import Interrupted
from diffio_watch.intake.scan import RootGone, Scan, Seen, inside, scan, somebodys
from diffio_watch.intake.settle import Settling
from diffio_watch.intake.standing import Standing, is_absent
from diffio_watch.intake.watch import identity
from diffio_watch.journal.records import Known

_SOON: Final = 1.0  # seconds
_log = structlog.get_logger(__name__)


class Finder:
    """Brings what is in the inbox before the settle tracker, and tells the journal what moved or is gone.

    Attributes:
        standing: what the journal says stands in the inbox.
        scans: whole scans done.
        scan_at: when the next one is due, monotonic.
        last_scan_at: when the last one ended, in seconds since the epoch.
    """

    def __init__(self, desk: Desk, presence: Presence, files: Settling) -> None:
        inbox = desk.inbox
        self._desk = desk
        self._presence = presence
        self._files = files
        self._rules = Rules(inbox.name, inbox.include, inbox.exclude, recursive=inbox.recursive)
        self._missing: set[str] = set()  # absent in the last scan; gone if absent in the next one too
        self._somebodys: set[str] = set()  # folders with a marker, as the last scan met them
        self._earliest = 0.0  # for a scan, monotonic: a big inbox is not scanned all the time
        self.doubtful: set[str] = set()  # paths whose job was changed in the journal by others
        self.standing = Standing()
        self.scans = 0
        self.scan_at = 0.0
        self.last_scan_at: float | None = None

    def find(self) -> None:
        """Look at what was hinted at, and scan if that is due."""
        paths, lost = self._desk.hints.take()
        if lost:
            self._scan_by(0.0)
        seen: dict[str, Seen] = {}
        for path in sorted(paths):
            if not self._desk.going():
                raise Interrupted
            seen |= self._look(path)
        self.see(seen)
        if self._desk.clock.monotonic() >= self.scan_at:
            self.scan()

    def see(self, seen: dict[str, Seen]) -> None:
        """Take note of files: known ones pass, renamed ones take their jobs along, the others have to settle."""
        moves: dict[str, str] = {}
        now, at = self._desk.clock.monotonic(), self._desk.clock.now()
        for path, facts in seen.items():
            known = self.standing.get(path)
            if known is not None and is_same(known, facts):
                self._files.drop(path)
                continue
            if not self._desk.going():  # many renamed ones may have to be looked into
                raise Interrupted
            old = self.former_name(path, facts, moves)
            if old is not None:
                moves[old] = path
                continue
            other = known is None or (known.size, known.mtime_ns) != (facts.size, facts.mtime_ns)
            if known is not None and path not in self._files and (known.changed or other):
                self._files.quiet.finished_changed(now)
            self._files.see(path, facts, now, at, new=other, slow=known is not None and known.sha256 is not None)
            self._files.hint(path, facts, now)
        self.move(moves)
        for path in moves.values():
            known = self.standing.get(path)
            if known is not None and known.renamed:
                self._files.see(path, seen[path], now, at, new=False, slow=True)

    def move(self, moves: dict[str, str]) -> None:
        """Files were renamed: from their old paths to their new ones."""
        if not moves:
            return
        self._desk.journal.move(self._desk.name, list(moves.items()))
        self.standing.moved(list(moves.items()))
        for new in moves.values():
            self._files.drop(new)
        _log.info("files.renamed", inbox=self._desk.name, count=len(moves))

    def former_name(self, path: str, facts: Seen, taken: Container[str]) -> str | None:
        """The path that a file had before, none of the taken; None if it was not renamed, or that can't be told now."""
        known = self.standing.get(path)
        if known is not None and known.renamed and is_same(replace(known, renamed=False), facts):
            return None  # its equals may have been renamed too: it came from one place only
        try:
            return self.standing.former_name(self._presence.place, path, facts, taken)
        except OSError:
            return None  # it is asked again before the file is journalled

    def scan(self) -> None:
        """Walk through the whole inbox, and believe it if the inbox was there before and after."""
        began = self._desk.clock.monotonic()
        standing = Standing(self._desk.journal.known(self._desk.name).values())
        folder = identity(self._desk.root)
        try:
            found = self._walk("")
        except RootGone as error:
            self._presence.lose(f"it can't be listed ({error})")
            return
        if not self._presence.check() or folder is None or folder != identity(self._desk.root):
            self._missing.clear()
            self._desk.hints.lose()
            self._earliest = self._desk.clock.monotonic() + _SOON
            return
        self.standing = standing
        for root in sorted(found.roots - self._somebodys):
            _log.warning("folder.not_entered", inbox=self._desk.name, path=show(root),
                         why="it holds a marker: it is the root of an inbox, an outbox or an archive")
        self._somebodys = found.roots
        self.see(found.files)
        self._infer_absence(found)
        self.scans += 1
        self.last_scan_at = self._desk.clock.now()
        now = self._desk.clock.monotonic()
        self._earliest = now + 10 * (now - began)
        self.scan_at = max(now + self._presence.rescan, self._earliest)
        if self._missing:
            self._scan_by(now + _SOON)

    def _infer_absence(self, found: Scan) -> None:
        for entry in self._files:
            if found.shows_absent(entry.path) or found.is_somebodys(entry.path):
                self._files.drop(entry.path)
        place = self._presence.place
        # what may have been renamed to a file that settles, perhaps for it could not be read, is not gone
        renamed = self.standing.perhaps(entry.seen for entry in self._files)
        absent = {path for path in self.standing
                  if path not in renamed and found.shows_absent(path) and is_absent(place, path)}
        # a folder moved during the walk, from where it was not yet to where it had been, is in neither place:
        # what is absent in two scans is gone
        gone = sorted(absent & self._missing)
        self._missing = absent - set(gone)
        if gone:
            self._desk.journal.vanish(self._desk.name, gone)
            for path in gone:
                self.standing.remove(path)
            _log.debug("files.vanished", inbox=self._desk.name, count=len(gone))

    def _look(self, path: str) -> dict[str, Seen]:
        """What a hint leads to: a file, a folder with all that is in it, or nothing."""
        if path in self.doubtful:
            self.doubtful.discard(path)
            known = self._desk.journal.known_at(self._desk.name, path)
            if known is not None and known.mtime_ns != -1:
                self.standing.put(known)
        parents = path.split("/")[:-1]
        if not all(self._rules.enters("/".join(parents[:depth])) for depth in range(1, len(parents) + 1)):
            return {}
        try:
            if somebodys(self._desk.root, path) is not None:
                return {}
            status = os.lstat(f"{self._desk.root}/{path}")
            if stat.S_ISLNK(status.st_mode) and self._desk.inbox.follow_symlinks:
                real = inside(self._desk.root, path)
                status = os.lstat(real) if real is not None else status
        except OSError:
            self._miss(path)
            return {}
        if stat.S_ISDIR(status.st_mode) and self._rules.enters(path):
            try:
                return self._walk(path).files
            except RootGone:
                self._miss(path)
        if stat.S_ISREG(status.st_mode) and self._rules.takes(path):
            return {path: Seen.of(status, inodes=self._presence.mount.inodes)}
        return {}

    def _miss(self, path: str) -> None:
        """A hint led nowhere: only a scan may say that something is gone."""
        self._files.drop(path)
        if self.standing.holds(path):
            self._scan_by(self._desk.clock.monotonic())

    def _scan_by(self, moment: float) -> None:
        self.scan_at = min(self.scan_at, max(moment, self._earliest))

    def _walk(self, below: str) -> Scan:
        return scan(self._desk.root, self._rules, inodes=self._presence.mount.inodes, going=self._desk.going,
                    below=below, follow_symlinks=self._desk.inbox.follow_symlinks)


def is_same(known: Known, facts: Seen) -> bool:
    """Whether a file is surely the one the journal knows at its path, so that it is not read again."""
    return not known.changed and not known.renamed and (known.size, known.mtime_ns) == (facts.size, facts.mtime_ns) \
        and (not known.inode or not facts.inode or known.inode == facts.inode)
