"""Who may read, and who may change."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from service_page import BEARER, PATIENCE, TOKEN, Place, read_answer, request

from diffio_watch.config.model import Web
from diffio_watch.journal.sessions import MOST
from diffio_watch.service.access import COOKIE_AGE, Access, Visit, is_local, known_hosts
from diffio_watch.service.answers import Refused
from diffio_watch.service.asking import checked
from diffio_watch.service.tries import is_this_machine, whence

PAUSE = {"command": "pause", "args": {}}


def test_whoever_is_truly_local_reads_freely(place: Place) -> None:
    assert place.get("/api/status").status == 200


@pytest.mark.parametrize("header", [
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Ssl", "Forwarded", "Via", "X-Real-IP", "X-Client-IP",
    "Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Ray", "CDN-Loop", "Fastly-Client-IP", "X-Cluster-Client-IP",
    "X-Original-Forwarded-For", "X-ProxyUser-IP", "X-Azure-ClientIP", "Fly-Client-IP", "X-Envoy-External-Address",
    "X-Amzn-Trace-Id", "Tailscale-User-Login", "Remote-User", "X-Remote-User", "X-Scheme"])
def test_a_proxy_on_loopback_is_not_local(place: Place, header: str) -> None:
    answer = place.get("/api/status", {header: "127.0.0.1"})
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_a_proxy_that_was_told_nothing_but_where_to_ask_is_not_local_either(place: Place) -> None:
    """nginx's `proxy_pass` alone: the host is the address that it asks, nothing is added, and HTTP is that of 1996."""
    with place.connect() as wire:
        wire.sendall(f"GET /api/status HTTP/1.0\r\nHost: 127.0.0.1:{place.port}\r\n\r\n".encode())
        assert read_answer(wire).status == 401


def test_what_browsers_send_of_themselves_makes_nobody_a_proxy() -> None:
    usual = ("accept", "accept-encoding", "accept-language", "cache-control", "connection", "cookie", "dnt", "priority",
             "host", "if-none-match", "if-range", "last-event-id", "origin", "pragma", "range", "referer", "sec-ch-ua",
             "sec-ch-ua-platform", "sec-fetch-mode", "sec-fetch-site", "sec-gpc", "te", "upgrade-insecure-requests",
             "user-agent", "x-requested-with", "content-type", "content-length", "authorization",
             "x-prometheus-scrape-timeout-seconds")
    assert is_local(Visit("127.0.0.1", dict.fromkeys(usual, "x") | {"host": "localhost"}))


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


def test_after_five_wrong_tokens_within_a_minute_others_are_refused_as_too_many() -> None:
    access, visit = Access(b"secret", token=TOKEN), Visit("10.0.0.1", {"host": "localhost"})
    assert [access.login(visit, "wrong", at).status for at in range(6)] == [401] * 5 + [429]
    assert access.login(Visit("10.0.0.2", {"host": "localhost"}), "wrong", 10).status == 401
    assert access.login(visit, "wrong", 65).status == 401


def test_wrong_tokens_of_a_clock_that_was_ahead_count_no_more() -> None:
    access, visit = Access(b"secret", token=TOKEN), Visit("10.0.0.1", {"host": "localhost"})
    for _ in range(9):
        access.login(visit, "wrong", 86_400)
    assert access.login(visit, "wrong", 10).status == 401


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", None])
def test_the_right_token_is_let_in_however_many_wrong_ones_came_from_the_same_address(peer: str | None) -> None:
    """Or whoever shares a proxy with its administrator and with Prometheus could lock both out for good."""
    access, visit = Access(b"secret", token=TOKEN), Visit(peer, {"host": "localhost"})
    for at in range(50):
        access.login(visit, "wrong", at / 10)
    assert access.login(visit, TOKEN, 5).status == 200
    bearer = Visit(peer, {"host": "localhost", "authorization": f"Bearer {TOKEN}"})
    assert [access.judge(bearer, need, 5).status for need in ("read", "change")] == [200, 200]


