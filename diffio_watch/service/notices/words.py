"""The words of a message: a subject that says it all to whoever is paged, and what to do beneath. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from diffio_watch.config import Web
from diffio_watch.disk.names import terminal
from diffio_watch.journal.notice_records import Telling

_SUBJECT: Final = 120  # characters
_BODY: Final = 4000
_GROUPS: Final = 12
_NAME: Final = 80
_SIGNED: Final = "\n\n-- \n"  # what stands between what is told and who tells it
# what stands behind the path of an address may be a signature
_QUERY: Final = re.compile(r"(https?://[^\s?#]*)[?#]\S*", re.IGNORECASE)
# what chats take for a call of everybody in a room, and a file may be named so
_CALLS: Final = re.compile(r"@(?=everyone|here|channel|all\b)|<(?=[!@#&])", re.IGNORECASE)
_ORDER: Final = ("halted", "failed", "held", "waiting", "resumed", "delivered")


def message(tellings: Sequence[Telling], host: str, link: str | None) -> tuple[str, str]:
    """Subject and body of a message.

    Args:
        tellings: what it tells.
        host: the name of this machine.
        link: the page's address; None where nobody could open one.
    """
    those = sorted(_latest(tellings), key=lambda one: _ORDER.index(one.event))
    heads = [_head(one) for one in those]
    more = f" (and {len(heads) - 1} more)" if len(heads) > 1 else ""
    subject = _cut(_clean(heads[0].rstrip(".")), _SUBJECT - len(more)) + more
    blocks = [_block(head, one) for head, one in zip(heads, those, strict=True)]
    left = len(blocks) - _GROUPS
    tail = [f"And {left} more: `diffio-watch status` on {host} tells them all."] if left > 0 else []
    end = "\n".join([*([link] if link else []), f"diffio-watch on {host}"])
    body = _cut("\n\n".join([*blocks[:_GROUPS], *tail]), _BODY - len(end) - len(_SIGNED))
    return subject, f"{body}{_SIGNED}{end}"


def test(host: str, link: str | None) -> tuple[str, str]:
    """Those of a test."""
    end = "\n".join([*([link] if link else []), f"diffio-watch on {host}"])
    body = "`diffio-watch check --notify` sent this. What fails, stops or waits for a person will be told here."
    return "A test of diffio-watch: this address is told", f"{body}{_SIGNED}{end}"


def link(web: Web, host: str) -> str | None:
    """The page's address, where others than this machine can open it.

    Args:
        web: its configuration.
        host: the name of this machine.
    """
    if web.listen is None or web.listen.startswith("unix:"):
        return None
    address, _, port = web.listen.rpartition(":")
    bare = address.strip("[]")
    if bare in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return f"http://{web.hosts[0] if web.hosts else host}:{port}/"
    local = bare in {"localhost", "::1"} or bare.startswith("127.")
    return None if local else f"http://{address}:{port}/"


def lasted(seconds: float) -> str:
    """How long, in words: "2 h 5 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), 3)
    told = [f"{number} {unit}" for number, unit in parts[first:first + 2] if number]
    return " ".join(told) or "0 s"


def _latest(tellings: Sequence[Telling]) -> list[Telling]:
    """Without what a later one makes untrue: a stop that is over, an end that was none."""
    last: dict[str, Telling] = {}
    for one in tellings:
        before = last.get(one.key)
        if one.key and (before is None or one.last_at >= before.last_at):
            last[one.key] = one
    return [one for one in tellings if not one.key or last[one.key] is one]


def _head(one: Telling) -> str:
    where = f"{one.inbox}: " if one.inbox else ""
    if one.event == "halted":
        return f"{where or 'Restoring '}{'stopped' if where else 'stands still'}. {one.message}"
    if one.event == "resumed":
        waited = {0: "", 1: "; 1 recording waited"}.get(one.waited, f"; {one.waited} recordings waited")
        times = f", {one.count} times in all" if one.count > 1 else ""
        return f"{where or 'Restoring '}goes on after {lasted(one.lasted)}{times}{waited}."
    if one.event == "delivered":
        return f"{where}{_many(one, 'was restored', 'were restored')}."
    if one.event == "held":
        return f"{where}{_many(one, 'waits for a decision', 'wait for a decision')}."
    if one.event == "waiting":
        return f"{where}{_many(one, 'needs a person', 'need a person', 'file')}."
    return f"{where}{_many(one, 'was not restored', 'were not restored')}."


def _many(one: Telling, single: str, many: str, what: str = "recording") -> str:
    if one.count == 1:
        return f"{_cut(one.names[0], _NAME)} {single}" if one.names else f"1 {what} {single}"
    return f"{one.count} {what}s {many}"


def _block(head: str, one: Telling) -> str:
    lines = [_clean(head)]
    if one.event in {"failed", "held", "waiting"}:
        lines.append(_clean(one.message))
    elif one.event == "resumed":
        lines.append(_clean(f"It was: {one.message}"))
    if one.action and one.event != "resumed":
        lines.append(_clean(f"What to do: {one.action}"))
    if one.count > 1 and one.names:
        rest = one.count - len(one.names)
        lines += [f"  - {_cut(_clean(name), _NAME)}" for name in one.names]
        lines += [f"  and {rest} more"] if rest > 0 else []
    return "\n".join(lines)


def _clean(text: str) -> str:
    return _CALLS.sub(r"\g<0> ", terminal(_QUERY.sub(r"\1", text)))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most - 1] + "…"
