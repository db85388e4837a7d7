"""What the journal says stands in an inbox, and whether a new path is an old file under a new name."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final

from diffio_watch.disk.place import Place
from diffio_watch.disk.reading import Interrupted, always
from diffio_watch.intake.fingerprint import partial
from diffio_watch.intake.scan import Seen
from diffio_watch.journal.records import Known, Stand

_MANY: Final = 1000
_UNLIKE: Final = Seen(-1, -1)  # no file looks so


class Standing:
    """The journal's files of one inbox, kept in step with what intake tells it.

    Memory has of each only what a look at it must tell so that there is nothing to do; the journal has the rest.

    Args:
        ask: the journal's word on a path.
    """

    def __init__(self, ask: Callable[[str], Known | None]) -> None:
        self._ask = ask
        self._facts: dict[str, Seen] = {}
        self._unsure: set[str] = set()  # what is to be looked into whatever a look tells
        # what left is held against `_facts`, and goes from these two when it outnumbers what stands
        self._left = 0
        self._alike: defaultdict[tuple[int, int], list[str]] = defaultdict(list)  # by size and time
        self._folders: set[str] = set()

    def renew(self, stands: Iterable[Stand]) -> None:
        """Forget all, and learn it anew from the journal."""
        self._facts.clear()
        self._unsure.clear()
        self._forget_what_left()
        for path, size, mtime_ns, inode, renamed in stands:
            self.put(path, Seen(size, mtime_ns, inode or 0), unsure=renamed)

    def __contains__(self, path: str) -> bool:
        return path in self._facts

    def get(self, path: str) -> Known | None:
        """What the journal says of the file that stands at a path; None where none does."""
        known = self._ask(path) if path in self._facts else None
        return known if known is not None and known.mtime_ns != -1 else None

    def holds(self, path: str) -> bool:
        """Whether anything stands, or stood, at a path or below it."""
        return path in self._facts or path in self._folders

    def is_same(self, path: str, seen: Seen) -> bool:
        """Whether a file is surely the one that the journal knows at its path, so that it is not read again."""
        known = self._facts.get(path)
        return known is not None and path not in self._unsure and _fits(known, seen)

    def unchanged(self) -> dict[str, Seen]:
        """How everything that stands must look to be the same; what is unsure can't."""
        return self._facts | dict.fromkeys(self._unsure, _UNLIKE)

    def put(self, path: str, seen: Seen, *, unsure: bool = False) -> None:
        """This stands there from now on, and where it is `unsure` it has to be looked into."""
        before = self._facts.get(path)
        self._facts[path] = seen
        if before is None or before[:2] != seen[:2]:
            self._index(path, seen)
            self._left += before is not None
        if unsure:
            self._unsure.add(path)
        else:
            self._unsure.discard(path)

    def doubt(self, path: str) -> None:
        """What stands there has to be looked into, whatever a look tells."""
        if path in self._facts:
            self._unsure.add(path)

    def remove(self, path: str) -> Seen | None:
        """Nothing stands there from now on."""
        self._unsure.discard(path)
        known = self._facts.pop(path, None)
        self._left += known is not None
        if self._left > _MANY + len(self._facts):
            self._forget_what_left()
        return known

    def _index(self, path: str, seen: Seen) -> None:
        self._alike[seen[:2]].append(path)
        folder = path
        while (folder := folder.rpartition("/")[0]) and folder not in self._folders:
            self._folders.add(folder)

    def _forget_what_left(self) -> None:
        self._left = 0
        self._alike.clear()
        self._folders.clear()
        for path, seen in self._facts.items():
            self._index(path, seen)

    def former_name(self, place: Place, path: str, seen: Seen, going: Callable[[], bool] = always,
                    taken: Container[str] = ()) -> str | None:
        """The path that the file at `path` had before, none of the taken; None if it was not renamed.

        A rename keeps size and time, the inode number where that can be trusted, and the cheap fingerprint: numbers of
        deleted files are given out again, and many files of one size and time come out of one archive. The old path
        holds the file no longer.

        `going` is asked before each candidate.

        Raises:
            Interrupted: `going` said False.
            OSError: the file can't be read.
        """
        fingerprint = ""
        for old in self._like(seen):
            if not going():
                raise Interrupted
            if old == path or old in taken or _stands(place, old, seen) or (known := self.get(old)) is None:
                continue
            if not known.partial:  # told by a sidecar alone: only the number can say so
                if seen.inode and seen.inode == known.inode and known.sha256 is not None:
                    return old
                continue
            fingerprint = fingerprint or _fingerprint(place, path, seen.size)
            if fingerprint == known.partial:
                return old
        return None

    def perhaps(self, files: Iterable[Seen]) -> set[str]:
        """The paths that these files may have had before, by what a look at them tells."""
        return {old for seen in files for old in self._like(seen)}

    def moved(self, moves: Sequence[tuple[str, str]]) -> None:
        """Files were renamed, all at once; whether they have to be read anew the journal says."""
        for (_, new), facts in zip(moves, [self.remove(old) for old, _ in moves], strict=True):
            if facts is not None:
                self.put(new, facts, unsure=True)

    def _like(self, seen: Seen) -> list[str]:
        """Paths at which a file stands that looks so."""
        return sorted({path for path in self._alike.get(seen[:2], ())
                       if (known := self._facts.get(path)) is not None and _fits(known, seen)})


def is_same(known: Known, seen: Seen) -> bool:
    """Whether a file is surely the one the journal knows at its path, so that it is not read again."""
    return not known.changed and not known.renamed and _fits(Seen(known.size, known.mtime_ns, known.inode or 0), seen)


def _fits(known: Seen, seen: Seen) -> bool:
    """Whether what is known may look so: in size, time, and inode number where both tell one."""
    return known[:2] == seen[:2] and (known.inode == seen.inode or not known.inode or not seen.inode)


def is_absent(place: Place, path: str) -> bool:
    """Whether there is surely no regular file at a path. What can't be told is no absence."""
    try:
        status = os.stat(f"{place.root}/{path}", follow_symlinks=place.follow_symlinks)  # noqa: PTH116 - joined as text: in a Path an absolute one would replace the root
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return not stat.S_ISREG(status.st_mode)


def _stands(place: Place, path: str, seen: Seen) -> bool:
    """Whether the very file that was seen under another name stands here (too: then they are links of one another)."""
    try:
        status = os.stat(f"{place.root}/{path}", follow_symlinks=place.follow_symlinks)  # noqa: PTH116 - joined as text: in a Path an absolute one would replace the root
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # it can't be told: no rename is inferred
    return Seen.of(status, inodes=place.inodes) == seen


def _fingerprint(place: Place, path: str, size: int) -> str:
    descriptor = place.open(path)
    try:
        return partial(descriptor, size)
    finally:
        os.close(descriptor)
