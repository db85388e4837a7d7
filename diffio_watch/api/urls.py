"""Which URLs of the service may be used at all.

The service tells where to upload to and download from. A lie there must not make this program talk to the
studio's own network, so a URL has to be https to a public host. Where the configured API itself is on loopback
(the sandbox, a tunnel), loopback is fine too, also with plain http.

The URL is taken apart once, strictly, here; what is sent is these very pieces, so that no second parser can
understand it differently.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from diffio_watch.api.errors import UnsafeUrl

_SHAPE = re.compile(r"(https?)://([^/?#@\\]+)((?:/[^#]*)?(?:\?[^#]*)?)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_LONGEST: Final = 16_384  # characters of a URL
_PORTS: Final = {"http": 80, "https": 443}
_remembered = functools.lru_cache(256)  # hosts: a service has a few, and each request asks

# names that never are public: RFC 6761, 6762, 8375, 9476, and ICANN's reservation of "internal"
_LOCAL_SUFFIXES: Final = ("localdomain", "local", "internal", "intranet", "lan", "home.arpa", "alt", "onion")
_LOOPBACK_NAMES: Final = frozenset(
    {"localhost.localdomain", "localhost4", "localhost6", "localhost4.localdomain4", "localhost6.localdomain6",
     "ip6-localhost", "ip6-loopback"}
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL: Final = tuple(ipaddress.ip_network(net) for net in (
    "192.0.0.0/24",  # IETF protocols; Python's own list leaves some of it out, differently in each release
    "2001::/32", "2002::/16",  # Teredo, 6to4: they carry an IPv4 address within, and a local one could hide there
))


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be used, in the pieces it is sent as. Its path and query are hidden: they may be signed."""

    scheme: Literal["http", "https"]
    host: str  # lower case; an IPv6 address stands without brackets
    port: int
    path: str = field(repr=False)  # with the query, exactly as it was told

    @property
    def origin(self) -> str:
        """Scheme, host and port, as it may be shown: "https://api.diffio.ai"."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def below(self, path: str) -> Target:
        """The URL of `path` under this one.

        Raises:
            UnsafeUrl: this one has a query, so nothing can be under it.
        """
        if "?" in self.path:
            raise UnsafeUrl("the service named a base URL with a query")
        return replace(self, path=f"{self.path.rstrip('/')}/{path}")

    @property
    def loopback(self) -> bool:
        """Whether it is this machine itself."""
        return _is_loopback(self.host)


def safe(url: str, *, loopback: bool) -> Target:
    """The pieces of `url`, if it may be used.

    Args:
        url: what the service told.
        loopback: whether loopback hosts, and plain http to them, are allowed as well.

    Raises:
        UnsafeUrl: it may not be used. The message tells the rule, never the URL.
    """
    target = parse(url)
    if target.loopback:
        if loopback:
            return target
        raise UnsafeUrl("the service named a URL on this machine itself")
    if target.scheme != "https":
        raise UnsafeUrl("the service named a URL without https")
    _refuse_local(target.host)
    return target


def parse(url: str) -> Target:
    """The pieces of `url`, whatever host it names; for the API's own, which a person configured.

    Raises:
        UnsafeUrl: it is no plain http or https URL. The message tells the rule, never the URL.
    """
    if len(url) > _LONGEST or not url.isascii() or not all("!" <= char <= "~" for char in url):
        raise UnsafeUrl("the URL holds characters that no URL has, or too many")
    shape = _SHAPE.fullmatch(url)
    authority = shape and _AUTHORITY.fullmatch(shape[2])
    if shape is None or authority is None:
        raise UnsafeUrl("the URL is no plain http or https URL (no user, no fragment)")
    scheme: Literal["http", "https"] = "https" if shape[1].lower() == "https" else "http"
    port = int(authority[2]) if authority[2] else _PORTS[scheme]
    if not 0 < port < 65_536:
        raise UnsafeUrl("the URL has no such port")
    path = shape[3] if shape[3].startswith("/") else "/" + shape[3]
    return Target(scheme, _host(authority[1]), port, path)


@_remembered
def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise UnsafeUrl("the URL's IPv6 address is none") from None
    host = text.removesuffix(".").lower()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("the URL's host is no host name")
    if _NUMBER.fullmatch(labels[-1]):  # an address, then, in the one form that everybody reads alike
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise UnsafeUrl("the URL's host is a number that is no plain IPv4 address") from None
    return host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@_remembered
def _is_loopback(host: str) -> bool:
    address = _address(host)
    if address is not None:  # an IPv4 address in IPv6 dress is none of the forms that everybody reads alike
        return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
    return host == "localhost" or host.endswith(".localhost") or host in _LOOPBACK_NAMES


def _refuse_local(host: str) -> None:
    address = _address(host)
    if address is None:
        if "." not in host or any(host.endswith("." + suffix) for suffix in _LOCAL_SUFFIXES):
            raise UnsafeUrl("the service named a host of the local network")
        return
    public = address.is_global and not address.is_multicast and not address.is_reserved
    if isinstance(address, ipaddress.IPv6Address):
        public = public and address in _GLOBAL_UNICAST
    if not public or any(address in net for net in _SPECIAL):
        raise UnsafeUrl("the service named an address that is not public")
