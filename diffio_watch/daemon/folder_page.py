"""What an outbox's `_status.html` has to tell: the page's words, for one inbox alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from diffio_watch.report import scene, status_page
from diffio_watch.report.pace import Pace
from diffio_watch.report.screen import screen

if TYPE_CHECKING:
    from diffio_watch.journal import Journal
    from diffio_watch.pipeline.status_file import Tell
    from diffio_watch.pipeline.tools import Tools


def teller(tools: Tools, journal: Journal, inbox: str) -> Tell:
    """What looks how an inbox is.

    Args:
        tools: they know the configuration in force.
        journal: what is looked into.
        inbox: its name.
    """
    def tell() -> tuple[str, partial[bytes]]:
        config, found = scene.of_inbox(tools.config, journal, inbox)
        told = status_page.content(inbox, screen(config, found, Pace()))
        return told, partial(status_page.page, told)

    return tell
