"""Folders in use, and what others do to them right while the program is at it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from diffio_watch.disk import marker
from diffio_watch.journal import Journal


def use(journal: Journal, name: str, **roots: Path) -> None:
    """Have a journal use the folders of an inbox, as its daemon does; each by its role."""
    owner = marker.Owner(journal.id, int(journal.meta("starts") or 0))
    for role in get_args(marker.Role):
        if role in roots:
            marker.check(str(roots[role]), role, name, owner, journal.folders)


def mount(source: str, root: Path, options: str = "size=1m") -> None:
    """Mount an empty filesystem."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, source, root], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a filesystem can't be mounted here")


def unmount(root: Path) -> None:
    """Have a share go, whoever is at it."""
    subprocess.run(["umount", "--lazy", root], check=True)


@contextmanager
def read_only(source: str, root: Path, files: dict[str, bytes]) -> Iterator[None]:
    """A share with some files that can't be written; it may be gone at the end."""
    mount(source, root)
    try:
        for name, content in files.items():
            (root / name).write_bytes(content)
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", root], check=False, capture_output=True)


def meanwhile(patch: pytest.MonkeyPatch, owner: object, call: str, *, before: Callable[[], object] = int,
              after: Callable[[], object] = int) -> None:
    """Have something happen once, right before or after a call."""
    real, times = getattr(owner, call), iter((True,))

    def called(*given: object, **more: object) -> object:
        first = next(times, False)
        if first:
            before()
        try:
            return real(*given, **more)
        finally:
            if first:
                after()

    patch.setattr(owner, call, called)


def swapped(root: Path) -> None:
    """A share goes, and what was beneath it comes to light."""
    root.rename(root.parent / "share")
    root.mkdir()
