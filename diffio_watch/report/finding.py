"""Where is my file? What an editor who knows no more than its name is told, in an editor's words."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from diffio_watch import editors
from diffio_watch.disk import names
from diffio_watch.intake.explain import Explanation, outside
from diffio_watch.job import State
from diffio_watch.report import shapes
from diffio_watch.report.explaining import explained
from diffio_watch.report.resolve import Place, places
from diffio_watch.report.shapes import Shape
from diffio_watch.report.standing import Standing

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox
    from diffio_watch.journal import Journal

_PAGES: Final = 2  # of the newest jobs that are searched for a name
_PAGE: Final = 50
_PARTLY: Final = 3  # files that have it in their names, to be looked at
_SHORTEST: Final = 2  # characters of a part
_ENDINGS: Final = 4  # names at the end of a path that are looked for together
_SEPARATORS: Final = re.compile(r"[/\\]")
_RESULT: Final = 4  # points in a result's name before which its recording's may end
_LOOKED_AT: Final = 5000  # files below an inbox
_SECONDS: Final = 1.0  # … in so much time
_FOLDERS: Final = 5  # inboxes that are named
_DONE: Final = {State.DELIVERED: "is done", State.CANCELLED: "was left out"}


def meant(config: Config, journal: Journal, text: str) -> Iterator[Place]:
    """The places that a name, or a path within an inbox or on somebody's own machine, may mean, likeliest first.

    What waits to be picked up comes first, then the newest job of that name, then the one whose result is called so,
    then what waits and has this in its name, then the same place in each inbox. Looks at no disk.
    """
    inboxes = {inbox.name: inbox for inbox in config.inboxes}
    seen = set()
    for name, place in _candidates(config, journal, text):
        if name in inboxes and (name, place) not in seen:
            seen.add((name, place))
            yield Place(inboxes[name], place)


def _candidates(config: Config, journal: Journal, text: str) -> Iterator[tuple[str, str]]:
    readings = dict.fromkeys((text, names.parse(text)))
    for reading in readings:
        name, colon, rest = reading.partition(":")
        if colon and (path := _within(rest.lstrip("/"))) is not None:
            yield name, path  # as a command names it; of another inbox there is none
    waiting = _waiting(config, journal)
    whole = [path for reading in readings if (path := _within(reading)) is not None]
    parts = [path for reading in readings for path in _endings(reading)]
    for path in dict.fromkeys((*whole, *parts)):
        yield from ((name, place) for name, place in waiting if _ends_so(place, path))
        yield from _journalled(journal, path)
        yield from _results(journal, path)
    for path in whole:
        yield from islice(_with(waiting, path), _PARTLY)
    here = [] if text.startswith("/") else parts  # of a whole path on this machine it is known that it lies elsewhere
    for path in dict.fromkeys((*whole, *here)):
        yield from ((inbox.name, path) for inbox in config.inboxes)


def _within(text: str) -> str | None:
    """A path within an inbox; None where it is none."""
    path = os.path.normpath(text)
    return None if "\0" in path or path.startswith(("..", "/")) or path == "." else path


def _endings(text: str) -> list[str]:
    r"""The last names of a path on somebody's own machine, such as `Z:\show 12\a.wav`, the most of them first."""
    parts = [part for part in _SEPARATORS.split(text) if part not in {"", ".", ".."} and "\0" not in part]
    return ["/".join(parts[at:]) for at in range(max(0, len(parts) - _ENDINGS), len(parts))]


def anywhere(config: Config, text: str) -> list[Place]:
    """The places that a whole path, or `inbox:path`, may mean; asks the disk for links."""
    return list(places(config, text, "/"))


def answer(config: Config, journal: Journal, place: Place) -> Shape | None:
    """What there is to say about a place: its explanation, and beside it an editor's sentence and its job.

    Looks at the disk, so that it takes as long as a share does.
    """
    found = explained(config, journal, [place], running=True)
    return None if found is None else _told(config, journal, found, place.inbox.name)


def nowhere(config: Config, journal: Journal, text: str) -> Shape:
    """The same about what lies in no inbox."""
    return _told(config, journal, outside(text), "")


def is_known(told: Shape) -> bool:
    """Whether an answer is about the file that is meant: not that nothing is known, nor that nothing can be seen."""
    return told["verdict"] != "missing" and (told["verdict"] != "unavailable" or told["job"] is not None)


