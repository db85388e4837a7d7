"""What an editor sees first: one verdict, what needs somebody, what moves, what was done today. Pure.

No commands and no words of the machine room but in the `admin_…` fields, which the page shows under "Details".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from diffio_watch import __version__, editors
from diffio_watch.clock import rfc3339 as when
from diffio_watch.disk import names
from diffio_watch.job import OPEN, Because, State
from diffio_watch.journal import Halt
from diffio_watch.reasons import because, told
from diffio_watch.report import attention, offers, rows, shapes
from diffio_watch.report.arriving import arriving
from diffio_watch.report.attention import Attention
from diffio_watch.report.memory import Memory
from diffio_watch.report.pace import Pace
from diffio_watch.report.scene import after_pause, after_stop
from diffio_watch.report.service import service
from diffio_watch.report.shapes import Facts, Shape, named
from diffio_watch.report.verdict import verdict

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.report.scene import Scene



def screen(config: Config, scene: Scene, pace: Pace, memory: Memory | None = None) -> Shape:
    """The screen; the server adds who may do what."""
    memory = memory or Memory()
    facts = scene.facts
    needs = _needs(config, scene)
    there, more = arriving(facts)
    return {
        "at": when(facts.now), "version": __version__,
        "verdict": verdict(needs, facts, len(there) + more), "needs": needs,
        "now": [rows.moving(memory.row(job, why := scene.waits.get(job.id), facts.now), job, why, pace,
                            scene.took.get(job.model_key or "", ())) for job in scene.moving],
        "arriving": there, "arriving_more": more,
        "now_more": max(0, sum(facts.counts.get(state, 0) for state in OPEN - {State.QUEUED})
                        - sum(job.state is not State.QUEUED for job in scene.moving)),
        "queued": max(0, facts.counts.get(State.QUEUED, 0) - sum(job.state is State.QUEUED for job in scene.moving)),
        "done_today": {"count": scene.done_count, "jobs": [memory.row(job, None, facts.now) for job in scene.done]},
        "service": service(config, scene),
    }


def _needs(config: Config, scene: Scene) -> list[Shape]:
    """What needs somebody: what stops everything, what stops one inbox, then files by their reason."""
    facts = scene.facts
    found = []
    for scope, halt in sorted(facts.halts.items()):
        if not scope.startswith("inbox:"):
            reason = told(halt.because, running=facts.running)
            found.append(_need(Attention("", "stopped", reason.code, 0, reason.message, reason.action, scope=scope),
                               scene))
    waiting = shapes.attention(config, facts)
    if "*" in facts.pauses:  # one word ends that for all
        pause = told(because("paused"), running=facts.running)
        found.append(_need(Attention("", "stopped", pause.code, 0, pause.message, pause.action), scene))
        waiting = [one for one in waiting if (one.what, one.code) != ("stopped", "paused")]
    found += [_need(one, scene) for one in waiting]
    return sorted(found, key=lambda one: (one["what"] != "stopped", one["code"] == "paused"))  # as the verdict has them


def _need(one: Attention, scene: Scene) -> Shape:
    words = editors.words(Because(one.code, "", "") if one.code else None, max(1, one.count), one.inbox)
    if one.what == "originals":
        words = editors.Words("administrator", "The original of a restored recording can't go where it should.",
                              "Nothing is lost: it is tried again by itself.")
    if one.code == "paused" and not one.inbox:
        words = replace(words, message="Everything is paused.")
    state = one.state.value if one.state is not None else None
    stop: Shape = {}
    if one.what == "stopped":
        found = _stop(one, scene.facts)
        stop = {} if found is None else shapes.halt(found, running=scene.facts.running)
        halt = scene.facts.halts.get(one.scope)
        if one.code == "paused":
            buttons = [offers.resume(one.inbox or None, scene.facts.pauses, after_pause(scene, one.inbox or None))]
        else:
            buttons = [] if halt is None else [offers.look(one.scope, after_stop(scene, halt))]
    elif state is None:
        buttons = []
    else:
        args = {"query": {"state": state, "reason": one.code, "inbox": one.inbox, "seen": scene.seen}}
        purse = scene.purses[one.inbox, state, one.code]
        buttons = [offers.offer(way, purse, args, one.code) for way in offers.of_jobs(one.what, one.code)]
    return {
        "key": ":".join((one.what, one.inbox, state or "", one.code)), "what": one.what, "inbox": one.inbox,
        "state": state, "code": one.code or None, "count": one.count, "sample": None,
        **(named(one.path, "sample") if one.path is not None else {}),
        "names": [names.show(path) for path in scene.names.get((one.inbox, state or "", one.code), ())],
        "message": words.message, "action": words.action, "who": words.who, "admin_message": one.message,
        "admin_action": one.action, "offers": buttons,
        "since": stop.get("since"), "next_check_at": stop.get("next_check_at"),
    }


def _stop(one: Attention, facts: Facts) -> Halt | None:
    """What this tells of."""
    if one.code == "paused":
        return attention.stop(one.inbox, {}, facts.pauses, {})
    return facts.halts.get(one.scope) or attention.stop(one.inbox, facts.halts, {}, facts.reports)

