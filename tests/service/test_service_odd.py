"""Whatever comes in: an answer or a closed connection, and never a fault of ours."""

from __future__ import annotations

import contextlib
import random

from service_page import TOKEN, Place

from diffio_watch.job import State

JUNK = ("%", "%ff", "%00", "..", "%2e%2e", "\\", "'", '"', "<", ">", "{", "\x7f", "\xe4", "a" * 3000, "?", "#", "&",
        "=", "before=", "limit=", "state=", "q=", "file=", "0", "-1", "9" * 25, ";", "podcasts:", "/etc/passwd")
NAMES = ("Host", "Range", "If-Range", "Cookie", "Authorization", "Content-Type", "Content-Length", "Transfer-Encoding",
         "Sec-Fetch-Site", "Origin", "X-Forwarded-For", "Last-Event-ID", "If-None-Match", "Expect", "Upgrade", "Accept")
VALUES = ("", "localhost", "bytes=0-", "bytes=-", "bytes=0-0,", "chunked", "5", "-5", "application/json", "Bearer x",
          f"Bearer {TOKEN}", "diffio-watch-x=..", "\xff\xfe", "a" * 2000, "same-origin", "null", "100-continue",
          "websocket", "*", '"x"', "0")
BODIES = (b"", b"", b"{}", b'{"token":"x"}', b'{"command":"pause","args":{}}', b"\xff" * 20, b"5\r\nhello\r\n0\r\n\r\n")


def test_whatever_is_asked_breaks_nothing(place: Place) -> None:
    rolls = random.Random(11)  # the same each time
    job = place.add("a.wav", state=State.DELIVERED)
    paths = ("/", "/page/", "/api/status", "/api/jobs", f"/api/jobs/{job.id}", f"/api/jobs/{job.id}/original",
             f"/api/jobs/{job.id}/outputs/audio", f"/api/jobs/{job.id}/sound", "/api/explain", "/api/requests",
             "/api/login", "/api/logout", "/healthz", "/readyz", "/metrics", "/webhooks/diffio")
    for _ in range(250):
        path = rolls.choice(paths)
        if rolls.random() < 0.6:
            path += rolls.choice("?/") + "".join(rolls.choices(JUNK, k=rolls.randint(1, 4)))
        method = rolls.choice(["GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "X"])
        lines = [f"{method} {path} HTTP/1.{rolls.choice('011')}", "Host: localhost", "Connection: close",
                 *(f"{rolls.choice(NAMES)}: {rolls.choice(VALUES)}" for _ in range(rolls.randint(0, 4)))]
        raw = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + rolls.choice(BODIES)
        if rolls.random() < 0.05:
            raw = rolls.randbytes(200)
        with place.connect() as wire, contextlib.suppress(TimeoutError, ConnectionError):
            wire.settimeout(0.2)  # a request that is not whole is waited for
            wire.sendall(raw)
            assert wire.recv(13).partition(b" ")[2][:3] != b"500", raw
    assert '"page.broke"' not in place.log.read_text()
    assert place.get("/healthz").status == 200