def below(inbox: Inbox, text: str) -> Place | None:
    """Where a file of a name lies in an inbox; None where it is none of the first few thousand there.

    Looks at the disk.
    """
    name = names.fold(_SEPARATORS.split(text)[-1])
    until, left, folders = time.monotonic() + _SECONDS, _LOOKED_AT, deque([""])
    while folders and left > 0 and time.monotonic() < until:
        folder = folders.popleft()
        try:
            with os.scandir(os.path.join(inbox.path, folder)) as entries:
                for entry in islice(entries, left):
                    left -= 1
                    path = os.path.join(folder, entry.name)
                    if names.fold(entry.name) == name:
                        return Place(inbox, path)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
        except OSError:
            continue  # what may not be looked into, or went away meanwhile, has nothing to tell
    return None


def _told(config: Config, journal: Journal, found: Explanation, inbox: str) -> Shape:
    row = None if found.job is None else Standing(journal).row(found.job)
    return shapes.explanation(found) | {"words": sentence(config, found, inbox, row), "row": row}


def _waiting(config: Config, journal: Journal) -> list[tuple[str, str]]:
    """All that is not picked up yet, the newest first."""
    now, names_of = journal.clock.now(), {inbox.name for inbox in config.inboxes}
    found = [(entry.since, inbox, entry.path) for inbox in names_of for entry in journal.inboxes.settling_in(inbox)]
    found += [(job.detected_at, job.inbox, job.path) for job in journal.overview.still_empty()
              if job.inbox in names_of and job.detected_at <= now]
    return [(name, place) for _, name, place in sorted(found, reverse=True)]


def _with(waiting: Iterable[tuple[str, str]], part: str) -> Iterator[tuple[str, str]]:
    """Those of whose name it is a part; it may be more than one word."""
    words = names.fold(part).split()
    return ((name, place) for name, place in waiting
            if len(part) >= _SHORTEST and all(word in names.fold(place) for word in words))


def _journalled(journal: Journal, path: str) -> Iterator[tuple[str, str]]:
    """The newest job whose path ends so: by its very name, else whatever its case."""
    name = path.rpartition("/")[2]
    for form in dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]):
        for job in journal.overview.named(form, _PAGE):
            if _ends_so(job.path, path):
                yield job.inbox, job.path
                return
    before = None
    for _ in range(_PAGES):
        page = journal.lists.page(_PAGE, words=" ".join(islice(path.split(), 5)), before=before)
        for job in page.jobs:
            if _ends_so(job.path, path):
                yield job.inbox, job.path
                return
        before = page.before
        if before is None:
            return


def _results(journal: Journal, path: str) -> Iterator[tuple[str, str]]:
    """The newest job whose result is called so: its name begins as its recording's does."""
    folder, slash, name = path.rpartition("/")
    stem = name
    for _ in range(_RESULT):
        stem = stem.rpartition(".")[0]
        if len(stem) < _SHORTEST:
            return
        for job in journal.lists.page(_PAGE, words=" ".join(islice(stem.split(), 5))).jobs:
            if any(one.path is not None and _ends_so(one.path, f"{folder}{slash}{name}") for one in job.outputs):
                yield job.inbox, job.path
                return


def _ends_so(path: str, end: str) -> bool:
    path, end = names.fold(path), names.fold(end)
    return path == end or path.endswith("/" + end)


def sentence(config: Config, found: Explanation, inbox: str, row: Shape | None) -> str:
    """What an editor is told of a file in an inbox; the same as its row, where it has one."""
    name = names.terminal(names.show(found.path.rpartition("/")[2]))
    if found.verdict == "missing":
        folders = ", ".join(names.terminal(names.show(str(one.path))) for one in config.inboxes[:_FOLDERS])
        return (f"No recording of the name {name} is known here. If it was just copied, wait a moment; else look "
                f"whether it is in one of these folders: {folders}.")
    if found.verdict == "outside":
        return f"{name} lies in no folder that is looked after: copy it into one."
    told = None if found.because is None else editors.words(found.because, 1, inbox)
    why = "" if told is None else f" {told.message} {told.action}"
    if row is not None and found.job is not None and found.verdict in {"job", "unavailable"}:
        state = found.job.state
        own = f" {row['words']} {row['words_action']}" if row["words"] else ""
        away = why if found.verdict == "unavailable" else ""
        own, away = own or ("" if away else why), "" if away == own else away
        if state is State.SKIPPED and own:  # it says itself what it is
            return f"{name}:{own}{away}"
        return f"{name} {_DONE.get(state, row['step'])}.{own}{away}"
    if found.verdict == "waiting":
        return f"{name} is there, and not picked up yet.{why}"
    if found.verdict == "unavailable":
        return f"Whether {name} is there can't be told now.{why}"
    if found.because is not None and found.because.code == "not_regular" and any(
            rule.name == "regular" and rule.detail in {"folder", "the inbox itself"} for rule in found.rules):
        return f"{name} is a folder: what lies in it is looked through. Type the name of a recording in it."
    return f"{name}:{why}" if why else f"{name} is not restored."
