"""Which way a request takes: direct, or by the proxy that the environment names."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import threading
import urllib.request
from typing import Final

import httpx

from diffio_watch.api import patience
from diffio_watch.api.urls import Target

# their own lines hold whole signed URLs
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# a connection for each thread that needs one: the number of threads is the limit
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=30.0)


class Routes:
    """Connection pools, one for each way out, made when first needed.

    `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured, the
    proxies never for this machine itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str | None], httpx.HTTPTransport] = {}

    def to(self, target: Target) -> httpx.HTTPTransport:
        """The pool for `target`.

        Raises:
            OSError, ValueError, ImportError: a proxy or a certificate file that the environment names is unusable.
        """
        way = target.scheme, proxy_for(target)
        with self._lock:
            pool = self._pools.get(way)
            if pool is None:
                # plain http needs no certificates, so it gets a context that trusts none, and none are read
                verify = True if target.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                pool = self._pools[way] = patience.bound(
                    httpx.HTTPTransport(verify=verify, proxy=way[1], limits=_LIMITS))
            return pool

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


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
