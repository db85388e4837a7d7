"""One message, or one heartbeat, in a process of its own: it may hang, grow or crash, and is killed.

Run by its path, with nothing of this program loaded but itself. What to do comes as JSON on standard input, for
addresses hold passwords and are in no argument and no environment; what came of it goes to standard output, a line of
JSON an address, as soon as it is known.
"""

from __future__ import annotations

import contextlib
import contextvars
import http.client
import json
import logging
import os
import re
import resource
import signal
import sys
import threading
import urllib.error
import urllib.request
from typing import IO, Any, Final

_MEMORY: Final = 1 << 30  # bytes of address space
_PROCESSOR: Final = 20  # seconds of processor time
_TIMEOUT: Final = 20.0  # seconds of silence of a heartbeat's server
_LONGEST: Final = 300  # characters of a reason
_WORDS: Final = 4096  # … of what a library said, that are looked through for one
# what libraries say, in no order that could be relied on, and what it means
_MEANING: Final = (
    (r"name or service not known|name resolution|nodename nor servname|getaddrinfo|no address associated",
     "there is no server of that name"),
    (r"certificate verify failed|certificate_verify_failed|hostname mismatch|self.signed",
     "its certificate is not trusted"),
    (r"starttls", "the server offers no secure connection (STARTTLS)"),
    (r"wrong version number|ssl", "no secure connection could be made"),
    (r"connection refused", "the server refuses connections"),
    (r"network is unreachable|no route to host|host is unreachable", "there is no way to the server"),
    (r"authentication|credentials|\b535\b|unauthorized|\b401\b|forbidden|\b403\b",
     "the server does not accept the password or token"),
    (r"recipient|\b55[0-4]\b", "the server does not take this recipient or sender"),
    (r"timed out|timeout", "the server did not answer in time"),
    (r"connection reset|broken pipe|unexpectedly closed|aborted|remotedisconnected",
     "the server broke the connection off"),
    (r"not found|\b404\b", "there is nothing at that address (404)"),
    (r"\b5[0-9]{2}\b", "the server has an error of its own"),
    (r"\b429\b|too many", "the server asks for a pause"),
)


_NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("number")  # of the address that is being told


class _Heard(logging.Handler):
    """What Apprise says, by address: its answer is no more than yes or no. Its threads inherit the context."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._said: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        # what else it says has words and numbers in it that mean something in an error only
        if record.levelno < logging.WARNING and "xception" not in record.getMessage():
            return
        number = _NUMBER.get(-1)
        self._said[number] = f"{self._said.get(number, '')}\n{record.getMessage()}"[-_WORDS:]

    def all(self, number: int) -> str:
        return self._said.get(number, "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever is asked has to answer: the address may be told to nobody else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def main() -> None:
    """Do what standard input says."""
    _bounded()
    asked = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager ends all at once; who started it gives it seconds
    signal.alarm(int(asked["seconds"]))  # also where who started it was killed
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # libraries print
    telling = threading.Lock()

    def tell(number: int, why: str | None) -> None:
        with telling:
            out.write(json.dumps({"number": number, "ok": why is None, "error": why or ""}) + "\n")
            out.flush()

    if asked["heartbeat"]:
        tell(0, _beat(asked["heartbeat"], asked["agent"]))
    else:
        _send(asked, tell)
    # plugins leave threads behind that nobody waits for
    os._exit(0)


def _bounded() -> None:
    with contextlib.suppress(OSError):  # the unit may not allow it
        os.nice(10)  # jobs go first
    for what, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _PROCESSOR), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # a lower one is in force, or the system knows none
            resource.setrlimit(what, (most, most))


def _send(asked: dict[str, Any], tell: Any) -> None:
    """Tell every address at once: one that hangs is no reason for the others to wait."""
    try:
        import apprise  # noqa: PLC0415 - a heartbeat needs none
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it: nothing was sent
        for number in range(len(asked["urls"])):
            tell(number, f"Apprise can't be loaded: {type(error).__name__}: {error}"[:_LONGEST])
        return

    heard = _Heard()
    logging.getLogger("apprise").addHandler(heard)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    logging.getLogger("apprise").propagate = False
    asset = apprise.AppriseAsset(app_id="diffio-watch", app_desc="diffio-watch", app_url="", plugin_paths=[])

    def one(number: int, url: str) -> None:
        _NUMBER.set(number)
        try:
            way = apprise.Apprise(asset=asset)
            if not way.add(url):
                tell(number, "Apprise does not know this kind of address, or something is missing in it.")
                return
            told = way.notify(body=asked["body"], title=asked["subject"], notify_type=apprise.NotifyType.INFO,
                              body_format=apprise.NotifyFormat.TEXT)
            tell(number, None if told else _reason(heard.all(number)))
        except Exception as error:  # noqa: BLE001 - a plugin's; the others are told all the same
            tell(number, _reason(f"{type(error).__name__}: {error}"))

    threads = [threading.Thread(target=one, args=pair, daemon=True) for pair in enumerate(asked["urls"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _beat(url: str, agent: str) -> str | None:
    """Why the heartbeat's server does not take it; None where it does."""
    local = urllib.request.ProxyHandler({}) if url.startswith("http:") else urllib.request.ProxyHandler()
    opener = urllib.request.build_opener(_NoRedirect, local)
    request = urllib.request.Request(url, headers={"User-Agent": agent})  # noqa: S310 - the configuration takes http(s) only
    try:
        answer: IO[bytes]
        with opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1)  # no more of it matters
    except urllib.error.HTTPError as error:
        error.close()
        where = " with an address elsewhere, which is not asked" if 300 <= error.code < 400 else ""
        return f"It answered {error.code}{where}."
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _reason(f"{type(error).__name__}: {error}")
    return None


def _reason(said: str) -> str:
    for pattern, meaning in _MEANING:
        if re.search(pattern, said, re.IGNORECASE):
            return f"{meaning[0].upper()}{meaning[1:]}."
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return f"It was not taken: {lines[-1].strip()[:_LONGEST]}" if lines else "It was not taken, and nothing says why."


if __name__ == "__main__":
    main()
