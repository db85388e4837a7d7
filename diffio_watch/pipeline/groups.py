"""Jobs that a person means by what they have in common, as the page shows them: in one state, for one reason.

Only those that were so when the person looked: whatever came after that was not on the screen, and is not bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffio_watch.job import State


class BadQuery(Exception):
    """This names no jobs. Its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which jobs are meant.

    Attributes:
        state: that they are in.
        reason: its code.
        inbox: its name.
        seen: how far the journal's history went when the person looked; None: whatever is so now.
        job: only the one with this id; None: all of them.
        minutes: of media that may be bought with it at most, as the person was told; None: nobody was told.
    """

    state: State
    reason: str
    inbox: str
    seen: int | None = None
    job: str | None = None
    minutes: int | None = None


def asked(args: dict[str, Any]) -> Query | None:
    """The query of a request; None where it has none.

    Raises:
        BadQuery: it is none.
    """
    found = args.get("query")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise BadQuery("a query has a state, a reason and an inbox")
    state, reason, inbox, seen = (found.get(name) for name in ("state", "reason", "inbox", "seen"))
    if state not in list(State):
        raise BadQuery(f"there is no state {state!r:.50}")
    if not isinstance(reason, str) or not isinstance(inbox, str):
        raise BadQuery("a query names one reason and one inbox")
    job, minutes = found.get("job"), found.get("minutes")
    for name, number in (("seen", seen), ("minutes", minutes)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            raise BadQuery(f"`{name}` is a number")
    if job is not None and not isinstance(job, str):
        raise BadQuery("`job` is the id of one")
    return Query(State(state), reason, inbox, seen, job, minutes)
