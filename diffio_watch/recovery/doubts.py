"""What a journal with a gap can't vouch for: what it calls unpaid may be bought, what was asked of it may be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from diffio_watch.job import Job, State
from diffio_watch.journal import Answer, Journal
from diffio_watch.journal.rows import note_hold
from diffio_watch.reasons import because

_ASK_AGAIN: Final = ("Nothing was done: this was asked before the journal was put back from a copy, and may have been "
                     "done by the machine that it was copied from. Look, and ask again.")


def answer_requests(journal: Journal) -> None:
    """What was asked and not done when the copy was made may be done already: whoever asked has to look.

    That holds for each command. To cancel, pause or bump costs nothing, but it would be done about what is there now,
    after whatever else was said to the other machine since.
    """
    with journal.transaction():
        for request in journal.requests.unanswered():
            journal.requests.answer(request.id, Answer(1, (_ASK_AGAIN,)))


def doubt(journal: Journal, inbox: str, about: Callable[[Job], str]) -> int:
    """Hold what is not paid for in an inbox as far as the journal knows; how many those are.

    What was held already is so for that reason again once it is known that it was not bought.

    Args:
        journal: it has a gap.
        inbox: name of the inbox.
        about: what the service has under the name of a job's file, in a sentence.
    """
    held = 0
    journal.restore.doubt(inbox)
    for job in journal.jobs.newest({State.QUEUED, State.UPLOADING, State.GENERATING, State.HELD}, inbox):
        if not job.paid and (job.because is None or job.because.code != "unproven"):
            reason = because("unproven", job=job.id, detail=about(job))
            journal.restore.learn(replace(job, state=State.HELD, because=reason, due_at=None, error_file=False,
                                          stage=note_hold(job)), "the journal was an old copy")
            held += 1
    return held
