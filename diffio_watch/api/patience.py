"""How long the head of an answer may take: as long as silence may last, whatever is said meanwhile.

httpcore passes over informational answers ("102 Processing") and waits anew after each, so a host that sends them
without an end would hold a thread for ever; so would one that trickles headers.

Besides, httpcore writes a head and a small body apart; here they go out together.
"""

from __future__ import annotations

import contextlib
import math
import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore
import httpx

_HELD: Final = 1 << 14  # bytes that wait for what is written next


class Patient(httpcore.NetworkBackend):
    """Makes connections whose reads are bounded together, from the last write until the head has come."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to a host."""
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to a socket of this machine; nothing here asks for one."""
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._inner.sleep(seconds)


def bound(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """The transport with patient connections.

    Neither httpx nor its transport takes a backend from outside (httpx 0.28); its pool takes one from httpcore.
    """
    pool = transport._pool  # noqa: SLF001 - see above; a test shows that it still works
    pool._network_backend = Patient(pool._network_backend)  # noqa: SLF001 - likewise
    return transport


def head_came(response: httpx.Response) -> None:
    """The answer's head is here: from now on each read is bounded alone, for a body takes the time it takes."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, _Stream):
        stream.since = math.inf


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self.since: float | None = None  # when the first read after the last write began, in monotonic seconds
        self._held = b""  # written, and not sent yet

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with contextlib.suppress(httpcore.WriteError):  # as httpcore has it: who refuses a request may say why
            self._send(b"", timeout)
        now = time.monotonic()
        if self.since is None:
            self.since = now
        if timeout is not None:
            timeout = min(timeout, self.since + timeout - now)
            if timeout <= 0:
                raise httpcore.ReadTimeout("the head of the answer does not come")
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.since = None
        if len(self._held) + len(buffer) <= _HELD:
            self._held += buffer
        else:
            self._send(buffer, timeout)

    def _send(self, buffer: bytes, timeout: float | None) -> None:
        held, self._held = self._held, b""
        for data in (held, buffer):
            if data:
                self._inner.write(data, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
