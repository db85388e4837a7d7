"""status: how everything is, once or live."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final, NoReturn

import click

from diffio_watch.cli.base import config_option, json_option, must_be_theirs, print_json, print_json_line, workplace
from diffio_watch.job import OPEN, State
from diffio_watch.report.pace import Pace

if TYPE_CHECKING:
    from rich.console import RenderableType

    from diffio_watch.config import Config
    from diffio_watch.journal import Journal
    from diffio_watch.report.shapes import Facts

_EVERY: Final = 0.5  # seconds between two looks of --follow
_ROWS: Final = 15  # of what runs, and of failures a third of it


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on showing it until Ctrl-C; with --json one line a second.")
@json_option
@config_option
def status(*, follow: bool, as_json: bool) -> int:
    """What waits for a person, inboxes, queues, what runs and how far, what stops it, the last failures."""
    config = workplace().config
    with closing(View(config)) as view:
        return _show(view, follow=follow, as_json=as_json)


def _show(view: View, *, follow: bool, as_json: bool) -> int:
    from diffio_watch.report import shapes

    if not follow:
        if as_json:
            print_json(shapes.status(view.config, view.facts()))
        else:
            from diffio_watch.cli import draw

            draw.write(view.picture())
        return 0
    try:
        if as_json:
            while True:
                print_json_line(shapes.status(view.config, view.facts()))
                time.sleep(1.0)
        live(view)
    except KeyboardInterrupt:
        return 0  # that is how it ends


class View:
    """Looks into the journal again and again, also before there is one; never makes one."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._pace = Pace()
        self._journal: Journal | None = None

    def facts(self) -> Facts:
        """What stands there now.

        Raises:
            JournalError: there is a journal, and it can't be read.
        """
        from diffio_watch.report import look

        return look.facts(self.config, self.journal())

    def picture(self) -> RenderableType:
        """What stands there now, drawn."""
        from diffio_watch.cli import panel

        facts = self.facts()
        journal = self.journal()
        running = journal.jobs.newest(OPEN - {State.QUEUED}, limit=_ROWS) if journal else []
        failures = journal.overview.failures(limit=_ROWS // 3) if journal else []
        self._pace.note(running, facts.now)
        return panel.status(self.config, facts, running, failures, self._pace)

    def journal(self) -> Journal | None:
        """The journal as soon as there is one."""
        from diffio_watch.journal import Journal, JournalMissing

        if self._journal is None:
            try:
                self._journal = Journal.open(self.config.state_dir, read_only=True)
            except JournalMissing:
                must_be_theirs(self.config, None)
                return None
            must_be_theirs(self.config, self._journal)
        return self._journal

    def close(self) -> None:
        """Close the journal, if there is one."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def live(view: View) -> NoReturn:
    """Show the picture for good; where nobody looks at a terminal, print it whenever it changes."""
    from rich.console import Console
    from rich.live import Live

    from diffio_watch.cli import draw

    if draw.is_live():
        with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="ellipsis") as screen:
            while True:
                screen.update(view.picture(), refresh=True)
                time.sleep(_EVERY)
    shown = ""
    while True:
        text = draw.plain(view.picture(), draw.columns())
        if text != shown:
            click.echo(text)
            shown = text
        time.sleep(1.0)
