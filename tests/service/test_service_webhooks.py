"""Webhooks come from outside: what the service signed is answered at once and announces an end, all else is a count."""

from __future__ import annotations

import contextlib
import gc
import json
import secrets
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from service_hooks import OTHER, SECRET, Hooks, event, request, signed, status

from diffio_watch.config import SecretMissing
from diffio_watch.report import webhooks as words
from diffio_watch.report.webhooks import MISMATCH
from diffio_watch.service import webhooks
from diffio_watch.service.signed import Judge, Result


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[Hooks]:
    """One for many small questions; a server's end takes a fifth of a second."""
    with Hooks() as made:
        yield made


def test_what_the_service_signed_is_answered_with_200_and_announces_the_end_it_tells(hooks: Hooks) -> None:
    assert hooks.deliver(event("gen_1", "generation.completed")) == 200
    assert hooks.deliver(event("gen_2", "generation.failed", status="error")) == 200
    assert hooks.announced == ["gen_1", "gen_2"]


def test_what_is_not_at_its_end_announces_nothing_and_is_had_all_the_same(hooks: Hooks) -> None:
    for kind in ("generation.queued", "generation.processing"):
        assert hooks.deliver(event("gen_1", kind)) == 200
    assert hooks.announced == []
    assert hooks.webhooks.had.counts[Result.ACCEPTED] == 2


def test_a_kind_of_event_that_is_newer_than_this_program_is_worth_a_look(hooks: Hooks) -> None:
    assert hooks.deliver(event("gen_1", "generation.transcribed")) == 200
    assert hooks.announced == ["gen_1"]


@pytest.mark.parametrize("body", ["[]", "null", '"gen_1"', "{}", '{"generationId": 7}', '{"generationId": ""}',
                                  json.dumps({"generationId": "x" * 300}), '{"generationId": null, "eventId": []}'])
def test_what_is_signed_and_says_nothing_of_use_is_answered_with_200(shared: Hooks, body: str) -> None:
    assert shared.send(request(body.encode(), signed(body))) == 200
    assert shared.announced == []


def test_the_same_delivery_again_is_answered_with_200_and_does_nothing(hooks: Hooks) -> None:
    """The sender repeats what it takes for lost."""
    body = json.dumps(event())
    raw = request(body.encode(), signed(body))
    assert [hooks.send(raw) for _ in range(5)] == [200] * 5
    assert hooks.announced == ["gen_1"]
    assert hooks.webhooks.had.counts[Result.REPEATED] == 4
    at = hooks.webhooks.facts(reliable=False).at
    assert hooks.deliver(event(), OTHER) == 401
    assert hooks.send(raw) == 200
    facts = hooks.webhooks.facts(reliable=False)
    assert (facts.refused, facts.at) == (1, at), "whoever has overheard one can't make it look as if all were well"


def test_while_a_secret_takes_the_place_of_another_both_are_good_on_either_side(hooks: Hooks) -> None:
    assert hooks.deliver(event(), OTHER, SECRET) == 200, "the service signs with both"
    hooks.secrets = (OTHER, SECRET)
    hooks.clock.moved += 1  # a changed file is seen within a second
    assert hooks.deliver(event(), SECRET) == 200, "both are in the file"
    assert hooks.deliver(event(), OTHER) == 200
    hooks.secrets = (OTHER,)
    hooks.clock.moved += 1
    assert hooks.deliver(event(), SECRET) == 401, "and now it is gone"


def test_other_paths_and_methods_are_none_of_it(hooks: Hooks) -> None:
    body = json.dumps(event())
    for path in ("/", "/api/status", "/webhooks/diffio/", "/webhooks", "/healthz", "//webhooks/diffio"):
        assert hooks.send(request(body.encode(), signed(body), path=path)) in {404, 307}
    for method in ("GET", "PUT", "DELETE"):
        assert hooks.send(request(b"", {}, method=method)) == 405
    assert hooks.announced == []


