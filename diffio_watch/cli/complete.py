"""What the shell is offered to complete an argument with; nothing where it can't be read."""

from __future__ import annotations

import os
from typing import Final

import click
from click.shell_completion import CompletionItem

from diffio_watch.cli.base import given_config

_OFFERED: Final = 500  # newest jobs whose ids are offered


def inbox_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of inboxes, for the shell to complete; none where the configuration can't be read."""
    from diffio_watch.config import ConfigError, load

    try:
        config = load(given_config(context), os.environ)
    except ConfigError:
        return []
    return [inbox.name for inbox in config.inboxes if inbox.name.startswith(incomplete)]


def reason_codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Codes of reasons, for the shell to complete."""
    from diffio_watch.reasons import REASONS

    return [code for code in REASONS if code.startswith(incomplete)]


def files_and_jobs(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """File names, as the shell itself completes them, and ids of the newest jobs."""
    from diffio_watch.config import ConfigError, load
    from diffio_watch.journal import Journal, JournalError

    found = [CompletionItem(incomplete, type="file")]
    if not incomplete[:2].isdigit():  # every id begins with its time
        return found
    try:
        config = load(given_config(context), os.environ)
        with Journal.open(config.state_dir, read_only=True) as journal:
            ids = [job.id for job in journal.jobs.newest(limit=_OFFERED)]
    except (ConfigError, JournalError, OSError):
        return found
    return [*found, *(CompletionItem(one) for one in ids if one.startswith(incomplete.upper()))]
