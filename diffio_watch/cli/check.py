"""check: proves that it will work here, and says what to change."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from diffio_watch.cli.base import FAILED, REFUSED, become_owner, config_option, given_config, json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diffio_watch.cli.findings import Finding

_SIGNS: Final = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "error": ("error", "red")}


@click.command()
@click.option("--offline", is_flag=True, help="Don't ask the service whether the key works.")
@click.option("--notify", is_flag=True, help="Send a test to everybody who is told, and ask the heartbeat.")
@json_option
@config_option
def check(*, offline: bool, notify: bool, as_json: bool) -> int:
    """Prove that it will work here, and say what to change.

    Writes, renames and removes a hidden file in each folder, and asks the service only what costs nothing.
    """
    from diffio_watch.cli import (
        findings,
        folder_findings,
        listening_findings,
        model_findings,
        notice_findings,
        page_findings,
        unit_findings,
        unreadable,
        webhook_findings,
    )
    from diffio_watch.cli.service import find as installed
    from diffio_watch.cli.service import lend_credential
    from diffio_watch.config import ConfigError, find, load
    from diffio_watch.disk import lease
    from diffio_watch.report import last_check

    try:
        config = load(given_config(), os.environ)
    except ConfigError as error:
        # as a finding for programs, and as everywhere else for people
        if not as_json:
            raise
        _print([findings.error("configuration", f"{problem.path}: {problem.message}", problem.remedy)
                for problem in error.problems], as_json=True)
        return REFUSED
    found = [findings.ok("configuration", f"{find(given_config(), os.environ)} is right.")]
    asked_by_root = os.geteuid() == 0
    service = installed(config.state_dir)
    kept_away = unit_findings.unit(config, service)
    if asked_by_root:
        service = become_owner(config.state_dir, key=True, early=True)
    others = service is not None and not asked_by_root and service.uid != os.geteuid()
    if service is not None and not asked_by_root and not others:
        lend_credential(service)
    found += findings.looked_as(service, by_root=asked_by_root)
    mine = service if asked_by_root else None
    lease.prepare()  # here and not where it is asked: signals are the main thread's
    found += findings.key(config, mine, offline=offline, others=others)
    found += model_findings.models(config, offline=offline)
    found += findings.state(config, mine)
    found += kept_away
    for inbox in config.inboxes:
        found += folder_findings.folders(config, inbox, service)
        found += unreadable.unread(inbox)
    found += page_findings.page(config)
    found += webhook_findings.webhooks(config)
    found += notice_findings.notices(config, test=notify)
    found += listening_findings.listening(config)
    found += findings.inotify(config)
    found += findings.clock(config)
    found += findings.media()
    if not others:
        last_check.keep(config.state_dir, time.time(), [(one.level, one.subject, one.message) for one in found])
    _print(found, as_json=as_json)
    return FAILED if any(one.level == "error" for one in found) else 0


def _print(found: Sequence[Finding], *, as_json: bool) -> None:
    errors = sum(one.level == "error" for one in found)
    warnings = sum(one.level == "warning" for one in found)
    if as_json:
        print_json({"ok": not errors, "findings": [asdict(one) for one in found]})
        return
    from rich.text import Text

    from diffio_watch.cli import draw

    table = draw.grid("", "", "", elastic=(2,))
    for one in found:
        word, style = _SIGNS[one.level]
        told = draw.words(one.message)
        if one.action:
            told.append(" ").append(draw.words(one.action, "bold" if one.level != "ok" else ""))
        table.add_row(Text(word, style=style), draw.words(one.subject), told)
    draw.write(table)
    if errors or warnings:
        draw.write(Text(f"\n{_plural(errors, 'error')}, {_plural(warnings, 'warning')}."))
    else:
        draw.write(Text("\nAll is well."))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
