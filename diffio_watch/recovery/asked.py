"""What an older copy of the journal leaves in doubt, asked of the service: was it bought since, or not?

The service knows projects by the names of their files, and a name proves nothing: others may use the same key, files
are renamed, and two are called alike. What proves which content a project holds is a row of the journal that has the
project, or the ledger of the outbox. By it one generation is adopted. A generation of which nobody knows what it is of
may be of every recording of its size, and keeps those held. What remains was not bought. Pure but for what it asks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diffio_watch.api.shapes import GenerationSummary, ProjectSummary
from diffio_watch.disk.names import show
from diffio_watch.job import Job
from diffio_watch.outbox.ledger import Entry
from diffio_watch.pipeline.generate import MODEL_ALIASES

_LONG_AGO: Final = 86400.0  # seconds: what began so long before the copy's last project, the copy would know


@dataclass(frozen=True, slots=True)
class Doubt:
    """A job of which the journal can't say whether it was bought.

    Attributes:
        job: its row.
        there: its file stands in the inbox.
        found: it is no row of the copy, but a file that stood in the inbox.
    """

    job: Job
    there: bool
    found: bool


@dataclass(frozen=True, slots=True)
class Bought:
    """A generation that is proved to be this job's."""

    project: str
    generation: GenerationSummary


@dataclass(frozen=True, slots=True)
class Unbought:
    """The service has none for it."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """A person has to say; `words` tell what was found, where that is more than what stands in the reason already."""

    words: str = ""


Verdict = Bought | Unbought | Unsure


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service says.

    Attributes:
        listed: every project that the key sees.
        generations: asks for those of a project; None where the key does not see it.
        size: asks how many bytes were uploaded to a project; None where that can't be had.
    """

    listed: Sequence[ProjectSummary]
    generations: Callable[[str], Sequence[GenerationSummary] | None]
    size: Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here.

    Attributes:
        service: base URL of the configured service.
        paid: projects of jobs that are paid for, sidecars included.
        unpaid: projects of other jobs.
        newest: the last project that the copy knew of; None where it knew of none.
        generation: whether one is of a known job.
        bought: contents that a known job has bought.
        ledgers: what the outboxes noted, by inbox.
    """

    service: str
    paid: Collection[str]
    unpaid: Collection[str]
    newest: str | None
    generation: Callable[[str], bool]
    bought: Collection[str]
    ledgers: Mapping[str, Sequence[Entry]]


def verdicts(doubts: Sequence[Doubt], seen: Seen, known: Known) -> dict[str, Verdict]:
    """A verdict for each doubtful job, by its id; nothing where the list can't be that of the journal's account."""
    listed = {one.project_id for one in seen.listed}
    if known.newest not in listed if known.newest is not None else listed.isdisjoint(known.paid):
        return {}  # another account's, as far as anything tells
    return _Round(doubts, seen, known).verdicts()


class _Round:
    """One look at everything."""

    def __init__(self, doubts: Sequence[Doubt], seen: Seen, known: Known) -> None:
        self._doubts = doubts
        self._seen = seen
        self._known = known
        self._places = {(one.job.inbox, one.job.sha256, show(one.job.path)) for one in doubts if one.there}
        self._contents: defaultdict[str, set[str]] = defaultdict(set)  # by project
        self._left: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # projects of files that are away
        for entries in known.ledgers.values():
            for entry in entries:
                if entry.service == known.service:
                    self._contents[entry.project].add(entry.sha256)
        for one in doubts:
            if one.job.project_id is not None and one.job.sha256 is not None:
                self._contents[one.job.project_id].add(one.job.sha256)
                if not one.there:
                    self._left[one.job.inbox, one.job.sha256].add(one.job.project_id)

    def verdicts(self) -> dict[str, Verdict]:
        found = {doubt.job.id: self._of(doubt) for doubt in self._doubts}
        for there in (True, False):  # of two that claim a generation, the one whose file was moved away gives way
            claims = Counter(one.generation.generation_id for one in found.values() if isinstance(one, Bought))
            for doubt in self._doubts:
                one = found[doubt.job.id]
                if (isinstance(one, Bought) and claims[one.generation.generation_id] > 1
                        and not (there and doubt.there)):
                    found[doubt.job.id] = Unsure()
        if Unbought() in found.values():
            left = [(one, self._seen.size(one.project_id)) for one in self._unexplained()]
            for doubt in self._doubts:
                alike = [one for one, size in left if size is None or size == doubt.job.size]
                if alike and found[doubt.job.id] == Unbought():
                    found[doubt.job.id] = Unsure(_words(alike))
        return found

    def _unknown(self, project: str) -> list[Bought] | None:
        """A project's generations that no job knows; None where they can't be seen."""
        listed = self._seen.generations(project)
        return None if listed is None else [
            Bought(project, one) for one in listed if not self._known.generation(one.generation_id)]

    def _of(self, doubt: Doubt) -> Verdict:
        job = doubt.job
        own = set() if job.project_id is None else {job.project_id}
        if job.sha256 is None:  # it is away, or can't be read
            return Unsure() if doubt.there or any(self._unknown(one) != [] for one in own) else Unbought()
        if doubt.there:  # it may be the one that is away, by another name
            own |= self._left.get((job.inbox, job.sha256), set())
        noted, elsewhere = self._noted(job)
        if job.sha256 in self._known.bought or any(self._contents[one] != {job.sha256} for one in own | noted):
            return Unsure()
        found = [self._unknown(project) for project in sorted(own | noted)]
        unknown = [one for some in found for one in some or ()]
        if None in found or len(unknown) > 1 or (elsewhere and not unknown):
            return Unsure()
        if not unknown:
            return Unbought()
        fits = unknown[0].generation.model_key == MODEL_ALIASES.get(job.settings.model, job.settings.model)
        return unknown[0] if fits else Unsure()

    def _noted(self, job: Job) -> tuple[set[str], bool]:
        """The projects that the ledger has of this content at this place, and whether it has it of others.

        A file that is no longer where it was may have been renamed to this one.
        """
        here: set[str] = set()
        moved: set[str] = set()
        elsewhere = False
        for inbox, entries in self._known.ledgers.items():
            for entry in entries:
                if entry.sha256 != job.sha256:
                    continue
                if inbox == job.inbox and entry.service == self._known.service and entry.path == show(job.path):
                    here.add(entry.project)
                elif (inbox == job.inbox and entry.service == self._known.service
                      and (inbox, entry.sha256, entry.path) not in self._places):
                    moved.add(entry.project)
                else:
                    elsewhere = True
        return (here, elsewhere or bool(moved)) if here else (moved, elsewhere)

    def _unexplained(self) -> list[ProjectSummary]:
        """Projects with a generation of which nobody knows what content it is of."""
        listed = self._seen.listed
        newest = next((one.created_at for one in listed if one.project_id == self._known.newest), None)
        return [one for one in listed
                if one.project_id not in self._known.paid and len(self._contents.get(one.project_id, ())) != 1
                and (one.project_id in self._known.unpaid or newest is None or one.created_at is None
                     or one.created_at > newest - _LONG_AGO)
                and self._unknown(one.project_id) != []]


def _words(alike: Sequence[ProjectSummary]) -> str:
    named = f"project {alike[0].project_id} ({show(alike[0].file_name or 'without a name')})"
    more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
    return f"The service has a generation that nothing here knows, and it may be of this recording: {named}{more}"
