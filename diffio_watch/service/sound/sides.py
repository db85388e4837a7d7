"""The two sides of a job, its original and what came of it: opened through no link, and no other file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from diffio_watch.config import Config
from diffio_watch.job import Job
from diffio_watch.journal import Journal
from diffio_watch.report import holdings
from diffio_watch.report.holdings import Nothing
from diffio_watch.service.answers import Refused
from diffio_watch.service.files import opened

Side = Literal["original", "audio", "video"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)


class NotThere(Exception):
    """A side that can't be had; the message is a sentence.

    Attributes:
        status: as HTTP has it: 404 there is none, 409 another file, 410 it went, 503 not now.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Content:
    """What a side is made of, as the journal knows it."""

    side: Side
    sha256: str
    size: int
    mime_type: str | None


def contents(job: Job) -> dict[Side, Content]:
    """The sides that a job has, whether their files are still there or not."""
    found: dict[Side, Content] = {}
    if job.sha256 is not None:
        found["original"] = Content("original", job.sha256, job.size, None)
    for output in job.outputs:
        if output.type != "transcript" and output.state == "published" and output.sha256 and output.size is not None:
            found[output.type] = Content(output.type, output.sha256, output.size, output.mime_type)
    return found


def open_side(config: Config, journal: Journal, job: Job, side: Side) -> int:
    """Open the file of a side, if it still is the one in the journal; the caller closes it. May block.

    Raises:
        NotThere: it is not.
    """
    held = holdings.original(config, job) if side == "original" else holdings.output(config, job, side)
    if isinstance(held, Nothing):
        raise NotThere(410 if held.gone else 404, held.words)
    try:
        return opened(held, journal)[0]
    except Refused as error:
        raise NotThere(error.status, error.sentence) from error
