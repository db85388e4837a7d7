"""What an editor sees first: one verdict, what needs somebody, what moves, what was done today. Pure.

No commands and no words of the machine room but in the `admin_…` fields, which the page shows under "Details".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from diffio_watch import __version__, editors
from diffio_watch.clock import rfc3339 as when
from diffio_watch.job import OPEN, Because, State
from diffio_watch.reasons import told
from diffio_watch.report import offers, rows, shapes
from diffio_watch.report.attention import Attention
from diffio_watch.report.memory import Memory
from diffio_watch.report.offers import Purse
from diffio_watch.report.pace import Pace
from diffio_watch.report.service import service
from diffio_watch.report.shapes import Shape, named

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.report.scene import Scene

_AWAY: Final = frozenset({"unavailable", "outbox_unavailable"})


def screen(config: Config, scene: Scene, pace: Pace, memory: Memory | None = None) -> Shape:
    """The screen; the server adds who may do what."""
    memory = memory or Memory()
    facts = scene.facts
    needs = _needs(config, scene)
    return {
        "at": when(facts.now), "version": __version__, "verdict": verdict(needs, scene), "needs": needs,
        "now": [rows.moving(memory.row(job, why := scene.waits.get(job.id)), job, why, pace,
                            scene.took.get(job.model_key or "", ())) for job in scene.moving],
        "now_more": max(0, sum(facts.counts.get(state, 0) for state in OPEN - {State.QUEUED})
                        - sum(job.state is not State.QUEUED for job in scene.moving)),
        "queued": max(0, facts.counts.get(State.QUEUED, 0) - sum(job.state is State.QUEUED for job in scene.moving)),
        "done_today": {"count": scene.done_count, "jobs": [memory.row(job, None) for job in scene.done]},
        "service": service(config, scene),
    }


def verdict(needs: list[Shape], scene: Scene) -> Shape:
    """One sentence on everything; good news only where nothing is away and nobody is needed."""
    facts = scene.facts
    if not facts.running:
        return {"level": "stopped", "message": "Nothing is being restored: the service on this machine does not run. "
                                               "Your administrator has to start it. Nothing is lost."}
    stopped = [one for one in needs if one["what"] == "stopped"]
    for level, those in (("stopped", [one for one in stopped if one["code"] not in _AWAY and one["code"] != "paused"]),
                         ("away", [one for one in stopped if one["code"] in _AWAY]),
                         ("paused", [one for one in stopped if one["code"] == "paused"])):
        if those:
            return {"level": level, "message": f"{those[0]['message']} {those[0]['action']}"}
    calling = sum(max(1, one["count"]) for one in needs if one["who"] == "editor")
    asking = sum(max(1, one["count"]) for one in needs if one["who"] == "administrator")
    if calling:
        return {"level": "needs", "message": f"{_recordings(calling)} need{'s' if calling == 1 else ''} you."}
    if asking:
        return {"level": "needs", "message": f"{_recordings(asking)} need{'s' if asking == 1 else ''} your "
                                             "administrator."}
    if any(facts.counts.get(state, 0) for state in OPEN):
        return {"level": "busy", "message": "Everything is being restored."}
    if needs:
        return {"level": "needs", "message": needs[0]["message"]}
    if not any(facts.counts.values()):
        return {"level": "setup", "message": "Ready: drop a recording into the folder."}
    return {"level": "good", "message": "Everything is restored."}


def _recordings(count: int) -> str:
    return "1 recording" if count == 1 else f"{count:,} recordings"


def _needs(config: Config, scene: Scene) -> list[Shape]:
    """What needs somebody: what stops everything, what stops one inbox, then files by their reason."""
    facts = scene.facts
    found = []
    for scope, halt in sorted(facts.halts.items()):
        if not scope.startswith("inbox:"):
            reason = told(halt.because, running=facts.running)
            found.append(_need(Attention("", "stopped", reason.code, 0, reason.message, reason.action), scene))
    return found + [_need(one, scene) for one in shapes.attention(config, facts)]


def _need(one: Attention, scene: Scene) -> Shape:
    words = editors.words(Because(one.code, "", "") if one.code else None, max(1, one.count), one.inbox)
    if one.what == "originals":
        words = editors.Words("administrator", "The original of a restored recording can't go where it should.",
                              "Nothing is lost: it is tried again by itself.")
    state = one.state.value if one.state is not None else None
    if one.what == "stopped":
        args: Shape = {"inbox": one.inbox or None}
        buttons = [offers.offer(way, Purse(0), args) for way in offers.of_stop(one.code)]
    elif state is None:
        buttons = []
    else:
        args = {"query": {"state": state, "reason": one.code, "inbox": one.inbox, "seen": scene.seen}}
        purse = scene.purses.get((one.inbox, state, one.code), Purse(one.count, one.count))
        buttons = [offers.offer(way, purse, args, one.code) for way in offers.of_jobs(one.what, one.code)]
    return {
        "key": ":".join((one.what, one.inbox, state or "", one.code)), "what": one.what, "inbox": one.inbox,
        "state": state, "code": one.code or None, "count": one.count, "sample": None,
        **(named(one.path, "sample") if one.path is not None else {}), "message": words.message,
        "action": words.action, "who": words.who, "admin_message": one.message, "admin_action": one.action,
        "offers": buttons,
    }

