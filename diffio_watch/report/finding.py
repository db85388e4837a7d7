"""Where is my file? What an editor who knows no more than its name is told, in an editor's words."""

from __future__ import annotations

import os
import unicodedata
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
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal

_PAGES: Final = 2  # of the newest jobs that are searched for a name
_PAGE: Final = 50
_PARTLY: Final = 3  # files that have it in their names, to be looked at
_SHORTEST: Final = 2  # characters of a part
_DONE: Final = {State.DELIVERED: "is done", State.CANCELLED: "was left out"}


def meant(config: Config, journal: Journal, text: str) -> Iterator[Place]:
    """The places that a name, or a path within an inbox, may mean, likeliest first. Looks at no disk.

    What waits to be picked up comes first, then the newest job of that name, then what waits and has this in its name,
    then the same place in each inbox.
    """
    inboxes = {inbox.name: inbox for inbox in config.inboxes}
    seen = set()
    for reading in dict.fromkeys((text, names.parse(text))):
        path = os.path.normpath(reading)
        if "\0" in path or path.startswith(("..", "/")) or path == ".":
            continue
        waiting = _waiting(config, journal)
        for name, place in (*((name, place) for name, place in waiting if _ends_so(place, path)),
                            *_journalled(journal, path), *islice(_with(waiting, path), _PARTLY),
                            *((inbox.name, path) for inbox in config.inboxes)):
            if name in inboxes and (name, place) not in seen:
                seen.add((name, place))
                yield Place(inboxes[name], place)


def anywhere(config: Config, text: str) -> list[Place]:
    """The places that a whole path, or `inbox:path`, may mean; asks the disk for links."""
    return list(places(config, text, "/"))


def answer(config: Config, journal: Journal, place: Place) -> Shape | None:
    """What there is to say about a place: its explanation, and beside it an editor's sentence and its job.

    Looks at the disk, so that it takes as long as a share does.
    """
    found = explained(config, journal, [place], running=True)
    return None if found is None else _told(journal, found, place.inbox.name)


def nowhere(journal: Journal, text: str) -> Shape:
    """The same about what lies in no inbox."""
    return _told(journal, outside(text), "")


def _told(journal: Journal, found: Explanation, inbox: str) -> Shape:
    return shapes.explanation(found) | {
        "words": sentence(found, inbox), "row": None if found.job is None else Standing(journal).row(found.job)}


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


def _ends_so(path: str, end: str) -> bool:
    path, end = names.fold(path), names.fold(end)
    return path == end or path.endswith("/" + end)


def sentence(found: Explanation, inbox: str) -> str:
    """What an editor is told of a file in an inbox."""
    name = names.show(found.path.rpartition("/")[2])
    if found.verdict == "missing":
        return f"There is no {name} in any folder that is looked after, and there never was."
    if found.verdict == "outside":
        return f"{name} lies in no folder that is looked after: copy it into one."
    told = None if found.because is None else editors.words(found.because, 1, inbox)
    why = "" if told is None else f" {told.message} {told.action}"
    if found.verdict == "job" and found.job is not None:
        state = found.job.state
        if state is State.SKIPPED and why:  # it says itself what it is
            return f"{name}:{why}"
        return f"{name} {_DONE.get(state, editors.STEPS[state])}.{why}"
    if found.verdict == "waiting":
        return f"{name} is there, and not picked up yet.{why}"
    return f"{name}:{why}" if why else f"{name} is not restored."