def test_a_secret_that_can_not_be_read_is_told_once_and_what_comes_meanwhile_is_to_be_sent_again() -> None:
    with Hooks() as hooks:
        def gone() -> tuple[str, ...]:
            raise SecretMissing("It is not there.", "Put it there.")

        hooks.webhooks._read = gone
        assert hooks.deliver(event()) == 503
        hooks.clock.moved += 1
        assert hooks.deliver(event()) == 503
        assert [entry["event"] for entry in hooks.events.entries] == ["webhook.no_secret"]
        assert hooks.webhooks.facts(reliable=False).secret == "It is not there. Put it there."
        hooks.webhooks._read = lambda: (SECRET,)
        hooks.clock.moved += 1
        assert hooks.deliver(event()) == 200
        hooks.webhooks._read = gone
        hooks.clock.moved += 1
        assert hooks.deliver(event()) == 200, "what was read before is good until it can be read again"
        assert hooks.webhooks.facts(reliable=False).secret


def test_an_error_of_this_program_is_told_and_the_next_one_is_had(hooks: Hooks) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("a bug")

    hooks.webhooks._announce = broken
    assert hooks.deliver(event()) == 500
    hooks.webhooks._announce = hooks.announced.append
    assert hooks.deliver(event()) == 200
    (told,) = hooks.events.entries
    assert (told["event"], told["error"]) == ("webhook.broke", "RuntimeError('a bug')")


class TestRefused:
    def test_the_third_in_a_row_is_told_and_so_is_the_end_of_it(self, hooks: Hooks) -> None:
        for count in (1, 2):
            assert hooks.deliver(event(), OTHER) == 401
            assert hooks.webhooks.facts(reliable=False).refused == count
        assert hooks.events.entries == []
        for _ in range(5):
            assert hooks.deliver(event(), OTHER) == 401
        (told,) = hooks.events.entries
        assert told["event"] == "webhook.refused"
        assert told["message"] == MISMATCH
        assert "test-event" in told["action"]
        facts = hooks.webhooks.facts(reliable=False)
        assert (facts.refused, facts.why, facts.at, facts.doubt) == (7, told["message"], None, True)
        assert hooks.deliver(event()) == 200
        assert [entry["event"] for entry in hooks.events.entries] == ["webhook.refused", "webhook.accepted_again"]
        facts = hooks.webhooks.facts(reliable=False)
        assert (facts.refused, facts.since, facts.why, facts.doubt) == (0, None, "", False)
        assert facts.at is not None

    def test_what_does_not_even_look_like_the_service_s_counts_for_nothing(self, hooks: Hooks) -> None:
        """Whoever scans the internet for open doors says nothing about the secret."""
        for _ in range(10):
            assert hooks.send(request(b"{}", {})) == 401
        assert hooks.webhooks.facts(reliable=False).refused == 0
        assert hooks.events.entries == []

    def test_while_the_service_s_own_come_nobody_hears_of_forged_ones(self, hooks: Hooks) -> None:
        """Or whoever knows the address could have the administrator change a secret that is right."""
        assert hooks.deliver(event()) == 200
        for _ in range(10):
            assert hooks.deliver(event(), OTHER) == 401
        assert hooks.events.entries == []
        facts = hooks.webhooks.facts(reliable=False)
        assert (facts.refused, facts.doubt, words.trouble(facts)) == (10, False, "")
        hooks.clock.moved += 901
        assert hooks.deliver(event(), OTHER) == 401
        facts = hooks.webhooks.facts(reliable=False)
        assert ([entry["event"] for entry in hooks.events.entries], facts.doubt) == (["webhook.refused"], True)
        assert "a stranger" in words.trouble(facts)
        assert "`diffio-watch remote test-event` tells which" in words.trouble(facts)

    def test_a_date_that_was_ahead_hides_no_refused_ones(self, hooks: Hooks) -> None:
        assert hooks.deliver(event()) == 200
        hooks.clock.wall = -30 * 86_400
        hooks.clock.moved += 901
        for _ in range(3):
            hooks.deliver(event(), OTHER)
        assert [entry["event"] for entry in hooks.events.entries] == ["webhook.refused"]

    @pytest.mark.parametrize("wrong", [
        {"svix-signature": "x"}, {"svix-signature": "v1,YWJj"}, {"svix-signature": "v2," + "A" * 43 + "="},
        b"{}", b"[]", b"not JSON", b'{"eventType": 5}', b'{"eventType": "invoice.paid"}'])
    def test_what_is_not_made_as_the_service_makes_it_counts_for_nothing(
            self, shared: Hooks, wrong: dict[str, str] | bytes) -> None:
        body, before = json.dumps(event()), shared.webhooks.facts(reliable=False).refused
        headers = signed(body, OTHER)
        for _ in range(5):
            raw = request(wrong, headers) if isinstance(wrong, bytes) else request(body.encode(), headers | wrong)
            assert shared.send(raw) == 401
        assert shared.webhooks.facts(reliable=False).refused == before

    def test_a_clock_that_is_wrong_is_told_as_such(self, hooks: Hooks) -> None:
        for _ in range(3):
            assert hooks.deliver(event(), late=400) == 401
        assert "clock" in hooks.events.entries[0]["message"]

    @pytest.mark.parametrize("secret", [SECRET, OTHER])
    def test_no_secret_is_told(self, hooks: Hooks, secret: str) -> None:
        for _ in range(3):
            hooks.deliver(event(), OTHER)
        assert secret.removeprefix("whsec_") not in repr(hooks.events.entries)
        assert secret.removeprefix("whsec_") not in repr(hooks.webhooks.facts(reliable=False))


