"""What a halt or a pause keeps from its next step. Pure: the commands that look on ask it too, and load no client."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from diffio_watch.job import OPEN, Because, Job, State
from diffio_watch.reasons import because

if TYPE_CHECKING:
    from diffio_watch.journal import Halt

ACCOUNT: Final = "account"
_FETCHING: Final = frozenset({State.WAITING, State.DOWNLOADING})
STEPS_BEFORE_PAID: Final = OPEN - _FETCHING
_ROLES: Final = {  # the states whose steps need an origin of this role
    "api": OPEN,
    "upload": frozenset({State.QUEUED, State.UPLOADING}),
    "storage": frozenset({State.DOWNLOADING}),
}


def what_keeps(job: Job, halts: Iterable[Halt], pauses: Container[str]) -> Because | None:
    """Why a job may not take its next step, of all that stops more than one job."""
    return first(halts, pauses, job.inbox, job.state, paid=job.paid) if job.state in OPEN else None


def first(halts: Iterable[Halt], pauses: Container[str], inbox: str, state: State, *, paid: bool) -> Because | None:
    """Why the next step of jobs of an inbox in a state may not be taken; the first reason of several."""
    if _spends(state, paid=paid) and ("*" in pauses or inbox in pauses):
        return because("paused")
    return next((halt.because for halt in halts if blocks(halt, inbox, state, paid=paid)), None)


def paused_at(inbox: str | None, pauses: Mapping[str, float]) -> int | None:
    """Which pause a person sees who looks at an inbox, or at all of them: when the last of what ends with it began.

    Args:
        inbox: its name; None: all.
        pauses: paused inboxes and since when, in seconds since the epoch; `*` is all of them.

    Returns:
        Milliseconds since the epoch; None where nothing is paused.
    """
    those = [since for name, since in pauses.items() if inbox is None or name == inbox]
    return round(max(those) * 1000) if those else None


def _spends(state: State, *, paid: bool) -> bool:
    """Whether the next step of a job in this state begins something that will cost money."""
    return state is State.QUEUED or (state is State.GENERATING and not paid)


def blocks(halt: Halt, inbox: str, state: State, *, paid: bool) -> bool:
    """Whether a halt keeps jobs of an inbox in a state, paid for or not, from their next step."""
    kind, _, rest = halt.scope.partition(":")
    if kind == ACCOUNT:
        # an account that may not spend still gets what it paid for
        return halt.because.code == "auth" or state in STEPS_BEFORE_PAID
    if kind == "origin":
        return state in _ROLES[rest.partition(":")[0]]
    name, _, part = rest.partition(":")
    if name != inbox:
        return False
    if part == "outbox":
        full = halt.because.code == "outbox_full"
        return _spends(state, paid=paid) or (not full and state in {State.UPLOADING, State.DOWNLOADING})
    if part == "archive":  # what is paid for is delivered all the same
        return _spends(state, paid=paid) or state is State.UPLOADING
    return state in ({State.QUEUED, State.UPLOADING} if part == "inbox" else STEPS_BEFORE_PAID)
