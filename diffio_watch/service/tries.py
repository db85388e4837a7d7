"""How often a wrong token came, and from where. Bounded, whoever tries."""

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
            recent = [at for at in self._at.get(whose, ()) if now - at < _MINUTE]
            if len(recent) >= _MOST:
                return True
            self._at[whose] = [*recent, now]
            self._at.move_to_end(whose)
            while len(self._at) > _ADDRESSES:
                self._at.popitem(last=False)
            return False


def _whose(peer: str | None, forwarded: str) -> str:
    """Whose wrong tokens are counted together: an address, of IPv6 the network that one host usually has."""
    if peer is None or _network(peer) in {"127.0.0.1", "::/64"}:
        last = forwarded.rpartition(",")[2].strip()  # what stands before it, the visitor may have written
        return _network(last) or _network(peer or "") or "unix"
    return _network(peer) or peer


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
