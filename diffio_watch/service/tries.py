"""Where a visit comes from, and how often a wrong token came from there. Bounded, whoever tries."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from typing import Final

_MOST: Final = 5  # wrong tokens within …
_MINUTE: Final = 60.0  # seconds
_ADDRESSES: Final = 1000  # that are remembered


class Tries:
    """Wrong tokens. Safe to use from many threads: it goes over to the server of another configuration."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: OrderedDict[str, list[float]] = OrderedDict()

    def one_more(self, peer: str | None, forwarded: str, now: float) -> bool:
        """A wrong token came; whether these are too many from there.

        Args:
            peer: the address that it came from; None on a Unix socket.
            forwarded: `X-Forwarded-For`, believed of a proxy on this machine alone: it does no more than tell apart.
            now: seconds since the epoch.
        """
        with self._lock:
            whose = _whose(peer, forwarded)
            recent = [at for at in self._at.get(whose, ()) if 0 <= now - at < _MINUTE]  # a clock may be set back
            if len(recent) >= _MOST:
                return True
            self._at[whose] = [*recent, now]
            self._at.move_to_end(whose)
            while len(self._at) > _ADDRESSES:
                self._at.popitem(last=False)
            return False


def is_this_machine(peer: str | None) -> bool:
    """Whether a request comes from a program of this machine, such as a proxy: what that writes can be believed."""
    return peer is None or _network(peer) in {"127.0.0.1", "::/64"}


def whence(peer: str | None, forwarded: str) -> str:
    """The address that a visit comes from; "" for this machine's own.

    Args:
        peer: the address of the connection; None on a Unix socket.
        forwarded: `X-Forwarded-For`, believed of a proxy on this machine alone, and of it what it added itself.
    """
    if not is_this_machine(peer):
        return peer or ""
    last = forwarded.rpartition(",")[2].strip()  # what stands before it, the visitor may have written
    return last if _network(last) else ""


def _whose(peer: str | None, forwarded: str) -> str:
    """Whose wrong tokens are counted together: an address, of IPv6 the network that one host usually has."""
    whose = whence(peer, forwarded) or peer or "unix"
    return _network(whose) or whose


def _network(address: str) -> str:
    """"" where it is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None) or found
    if mapped.version == 4:
        return str(mapped)
    return str(ipaddress.ip_network((mapped, 64), strict=False))
