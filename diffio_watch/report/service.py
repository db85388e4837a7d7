"""What the page's second tab shows, for the administrator: inboxes, queues, stops, money. Pure; null is "not known"."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from diffio_watch.job import State
from diffio_watch.report import offers, shapes
from diffio_watch.report.scene import after_pause
from diffio_watch.report.shapes import Shape

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.report.scene import Scene


def service(config: Config, scene: Scene) -> Shape:
    """The second tab."""
    facts, limits = scene.facts, config.limits
    files, minutes = scene.spent
    status = shapes.status(config, facts)
    return {
        "inboxes": [one | {"free_bytes": scene.free.get(one["name"]), "offers": _pause(one["name"], scene)}
                    for one in status["inboxes"]],
        "offers": _pause(None, scene),
        "queues": {state.value: facts.counts.get(state, 0) for state in State},
        "stops": [{"scope": scope, **shapes.halt(halt, running=facts.running)}
                  for scope, halt in sorted(facts.halts.items())],
        "money": {"files": files, "minutes": round(minutes, 1),
                  "limits": {"daily_files": limits.daily_files, "daily_minutes": limits.daily_minutes}},
        "paused": shapes.paused(config, facts.pauses),
        "webhooks": status["webhooks"], "notices": status["notices"], "threads": _threads(scene),
        "last_check": scene.check,
    }


def _pause(inbox: str | None, scene: Scene) -> list[Shape]:
    """The button that pauses an inbox, or everything, or ends that; none of an inbox while everything is paused."""
    pauses = scene.facts.pauses
    if inbox is not None and "*" in pauses:
        return []
    if (inbox or "*") in pauses:
        return [offers.resume(inbox, pauses, after_pause(scene, inbox))]
    return [offers.pause(inbox)]


def _threads(scene: Scene) -> Shape | None:
    """The threads of the daemon, those of a kind together."""
    if not scene.threads:
        return None
    kinds = Counter(name.rstrip("0123456789-_ ()") or name for name in scene.threads)
    told = ", ".join(name if count == 1 else f"{count} {name}" for name, count in sorted(kinds.items()))
    return {"count": len(scene.threads), "message": f"{len(scene.threads)} run: {told}"}
