"""What the page's second tab shows, for the administrator: inboxes, queues, stops, money. Pure; null is "not known"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffio_watch.job import State
from diffio_watch.report import shapes
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
        "inboxes": [one | {"free_bytes": None} for one in status["inboxes"]],
        "queues": {state.value: facts.counts.get(state, 0) for state in State},
        "stops": [{"scope": scope, **shapes.halt(halt, running=facts.running)}
                  for scope, halt in sorted(facts.halts.items())],
        "money": {"files": files, "minutes": round(minutes, 1),
                  "limits": {"daily_files": limits.daily_files, "daily_minutes": limits.daily_minutes}},
        "paused": shapes.paused(config, facts.pauses),
        "webhooks": status["webhooks"], "notices": status["notices"], "threads": None, "last_check": None,
    }
