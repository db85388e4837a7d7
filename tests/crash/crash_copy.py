"""What a kill leaves, without the kill: a copy in the very place of folders whose owner is stopped meanwhile.

Of a process that is gone nothing is left but its files, so a copy of them is what the next life finds. Who is stopped
keeps the true ones, by what it has open, and finds them where they were when it goes on. A copy has another inode
number; where the number counts, as in what is journalled of an original, there is a second name for the same file.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from diffio_watch.sandbox import Sandbox

File = tuple[int, int]  # device and inode number


@contextmanager
def in_the_place_of(folders: Iterable[Path], sandbox: Sandbox, same: Collection[File]) -> Iterator[None]:
    """Copies of these folders, and of all that the sandbox remembers; they are gone at the end.

    Args:
        folders: all that the stopped one can change.
        sandbox: it.
        same: files that nobody writes into; they stay the same.
    """
    with ExitStack() as copies:
        for folder in folders:
            copies.enter_context(_folder(folder, same))
        copies.enter_context(_memory(sandbox))
        yield


@contextmanager
def _folder(folder: Path, same: Collection[File]) -> Iterator[None]:
    true = folder.with_name(f"{folder.name} stopped")
    folder.rename(true)
    try:
        copy(true, folder, same)
        yield
    finally:
        shutil.rmtree(folder)
        true.rename(folder)


def copy(source: Path, target: Path, same: Collection[File]) -> None:
    """A folder with all that a program sees of it."""
    def each(path: str, into: str) -> str:
        facts = os.lstat(path)
        if (facts.st_dev, facts.st_ino) in same:
            os.link(path, into, follow_symlinks=False)
            return into
        assert facts.st_nlink == 1, f"{path} has another name, which a copy would not have"
        return str(shutil.copy2(path, into, follow_symlinks=False))

    shutil.copytree(source, target, symlinks=True, copy_function=each)


@contextmanager
def _memory(sandbox: Sandbox) -> Iterator[None]:
    """What it remembers is an object of its own; calls of the stopped one that are under way keep the true one."""
    true = sandbox._state

    def use(copied: bool) -> None:
        state = pickle.loads(pickle.dumps(true)) if copied else true
        sandbox._state = sandbox._origins.state = state

    sandbox._look(lambda: use(copied=True))
    try:
        yield
    finally:
        sandbox._look(lambda: use(copied=False))


def memory(sandbox: Sandbox) -> bytes:
    """All that it remembers, but for what it only counts."""
    def ask() -> bytes:
        state = sandbox._state
        return pickle.dumps(replace(state, calls=Counter(), seen=deque(), bytes_in=0, bytes_out=0, cut=0))

    return sandbox._look(ask)


def left(folders: Iterable[Path], sandbox: Sandbox, same: Collection[File]) -> list[object]:
    """All that a kill leaves and a copy has to have: the folders, file by file, and what the service remembers."""
    report = sandbox.report()
    del report["cut"]  # uploads that a kill cut off
    return [report, *content(folders, same)]


def content(folders: Iterable[Path], same: Collection[File]) -> list[object]:
    """Folders, file by file."""
    found: list[object] = []
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        facts = path.lstat()
        found.append((path, facts.st_mode, facts.st_uid, facts.st_gid, (facts.st_dev, facts.st_ino) in same))
        if path.is_symlink():
            found.append(path.readlink())
        elif path.is_file():
            found.append((facts.st_mtime_ns, path.read_bytes()))
    return found