def test_behind_a_proxy_of_this_machine_wrong_tokens_are_told_apart_by_whom_it_asks_for() -> None:
    def wrong(access: Access, peer: str | None, whom: str) -> int:
        return access.login(Visit(peer, {"host": "localhost", "x-forwarded-for": whom}), "wrong", 1.0).status

    for peer in (None, "127.0.0.1", "::1", "::ffff:127.0.0.1"):
        access = Access(b"secret", token=TOKEN)
        assert [wrong(access, peer, f"{number}.1.1.1, 10.0.0.1") for number in range(6)] == [401] * 5 + [429]
        assert wrong(access, peer, "10.0.0.1, 10.0.0.2") == 401
    elsewhere = Access(b"secret", token=TOKEN)
    assert [wrong(elsewhere, "10.0.0.9", f"10.0.0.{number}") for number in range(6)] == [401] * 5 + [429]
    nonsense = Access(b"secret", token=TOKEN)
    assert [wrong(nonsense, "127.0.0.1", f"<{number}>") for number in range(6)] == [401] * 5 + [429]


def test_it_answers_to_its_own_address_and_to_the_names_that_are_configured() -> None:
    assert known_hosts(Web(listen="192.168.1.5:8480", hosts=("NAS.studio.example",))) == {
        "192.168.1.5", "nas.studio.example"}
    assert known_hosts(Web(listen="0.0.0.0:8480")) == frozenset()
    assert known_hosts(Web(listen="[::]:8480")) == frozenset()
    assert known_hosts(Web(listen="unix:/run/x")) == frozenset()


@pytest.mark.parametrize(("peer", "host", "more", "local"), [
    (None, "nas.example", {"x-forwarded-for": "10.0.0.1"}, True), ("127.0.0.1", "localhost", {}, True),
    ("127.0.0.1", "127.0.0.1:8480", {}, True), ("::1", "[::1]:8480", {}, True),
    ("::ffff:127.0.0.1", "localhost", {}, True),
    ("127.0.0.1", "nas.example", {}, False), ("10.0.0.1", "localhost", {}, False), ("127.0.0.1", "", {}, False),
    ("127.0.0.1", "localhost, evil", {}, False), ("127.0.0.1", "localhost.evil.example", {}, False),
    ("127.0.0.1", "localhost", {"via": "1.1 x"}, False), ("127.0.0.1", "localhost", {"forwarded": "for=1"}, False),
    ("127.0.0.1", "localhost", {"x-forwarded-host": "x"}, False), ("testclient", "localhost", {}, False),
])
def test_only_loopback_by_a_loopback_name_without_a_proxy_is_local(peer: str | None, host: str, more: dict[str, str],
                                                                   local: bool) -> None:
    assert is_local(Visit(peer, {"host": host, **more})) is local


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", ".1.", "a.99999999999.x", "a.1." + "0" * 64])
def test_a_made_up_cookie_is_no_session(cookie: str) -> None:
    access = Access(b"secret", token=TOKEN)
    assert not access.is_session(cookie, 1e9)
    mine = access.session(1e9)
    assert access.is_session(mine, 1e9 + COOKIE_AGE - 1)
    assert not access.is_session(mine, 1e9 + COOKIE_AGE + 1), "it ends"
    assert not Access(b"secret", token="another-token-of-this-kind").is_session(mine, 1e9), "with its token, too"
    assert not Access(b"another", token=TOKEN).is_session(mine, 1e9)
    assert Access(b"secret", token=TOKEN).is_session(mine, 1e9), "and outlives a restart"
    assert _end(access, mine, 1e9)
    assert not access.is_session(mine, 1e9)


def _end(access: Access, cookie: str, now: float) -> bool:
    """As signing out does; whether it was a session."""
    ending = access.ending(cookie, now)
    if ending is not None:
        access.end(*ending)
    return ending is not None


def test_nobody_pushes_ended_sessions_out_and_what_is_remembered_of_them_is_bounded() -> None:
    access, now = Access(b"secret", token=TOKEN), 1e9
    first = access.session(now)
    assert _end(access, first, now)
    for number in range(2000):
        assert not _end(access, f"a{number}.{int(now)}.{'0' * 64}", now), "no session of ours"
    assert not access.is_session(first, now)
    later = [access.session(now + number) for number in range(1, MOST + 50)]
    for one in later:
        _end(access, one, now + MOST + 50)
    assert len(access.ended.names) <= MOST
    assert not any(access.is_session(one, now + MOST + 50) for one in (first, *later)), "the oldest are over as a kind"
    assert access.is_session(access.session(now + MOST + 50), now + MOST + 50)


