"""What an older copy of the journal leaves in doubt, asked of the service: was it bought since, or not?

The service lists projects by the names of their files, and each one's generations. A name under which it has none
that is unknown here was not bought. One generation that can only be this job's is adopted. Whatever is not certain
stays held: several generations, a name that two recordings have, a recording newer than the generation, one that may
have been renamed since, content that another job has bought. Pure but for what it is handed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diffio_watch.api.shapes import GenerationSummary, ProjectSummary
from diffio_watch.disk.names import show
from diffio_watch.job import Job
from diffio_watch.pipeline.generate import MODEL_ALIASES

_SLACK: Final = 1.0  # seconds by which the service may date its own things earlier
_LONG_AGO: Final = 86400.0  # seconds: what began so long before the last thing known belongs to no gap of the journal


@dataclass(frozen=True, slots=True)
class Doubt:
    """A job of which the journal can't say whether it was bought.

    Attributes:
        job: its row.
        born: when its file came to be as it is, in seconds since the epoch; None: there is no file now.
        found: it is no row of the copy, but a file that stood in the inbox.
    """

    job: Job
    born: float | None
    found: bool

    @property
    def name(self) -> str:
        """As its project's file is called at the service."""
        name = show(self.job.path.rpartition("/")[2])
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Bought:
    """A generation that can only be one job's."""

    project: str
    generation: GenerationSummary


@dataclass(frozen=True, slots=True)
class Unbought:
    """The service has none for it."""


Verdict = Bought | Unbought | None  # None: a person has to say
Generations = Callable[[str], Sequence[GenerationSummary]]


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal knows.

    Attributes:
        projects: of its jobs.
        generation: whether one is of its jobs.
        bought: contents of doubtful jobs that another job has bought.
    """

    projects: frozenset[str]
    generation: Callable[[str], bool]
    bought: frozenset[str]


def verdicts(doubts: Sequence[Doubt], listed: Sequence[ProjectSummary], generations: Generations,
             known: Known) -> dict[str, Verdict]:
    """A verdict for each doubtful job, by its id; nothing where the list can't be that of the journal's account.

    Args:
        doubts: all doubtful jobs, for two of one name are in each other's way.
        listed: every project that the key sees.
        generations: asks for those of a project.
        known: what is known here, sidecars included.
    """
    ours = [one for one in listed if one.project_id in known.projects]
    if not ours:
        return {}  # another account's, as far as anything tells
    strange = [one for one in listed if one.project_id not in known.projects]
    by_name: dict[str, list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        by_name[doubt.name].append(doubt)

    def unknown(project: str) -> list[Bought]:
        return [Bought(project, one) for one in generations(project) if not known.generation(one.generation_id)]

    found: dict[str, Verdict] = {}
    for name, group in by_name.items():
        shared = [one for project in strange if project.file_name == name for one in unknown(project.project_id)]
        for doubt in group:
            project = doubt.job.project_id
            own = unknown(project) if project is not None else []
            content = doubt.job.sha256
            doubtful = content in known.bought if content is not None else doubt.born is not None  # it can't be read
            found[doubt.job.id] = None if doubtful else _verdict(doubt, own, shared, alone=len(group) == 1)
    lost = _renamed(strange, ours, by_name, unknown)
    for doubt in doubts:
        if doubt.found and found[doubt.job.id] == Unbought() and _suffix(doubt.name) in lost:
            found[doubt.job.id] = None
    return found


def _verdict(doubt: Doubt, own: Sequence[Bought], shared: Sequence[Bought], *, alone: bool) -> Verdict:
    """What is in a job's own project is this program's alone; what is in another of its name may be somebody else's."""
    if not own and not shared:
        return Unbought()
    if len(own) + len(shared) > 1 or doubt.job.sha256 is None:
        return None
    one = (own or shared)[0]
    model = one.generation.model_key
    if model != MODEL_ALIASES.get(doubt.job.settings.model, doubt.job.settings.model):
        return None
    made = one.generation.created_at
    fits = doubt.born is not None and made is not None and doubt.born <= made + _SLACK
    return one if own or (alone and fits) else None


def _renamed(strange: Iterable[ProjectSummary], ours: Iterable[ProjectSummary], names: Mapping[str, object],
             unknown: Callable[[str], list[Bought]]) -> set[str]:
    """Suffixes of recordings that were bought lately under a name that is here no more: renamed, perhaps."""
    last = max((one.created_at for one in ours if one.created_at is not None), default=None)
    return {_suffix(one.file_name or "") for one in strange
            if one.file_name not in names and one.generations != 0
            and (last is None or one.created_at is None or one.created_at > last - _LONG_AGO)
            and unknown(one.project_id)}


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].casefold()
