"""What the service has under a file's name: a hint for the person who decides whether it was restored before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from diffio_watch.api.errors import ApiError, Stopped
from diffio_watch.api.shapes import ProjectSummary
from diffio_watch.config import KeyMissing
from diffio_watch.disk.names import show
from diffio_watch.job import Job
from diffio_watch.journal import Journal

Projects = Callable[[], Sequence[ProjectSummary]]
_MOST_NAMED: Final = 3


class Listed:
    """The service's projects that no other job knows, by the names of their files.

    Args:
        journal: whose jobs know projects.
        projects: asks the service for its list; called once, if at all.
    """

    def __init__(self, journal: Journal, projects: Projects) -> None:
        self._journal = journal
        self._projects = projects
        self._by_name: dict[str, list[ProjectSummary]] | None = None
        self._known: set[str] = set()
        self._refusal = ""

    def about(self, job: Job) -> str:
        """A sentence.

        Raises:
            Stopped: the program is stopping.
        """
        if self._by_name is None:
            self._by_name = self._ask()
        if self._refusal:
            return self._refusal
        # as it was sent when its project was made
        name = show(job.path.rpartition("/")[2]).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found = [one for one in self._by_name.get(name, [])
                 if one.project_id == job.project_id or one.project_id not in self._known]
        if not found:
            return "The service lists no project of its name that a sidecar does not know."
        named = "; ".join(_project(one) for one in found[:_MOST_NAMED])
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return f"Under its name the service lists {named}{more}."

    def _ask(self) -> dict[str, list[ProjectSummary]]:
        self._known = self._journal.jobs.projects()
        by_name: dict[str, list[ProjectSummary]] = {}
        try:
            for one in self._projects():
                if one.file_name is not None:
                    by_name.setdefault(one.file_name, []).append(one)
        except Stopped:
            raise
        except (ApiError, KeyMissing) as error:
            self._refusal = f"What the service has under its name could not be asked: {str(error).rstrip('.')}."
        return by_name


def _project(one: ProjectSummary) -> str:
    count = one.generations
    told = [one.status or "", "" if count is None else f"{count} generation{'' if count == 1 else 's'}"]
    return f"project {one.project_id} ({', '.join(word for word in told if word)})"
