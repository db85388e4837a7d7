"""What `check` finds out about the page: whether it can be reached, by whom, and the token."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.report.running import is_running
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
    return [*_address(config), *_token(config.web), *_names(config.web)]


def _address(config: Config) -> list[Finding]:
    listen = config.web.listen
    assert listen is not None
    if is_running(config):
        return [ok(_SUBJECT, f"It is at {listen}, as the daemon that runs has it.")]
    if listen.startswith("unix:"):  # its folder is made when the service starts
        path = listen.removeprefix("unix:")
        if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
            return [error(_SUBJECT, f"{path} is there and is no socket.", "Name another path as `web.listen`.")]
        return [ok(_SUBJECT, f"It will be at {listen}.")]
    try:
        Held.of({"web.listen": listen}).close()
    except CannotListen as trouble:
        return [error(_SUBJECT, str(trouble), "Until then the daemon does not start.")]
    return [ok(_SUBJECT, f"It will be at {listen}, which is free.")]


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
