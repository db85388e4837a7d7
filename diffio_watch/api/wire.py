"""The one seam to HTTP: a request out, an answer in, and every foreign failure turned into the family.

No redirect is followed, no cookie kept, nothing decompressed, nothing logged: the transports are used bare.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

import httpx

from diffio_watch import __version__
from diffio_watch.api import long_body, patience, sanitize
from diffio_watch.api.answers import Answer
from diffio_watch.api.errors import Ambiguous, ApiError, Stopped, Unreachable
from diffio_watch.api.retry import Retrier, Tries
from diffio_watch.api.routes import Routes
from diffio_watch.api.streams import Body, Piece
from diffio_watch.api.urls import Target
from diffio_watch.api.verdicts import Judge

T = TypeVar("T")
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")  # a number is nothing for people
Role = Literal["api", "upload", "storage"]

USER_AGENT: Final = f"diffio-watch/{__version__}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one HTTP request showed of its origin.

    Attributes:
        origin: scheme, host and port.
        role: what the host is to us.
        ok: the origin answered as one that works; a clear refusal (4xx) is such an answer, a 429 or 5xx is not.
        error: why not, or what it refused.
        call: its name, such as "progress".
        sent: bytes of the request's body that were handed to the connection.
        received: bytes of the answer's body that came.
    """

    origin: str
    role: Role
    ok: bool
    error: ApiError | None
    call: str = ""
    sent: int = 0
    received: int = 0


Observe = Callable[[Observation], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        call: its name in errors.
        role: what the host is to us.
        judge: what the answer's status means there.
        secrets: what must never show in an error.
    """

    call: str
    role: Role
    method: str
    target: Target
    judge: Judge
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Body = b""
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Wire:
    """Sends requests, of one client: its connections are shared with no other."""

    def __init__(
        self, *, connect_timeout: float, read_timeout: float, stop: threading.Event, observe: Observe, tries: Tries
    ) -> None:
        self.retrier = Retrier(tries, stop)
        self._observe = observe
        self._silence = read_timeout
        self._seam = _Seam(read_timeout)
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout, pool=None).as_dict()
        self._routes = Routes()

    def ask(self, request: Request, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer, in a few tries.

        Raises:
            ApiError: what went wrong in the last one.
        """
        def once() -> T:
            with self.open(request) as answer:
                return read(answer)

        return self.retrier.run(once)

    @contextmanager
    def open(self, request: Request) -> Iterator[Answer]:
        """Send once, and give the answer while its connection is held. It is observed when the block ends.

        Raises:
            ApiError: it could not be sent, its answer is a bad one, or the block raised it.
        """
        response: httpx.Response | None = None
        came = [0]
        feed = None if isinstance(request.body, bytes) else _Feed(request.body, self.retrier.check)
        try:
            transport = self._way(request.target)
            try:
                response = self._send(request, transport, feed)
                answer = Answer(response.status_code, _headers(response), self._chunks(response, came),
                                patience=self._silence)
                error = request.judge(answer)
                if error is None and feed is not None and not feed.whole:
                    error = Ambiguous("it was answered before all of it was sent", status=answer.status)
                if error is not None:
                    raise error
                yield answer
            finally:
                if feed is not None:
                    feed.close()
                try:
                    if response is not None:
                        with self._seam:
                            response.close()
                finally:
                    self._routes.done(transport)
        except ApiError as error:
            error.call, error.origin = request.call, request.target.origin
            error.message = sanitize.clean(error.message, request.secrets)
            error.args = (error.message,)
            if not isinstance(error, Stopped):
                self._observe(Observation(error.origin, request.role, not error.transient, error, request.call,
                                          _sent(request, feed), came[0]))
            raise
        except _FromCaller as wrapped:
            callers = wrapped.error
        else:
            self._observe(Observation(request.target.origin, request.role, ok=True, error=None,
                                      call=request.call, sent=_sent(request, feed), received=came[0]))
            return
        raise callers

    def close(self) -> None:
        """End every connection."""
        self._routes.close()

    def _way(self, target: Target) -> httpx.HTTPTransport:
        try:
            return self._routes.to(target)
        except (UnicodeError, httpx.InvalidURL):  # whose words quote what may be a part of a password
            raise Unreachable("the proxy that the environment names has no valid address: `http://HOST:PORT`, or "
                              "`http://USER:PASSWORD@HOST:PORT` with each odd letter of a password as %XX") from None
        except (OSError, ValueError, ImportError) as error:
            raise Unreachable(f"the proxy or certificates that the environment names are unusable: {error}") from None

    def _send(self, request: Request, transport: httpx.HTTPTransport, feed: _Feed | None) -> httpx.Response:
        target = request.target
        body = request.body
        size = len(body) if isinstance(body, bytes) else body.size
        with self._seam:
            headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **request.headers}
            if request.method != "GET":
                headers["Content-Length"] = str(size)
            content = body if isinstance(body, bytes) else feed
            sent = httpx.Request(request.method, url := _Exact(target), headers=headers, content=content,
                                 extensions={"timeout": self._timeout})
            sent.url = url  # the request made a plain copy of it
            response = transport.handle_request(sent)
            patience.head_came(response)
            return response

    def _chunks(self, response: httpx.Response, came: list[int]) -> Iterator[Piece]:
        stream = response.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError(stream)
        with self._seam:
            left = long_body.length(response)
            for chunk in stream:
                self.retrier.check()
                came[0] += len(chunk)
                yield chunk
                left -= len(chunk)  # and nothing of it waits anywhere but in the connection
                if left >= long_body.LONG and (sock := long_body.connection(response)) is not None:
                    for piece in long_body.rest(sock, left, self._silence):
                        self.retrier.check()
                        came[0] += len(piece)
                        yield piece
                    return


