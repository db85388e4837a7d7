"""What it means to take over the folders of an inbox: whose they are, who works there, what may be paid for again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffio_watch.config import Config, Inbox
from diffio_watch.daemon import claims
from diffio_watch.daemon.startup import CannotRun
from diffio_watch.disk import marker
from diffio_watch.disk.marker_file import MarkerHidden
from diffio_watch.disk.mounts import mount_of
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.scan import RootGone, scan
from diffio_watch.journal import Journal
from diffio_watch.journal.records import Role
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import OutboxError


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a person is to know before folders are taken over.

    Attributes:
        told: whose they are, in sentences.
        works: the sentence about a folder where another daemon is at work; None where that is so of none.
        way_back: how the newest copy of a lost journal is put back; "" where there is none.
        unknown: how many recordings lie in the inboxes that this journal knows nothing of.
        markers: what was found in each folder, by path; None where it is none or damaged.
    """

    told: tuple[str, ...]
    works: str | None
    way_back: str
    unknown: int
    markers: dict[Path, marker.Marker | None]

    @property
    def asks(self) -> bool:
        """Whether it is a person's decision."""
        return bool(self.told) or self.unknown > 0


def look(config: Config, inboxes: list[Inbox], journal: Journal | None, now: float) -> Takeover:
    """Look at the folders of some inboxes; nothing is written.

    Args:
        config: the configuration.
        inboxes: which of its inboxes.
        journal: the one that is to have them; None: it will be made.
        now: seconds since the epoch.

    Raises:
        CannotRun: it can't be seen whose one of them is.
    """
    told: list[str] = []
    works = None
    back = ""
    unknown = 0
    markers = {}
    for inbox in inboxes:
        taken = False
        for role, path in roots(inbox):
            found = markers[path] = _marker(inbox, role, path)
            mine = journal is not None and found is not None and found.journal == journal.id
            taken = taken or not mine
            if found is None or mine:
                continue
            sentence = f"The {role} of {inbox.name}, {path}, belongs to {claims.claim(found, now)}."
            told.append(sentence)
            works = works or (sentence if claims.works_there(found, now) else None)
            back = back or claims.way_back(config.state_dir, to=found.journal)
        if taken:
            unknown += _unknown(inbox, journal)
            if not told and _has_sidecars(inbox) and (journal is None
                                                      or journal.folders.get("outbox", inbox.name) is None):
                back = back or claims.way_back(config.state_dir, but=None if journal is None else journal.id)
    return Takeover(tuple(told), works, back, unknown, markers)


def roots(inbox: Inbox) -> list[tuple[Role, Path]]:
    """The root folders of an inbox."""
    found: list[tuple[Role, Path]] = [("inbox", inbox.path), ("outbox", inbox.outbox)]
    return found if inbox.archive is None else [*found, ("archive", inbox.archive)]


def _marker(inbox: Inbox, role: Role, path: Path) -> marker.Marker | None:
    try:
        return marker.read(str(path))
    except MarkerHidden as error:
        raise CannotRun(f"The {role} of {inbox.name}, {path}, {claims.HIDDEN}") from error
    except marker.FolderGone:
        return None  # damaged: it is written anew


def _unknown(inbox: Inbox, journal: Journal | None) -> int:
    """How many recordings in an inbox the journal would take for new ones, at a look."""
    rules = Rules(inbox.name, inbox.include, inbox.exclude, recursive=inbox.recursive)
    try:
        found = scan(str(inbox.path), rules, inodes=mount_of(str(inbox.path)).inodes, going=lambda: True,
                     follow_symlinks=inbox.follow_symlinks)
    except RootGone:
        return 0  # it can't be taken over either
    known = {} if journal is None else journal.files.known(inbox.name)
    return sum(1 for path, seen in found.files.items()
               if path not in known or (known[path].size, known[path].mtime_ns) != (seen.size, seen.mtime_ns))


def _has_sidecars(inbox: Inbox) -> bool:
    def first() -> Iterator[object]:
        yield from Outbox(str(inbox.outbox), inbox=inbox.name, available=lambda: None).sidecars()

    try:
        return next(first(), None) is not None
    except OutboxError:
        return False


def question(found: Takeover) -> list[str]:
    """What there is to say before a person decides, in lines."""
    lines = list(found.told)
    if found.unknown:
        recordings = "1 recording lies" if found.unknown == 1 else f"{found.unknown} recordings lie"
        lines.append(f"{recordings} in the inbox that this journal does not know: what was restored before could be "
                     "paid for again, as far as no sidecar in the outbox tells of it.")
    rest = "`diffio-watch journal rebuild` is safer: it learns from the sidecars, and holds the rest until you decide."
    return [*lines, f"{found.way_back}{rest}"]
