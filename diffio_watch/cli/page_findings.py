"""What `check` finds out about the page: whether it can be reached, by whom, and the token."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.journal import Journal, JournalError, unheard
from diffio_watch.report.running import is_running
from diffio_watch.report.unheard import GOES_ON
from diffio_watch.service.access import ANY, is_loopback_name, known_hosts
from diffio_watch.service.sockets import CannotListen, Held
from diffio_watch.service.token import BadToken, read_token

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.config.model import Web

_SUBJECT = "page"


def page(config: Config) -> list[Finding]:
    """Nothing where there is to be none."""
    if config.web.listen is None:
        return []
    return [address(config, _SUBJECT, "web.listen", config.web.listen), *_token(config.web), *_names(config.web)]


def address(config: Config, subject: str, key: str, listen: str) -> Finding:
    """Whether something can be listened at, or is by the daemon that runs.

    Args:
        config: the configuration.
        subject: what is found there.
        key: that has the address.
        listen: the address.
    """
    if is_running(config):
        in_the_way = _unheard(config).get(key)
        return ok(subject, f"It is at {listen}, as the daemon that runs has it.") if in_the_way is None else error(
            subject, in_the_way, GOES_ON)
    if listen.startswith("unix:"):  # its folder is made when the service starts
        path = listen.removeprefix("unix:")
        if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
            return error(subject, f"{path} is there and is no socket.", f"Name another path as `{key}`.")
        return ok(subject, f"It will be at {listen}.")
    try:
        Held.of({key: listen}).close()
    except CannotListen as trouble:
        return error(subject, str(trouble), f"Until then the daemon works without. {GOES_ON}")
    return ok(subject, f"It will be at {listen}, which is free.")


def _unheard(config: Config) -> dict[str, str]:
    try:
        with Journal.open(config.state_dir, read_only=True) as journal:
            return unheard.last_known(journal)
    except (JournalError, PermissionError):
        return {}  # told already


def _token(web: Web) -> list[Finding]:
    if web.token_file is None:
        if _is_local(web):
            return [warning(_SUBJECT, "Without a token it shows everything and changes nothing.",
                            "Name a file with one as `web.token_file`, so that buttons can be pressed.")]
        return [error(_SUBJECT, "It is reached from other machines, and without a token it shows them nothing.",
                      "Name a file with one as `web.token_file`.")]
    try:
        read_token(web.token_file)
    except BadToken as trouble:
        return [error(_SUBJECT, trouble.message, trouble.action)]
    return [ok(_SUBJECT, f"The token in {web.token_file} is long enough, and nobody else can read it.")]


def _names(web: Web) -> list[Finding]:
    if _is_local(web) or known_hosts(web):
        return []
    return [warning(_SUBJECT, "It is reached from other machines, and knows no name but this one's own for itself.",
                    "List the names that people type as `web.hosts`.")]


def _is_local(web: Web) -> bool:
    host = (web.listen or "").rpartition(":")[0].strip("[]")
    return web.listen is None or web.listen.startswith("unix:") or (host not in ANY and is_loopback_name(host))