class _Seam:
    """Foreign failures become ours. Their chains are cut: their texts may quote headers and URLs."""

    def __init__(self, silence: float) -> None:
        self._silence = silence

    def __enter__(self) -> None:
        """Nothing is remembered, so one will do for all threads."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case httpx.ConnectTimeout() | httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol():
                raise Unreachable(f"no connection: {_told(error)}") from None
            case httpx.TimeoutException() | TimeoutError():
                raise Ambiguous(f"no sign of life for {self._silence:g} s") from None
            case UnicodeError():
                raise Unreachable("no connection: the host's name is none") from None
            case (httpx.HTTPError() | httpx.StreamError() | httpx.InvalidURL() | OSError() | ValueError()
                  | RuntimeError()):
                raise Ambiguous(f"the connection broke: {_told(error)}") from None


class _Feed:
    """A caller's body as HTTP takes it: counted, stoppable, and closed when nobody wants more of it."""

    def __init__(self, body: Body, check: Callable[[], None]) -> None:
        self.whole = False  # all of it was handed over
        self.sent = 0  # bytes of it that were
        self._chunks = self._run(body, check)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()

    def _run(self, body: Body, check: Callable[[], None]) -> Generator[bytes]:
        try:
            for chunk in body.chunks():
                check()
                self.sent += len(chunk)
                if self.sent > body.size:
                    break
                yield chunk
            if self.sent != body.size:
                raise ValueError(f"the body gave {self.sent} bytes or more where it had promised {body.size}")
        except Exception as error:  # noqa: BLE001 - whatever the caller's own reading raises is the caller's
            raise _FromCaller(error) from None
        self.whole = True


def _sent(request: Request, feed: _Feed | None) -> int:
    return feed.sent if feed is not None else len(request.body) if isinstance(request.body, bytes) else 0


class _Exact(httpx.URL):
    """A URL whose path and query go out byte for byte as they were signed, also through a proxy."""

    def __init__(self, target: Target) -> None:
        super().__init__(_origin(target.scheme, target.host, target.port))
        self._exact = target.path.encode("ascii")

    @property
    def raw_path(self) -> bytes:
        return self._exact


@functools.lru_cache(256)
def _origin(scheme: str, host: str, port: int) -> httpx.URL:
    return httpx.URL(scheme=scheme, host=host, port=port, path="/")


class _FromCaller(Exception):
    """What a caller's body raised, on its way through foreign code."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _told(error: Exception) -> str:
    return _ERRNO.sub("", str(error)) or type(error).__name__


def _headers(response: httpx.Response) -> dict[str, str]:
    """The headers, their names in lower case; of those that stand twice, both, with a comma."""
    return {name.lower(): value for name, value in response.headers.items()}