def test_who_signed_out_stays_out_after_a_restart_and_after_a_reload(place: Place) -> None:
    cookie = _cookie(place)
    here = cookie | {"Sec-Fetch-Site": "same-origin"}
    other = _cookie(place) | {"Sec-Fetch-Site": "same-origin"}
    assert place.post("/api/requests", PAUSE, here).status == 200
    assert place.post("/api/logout", {}, here).status == 204
    place.restart()
    assert place.post("/api/requests", PAUSE, here).status == 401
    assert place.post("/api/requests", PAUSE, other).status == 200
    place.reload(meanwhile=lambda: place.post("/api/logout", {}, other))
    assert place.post("/api/requests", PAUSE, other).status == 401, "also who did while the next server was made"
    text = place.journal.meta("sessions_ended")
    assert cookie["Cookie"].partition("=")[2] not in text


def test_wrong_tokens_are_counted_on_over_a_reload(place: Place) -> None:
    for _ in range(5):
        assert place.post("/api/login", {"token": "wrong"}).status == 401
    place.reload()
    assert place.post("/api/login", {"token": "wrong"}).status == 429
    assert place.post("/api/login", {"token": TOKEN}).status == 204


@pytest.mark.parametrize("by", ["cookie", "bearer"])
def test_a_stream_ends_with_the_token_it_was_opened_by(place: Place, by: str) -> None:
    headers = {"X-Forwarded-For": "10.0.0.7", **(_cookie(place) if by == "cookie" else BEARER)}
    with place.connect() as wire:
        wire.sendall(request("GET", "/api/events", {"Host": f"127.0.0.1:{place.port}", **headers}))
        _read_until(wire, b"event: screen")
        place.token_file.write_text("another-token-of-this-kind")
        _read_to_the_end(wire)
    assert place.get("/api/events", headers).status == 401


def test_a_stream_ends_with_its_session(place: Place) -> None:
    cookie = _cookie(place)
    with place.connect() as wire, place.connect() as local:
        for one, headers in ((wire, cookie), (local, {})):
            one.sendall(request("GET", "/api/events", {"Host": f"127.0.0.1:{place.port}", **headers}))
            _read_until(one, b"event: screen")
        assert place.post("/api/logout", {}, cookie).status == 204
        _read_to_the_end(wire)
        _read_until(local, b"event: beat")  # who needs no session looks on


def test_a_session_is_over_once_the_journal_remembers_it_and_not_before() -> None:
    """Or a restart would let in again who was told to be signed out."""
    access = Access(b"secret", token=TOKEN)
    cookie = access.session(100.0)
    ending = access.ending(cookie, 101.0)
    assert ending is not None
    assert access.ending(cookie, 102.0) == ending, "the journal did not take it: it is tried again"
    assert access.is_session(cookie, 102.0)
    access.end(*ending)
    assert not access.is_session(cookie, 102.0)
    assert access.ending(cookie, 103.0) is None


@pytest.mark.parametrize("ahead", [40, 4000])
def test_a_clock_that_was_ahead_brings_no_ended_session_back_and_keeps_nobody_out(ahead: int) -> None:
    access, now = Access(b"secret", token=TOKEN), 1_800_000_000.0
    stolen, there = access.session(now), now + ahead * 86_400
    for cookie, at in ((stolen, now + 60), (access.session(there), there + 60)):
        assert _end(access, cookie, at)
    assert not access.is_session(stolen, now + 3600)
    assert access.is_session(access.session(now + 3600), now + 3601)


def _read_until(wire: socket.socket, what: bytes) -> None:
    wire.settimeout(PATIENCE)
    got = b""
    while what not in got:
        piece = wire.recv(1 << 20)
        assert piece, got
        got += piece


def _read_to_the_end(wire: socket.socket) -> None:
    wire.settimeout(PATIENCE)
    until = time.monotonic() + PATIENCE
    while wire.recv(1 << 20):
        assert time.monotonic() < until, "it goes on"


def test_without_a_token_file_no_change_is_possible_and_that_is_said() -> None:
    access = Access(b"secret")
    verdict = access.judge(Visit(None, {"host": "localhost", "authorization": "Bearer "}), "change", 1.0)
    assert (verdict.status, "web.token_file" in verdict.error) == (401, True)
    assert access.judge(Visit(None, {"host": "localhost"}), "read", 1.0).status == 200


