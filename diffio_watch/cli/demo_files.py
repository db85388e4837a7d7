"""The recordings of a demo: those that were named, or a few samples."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from diffio_watch.cli.base import REFUSED, Trouble

INBOX: Final = "demo"


def drop(files: Sequence[Path], inbox: Path) -> list[str]:
    """Copy the files into the inbox, or make some there; their paths in it.

    Raises:
        Trouble: none of them is a recording, going by its name.
    """
    from diffio_watch.cli.sample import write_samples
    from diffio_watch.disk import names
    from diffio_watch.intake.junk import Rules

    if not files:
        return [str(path.relative_to(inbox)) for path in write_samples(inbox)]
    rules = Rules(INBOX, ("audio", "video"), (), recursive=True)
    dropped: list[str] = []
    for source, wanted in _sources(files):
        path = _free(wanted, set(dropped))
        if not rules.takes(path):
            shown = names.terminal(names.show(str(source)))
            click.echo(f"Left out: {shown} is no recording, going by its name.", err=True)
            continue
        target = inbox / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        dropped.append(path)
    if not dropped:
        raise Trouble("There is nothing to show: name some recordings, or none at all for a sample.", REFUSED)
    return dropped


def _sources(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each regular file that is named or lies in a named folder, and its path in the inbox."""
    for given in files:
        if not given.is_dir():
            yield given, given.name
            continue
        top = Path(os.path.abspath(given))
        for path in sorted(top.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path, str(path.relative_to(top.parent))


def _free(path: str, taken: set[str]) -> str:
    """The path, or with a number where two of one name were given."""
    stem, ext = os.path.splitext(path)
    number = 1
    while path in taken:
        number += 1
        path = f"{stem} ({number}){ext}"
    return path
