"""What everybody who looks on gets to see: one look into the journal, and what changed since the last one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.clock import rfc3339
from diffio_watch.report import scene, shapes
from diffio_watch.report.screen import screen
from diffio_watch.service.answers import encoded
from diffio_watch.service.sound.words import MISSING, ON

if TYPE_CHECKING:
    from diffio_watch.service.site import Site

# stand for what differs from visitor to visitor and from moment to moment, so that all is encoded once
_MAY: Final = "@may@"
_AT: Final = "@at@"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """How everything was at one moment, as JSON.

    Attributes:
        value: `status`, with `screen` before it, where `at` and `may` are still open.
    """

    value: dict[str, Any]

    @cached_property
    def _body(self) -> bytes:
        return encoded(self.value)

    def shows(self, other: Snapshot | None) -> bool:
        """Whether it shows what another does."""
        return other is not None and self.value == other.value

    def body(self, at: float, *, may_change: bool) -> bytes:
        """It as of a moment, in seconds since the epoch, for somebody who may change things, or may not."""
        may = encoded({"read": True, "change": may_change})
        # the first ones: no name of a file comes before them
        return self._body.replace(encoded(_AT), encoded(rfc3339(at)), 1).replace(encoded(_MAY), may, 1)


def take(site: Site) -> Snapshot:
    """Look now.

    Raises:
        JournalError: the journal can't be read.
    """
    found = scene.read(site.config, site.ticker, site.memory)
    site.pace.note(found.moving, found.facts.now)
    shown = screen(site.config, found, site.pace, site.memory)
    done = [made | {"loudness": site.loudness(job)}
            for made, job in zip(shown["done_today"]["jobs"], found.done, strict=True)]
    shown |= {"done_today": shown["done_today"] | {"jobs": done},
              "service": shown["service"] | {"listening": {"message": ON if site.listening is not None else MISSING}}}
    return Snapshot({"screen": {"at": _AT, "may": _MAY, **{name: shown[name] for name in shown if name != "at"}},
                     **shapes.status(site.config, found.facts)})
