"""What a person asks on the page: the same commands, by the journal's `requests`, and the daemon's own answer."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from diffio_watch.job import Job, State
from diffio_watch.report.missing import CannotLook, missing
from diffio_watch.service.answers import Refused, data
from diffio_watch.service.site import JOURNAL, disk
from diffio_watch.service.threads import TooSlow

if TYPE_CHECKING:
    from diffio_watch.journal import Answer
    from diffio_watch.service.site import Site

_PATIENCE: Final = 10.0  # seconds; a daemon looks several times a second
_LOOK: Final = 0.05
ASK: Final = "ask"  # the kind of calls that write into the journal: who reads does not wait with them
BUSY: Final = 15.0  # seconds for one; a busy journal says so itself after ten
_MOST: Final = 200  # jobs by name; more of them are a query
_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
_LONGEST: Final = 200  # characters of a word
_LONGEST_STOP: Final = 400  # … of a stop's, which has a host's name in it
_PARTS: Final = 8  # of a query
_LARGEST: Final = 1 << 53  # numbers below are the same in a browser
_STANDS: Final = "The request stands, and is done as soon as it does; this page shows it then."
_LATER: Final = f"The daemon has not answered within 10 s. {_STANDS}"
_ENDS: Final = f"This page ends, or is started anew, before the daemon has answered. {_STANDS}"

# each command, and what may be said with it
_JOBS: Final = frozenset({"jobs", "query", "seen"})
_ARGS: Final = {
    "retry": _JOBS | {"fresh", "as_is", "model"}, "cancel": _JOBS | {"discard"}, "approve": _JOBS | {"inbox", "all"},
    "bump": _JOBS, "pause": frozenset({"inbox"}), "resume": frozenset({"inbox", "look", "paused"}),
}
_FLAGS: Final = frozenset({"fresh", "as_is", "discard", "all"})


async def ask(site: Site, found: dict[str, Any], who: str) -> Response:
    """Leave a request for the daemon, and wait a little for its answer.

    Args:
        site: the page's own things.
        found: what was asked for: `command` and `args`.
        who: asks.

    Raises:
        Refused: it can't be asked.
        JournalError: the journal can't be written.
    """
    command, args = checked(found)
    if command == "retry" and not args.get("fresh"):  # what is bought anew is fetched from nothing older
        try:
            args["missing"] = await _missing(site, args["jobs"])
        except CannotLook as error:
            return data({"ok": False, "exit": 1, "lines": [str(error)], "count": 0, "done": True})
    try:
        number = await site.threads.run(ASK, lambda: site.journal.requests.ask(command, args, who), patience=BUSY)
    except TooSlow:
        raise Refused(503, "The journal takes nothing at this moment, and whether it has taken this is not known: look "
                           "before you ask again.", {"retry-after": "5"}) from None
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE
    while (answer := await site.threads.run(JOURNAL, lambda: site.reader.requests.answer_of(number))) is None:
        if site.ending or loop.time() > end:
            return data({"done": False, "lines": [_ENDS if site.ending else _LATER]}, 202)
        await asyncio.sleep(_LOOK)
    return data(_told(answer))


def checked(found: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The command and its arguments, if they are such.

    Raises:
        Refused: they are not.
    """
    command, args = found.get("command"), found.get("args", {})
    if not isinstance(command, str) or command not in _ARGS:
        raise Refused(400, f"There is no such command here: {', '.join(sorted(_ARGS))} are.")
    if not isinstance(args, dict):
        raise Refused(400, "`args` is no JSON object.")
    if wrong := sorted(str(name) for name in args.keys() - _ARGS[command])[:5]:
        raise Refused(400, f"`{command}` has no argument {', '.join(wrong)[:_LONGEST]}.")
    for name, value in args.items():
        if not _fits(name, value):
            raise Refused(400, f"This is nothing that `{name}` can be.")
    wanted = [name for name in ("jobs", "query", "inbox", "all") if args.get(name)]
    if "jobs" in _ARGS[command] and len(wanted) != 1:
        raise Refused(400, "Name jobs, or one kind of them.")
    _must_be_told(command, args)
    return command, {"jobs": [], **args}


def _must_be_told(command: str, args: dict[str, Any]) -> None:
    """Nothing is bought on a word that was said about something else than what is there.

    Raises:
        Refused: it is not said what was seen.
    """
    query = args.get("query")
    if query and "seen" in args:
        raise Refused(400, "`seen` of a query stands in it.")
    if (command == "approve" or args.get("fresh")) and (query or args).get("seen") is None:
        raise Refused(400, "This may buy: say `seen` with it, as `api/jobs` and `api/jobs/ID` told it when this was "
                           "decided.")


def _fits(name: str, value: object) -> bool:
    if name == "jobs":
        return isinstance(value, list) and len(value) <= _MOST and all(
            isinstance(one, str) and _ID.fullmatch(one) for one in value)
    if name == "query":  # the daemon reads it
        return isinstance(value, dict) and len(value) <= _PARTS and all(
            value is None or _is_number(value) or _is_word(value) for value in value.values())
    if name in _FLAGS:
        return isinstance(value, bool)
    if name in {"paused", "seen"}:
        return value is None or _is_number(value)
    return value is None or (value != "" and _is_word(value, _LONGEST_STOP if name == "look" else _LONGEST))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and abs(value) < _LARGEST


def _is_word(value: object, longest: int = _LONGEST) -> bool:
    """Text that the journal takes: a lone surrogate is none."""
    return isinstance(value, str) and len(value) <= longest and value.isprintable()


async def _missing(site: Site, ids: list[str]) -> dict[str, list[str]]:
    """What of delivered jobs is in their outboxes no more, by id. A hung share must hang nobody else."""
    def delivered() -> list[Job]:
        found = (site.reader.jobs.get(one) for one in ids)
        return [job for job in found if job is not None and job.state is State.DELIVERED]

    gone = {}
    outboxes = {inbox.name: inbox.outbox for inbox in site.config.inboxes}
    for job in await site.threads.run(JOURNAL, delivered):
        if job.inbox in outboxes:
            gone[job.id] = await site.threads.run(disk(outboxes[job.inbox]),
                                                  lambda job=job: missing(site.reader, site.config, job))  # type: ignore[misc]  # bound now
    return gone


def _told(answer: Answer) -> dict[str, Any]:
    """An answer as the page gets it."""
    return {"ok": answer.exit == 0, "exit": answer.exit, "lines": list(answer.lines), "done": True,
            "count": max(answer.changed, len(answer.jobs))}
