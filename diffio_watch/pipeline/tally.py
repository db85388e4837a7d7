"""What came of a person's word about many jobs: who was refused is named, who went well is counted where many are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.disk import names
from diffio_watch.job import Job
from diffio_watch.journal import Answer, Request

if TYPE_CHECKING:
    from diffio_watch.pipeline.commands import Ruling

# what becomes of one, and of several, in the words of the page's buttons
_PAGE: Final = {
    "approve": ("goes on", "go on"), "cancel": ("is left out", "are left out"),
    "retry": ("is tried again", "are tried again"), "as_is": ("is sent anyway", "are sent anyway"),
    "fresh": ("is restored anew", "are restored anew"), "bump": ("is next in line", "are next in line"),
}
_ASK: Final = "Ask your administrator."

# more lines than this about one request are summed up
LINES: Final = 20

Told = Sequence[tuple[Job, "Ruling"]]


@dataclass(frozen=True, slots=True)
class Tally:
    """So far; plain values, for a request that is done in several transactions keeps it beside itself.

    Attributes:
        after: the place in the journal of the last job that was looked at.
        done: of so many jobs the wish was met.
        refused: of so many it was not.
        changed: so many rows were changed, or made.
        minutes: of media that may have to be bought for it.
        done_lines: the first sentences about the ones.
        refused_lines: and about the others.
    """

    after: int = 0
    done: int = 0
    refused: int = 0
    changed: int = 0
    minutes: float = 0.0
    done_lines: tuple[str, ...] = ()
    refused_lines: tuple[str, ...] = ()

    @classmethod
    def load(cls, found: dict[str, Any]) -> Tally:
        """As it was kept."""
        lines = {name: tuple(found[name]) for name in ("done_lines", "refused_lines")}
        return cls(**{**found, **lines})

    def plus(self, told: Told, changed: int, after: int = 0, wish: str = "") -> Tally:
        """With these as well; `wish`: see `wish_of`."""
        done = [f"{label(job)} {ruling.line}" for job, ruling in told if ruling.done]
        refused = [_for_editors(job, ruling.line) if wish else f"{label(job)} {ruling.line}"
                   for job, ruling in told if not ruling.done]
        return replace(self, after=after, done=self.done + len(done), refused=self.refused + len(refused),
                       changed=self.changed + changed, done_lines=(*self.done_lines, *done)[:LINES],
                       refused_lines=(*self.refused_lines, *refused)[:LINES])

    def answer(self, jobs: Iterable[str] = (), wish: str = "") -> Answer:
        """The answer about all of them; `jobs` are ids of those that were changed, where they are known."""
        done: Sequence[str] = [f"Done for {self.done} jobs."] if self.done > LINES else self.done_lines
        if wish:
            done = self._on_the_page(wish)
        more = [f"… and {self.refused - LINES} more."] if self.refused > LINES else []
        return Answer(1 if self.refused else 0, (*done, *self.refused_lines, *more), tuple(jobs), self.changed)

    def _on_the_page(self, wish: str) -> list[str]:
        """What was done, counted: which recordings those are is seen above the button."""
        idle = self.done - self.changed
        told = [f"{_recordings(self.changed)} {_PAGE[wish][self.changed != 1]}."] if self.changed > 0 else []
        return told + ([f"{_recordings(idle)} {'was' if idle == 1 else 'were'} under way already."] if idle > 0 else [])


def wish_of(request: Request) -> str:
    """What a click on the page asks, for the answer's words; "" for a request that came another way."""
    if not request.on_the_page:
        return ""
    return next((name for name in ("fresh", "as_is") if request.args.get(name)), request.command)


def _recordings(count: int) -> str:
    return f"{count:,} recording{'' if count == 1 else 's'}"


def _for_editors(job: Job, line: str) -> str:
    """Why it was not done, without what is to be typed into a terminal."""
    whole, typed, _ = line.partition("`")
    said = whole if not typed else whole[:whole.rfind(". ") + 1]
    return f"{names.show(job.path.rpartition('/')[2])} {said or 'was left as it is.'}{' ' + _ASK if typed else ''}"


def label(job: Job) -> str:
    """A job as people name it: its inbox and path."""
    return f"{job.inbox}:{names.show(job.path)}"
