"""What `check` finds out about notices: whom to tell, whether that is possible, and, asked to, whether they get it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.service.notices import addresses, send, words

if TYPE_CHECKING:
    from diffio_watch.config import Config

_SUBJECT: Final = "notices"


def notices(config: Config, *, test: bool) -> list[Finding]:
    """Nothing where nobody is to be told; with `test`, a message is sent to each address, and the heartbeat asked.

    Args:
        config: the configuration.
        test: send.
    """
    notify = config.notify
    if not (notify.urls or notify.urls_file or notify.heartbeat):
        return [warning(_SUBJECT, "There is nobody to send a test to.",
                        "Write an address into `notify.urls`, or into a file that `notify.urls_file` names.")
                ] if test else []
    found = []
    if notify.urls_file is not None and addresses.everybody_reads(notify.urls_file):
        found.append(warning(_SUBJECT, f"Everybody on this machine can read {notify.urls_file}, and passwords stand "
                                       "in it.", f"Run `chmod o= {notify.urls_file}`."))
    known = addresses.read(notify)
    if known.problem:
        found.append(warning(_SUBJECT, known.problem, "Put it right; it is read again by itself."))
    if known.urls and not send.available():
        found.append(error(_SUBJECT, "Apprise is not installed, so nobody is told.", send.INSTALL))
    elif known.urls and not test:
        shown = ", ".join(addresses.redacted(url) for url in known.urls)
        found.append(ok(_SUBJECT, f"Told are {shown}; `check --notify` sends them a test."))
    elif known.urls:
        host = socket.gethostname()
        subject, body = words.test(host, words.link(config.web, host))
        for url, one in zip(known.urls, send.message(known.urls, subject, body), strict=True):
            where = addresses.redacted(url)
            found.append(ok(_SUBJECT, f"{where} has taken a test: see that it arrived.") if one.ok else
                         error(_SUBJECT, f"{where} was sent a test. {one.error}",
                               "Put its address right, or see to its server."))
    if notify.heartbeat and test:
        where, outcome = addresses.redacted(notify.heartbeat), send.heartbeat(notify.heartbeat)
        found.append(ok(_SUBJECT, f"The heartbeat at {where} was asked, and answers.") if outcome.ok else
                     error(_SUBJECT, f"The heartbeat at {where} was asked. {outcome.error}",
                           "Put `notify.heartbeat` right, or see to its server."))
    return found