BODY = json.dumps(event())
GOOD = signed(BODY)
WRONG: dict[str, bytes] = {
    "no headers": request(BODY.encode(), {}),
    "another's secret": request(BODY.encode(), signed(BODY, OTHER)),
    "another body": request(BODY.replace("gen_1", "gen_2").encode(), signed(BODY)),
    "another id": request(BODY.encode(), GOOD | {"svix-id": "msg_other"}),
    "another time": request(BODY.encode(), GOOD | {"svix-timestamp": str(int(GOOD["svix-timestamp"]) - 1)}),
    "old": request(BODY.encode(), signed(BODY, late=301)),
    "from the future": request(BODY.encode(), signed(BODY, late=-3600)),
    "no time": request(BODY.encode(), GOOD | {"svix-timestamp": "yesterday"}),
    "not a number": request(BODY.encode(), GOOD | {"svix-timestamp": "nan"}),
    "endless": request(BODY.encode(), GOOD | {"svix-timestamp": "inf"}),
    "beyond all calendars": request(BODY.encode(), GOOD | {"svix-timestamp": "9" * 400}),
    "no version": request(BODY.encode(), GOOD | {"svix-signature": GOOD["svix-signature"].removeprefix("v1,")}),
    "another version": request(BODY.encode(), GOOD | {"svix-signature": "v2," + GOOD["svix-signature"][3:]}),
    "too many commas": request(BODY.encode(), GOOD | {"svix-signature": "v1,a,b"}),
    "no base64": request(BODY.encode(), GOOD | {"svix-signature": "v1,!"}),
    "half of base64": request(BODY.encode(), GOOD | {"svix-signature": "v1,abc"}),
    "other letters": request(BODY.encode(), GOOD | {"svix-signature": "v1,äöü"}),
    "a thousand signatures": request(BODY.encode(), GOOD | {"svix-signature": "v1,YWJj " * 1000}),
    "a long id": request(BODY.encode(), GOOD | {"svix-id": "m" * 300}),
    "no UTF-8": request(b'{"a": "\xff\xfe"}', GOOD),
    "not JSON": request(b"generation.completed", signed("generation.completed")),
    "empty": request(b"", signed("")),
    "deeply nested": request(b"[" * 60_000, signed("[" * 60_000)),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_the_service_s_is_answered_with_401(shared: Hooks, what: str) -> None:
    """One seam for whatever the library lets out."""
    counts = shared.webhooks.had.counts
    before = counts[Result.REFUSED] + counts[Result.UNSIGNED]
    assert shared.send(WRONG[what]) == 401
    assert shared.announced == []
    assert counts[Result.REFUSED] + counts[Result.UNSIGNED] == before + 1


def test_a_body_of_more_than_64_kib_is_answered_with_413_whatever_it_tells_of_its_length(hooks: Hooks) -> None:
    limit = 64 * 1024
    padded = json.dumps(event(padding="x" * (limit - len(json.dumps(event(padding=""))))))
    assert len(padded) == limit
    assert hooks.send(request(padded.encode(), signed(padded))) == 200, "the largest there may be"
    for length in (limit + 1, 10**9, 10**19):
        assert hooks.send(request(b"x" * 100, GOOD, length=length)) == 413, "nothing of it is waited for"
    chunked = request(b"", GOOD | {"Transfer-Encoding": "chunked"}).replace(b"Content-Length: 0\r\n", b"")
    with hooks.connect() as connection:
        connection.sendall(chunked)
        for _ in range(9):
            connection.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        assert status(connection) == 413
        assert connection.recv(100) == b"", "closed: the rest is nobody's"


def test_who_sends_a_byte_at_a_time_or_none_is_answered_with_408_and_others_are_served(
        hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_PATIENCE", 2.0)
    connections = [hooks.connect() for _ in range(50)]
    for connection in connections:
        connection.sendall(request(b"{", signed("{}"), length=60_000))
    talking, silent = connections[:25], connections[25:]
    end = time.monotonic() + 30
    while hooks.webhooks.had.counts[Result.TOO_SLOW] < 50:
        assert time.monotonic() < end, hooks.webhooks.had.counts
        assert hooks.deliver(event(str(time.monotonic()))) == 200
        for connection in talking:
            with contextlib.suppress(ConnectionError):  # it had its answer
                connection.sendall(b"x")
        time.sleep(0.1)
    assert [status(connection) for connection in silent] == [408] * 25
    for connection in connections:
        connection.close()


def test_who_goes_away_in_the_middle_leaves_nothing(hooks: Hooks) -> None:
    for _ in range(20):
        with hooks.connect() as connection:
            connection.sendall(request(b"{", GOOD, length=60))
    assert hooks.deliver(event()) == 200
    assert hooks.announced == ["gen_1"]


@pytest.mark.slow
def test_ten_thousand_forged_and_replayed_deliveries_announce_nothing_and_keep_memory_flat(hooks: Hooks) -> None:
    body = json.dumps(event())
    true = request(body.encode(), signed(body))
    assert hooks.send(true) == 200
    big = request(b"x" * 100, GOOD, length=70_000)
    wrong = [*(raw for name, raw in WRONG.items() if name != "deeply nested"), true, big]
    connection = hooks.connect()

    def flood(count: int) -> None:
        nonlocal connection
        for number in range(count):
            raw = wrong[number % len(wrong)]
            said = hooks.send(raw, through=connection)
            assert said == (200 if raw is true else 413 if raw is big else 401)
            if raw is big:
                connection.close()
                connection = hooks.connect()

    flood(8000)
    tracemalloc.start()
    try:
        flood(500)
        gc.collect()  # what waits to be collected is not kept
        before = tracemalloc.get_traced_memory()[0]
        flood(1500)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        connection.close()
    assert hooks.announced == ["gen_1"]
    assert grown < 100_000, "bytes"
    assert hooks.events.entries == [], "true ones come meanwhile"


def test_what_is_remembered_of_deliveries_is_bounded_and_forgotten_after_ten_minutes() -> None:
    judge, body = Judge(), json.dumps(event())

    def had(message: str, now: float) -> Result:
        return judge.judge(signed(body, message=message), body.encode(), [SECRET], now=now, wall=time.time()).result

    for number in range(10_050):
        assert judge._known(f"msg_{number}", 0.0) is False
    assert len(judge._had) == 10_000
    assert had("msg_10049", 599.0) is Result.REPEATED
    assert had("msg_10049", 601.0) is Result.ACCEPTED
    assert len(judge._had) == 1


def test_deliveries_from_many_sides_at_once_are_each_had(hooks: Hooks) -> None:
    names = [secrets.token_hex(4) for _ in range(200)]
    said: list[int] = []
    threads = [threading.Thread(target=lambda part=part: said.extend(hooks.deliver(event(name)) for name in part))
               for part in (names[at::8] for at in range(8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [200] * 200
    assert sorted(hooks.announced) == sorted(names)


def test_what_the_sender_s_own_library_signs_is_had(shared: Hooks) -> None:
    """The official SDK checks with it, and so most likely does the service sign."""
    svix = pytest.importorskip("svix.webhooks")
    body, at = json.dumps(event("gen_of_svix")), datetime.now(UTC)
    headers = {"svix-id": "msg_of_svix", "svix-timestamp": str(int(at.timestamp())),
               "svix-signature": svix.Webhook(SECRET).sign("msg_of_svix", at, body)}
    assert shared.send(request(body.encode(), headers)) == 200
    assert shared.announced == ["gen_of_svix"]
    shared.announced.clear()
