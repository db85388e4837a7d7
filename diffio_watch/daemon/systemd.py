"""Tells the service manager how the daemon is (sd_notify(3)): one datagram to the socket it names."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from diffio_watch.job import OPEN, State
from diffio_watch.journal import Halt

_LONGEST: Final = 400  # characters of a status line


def notify(state: str) -> None:
    """Send a state such as `READY=1`; nothing happens where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    # a manager that does not listen, or does not read, is no reason to stop restoring
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, kind) as out:
        out.sendto(state.encode("utf-8", "replace"), address)


def reloading() -> None:
    """Say that the configuration is being read again; `READY=1` says that this is over."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


class StatusLine:
    """The line that `systemctl status` shows, sent when it changed."""

    def __init__(self) -> None:
        self._told = ""

    def tell(self, words: str) -> None:
        """Send it, unless it is the one sent last."""
        line = " ".join(words.split())
        if len(line) > _LONGEST:
            line = line[: _LONGEST - 1] + "…"
        if line != self._told:
            self._told = line
            notify(f"STATUS={line}")


def summary(counts: Mapping[State, int], halts: Mapping[str, Halt], paused: Mapping[str, float],
            refused: str = "") -> str:
    """How everything is, in one line of words: what stops it first.

    Args:
        counts: jobs by state.
        halts: by scope.
        paused: inboxes that a person paused; `*` is all of them.
        refused: what is wrong with the configuration that was read last; "" where it is in force.
    """
    told = [f"Its new configuration was refused: {refused}"] if refused else []
    told += [halt.because.message for _, halt in sorted(halts.items(), key=lambda one: one[0].startswith("inbox:"))]
    if paused:
        told.append("Paused: " + ("every inbox" if "*" in paused else ", ".join(sorted(paused))) + ".")
    under_way, held = sum(counts.get(state, 0) for state in OPEN), counts.get(State.HELD, 0)
    numbers = f"{under_way} on their way" if under_way else "Nothing on its way"
    if held:
        numbers += f", {held} held until a person decides"
    return " ".join([*dict.fromkeys(told), f"{numbers}."])
