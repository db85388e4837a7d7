"""What the journal says stands in an inbox, and whether a new path is an old file under a new name."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace

from diffio_watch.disk.reading import Interrupted, always
from diffio_watch.intake.fingerprint import partial
from diffio_watch.intake.judge import Place
from diffio_watch.intake.scan import Seen
from diffio_watch.journal.records import Known


class Standing:
    """The journal's files of one inbox, kept in step with what intake tells it."""

    def __init__(self, known: Iterable[Known] = ()) -> None:
        self._by_path: dict[str, Known] = {}
        self._by_facts: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
        for one in known:
            self.put(one)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_path)

    def get(self, path: str) -> Known | None:
        """What stands at a path."""
        return self._by_path.get(path)

    def holds(self, path: str) -> bool:
        """Whether anything stands at a path or below it."""
        return path in self._by_path or any(one.startswith(f"{path}/") for one in self._by_path)

    def put(self, known: Known) -> None:
        """This stands there from now on."""
        self.remove(known.path)
        self._by_path[known.path] = known
        self._by_facts[known.size, known.mtime_ns].add(known.path)

    def remove(self, path: str) -> Known | None:
        """Nothing stands there from now on."""
        known = self._by_path.pop(path, None)
        if known is not None:
            self._by_facts[known.size, known.mtime_ns].discard(path)
        return known

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
        for old in sorted(self._like(seen)):
            if not going():
                raise Interrupted
            known = self._by_path[old]
            if old == path or old in taken or _stands(place, old, seen):
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
        """Files were renamed, all at once."""
        taken = [(new, self.remove(old)) for old, new in moves]
        for new, known in taken:
            if known is not None:
                self.put(replace(known, path=new, renamed=known.renamed or known.sha256 is not None))

    def _like(self, seen: Seen) -> list[str]:
        return [path for path in self._by_facts.get((seen.size, seen.mtime_ns), ())
                if not seen.inode or not (number := self._by_path[path].inode) or number == seen.inode]


def is_same(known: Known, facts: Seen) -> bool:
    """Whether a file is surely the one the journal knows at its path, so that it is not read again."""
    return not known.changed and not known.renamed and (known.size, known.mtime_ns) == (facts.size, facts.mtime_ns) \
        and (not known.inode or not facts.inode or known.inode == facts.inode)


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
