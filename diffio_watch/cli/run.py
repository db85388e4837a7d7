"""run and once: the daemon."""

from __future__ import annotations

import os

import click

from diffio_watch.cli.base import become_owner, complain, config_option, given_config, workplace


@click.command()
@config_option
def run() -> int:
    """Run the daemon in the foreground.

    It makes no folders for inboxes and outboxes: a missing one is waited for. SIGTERM and Ctrl-C stop it; what is
    under way goes on at the next start. SIGHUP has it read its configuration again.
    """
    from diffio_watch.config import load_from
    from diffio_watch.daemon.daemon import Daemon

    given = given_config()
    config, source = load_from(given, os.environ)
    become_owner(config.state_dir, key=True, make=True)
    return Daemon(config, tell=complain, source=source, reread=lambda: load_from(given, os.environ)).run()


@click.command()
@config_option
def once() -> int:
    """Bring everything that is now in the inboxes to its end, then stop: for cron."""
    from diffio_watch.daemon.daemon import Daemon
    from diffio_watch.daemon.startup import make_state_dir
    from diffio_watch.journal import holder

    work = workplace(key=True, makes=True)
    make_state_dir(work.config.state_dir)
    if holder(work.config.state_dir) is not None:
        click.echo("A daemon runs already: it does it.")
        return 0
    return Daemon(work.config, once=True, tell=complain).run()
