"""Who may read, and who may change."""

from __future__ import annotations

import pytest
from service_page import BEARER, TOKEN, Place

from diffio_watch.service.access import Access, Visit

PAUSE = {"command": "pause", "args": {}}


def test_whoever_is_truly_local_reads_freely(place: Place) -> None:
    assert place.get("/api/status").status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"])
def test_a_proxy_on_loopback_is_not_local(place: Place, header: str) -> None:
    answer = place.get("/api/status", {header: "127.0.0.1"})
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_every_change_needs_the_token(place: Place) -> None:
    assert place.post("/api/requests", PAUSE).status == 401
    assert not place.journal.halts.pauses()
    assert place.post("/api/requests", PAUSE, BEARER).status == 200
    assert place.journal.halts.pauses()


def test_a_host_that_is_not_known_is_told_the_line_to_add(place: Place) -> None:
    answer = place.get("/api/status", {"Host": "nas.studio.example:8480"})
    assert answer.status == 421
    assert "web: {hosts: [nas.studio.example]}" in answer.error


def _cookie(place: Place) -> dict[str, str]:
    answer = place.post("/api/login", {"token": TOKEN})
    assert answer.status == 204
    told = answer.headers["set-cookie"]
    assert "HttpOnly" in told
    assert "samesite=strict" in told.lower()
    assert "path" not in told.lower()
    assert TOKEN not in told
    return {"Cookie": told.partition(";")[0]}


def test_with_the_cookie_only_the_page_itself_changes_anything(place: Place) -> None:
    cookie = _cookie(place)
    here = f"http://127.0.0.1:{place.port}"
    for headers, status in (
        ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Origin": here}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403), ({"Sec-Fetch-Site": "same-site", "Origin": here}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
        ({}, 403),
    ):
        assert place.post("/api/requests", PAUSE, {**cookie, **headers}).status == status, headers


def test_the_sixth_wrong_token_within_a_minute_is_not_even_looked_at() -> None:
    access, visit = Access(b"secret", token=TOKEN), Visit("10.0.0.1", {"host": "localhost"})
    assert [access.login(visit, "wrong", at).status for at in range(6)] == [401] * 5 + [429]
    assert access.login(visit, TOKEN, 10).status == 429
    assert access.login(Visit("10.0.0.2", {"host": "localhost"}), TOKEN, 10).status == 200
    assert access.login(visit, TOKEN, 65).status == 200
