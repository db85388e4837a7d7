"""Seeing files: hints looked at, scans, renames followed, absence inferred."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Final

import structlog

from diffio_watch.disk.names import show
from diffio_watch.disk.place import inside, somebodys
from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.batches import all_or_each
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.known_files import Standing, is_absent, is_same
from diffio_watch.intake.presence import Desk, Presence
from diffio_watch.intake.scan import RootGone, Scan, Seen, scan, seen_at
from diffio_watch.intake.settle import Settling
from diffio_watch.intake.unreadable import Blind, noted
from diffio_watch.intake.watch import identity
from diffio_watch.job import Media, State

_SOON: Final = 1.0  # seconds
_MOST_LINES: Final = 20  # of the log, about files that were renamed at once
_HAD: Final = frozenset({State.DELIVERED, State.SKIPPED})  # it is restored, and its outputs may have been taken since
_log = structlog.get_logger(__name__)


class Finder:
    """Brings what is in the inbox before the settle tracker, and tells the journal what moved or is gone.

    Attributes:
        standing: what the journal says stands in the inbox.
        scans: whole scans done.
        alone: files whose names say nothing and in which no sound was found, as they looked then.
        blind: folders and files that could not be looked at in the last whole scan.
        changes: counts up with what changes in `blind`.
        scan_at: when the next one is due, monotonic.
        last_scan_at: when the last one ended, in seconds since the epoch.
    """

    def __init__(self, desk: Desk, presence: Presence, files: Settling) -> None:
        inbox = desk.inbox
        self._desk = desk
        self._presence = presence
        self._files = files
        self._rules = Rules.of(inbox)
        self._missing: set[str] = set()  # absent in the last scan; gone if absent in the next one too
        self._not_followed: set[str] = set()  # renamed files that the journal could not take for such
        self._somebodys: set[str] = set()  # folders with a marker, as the last scan met them
        self._earliest = 0.0  # for a scan, monotonic: a big inbox is not scanned all the time
        self.doubtful: set[str] = set()  # paths whose job was changed in the journal by others
        self.costly: set[str] = set()  # files into which a look takes long, or does not come back: theirs is the last
        self.alone: dict[str, Seen] = {}
        self.blind: dict[str, Blind] = {}
        self.changes = 0
        self.standing = Standing(lambda path: desk.journal.files.known_at(desk.name, path))
        self.astray = True  # memory may not be in step with the journal
        self.scans = 0
        self.scan_at = 0.0
        self.last_scan_at: float | None = None

    def find(self) -> None:
        """Look at what was hinted at, and scan if that is due."""
        paths, lost = self._desk.hints.take()
        if lost:
            self._scan_by(0.0)
        left = self._desk.hints.take_left()
        while self.doubtful:
            self.standing.doubt(self.doubtful.pop())
        seen: dict[str, Seen] = {}
        walked: set[str] = set()  # a tree that is made here gives a hint for each folder in it
        for path in sorted(paths):
            if path not in walked and path not in seen and self._alive():
                seen |= self._look(path, walked)
        self._forget_what_left(left, seen)
        self.see(seen)
        if self._desk.clock.monotonic() >= self.scan_at:
            self.scan()

    def _forget_what_left(self, left: set[str], seen: dict[str, Seen]) -> None:
        """What was away between two looks, and looks as before, was brought again: a drop is a wish."""
        for path in seen if left else ():
            parts = path.split("/")
            if not any("/".join(parts[:depth]) in left for depth in range(1, len(parts) + 1)):
                continue
            known = self.standing.get(path)
            if known is not None and known.state in _HAD:
                self._desk.journal.files.vanish(self._desk.name, [path])
                self.standing.remove(path)

    def see(self, seen: dict[str, Seen]) -> None:
        """Take note of files: known ones pass, renamed ones take their jobs along, the others have to settle."""
        moves: dict[str, str] = {}
        now, at = self._desk.clock.monotonic(), self._desk.clock.now()
        for path, facts in seen.items():
            known = None if (same := self.standing.is_same(path, facts)) else self.standing.get(path)
            if same or (known is not None and is_same(known, facts)):
                self.standing.put(path, facts)
                self._files.drop(path)
                continue
            if self.alone.get(path) == facts and known is None:
                continue
            self.alone.pop(path, None)
            self._alive()  # many renamed ones may have to be looked into
            old = self.former_name(path, facts, moves)
            if old is not None:
                moves[old] = path
                continue
            other = known is None or (known.size, known.mtime_ns) != (facts.size, facts.mtime_ns)
            if known is not None and path not in self._files and (known.changed or other):
                self._files.quiet.finished_changed(now)
            self._files.see(path, facts, now, at, new=other and self._rules.takes(path),
                            slow=path in self.costly or (known is not None and known.sha256 is not None))
            self._files.hint(path, facts, now)
        self.move(moves)
        for path in moves.values():
            known = self.standing.get(path)
            if known is not None and known.renamed:
                self._files.see(path, seen[path], now, at, new=False, slow=True)
            elif known is not None:
                self.standing.put(path, Seen(known.size, known.mtime_ns, known.inode or 0), unsure=known.changed)

    def move(self, moves: dict[str, str]) -> None:
        """Files were renamed: from their old paths to their new ones. What can't be followed settles as a new file."""
        if not moves:
            return
        desk = self._desk

        def not_followed(move: tuple[str, str], error: Exception) -> None:
            _log.exception("file.not_followed", inbox=desk.name, path=show(move[1]), was=show(move[0]), exc_info=error)
            self._not_followed.add(move[1])
            del moves[move[0]]

        all_or_each(list(moves.items()), lambda some: desk.journal.files.move(desk.name, some), not_followed)
        self.standing.moved(list(moves.items()))
        for new in moves.values():
            self._files.drop(new)
        for old, new in [*moves.items()][:_MOST_LINES]:
            _log.info("file.renamed", inbox=self._desk.name, path=new, was=show(old))
        if len(moves) > _MOST_LINES:
            _log.info("files.renamed", inbox=self._desk.name, count=len(moves))

    def former_name(self, path: str, facts: Seen, taken: Container[str]) -> str | None:
        """The path that a file had before, none of the taken; None if it was not renamed, or that can't be told now."""
        known = self.standing.get(path)
        if known is not None and known.renamed and is_same(replace(known, renamed=False), facts):
            return None  # its equals may have been renamed too: it came from one place only
        if path in self._not_followed:
            return None
        try:
            return self.standing.former_name(self._presence.place, path, facts, self._desk.going, taken)
        except OSError:
            return None  # it is asked again before the file is journalled

    def scan(self) -> None:
        """Walk through the whole inbox, and believe it if the inbox was there before and after."""
        began = self._desk.clock.monotonic()
        files = self._desk.journal.files
        if self.astray:
            self.standing.renew(files.standing(self._desk.name))
            self.astray = False
        changed = files.changed(self._desk.name)
        for path in changed:
            self.standing.doubt(path)
        folder = identity(self._desk.root)
        try:
            found = self._walk("", self.standing.unchanged())
        except RootGone as error:
            self._presence.lose(f"it can't be listed ({error})")
            return
        if not self._presence.check() or folder is None or folder != identity(self._desk.root):
            self._missing.clear()
            self._desk.hints.lose()
            self._earliest = self._desk.clock.monotonic() + _SOON
            return
        for root in sorted(found.roots - self._somebodys):
            _log.warning("folder.not_entered", inbox=self._desk.name, path=show(root),
                         why="it holds a marker: it is the root of an inbox, an outbox or an archive")
        self._somebodys = found.roots
        self._note_blind(found)
        self.alone = {path: seen for path, seen in self.alone.items() if path in found.files}
        found.files |= self._asked_for(changed, found)
        self.see(found.files)
        self._infer_absence(found)
        self.scans += 1
        self.last_scan_at = self._desk.clock.now()
        now = self._desk.clock.monotonic()
        self._earliest = now + 10 * (now - began)
        self.scan_at = max(now + self._presence.rescan, self._earliest)
        if self._missing:
            self._scan_by(now + _SOON)

    def wanted(self, path: str) -> Callable[[Media], bool] | None:
        """Whether what a file holds is meant, where its name says nothing; None where the name says it."""
        return self._rules.wants if self._rules.looks_into(path) else None

    def leave_alone(self, path: str, seen: Seen) -> None:
        """There is nothing in a file whose name says nothing; it is not looked into again until it changes."""
        self.alone[path] = seen
        self._files.drop(path)

    def _note_blind(self, found: Scan) -> None:
        """What could not be looked at is told, and never passed over."""
        before = self.blind
        self.blind = noted(before, found.blind, self._desk.clock.now())
        if before != self.blind:
            self.changes += 1
        for path in sorted(self.blind.keys() - before.keys()):
            _log.warning("path.not_looked_at", inbox=self._desk.name, path=show(path), why=self.blind[path].detail)

    def _asked_for(self, changed: list[str], found: Scan) -> dict[str, Seen]:
        """Files whose jobs wait to be looked at, whatever the configuration says of their names by now."""
        asked = [path for path in changed if path not in found.files and not found.is_somebodys(path)]
        return {path: seen for path in asked if (seen := self._there(path)) is not None}

    def _alive(self) -> bool:
        """Show life before a call. Always true.

        Raises:
            Interrupted: the program stops.
        """
        if not self._desk.going():
            raise Interrupted
        return True

    def _there(self, path: str) -> Seen | None:
        self._alive()
        return seen_at(self._desk.root, path, follow_symlinks=self._desk.inbox.follow_symlinks,
                       inodes=self._presence.mount.inodes)

    def _infer_absence(self, found: Scan) -> None:
        for entry in self._files:
            if found.shows_absent(entry.path) or found.is_somebodys(entry.path):
                self._files.drop(entry.path)
        place = self._presence.place
        # what may have been renamed to a file that settles, perhaps for it could not be read, is not gone
        renamed = self.standing.perhaps(entry.seen for entry in self._files) if found.unmet else ()
        unseen = [path for path in found.unmet if path not in renamed and found.shows_absent(path)]
        absent = {path for path in unseen if self._alive() and is_absent(place, path)}
        # a folder moved during the walk, from where it was not yet to where it had been, is in neither place:
        # what is absent in two scans is gone
        gone = sorted(absent & self._missing)
        self._missing = absent - set(gone)
        if gone:
            all_or_each(gone, lambda some: self._desk.journal.files.vanish(self._desk.name, some), self._not_gone)
            for path in gone:
                self.standing.remove(path)
            _log.debug("files.vanished", inbox=self._desk.name, count=len(gone))

    def _not_gone(self, path: str, error: Exception) -> None:
        _log.exception("file.not_forgotten", inbox=self._desk.name, path=show(path), exc_info=error)
        self.astray = True  # the journal still has it, and the next scan tries again

    def _look(self, path: str, walked: set[str]) -> dict[str, Seen]:
        """What a hint leads to: a file, a folder with all that is in it, or nothing. Adds what it `walked` through."""
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
                found = self._walk(path)
            except RootGone:
                self._miss(path)
            else:
                walked |= found.folders
                if found.blind.keys() - self.blind.keys():
                    self._scan_by(self._desk.clock.monotonic())  # which tells of it
                return found.files
        if stat.S_ISREG(status.st_mode) and self._rules.concerns(path):
            return {path: Seen.of(status, inodes=self._presence.mount.inodes)}
        return {}

    def _miss(self, path: str) -> None:
        """A hint led nowhere: only a scan may say that something is gone."""
        self._files.drop(path)
        if self.standing.holds(path):
            self._scan_by(self._desk.clock.monotonic())

    def _scan_by(self, moment: float) -> None:
        self.scan_at = min(self.scan_at, max(moment, self._earliest))

    def _walk(self, below: str, expected: dict[str, Seen] | None = None) -> Scan:
        return scan(self._desk.root, self._rules, inodes=self._presence.mount.inodes, going=self._desk.going,
                    below=below, follow_symlinks=self._desk.inbox.follow_symlinks, expected=expected)
