"""What `check` finds out about webhooks: a secret that others can't read, an address, and how they come in so far."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.cli.page_findings import address
from diffio_watch.config import SecretMissing, read_small, webhook_secrets
from diffio_watch.journal import Journal, JournalError
from diffio_watch.journal.webhooks import last_known
from diffio_watch.report import webhooks as words
from diffio_watch.report.running import is_running

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal.webhooks import WebhookFacts

_SUBJECT = "webhooks"


def webhooks(config: Config) -> list[Finding]:
    """Nothing where none are configured: without them results are found by asking."""
    where = config.webhook.listen or config.web.listen
    seen = _seen(config)
    try:
        secrets = webhook_secrets(config, os.environ)
    except SecretMissing as missing:
        return [error(_SUBJECT, missing.message, missing.remedy)]
    if not secrets:
        if config.webhook.listen is None or (seen is not None and not seen.secret):
            return _how(seen)  # the service has it in its environment
        return [error(_SUBJECT, "There is no secret to check them with, so that each is turned away.",
                      "Write the endpoint's secret into a file, and that file's path as `webhook.secret_file`.")]
    found = []
    file = config.webhook.secret_file
    if file is not None and read_small(file, 0).facts.st_mode & 0o007:
        found.append(warning(_SUBJECT, f"Everybody on this machine can read {file}, and could sign with it.",
                             f"Run `chmod o= {file}`."))
    if where is None:
        return [*found, warning(_SUBJECT, "There is a secret, and nothing that receives them.",
                                "Set `webhook.listen`, or `web.listen`.")]
    if config.webhook.listen is not None:
        heard = address(config, _SUBJECT, "webhook.listen", config.webhook.listen)
        if heard.level == "error":
            return [*found, heard]
    count = "1 secret" if len(secrets) == 1 else f"{len(secrets)} secrets"
    return [*found, ok(_SUBJECT, f"They are received at {where}, path /webhooks/diffio, and checked with {count}."),
            *_how(seen)]


def _how(seen: WebhookFacts | None) -> list[Finding]:
    trouble = words.trouble(seen) if seen is not None else ""
    return [warning(_SUBJECT, trouble, "Until then results are found by asking.")] if trouble else []


def _seen(config: Config) -> WebhookFacts | None:
    """How they come in, where a daemon runs."""
    try:
        if is_running(config):
            with Journal.open(config.state_dir, read_only=True) as journal:
                return last_known(journal)
    except (JournalError, PermissionError):
        pass  # told already
    return None
