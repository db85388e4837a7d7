"""Sends: a child process a message, which is killed when it takes too long, floods, or the program ends.

Addresses hold passwords. They go to the child through a pipe; nothing of them is in what comes back.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from diffio_watch import __version__
from diffio_watch.disk.names import terminal
from diffio_watch.service.notices import addresses

PATIENCE: Final = 30.0  # seconds for a message
_GRACE: Final = 2.0  # … once the program is to end
_LOOK: Final = 0.1
_MOST: Final = 65_536  # bytes of an answer
_LONGEST: Final = 300  # characters of a reason
_CHILD: Final = Path(__file__).with_name("child.py")
# all that a library needs to find its way; no key, no credential, no socket of the service manager
_PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
                  "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
                  "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
INSTALL: Final = (f"Install diffio-watch with the extra `notify`, or run `{shlex.quote(sys.executable)} -m pip install "
                  "apprise`.")
MISSING: Final = f"Apprise is not installed, so nobody is told. {INSTALL}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one address: `ok` is None where nobody knows."""

    ok: bool | None
    error: str = ""


def available() -> bool:
    """Whether Apprise is installed."""
    return importlib.util.find_spec("apprise") is not None


def message(urls: Sequence[str], subject: str, body: str, stop: Callable[[], bool] = lambda: False) -> list[Outcome]:
    """Send a message to each address; what came of it, in their order.

    Args:
        urls: as Apprise has them.
        subject: one line.
        body: plain text.
        stop: whether the program is to end: then little time is left.
    """
    lines, end = _run({"urls": list(urls), "subject": subject, "body": body, "heartbeat": None}, stop)
    found = [end] * len(urls)
    for line in lines:
        number, ok, error = line.get("number"), line.get("ok"), line.get("error")
        if isinstance(number, int) and 0 <= number < len(urls) and isinstance(ok, bool) and isinstance(error, str):
            found[number] = Outcome(ok, _fit(error, urls))
    return found


def heartbeat(url: str, stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Ask the heartbeat's address once."""
    lines, end = _run({"urls": [], "heartbeat": url, "agent": f"diffio-watch/{__version__}"}, stop)
    for line in lines:
        ok, error = line.get("ok"), line.get("error")
        if isinstance(ok, bool) and isinstance(error, str):
            return Outcome(ok, _fit(error, [url]))
    return end


def _run(asked: dict[str, Any], stop: Callable[[], bool]) -> tuple[list[dict[str, Any]], Outcome]:
    """What a child says, and what to say of what it did not say."""
    try:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-P", str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
            env={name: os.environ[name] for name in _PASSED if name in os.environ} | {"PYTHONUTF8": "1"})
    except OSError as error:
        return [], Outcome(ok=False, error=f"No process could be started for it: {error.strerror}.")
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with contextlib.suppress(OSError), child.stdin:  # it ended before it was asked
            # less than a pipe holds, so that this waits for nobody
            child.stdin.write(json.dumps(asked | {"seconds": PATIENCE + 5}, ensure_ascii=False).encode())
        said, why = _hear(child.stdout, stop)
    finally:
        _kill(child)
        child.stdout.close()
    if not why:
        why = f"The process that sends ended ({_ending(child.returncode)}); it is not known whether it arrived."
    return _parsed(said), Outcome(None, why)


def _hear(out: IO[bytes], stop: Callable[[], bool]) -> tuple[bytes, str]:
    """What comes until the end, and why there was no end to wait for; "" where it came."""
    said = b""
    end, ending = time.monotonic() + PATIENCE, False
    os.set_blocking(out.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        while time.monotonic() < end:
            if not ending and stop():
                ending, end = True, min(end, time.monotonic() + _GRACE)
            if selector.select(_LOOK):
                chunk = out.read(_MOST)
                if not chunk:
                    return said, ""
                said += chunk
                if len(said) > _MOST:
                    return said[:_MOST], "The process that sends said too much; it is not known whether it arrived."
    if ending:
        return said, "The daemon ended while it was sent; it is not known whether it arrived."
    return said, f"There was no answer within {PATIENCE:.0f} s; it is not known whether it arrived."


def _parsed(said: bytes) -> list[dict[str, Any]]:
    found = []
    for line in said.split(b"\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):  # cut off, or no line of ours
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End it with all that it started; it is in a session of its own."""
    with contextlib.suppress(OSError):  # nothing of it is there any more
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _fit(error: str, urls: Sequence[str]) -> str:
    return terminal(addresses.without(error, urls))[:_LONGEST]
