"""What everybody who looks on gets to see: one look into the journal, and what changed since the last one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.report import scene, shapes
from diffio_watch.report.screen import screen
from diffio_watch.service.answers import encoded

if TYPE_CHECKING:
    from diffio_watch.service.site import Site

_MAY: Final = "@may@"  # stands for what differs from visitor to visitor, so that all is encoded once


@dataclass(frozen=True, eq=False)
class Snapshot:
    """How everything was at one moment, as JSON.

    Attributes:
        value: `status`, with `screen` before it, where `may` is still open.
    """

    value: dict[str, Any]

    @cached_property
    def _body(self) -> bytes:
        return encoded(self.value)

    def body(self, *, may_change: bool) -> bytes:
        """It for somebody who may change things, or may not."""
        may = encoded({"read": True, "change": may_change})
        return self._body.replace(encoded(_MAY), may, 1)  # the first: no name of a file comes before it


def take(site: Site) -> Snapshot:
    """Look now.

    Raises:
        JournalError: the journal can't be read.
    """
    found = scene.read(site.config, site.ticker, site.memory)
    site.pace.note(found.moving, found.facts.now)
    return Snapshot({"screen": {"may": _MAY, **screen(site.config, found, site.pace, site.memory)},
                     **shapes.status(site.config, found.facts)})