def test_what_is_remembered_of_wrong_tokens_is_bounded() -> None:
    access = Access(b"secret", token=TOKEN)
    for number in range(5000):
        access.login(Visit(f"2001:db8:{number:x}::1", {"host": "localhost"}), "wrong", 1.0)
    assert len(access.tries._at) <= 1000
    for host in range(1, 6):
        access.login(Visit(f"2001:db8::{host}", {"host": "localhost"}), "wrong", 1.0)
    assert access.login(Visit("2001:db8::77", {"host": "localhost"}), "wrong", 1.0).status == 429, "one network is one"


@pytest.mark.parametrize(("args", "command"), [
    ({"jobs": ["x"]}, "retry"), ({"jobs": ["0" * 26] * 201}, "retry"), ({"jobs": "0" * 26}, "retry"), ({}, "retry"),
    ({"jobs": ["0" * 26], "query": {"state": "failed"}}, "retry"), ({"so_far": {}}, "retry"),
    ({"missing": {}}, "retry"),
    ({"jobs": ["0" * 26], "fresh": 1}, "retry"), ({"query": {"a": {}}}, "cancel"), ({"folders": []}, "adopt"),
    ({"inbox": 5}, "pause"), ({"inbox": "x" * 300}, "pause"), ([], "pause"), ({"jobs": [None]}, "bump"),
    ({}, "approve"),
    ({"all": True, "inbox": "a"}, "approve"), ({}, ["pause"]), ({}, None),
    ({"inbox": "\ud800"}, "pause"), ({"inbox": "a\0"}, "resume"), ({"look": "\udcff"}, "resume"),
    ({"paused": "1"}, "resume"),
    ({"paused": 1 << 60}, "resume"), ({"jobs": ["0" * 26], "fresh": True, "model": "\ud800"}, "retry"),
    ({"query": {"state": "failed", "reason": "\ud800", "inbox": "x"}}, "retry"),
    ({"query": {"state": "failed", "reason": "x", "inbox": "x", "seen": 1 << 64}}, "retry"),
    ({"jobs": ["0" * 26], "seen": "1"}, "approve"), ({"jobs": ["0" * 26], "seen": None}, "approve"),
    ({"query": {"state": "held", "reason": "x", "inbox": "x"}}, "approve"), ({"all": True}, "approve"),
    ({"query": {"state": "failed", "reason": "x", "inbox": "x"}, "fresh": True, "seen": 1}, "retry"),
    ({"query": {"state": "failed", "reason": "x", "inbox": "x"}, "seen": 1}, "cancel"),
])
def test_what_is_no_request_of_the_page_never_reaches_the_journal(args: Any, command: Any) -> None:
    with pytest.raises(Refused) as refused:
        checked({"command": command, "args": args})
    assert refused.value.status == 400
    assert refused.value.sentence.endswith(".")


def test_no_other_page_has_a_browser_read_here(place: Place) -> None:
    for site in ("cross-site", "same-site"):
        assert place.get("/api/status", {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status == 403
        assert place.get("/api/status", {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status == 200
        assert place.get("/", {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status == 200
    assert place.get("/api/status", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}).status == 200


def test_who_asked_stands_in_the_journal(place: Place) -> None:
    for headers, who in (({}, "a program"), ({"X-Forwarded-For": "10.0.0.7, 10.0.0.1"}, "a program, from 10.0.0.1"),
                         ({"X-Forwarded-For": "<script>", "X-Forwarded-User": "anna"}, "a program, anna"),
                         ({"Remote-User": "two words\u00ff"}, "a program")):
        assert place.post("/api/requests", PAUSE, {**BEARER, **headers}).status == 200
        assert place.journal.rows("SELECT who FROM requests ORDER BY id DESC LIMIT 1")[0]["who"] == who


@pytest.mark.parametrize(("peer", "whom", "found"), [
    ("10.0.0.9", "10.1.1.1", "10.0.0.9"), ("127.0.0.1", "10.1.1.1, 10.0.0.1", "10.0.0.1"), (None, "2001:db8::1",
    "2001:db8::1"), ("::1", "", ""), ("127.0.0.1", "<script>", ""), ("fe80::1%eth0", "10.1.1.1", "fe80::1%eth0")])
def test_where_a_visit_comes_from_is_nothing_that_the_visitor_writes(peer: str | None, whom: str, found: str) -> None:
    assert whence(peer, whom) == found
    assert is_this_machine(peer) == (peer in {None, "127.0.0.1", "::1"}), "of no other a user's name is believed"
