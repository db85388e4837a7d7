"""Which way a request takes, direct or by the proxy that the environment names; and the connections that are kept."""

from __future__ import annotations

import base64
import ipaddress
import os
import socket
import ssl
import threading
import time
import urllib.request
from typing import Final
from urllib.parse import unquote, urlsplit

import certifi
import h11

from diffio_watch.api.connection import Connection, Header
from diffio_watch.api.urls import Target

_KEPT: Final = 16  # idle connections at most; as many are in use as there are threads
_IDLE: Final = 30.0  # seconds for which they are kept

Way = tuple[str, str, int, str | None]  # scheme, host and port, and the URL of the proxy


class NoConnection(Exception):
    """None could be made: nothing was sent."""


class Unusable(Exception):
    """The proxy or the certificates that the environment names can't be used."""


class Routes:
    """Connections, one for each thread that needs one, used again while both ends want it.

    `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured, the
    proxies never for this machine itself.

    Args:
        connect_timeout: seconds until a connection must stand.
        silence: seconds of silence after which a request is given up.
    """

    def __init__(self, connect_timeout: float, silence: float) -> None:
        self._connect_timeout = connect_timeout
        self._silence = silence
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._idle: list[tuple[float, Way, Connection]] = []  # the last used last
        self._used: dict[Connection, Way] = {}

    def to(self, target: Target) -> Connection:
        """A connection for one request, which belongs to the caller until `done`.

        Raises:
            Unusable: the way is no way.
            NoConnection: the host or the proxy is not there.
        """
        proxy = proxy_for(target)
        way = target.scheme, target.host, target.port, proxy
        connection = self._kept(way)
        if connection is None:
            connection = self._new(target, proxy)
            with self._lock:
                self._used[connection] = way
        return connection

    def done(self, connection: Connection) -> None:
        """Keep a connection for the next one, or close it where it can't be used again."""
        with self._lock:
            way = self._used.pop(connection, None)
            if way is None or not connection.ready:
                connection.close()
                return
            now = time.monotonic()
            self._idle.append((now, way, connection))
            while len(self._idle) > _KEPT or self._idle[0][0] < now - _IDLE:
                self._idle.pop(0)[2].close()

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            idle, self._idle = self._idle, []
            used, self._used = list(self._used), {}
        for _, _, connection in idle:
            connection.close()
        for connection in used:
            connection.end()

    def _kept(self, way: Way) -> Connection | None:
        with self._lock:
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at][1] == way:
                    since, _, connection = self._idle.pop(at)
                    if since >= time.monotonic() - _IDLE and connection.quiet:
                        self._used[connection] = way
                        return connection
                    connection.close()
        return None

    def _new(self, target: Target, proxy: str | None) -> Connection:
        host, port = (target.host, target.port) if proxy is None else _place(proxy)
        context = self._trusts() if target.scheme == "https" else None
        try:
            sock = socket.create_connection((host, port), self._connect_timeout)
        except OSError as error:
            raise NoConnection(str(error)) from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy is not None:  # never of plain http, which is for this machine alone
                _put_through(sock, target, proxy, self._connect_timeout)
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=target.host)
            return Connection(sock, self._silence)
        except (OSError, ValueError) as error:
            sock.close()
            raise NoConnection(str(error)) from error
        except BaseException:
            sock.close()
            raise

    def _trusts(self) -> ssl.SSLContext:
        """Whom is believed; read once, and only where it is needed."""
        with self._lock:
            if self._context is None:
                file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
                try:
                    self._context = ssl.create_default_context(
                        cafile=file or (None if folder else certifi.where()), capath=None if file else folder or None)
                except OSError as error:
                    raise Unusable(str(error)) from error
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


def _place(proxy: str) -> tuple[str, int]:
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unusable(str(error)) from error
    if parts.scheme != "http" or not host:
        raise Unusable("its URL does not begin with http:// and a host")
    return host, port or 80


def _pass(proxy: str) -> list[Header]:
    """What a proxy wants to see, where its URL has a user."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return []
    told = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return [("Proxy-Authorization", f"Basic {base64.b64encode(told).decode()}")]


def _put_through(sock: socket.socket, target: Target, proxy: str, timeout: float) -> None:
    """Have a proxy make the connection on: what goes through it from then on it can't read.

    Raises:
        NoConnection: it does not.
    """
    host = f"[{target.host}]" if ":" in target.host else target.host
    asked = f"{host}:{target.port}"
    try:
        answer = Connection(sock, timeout).ask("CONNECT", asked, [("Host", asked), *_pass(proxy)], b"")
    except h11.ProtocolError as error:
        raise NoConnection(f"the proxy: {error}") from error
    if not 200 <= answer.status_code < 300:
        raise NoConnection(f"the proxy answered {answer.status_code}")


def authority(target: Target) -> str:
    """Host and port, as they stand in a request."""
    return target.origin.partition("://")[2]



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
