"""What the page offers about a group of jobs: one button each, with what it costs, in words.

Each is a request as the commands make it, for a query in place of ids: the daemon counts and applies it. What such a
request does, and what it buys, is ruled by `pipeline.commands`; a test holds this table against those rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from diffio_watch.journal.blocks import paused_at
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.report.spans import length


@dataclass(frozen=True, slots=True)
class Purse:
    """What a group of jobs would cost that goes on.

    Attributes:
        count: jobs.
        unbought: of them, those that no generation is known of.
        minutes: of media that all of them have.
        unbought_minutes: that the unbought have.
        copies: jobs that may be copies of them, and wait for what becomes of them.
        copies_minutes: that those have.
        more: of the drop that these are held of, some is still being copied, and is decided about when it is there.
    """

    count: int
    unbought: int = 0
    minutes: float = 0.0
    unbought_minutes: float = 0.0
    copies: int = 0
    copies_minutes: float = 0.0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that can be done about jobs with a reason.

    Attributes:
        id: of the button.
        label: the button's words.
        command: of the request.
        args: of the request, beside its query.
        buys: `nothing`; `rest`: what no generation is known of; `all`: a new generation for each; `goes on`: the rest,
            and whatever comes after it; `perhaps`: likewise, if the stop is over; `copies`: those that then go on.
    """

    id: str
    label: str
    command: str
    args: dict[str, Any]
    buys: str


_RETRY: Final = Way("retry", "Try again", "retry", {}, "rest")
_AS_IS: Final = Way("as_is", "Send anyway", "retry", {"as_is": True}, "rest")
_FRESH: Final = Way("fresh", "Restore anew", "retry", {"fresh": True}, "all")
_APPROVE: Final = Way("approve", "Approve", "approve", {}, "rest")
_CANCEL: Final = Way("cancel", "Leave out", "cancel", {}, "copies")
_RESUME: Final = Way("resume", "Go on", "resume", {}, "goes on")
_LOOK: Final = Way("look", "Look again now", "resume", {}, "perhaps")
_PAUSE: Final = Way("pause", "Pause", "pause", {}, "nothing")

# what can be done about jobs that failed or are held, by the reason's code
_WAYS: Final[dict[str, tuple[Way, ...]]] = {
    "empty": (_CANCEL,),
    "too_large": (_CANCEL,),
    "not_media": (_AS_IS, _CANCEL),
    "no_sound": (_AS_IS, _CANCEL),
    "truncated": (_AS_IS, _CANCEL),
    "rejected": (_RETRY,),
    "generation_failed": (_FRESH, _CANCEL),
    "gave_up": (_FRESH, _CANCEL),
    "not_found": (_RETRY,),
    "output_unavailable": (_RETRY,),
    "internal": (_RETRY,),
    "daily_limit": (_APPROVE, _CANCEL),
    "drop_size": (_APPROVE, _CANCEL),
    "unproven": (_APPROVE, _CANCEL),
    "account_changed": (_APPROVE,),
    "conflict": (_APPROVE,),
    "duplicate_gone": (_APPROVE, _CANCEL),
}

# what is bought after a button whose end nobody can see: new files come all the time
_WORDS: Final = {"goes on": "buys at least about {}", "perhaps": "and if it is over, buys at least about {}",
                "copies": "buys at most about {} of copies that wait for it"}

# where no generation is known of such a job, it may have been bought all the same: then the same one is asked for again
_PERHAPS_BOUGHT: Final = frozenset({"internal", "conflict", "account_changed", "not_found", "service_error"})


def of_jobs(what: str, code: str) -> tuple[Way, ...]:
    """What can be done about jobs: `what` is held, failed or waiting."""
    return (_RETRY,) if what == "waiting" else _WAYS.get(code, ())


def comes(code: str, settling: Iterable[SettlingEntry]) -> bool:
    """Whether more comes to what is held for this reason: what is still being copied there may be of the same drop."""
    return code == "drop_size" and any(entry.still is not None for entry in settling)


def resume(inbox: str | None, pauses: Mapping[str, float], purse: Purse) -> dict[str, Any]:
    """The button that ends the pause that stands there now, and no later one; `inbox` None is all of them."""
    return offer(_RESUME, purse, {"inbox": inbox, "paused": paused_at(inbox, pauses)})


def look(scope: str, purse: Purse) -> dict[str, Any]:
    """The button that has a stop looked at, and leaves pauses as they are."""
    return offer(_LOOK, purse, {"look": scope})


def pause(inbox: str | None) -> dict[str, Any]:
    """The button that pauses an inbox, or all with None."""
    return offer(_PAUSE, Purse(0), {"inbox": inbox}) | {"label": "Pause everything" if inbox is None else "Pause"}


def _buys(way: Way, purse: Purse) -> tuple[int, float]:
    """How many generations a way buys of these jobs, and their minutes, at least one each."""
    files, minutes = {
        "nothing": (0, 0.0), "all": (purse.count, purse.minutes), "copies": (purse.copies, purse.copies_minutes),
    }.get(way.buys, (purse.unbought, purse.unbought_minutes))
    return files, max(minutes, float(files))


def cost(way: Way, purse: Purse, code: str = "") -> dict[str, Any]:
    """What a way costs jobs with this reason, in numbers and in words."""
    files, minutes = _buys(way, purse)
    if not files and way.buys == "goes on":
        return {"free": False, "files": 0, "minutes": 0.0, "words": "buys what comes from now on"}
    if not files:
        return {"free": True, "files": 0, "minutes": 0.0, "words": "free"}
    most = ""
    if way.buys == "rest":
        most = "at least " if purse.more else "at most " if code in _PERHAPS_BOUGHT else ""
    words = _WORDS.get(way.buys, f"buys {most}about {{}}").format(length(minutes * 60))
    return {"free": False, "files": files, "minutes": round(minutes, 1), "words": words}


def offer(way: Way, purse: Purse, args: dict[str, Any], code: str = "", *, alone: bool = False) -> dict[str, Any]:
    """A button: its words with number and cost, and the request that it is.

    Args:
        way: what it does.
        purse: of the jobs that it is about.
        args: which those are.
        code: of their reason.
        alone: it is about one job, which is shown: no number.
    """
    price = cost(way, purse, code)
    if "query" in args and way.buys in {"rest", "all"}:  # the daemon buys no more with it than is said here
        args = {"query": {**args["query"], "minutes": math.ceil(_buys(way, purse)[1])}}
    number = f" {purse.count:,}" if way.id == "approve" else f": {purse.count:,}"
    label = f"{way.label}{number if purse.count and not alone else ''}, {price['words']}"
    return {"id": way.id, "label": label, "command": way.command, "args": {**args, **way.args}, "count": purse.count,
            "cost": price}
