"""How people are told by message, in words. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diffio_watch.clock import rfc3339 as when

if TYPE_CHECKING:
    from diffio_watch.journal import Journal
    from diffio_watch.journal.notice_records import Notice, NoticesState, Result

MOST = 10  # messages that are shown


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """How telling is, and the last messages, newest first."""

    state: NoticesState
    latest: Sequence[Notice] = ()


def last_known(journal: Journal) -> NoticeFacts | None:
    """What the daemon said of it last; None where nobody is told anything."""
    state = journal.notices.state()
    return None if state is None else NoticeFacts(state, journal.notices.latest(MOST))


def trouble(facts: NoticeFacts) -> str:
    """What a person has to mend, or to know as long as nothing better is known; "" where nothing."""
    found = [facts.state.problem] if facts.state.problem else []
    ended = next((one for one in facts.latest if one.results), None)
    if ended is not None and facts.state.addresses:
        found += [failed(one) for one in ended.failed]
    if facts.state.heartbeat_problem:
        found.append(f"The heartbeat at {facts.state.heartbeat} failed: {facts.state.heartbeat_problem}")
    return " ".join(found)


def failed(result: Result) -> str:
    """What came of a message at an address that is not known to have it."""
    kind = "mail" if result.address.startswith("mailto") else "message"
    return f"{kind.capitalize()} to {result.address} failed: {result.error}"


def told(facts: NoticeFacts | None) -> dict[str, Any] | None:
    """For `status` and the page; None where nobody is told anything."""
    if facts is None:
        return None
    state = facts.state
    return {
        "message": _message(facts), "addresses": state.addresses, "trouble": trouble(facts) or None,
        "heartbeat": {"address": state.heartbeat, "problem": state.heartbeat_problem or None,
                      "since": when(state.heartbeat_at)} if state.heartbeat else None,
        "latest": [{"at": when(one.at), "subject": one.subject, "events": one.events, "tries": one.tries,
                    "taken": sum(bool(each.ok) for each in one.results),
                    "failed": [{"address": each.address, "sure": each.ok is False, "message": each.error}
                               for each in one.failed],
                    "next_at": when(one.next_at)} for one in facts.latest],
    }


def _message(facts: NoticeFacts) -> str:
    if words := trouble(facts):
        return words
    state, parts = facts.state, []
    if state.addresses:
        parts.append("1 address is told." if state.addresses == 1 else f"{state.addresses} addresses are told.")
        sent = next((one for one in facts.latest if one.results), None)
        if sent is not None:
            at = time.strftime("%Y-%m-%d at %H:%M", time.localtime(sent.at))
            parts.append(f"The last message, on {at}: {sent.subject}.")
    if state.heartbeat:
        asked = "is asked every 5 minutes" if state.heartbeat_at is not None else "was not asked yet"
        parts.append(f"The heartbeat at {state.heartbeat} {asked}.")
    return " ".join(parts)
