"""The journal as markers need it: who asks, and what is remembered of each folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from diffio_watch.disk.keeper import NOBODY, Keeper
from diffio_watch.disk.marker_file import Role


@dataclass(frozen=True, slots=True)
class FolderMemory:
    """What a journal remembers of a folder whose marker it wrote or took over.

    `source` is the mount source (device or share) at that time. It is how a read-only inbox, which can hold
    no marker, is known again; `marked` is False for such a one. `path` is where the folder was then; `sealed` says
    that its marker has a seal; `former` are names that the inbox had, one of which the marker may say still.
    """

    role: Role
    name: str  # of the inbox that the folder belongs to
    source: str
    marked: bool = True
    path: str = ""
    sealed: bool = False
    former: tuple[str, ...] = ()


@dataclass(slots=True)
class Owner:
    """The journal that asks: its id, its keeper, and its counter, which grows while the daemon runs.

    Markers get them all.
    """

    journal: str
    counter: int
    keeper: Keeper = NOBODY


class Book(Protocol):
    """The journal as markers need it. What it is told is on disk when the call returns."""

    @property
    def secret(self) -> bytes:
        """What only this journal and its copies have."""

    def could_count(self, counter: int) -> bool:
        """Whether a newer state of this journal may have come to a counter by now."""

    def get(self, role: Role, name: str) -> FolderMemory | None:
        """What is known of a folder; None: it was never used."""

    def set(self, memory: FolderMemory) -> None:
        """Remember a folder."""

    def count_of(self, role: Role, name: str) -> int:
        """The highest counter that may have been written into a folder's marker; 0 where none was."""

    def count(self, role: Role, name: str, counter: int) -> None:
        """Remember a counter that is about to be written; one that was higher stays."""
