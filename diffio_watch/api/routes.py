"""Which way a request takes: direct, or by the proxy that the environment names."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import threading
import time
import urllib.request
from typing import Final

import httpx

from diffio_watch.api import patience
from diffio_watch.api.urls import Target

# their own lines hold whole signed URLs
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# each has one request at a time
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=30.0)
_IDLE: Final = 30.0  # seconds after which one that nobody needed is closed

_Way = tuple[str, str | None]  # a scheme, and the URL of a proxy


class Routes:
    """Transports, made when needed: one for each request under way, and the last that was used goes next.

    One for all of them would look at each idle connection twice a request, and at its lock they would all wait.
    `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured, the
    proxies never for this machine itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trusted: ssl.SSLContext | None = None
        self._idle: list[tuple[float, _Way, httpx.HTTPTransport]] = []  # since when, in monotonic seconds
        self._used: dict[httpx.HTTPTransport, _Way] = {}

    def to(self, target: Target) -> httpx.HTTPTransport:
        """A way to `target`, for one request: until `done` it is nobody else's.

        Raises:
            OSError, ValueError, ImportError: a proxy or a certificate file that the environment names is unusable.
        """
        way = target.scheme, proxy_for(target)
        with self._lock:
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at][1] == way:
                    transport = self._idle.pop(at)[2]
                    break
            else:
                transport = patience.bound(
                    httpx.HTTPTransport(verify=self._verify(target), proxy=way[1], limits=_LIMITS))
            self._used[transport] = way
            return transport

    def done(self, transport: httpx.HTTPTransport) -> None:
        """Have a transport for the next request; its connections stay."""
        with self._lock:
            now = time.monotonic()  # so that they lie in the order of their times
            way = self._used.pop(transport, None)
            if way is not None:  # else all were ended meanwhile
                self._idle.append((now, way, transport))
            old = [one for one in self._idle if one[0] < now - _IDLE]
            del self._idle[:len(old)]
        for _, _, unused in old:
            unused.close()

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            transports = [*self._used, *(transport for _, _, transport in self._idle)]
            self._used, self._idle = {}, []
        for transport in transports:
            transport.close()

    def _verify(self, target: Target) -> ssl.SSLContext:
        """Whom is believed; read once. Plain http needs no certificates, so it trusts none and reads none."""
        if target.scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._trusted is None:
            self._trusted = httpx.create_ssl_context()
        return self._trusted


def proxy_for(target: Target) -> str | None:
    """The URL of the proxy to reach `target` by; None: none."""
    if target.loopback:
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy or _exempt(target, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _exempt(target: Target, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names the host: a name with all below it, an address, a network, or "*"."""
    try:
        address = ipaddress.ip_address(target.host)
    except ValueError:
        address = None
    for entry in no_proxy.replace(",", " ").lower().split():
        name = entry.removesuffix(f":{target.port}").strip("[]")
        if name == "*":
            return True
        if address is None:
            name = name.removeprefix("*").removeprefix(".")
            if name and (target.host == name or target.host.endswith("." + name)):
                return True
            continue
        try:
            network = ipaddress.ip_network(name, strict=False)
        except ValueError:
            continue
        if address.version == network.version and address in network:
            return True
    return False
