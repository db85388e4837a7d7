"""The seam: what goes out, what is learned of an origin, and that no secret or foreign failure comes out."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_wild import FAST, KEY, TOKEN, Bytes, Memory, Seen, Wild, audio, http, put_to, reset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffio_watch import __version__
from diffio_watch.api import (
    Ambiguous,
    Api,
    ApiError,
    Forbidden,
    NotFound,
    Observation,
    RateLimited,
    Session,
    Stopped,
    Storage,
    Tries,
    Unauthorized,
    Unavailable,
    Unreachable,
    long_body,
)
from diffio_watch.api.routes import proxy_for
from diffio_watch.api.streams import Piece
from diffio_watch.api.urls import parse

USAGE = http(200, {"usage": {"seconds": 5}, "billing": {}})


def test_the_key_goes_to_the_api_in_one_header(wild: Wild, api: Api) -> None:
    wild.replies = [http(200, {"usage": {}}, "Set-Cookie: session=1; Path=/")]
    api.usage()
    api.usage()
    for seen in wild.seen:
        assert (seen.method, seen.target, seen.json()) == ("POST", "/v1/usage/summary", {})
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert seen.headers["content-type"] == "application/json"
        assert seen.headers["user-agent"] == f"diffio-watch/{__version__}"
        assert not seen.headers.keys() & {"cookie", "x-api-key", "xi-api-key", "transfer-encoding"}


def test_the_key_is_read_anew_for_every_call(wild: Wild, stop: threading.Event) -> None:
    keys = iter(["one", "two"])
    api = Api(f"{wild.url}/v1", lambda: next(keys), connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    wild.replies = [http(503), USAGE]
    api.usage()
    api.usage()
    assert [seen.headers["authorization"][7:] for seen in wild.seen] == ["one", "one", "two"]
    api.close()


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "schl\u00fcssel", "a\r\nX-Evil: 1"])
def test_a_key_that_is_no_header_is_refused_unsent(key: str, wild: Wild, stop: threading.Event) -> None:
    api = Api(f"{wild.url}/v1", lambda: key, connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    with pytest.raises(Unauthorized) as caught:
        api.usage()
    assert not key.strip() or key not in str(caught.value)
    assert not wild.seen


def test_what_the_key_callable_raises_comes_out_unchanged(wild: Wild, stop: threading.Event) -> None:
    class Missing(Exception):
        pass

    def key() -> str:
        raise Missing

    api = Api(f"{wild.url}/v1", key, connect_timeout=1, read_timeout=1, stop=stop)
    with pytest.raises(Missing):
        api.usage()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_key_goes_along(
    status: int, wild: Wild, api: Api, storage: Storage
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.05)
        place = f"Location: http://127.0.0.1:{trap.getsockname()[1]}/{KEY}"
        wild.replies = [http(status, b"", place)]
        with pytest.raises(Ambiguous, match="redirect"):
            api.usage()
        with pytest.raises(Ambiguous):
            storage.put(put_to(wild.url), Bytes(b"x"))
        with pytest.raises(Ambiguous):
            storage.download(audio(wild.url), Memory())
        with pytest.raises(TimeoutError):
            trap.accept()


def test_each_request_is_observed_once(
    wild: Wild, api: Api, storage: Storage, observed: list[Observation]
) -> None:
    wild.replies = [reset, http(503), USAGE, http(404), http(403), http(429, b"", "Retry-After: 30"),
                    http(200, b"ID3" + bytes(50), "Content-Type: audio/mpeg")]
    api.usage()
    with pytest.raises(NotFound):
        api.usage()
    with pytest.raises(Forbidden):
        api.usage()
    with pytest.raises(RateLimited):
        api.usage()
    with pytest.raises(RateLimited):  # held back by the one before: nothing is sent, nothing seen
        api.usage()
    storage.download(audio(wild.url), Memory())
    assert [type(one.error) for one in observed] == [
        Ambiguous, Unavailable, type(None), NotFound, Forbidden, RateLimited, type(None),
    ]
    assert [one.ok for one in observed] == [False, False, True, True, True, False, True]
    assert [one.role for one in observed] == ["api"] * 6 + ["storage"]
    assert {one.origin for one in observed} == {wild.url}
    assert len(wild.seen) == 7


def test_errors_say_which_call_of_which_origin(wild: Wild, api: Api) -> None:
    wild.replies = [http(400, {"error": "Bad id.", "code": "bad_id"})]
    with pytest.raises(ApiError) as caught:
        api.progress("g", "p")
    error = caught.value
    assert (error.call, error.origin, error.status, error.code) == ("progress", wild.url, 400, "bad_id")
    assert str(error) == f"progress at {wild.url}: HTTP 400: Bad id."


def test_no_secret_comes_out_in_any_error_or_log(
    wild: Wild, api: Api, storage: Storage, observed: list[Observation]
) -> None:
    """A server that throws our secrets back at us, in every form, gets them into no text of ours."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    signed = f"{wild.url}/o?X-Signature=canary-signature&x=%2F"
    session = Session(wild.url, TOKEN, 4, 10, None)
    calls: list[tuple[str, Callable[[], object]]] = [
        (KEY, lambda: api.create_project(file_name="a", content_type="audio/wav", content_length=1)),
        (KEY, lambda: api.generate("diffio-2", '{"apiProjectId": "p", "idempotencyKey": "k"}')),
        (TOKEN, lambda: storage.start(session)),
        (TOKEN, lambda: storage.send_part(session, "u", 1, Bytes(b"x"))),
        (signed, lambda: storage.put(put_to(signed), Bytes(b"x"))),
        (signed, lambda: storage.download(audio(signed), Memory())),
    ]
    texts = []
    try:
        for secret, call in calls:
            words = f"it is {secret}, url {signed} Bearer {secret}"
            echo: dict[str, object] = {"error": words}
            for reply in (
                http(400, echo), http(503, echo), http(402, echo), http(403, words),
                http(302, b"", f"Location: {signed}"),
                http(200, f"<html>{words}"), f"HTTP/1.1 200 {secret}\r\n{words}\r\nbroken".encode(),
                f"nonsense {words}\r\n\r\n".encode(), reset,
            ):
                wild.replies = [reply]
                with pytest.raises(ApiError) as caught:
                    call()
                texts += [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    texts += [repr(observed), log.getvalue(), repr(session), repr(put_to(signed)), repr(audio(signed))]
    for canary in (KEY, TOKEN, "canary-signature"):
        assert canary not in "".join(texts)


@given(st.binary(max_size=300), st.sampled_from([
    b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", b"HTTP/1.1 429 X\r\nRetry-After: ",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nContent-Range: bytes ",
    b"HTTP/1.1 206 OK\r\nContent-Length: 5\r\nSet-Cookie: ", b"HTTP/1.1 100 Continue\r\n\r\n",
]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_from_the_network_crash_or_pass_for_an_answer(
    wild: Wild, api: Api, storage: Storage, noise: bytes, start: bytes
) -> None:
    def reply(conn: socket.socket, _: Seen) -> None:
        conn.sendall(start + noise)
        conn.close()

    wild.replies = [reply]
    api._pace._closed_until = 0  # a 429 in the noise would rightly hold back the rest
    with pytest.raises(ApiError):
        api.generate("diffio-4.6-flash", '{"apiProjectId": "p", "idempotencyKey": "k"}')
    with contextlib.suppress(ApiError):  # without a length any bytes may be a file: whoever asked compares them
        assert not storage.download(audio(wild.url), Memory()).proven


def endless(piece: bytes) -> Callable[[socket.socket, Seen], None]:
    """Says something over and over that is no answer, until nobody listens."""
    def reply(conn: socket.socket, _: Seen) -> None:
        conn.sendall(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        for _number in range(1000):
            conn.sendall(piece)
            time.sleep(0.01)

    return reply


@pytest.mark.parametrize("piece", [
    b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 X\r\n\r\n", b"X-More: 1\r\n", b"x",
])
def test_what_is_said_before_an_answer_keeps_nobody_for_ever(
    piece: bytes, wild: Wild, stop: threading.Event, observed: list[Observation]
) -> None:
    """Informational answers and trickled headers are no answer: the head has to come while silence may last."""
    wild.replies = [endless(piece)]
    once = Tries(attempts=1)
    api = Api(wild.url, lambda: KEY, connect_timeout=1, read_timeout=0.2, stop=stop, observe=observed.append,
              tries=once)
    storage = Storage(wild.url, connect_timeout=1, read_timeout=0.2, stop=stop, observe=observed.append, tries=once)
    with pytest.raises(Ambiguous):
        api.usage()
    with pytest.raises(Ambiguous):
        storage.put(put_to(wild.url), Bytes(b"x" * 100_000))
    with pytest.raises(Ambiguous):
        storage.download(audio(wild.url), Memory())
    assert [one.ok for one in observed] == [False] * 3
    api.close()
    storage.close()


def test_an_informational_answer_before_the_true_one_is_passed_over(wild: Wild, api: Api, storage: Storage) -> None:
    """And the connection serves the next request as well, whose patience begins anew."""
    wild.replies = [b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + USAGE]
    for _ in range(3):
        assert api.usage().usage == {"seconds": 5}
    wild.replies = [b"HTTP/1.1 100 Continue\r\n\r\n" + http(200)]
    storage.put(put_to(wild.url), Bytes(b"x" * 100_000))


def test_a_body_takes_the_time_it_takes(wild: Wild, stop: threading.Event) -> None:
    """The head's patience ends with the head: a download may last for hours."""
    def slowly(conn: socket.socket, _: Seen) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
        for _number in range(40):
            conn.sendall(b"I")
            time.sleep(0.01)

    wild.replies = [slowly]
    storage = Storage(wild.url, connect_timeout=1, read_timeout=0.2, stop=stop, tries=Tries(attempts=1))
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.size == 40
    storage.close()


def test_a_stopped_client_sends_nothing(wild: Wild, api: Api, stop: threading.Event, observed: list[object]) -> None:
    stop.set()
    with pytest.raises(Stopped):
        api.usage()
    assert (wild.seen, observed) == ([], [])


def test_a_name_that_does_not_resolve_is_unreachable(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    api = Api("https://nobody.invalid/v1", lambda: KEY, connect_timeout=2, read_timeout=1, stop=stop, tries=FAST)
    with pytest.raises(Unreachable):
        api.usage()
    api.close()


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(("url", "no_proxy", "proxied"), [
    ("https://api.diffio.ai/v1", "", True),
    ("https://api.diffio.ai/v1", "diffio.ai", False),
    ("https://api.diffio.ai/v1", ".diffio.ai", False),
    ("https://api.diffio.ai/v1", "*.diffio.ai", False),
    ("https://api.diffio.ai/v1", "io.ai, example.com,,", True),
    ("https://notdiffio.ai/v1", "diffio.ai", True),
    ("https://api.diffio.ai/v1", "API.Diffio.AI:443", False),
    ("https://api.diffio.ai/v1", "api.diffio.ai:8443", True),
    ("https://api.diffio.ai/v1", "*", False),
    ("https://8.8.8.8/", "8.8.0.0/16", False),
    ("https://8.8.8.8/", "8.8.8.8", False),
    ("https://8.8.8.8/", "8.8.9.0/24, 8.8.8, 2001:db8::/32", True),
    ("https://[2001:4860::8888]/", "[2001:4860::8888]", False),
    ("https://[2001:4860::8888]/", "2001:4860::/32", False),
    ("http://127.0.0.1:8480/v1", "", False),
    ("http://localhost/v1", "", False),
    ("https://[::1]/v1", "", False),
])
def test_proxies_are_honoured_but_never_for_this_machine(
    url: str, no_proxy: str, *, proxied: bool, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("HTTPS_PROXY", "proxy.example:3128")
    environ.setenv("HTTP_PROXY", "http://proxy.example:3128")
    environ.setenv("NO_PROXY", no_proxy)
    assert proxy_for(parse(url)) == ("http://proxy.example:3128" if proxied else None)


def test_a_request_by_a_proxy_shows_it_no_key(wild: Wild, stop: threading.Event, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("HTTPS_PROXY", wild.url)
    wild.replies = [http(403)]
    api = Api("https://api.diffio.example/v1", lambda: KEY, connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    with pytest.raises(Unreachable, match="403"):
        api.usage()
    assert (wild.seen[0].method, wild.seen[0].target) == ("CONNECT", "api.diffio.example:443")
    assert KEY not in str(wild.seen)
    api.close()


@pytest.mark.parametrize(("name", "value"), [
    ("HTTPS_PROXY", "nonsense://user:canary@proxy.example"), ("HTTPS_PROXY", "http://proxy.example:port"),
    ("HTTPS_PROXY", "http://user:canary/with-a-slash@proxy.example"),  # which must be written %2F there
    ("HTTPS_PROXY", "socks5://proxy.example"), ("SSL_CERT_FILE", "/nowhere/certificates.pem"),
])
def test_an_environment_that_is_unusable_is_told_and_harms_no_loopback(
    name: str, value: str, wild: Wild, stop: threading.Event, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv(name, value)
    api = Api("https://api.diffio.example/v1", lambda: KEY, connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    with pytest.raises(Unreachable, match="environment") as caught:
        api.usage()
    assert "canary" not in str(caught.value)
    wild.replies = [USAGE]
    near = Api(f"{wild.url}/v1", lambda: KEY, connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    assert near.usage().usage == {"seconds": 5}
    near.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate, and is not here")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))],
        check=True, capture_output=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> Iterator[int]:
    """A server behind TLS that answers one request a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                conn, _ = listener.accept()
                with context.wrap_socket(conn, server_side=True) as secure:
                    seen = b""
                    while not seen.endswith(b"{}"):
                        seen += secure.recv(65_536)
                    secure.sendall(USAGE)
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_a_certificate_that_no_one_vouches_for_is_unreachable(
    tls: int, stop: threading.Event, environ: pytest.MonkeyPatch
) -> None:
    environ.delenv("SSL_CERT_FILE", raising=False)
    api = Api(f"https://localhost:{tls}/v1", lambda: KEY, connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    with pytest.raises(Unreachable, match="certificate"):
        api.usage()
    api.close()


def test_the_environments_certificates_are_trusted(
    tls: int, certificate: Path, stop: threading.Event, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    api = Api(f"https://localhost:{tls}/v1", lambda: KEY, connect_timeout=1, read_timeout=1, stop=stop, tries=FAST)
    assert api.usage().usage == {"seconds": 5}
    api.close()


@pytest.mark.parametrize("cut", [0, 1, 3_000_000])
def test_a_long_body_comes_whole_or_as_far_as_it_came_through_tls(
    cut: int, certificate: Path, stop: threading.Event, environ: pytest.MonkeyPatch,
) -> None:
    """It is read beside httpx, from its connection, and each piece is of that body."""
    environ.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    beside: list[int] = []
    rest = long_body.rest

    def counted(sock: socket.socket, left: int, silence: float) -> Iterator[Piece]:
        beside.append(left)
        return rest(sock, left, silence)

    environ.setattr(long_body, "rest", counted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    data = bytes(range(256)) * 45_000
    answer = http(200, data, 'ETag: "x"')
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            for sent in (answer[:len(answer) - cut], http(206, data[-cut:], 'ETag: "x"',
                         f"Content-Range: bytes {len(data) - cut}-{len(data) - 1}/{len(data)}")):
                with contextlib.suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as conn:
                    asked.append(conn.recv(65_536))
                    conn.sendall(sent)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        storage = Storage(f"{url}/v1", connect_timeout=5, read_timeout=5, stop=stop, tries=FAST)
        sink = Memory()
        assert storage.download(audio(url), sink).size == len(data)
        assert bytes(sink.data) == data
        assert len(asked) == (2 if cut else 1)
        assert len(beside) == 1, "what is left after a cut is short"
        assert not cut or f"range: bytes={len(data) - cut}-".encode() in asked[1].lower()
        storage.close()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_long_body_that_stops_coming_is_given_up_after_the_silence_with_what_came(
    wild: Wild, stop: threading.Event,
) -> None:
    data = bytes(range(256)) * 45_000

    def stall(conn: socket.socket, _: Seen) -> None:
        conn.sendall(http(200, data, 'ETag: "x"')[:-5])
        conn.recv(1)

    wild.replies = [stall, http(503)]
    storage = Storage(f"{wild.url}/v1", connect_timeout=2, read_timeout=1.5, stop=stop, tries=Tries(attempts=1))
    sink = Memory()
    with pytest.raises(Unavailable):
        storage.download(audio(wild.url), sink)
    assert bytes(sink.data) == data[:-5]
    assert len(sink.writes) < 60
    assert wild.seen[1].headers["range"] == f"bytes={len(data) - 5}-"
    storage.close()


def test_many_threads_share_one_client(wild: Wild, api: Api, observed: list[Observation]) -> None:
    wild.replies = [USAGE]
    threads = [threading.Thread(target=lambda: [api.usage() for _ in range(20)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(wild.seen) == len(observed) == 320
    assert all(one.ok for one in observed)
