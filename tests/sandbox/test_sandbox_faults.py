"""Faults at the wire: each does what it says, to the calls it was meant for, and nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from diffio_watch.sandbox import Fault, Rule, Sandbox, Seen

Link = Callable[..., httpx.Response]
Upload = Callable[..., str]
Generate = Callable[..., dict[str, Any]]

MEDIA = bytes(range(200))


def listed(api: httpx.Client) -> httpx.Response:
    return api.post("/list_projects", json={})


def pattern(**how: Any) -> list[int]:
    """Which of twelve calls a fault hits, from 1."""
    rule = Rule(Fault("part", "reset", **how))
    return [number for number in range(1, 13) if rule.fires("part", f"PUT /v1/uploads/parts/{number}")]


def test_a_fault_chooses_its_calls() -> None:
    assert pattern() == list(range(1, 13))
    assert pattern(nth=3) == [3]
    assert pattern(first=2) == [1, 2]
    assert pattern(every=5) == [5, 10]
    assert pattern(every=2, times=2) == [2, 4]
    assert pattern(where="parts/1") == [1, 10, 11, 12]
    assert pattern(where="parts/1", nth=2) == [10]
    assert 0 < len(pattern(chance=0.5)) < 12
    assert pattern(chance=0.5, seed=1) == pattern(chance=0.5, seed=1) != pattern(chance=0.5, seed=2)
    assert not Rule(Fault("put", "reset")).fires("part", "")
    assert Rule(Fault("p*", "reset")).fires("part", "")


@pytest.mark.parametrize("wrong", [
    {"call": "put", "kind": "explode"},
    {"call": "put", "kind": "throttle"},
    {"call": "put", "kind": "truncate"},
    {"call": "put", "kind": "status"},
    {"call": "put", "kind": "reset", "often": 1},
    {"kind": "reset"},
])  # fmt: skip
def test_a_fault_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|needs"):
        Fault.parse(wrong)


def test_a_status_has_its_body_and_headers(sandbox: Sandbox, api: httpx.Client) -> None:
    how: dict[str, Any] = {"status": 429, "body": '{"error": "slow"}', "headers": {"Retry-After": "7"}}
    rule = sandbox.fault("list_projects", "status", nth=2, **how)
    answers = [listed(api) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 429, 200]
    assert (answers[1].json(), answers[1].headers["retry-after"]) == ({"error": "slow"}, "7")
    assert (rule.matched, rule.fired) == (3, 1)
    assert [seen.status for seen in sandbox.seen("list_projects")] == [200, 429, 200]


@pytest.mark.parametrize("kind", ["reset", "close", "status", "html", "broken_json", "huge", "redirect"])
def test_an_answer_lost_after_the_effect_is_charged_once(
    sandbox: Sandbox, upload: Upload, generate: Generate, kind: Any
) -> None:
    project = upload(MEDIA)
    how = {"status": 502} if kind == "status" else {"size": 5_000_000} if kind == "huge" else {}
    sandbox.fault("generate", kind, after=True, first=1, **how)
    with pytest.raises((httpx.TransportError, httpx.HTTPStatusError, ValueError, KeyError)):
        assert generate(project)["generationId"]
    assert sandbox.charges == 1
    assert generate(project)["idempotentReplay"] is True
    assert sandbox.charges == 1


@pytest.mark.parametrize(("kind", "error"), [("reset", httpx.ReadError), ("close", httpx.RemoteProtocolError)])
def test_before_the_effect_nothing_happens(
    sandbox: Sandbox, upload: Upload, generate: Generate, kind: Any, error: type[Exception]
) -> None:
    project = upload(MEDIA)
    sandbox.fault("generate", kind, first=1)
    with pytest.raises(error):
        generate(project)
    assert sandbox.charges == 0
    assert "idempotentReplay" not in generate(project)
    assert [seen.status for seen in sandbox.seen("generate")] == [None, 200]


def test_a_reset_in_the_middle_of_an_upload_leaves_nothing(
    sandbox: Sandbox, api: httpx.Client, bare: httpx.Client
) -> None:
    sandbox.change(upload="put")
    said = {"fileName": "a.wav", "contentType": "audio/wav", "contentLength": 8_000_000}
    url = api.post("/create_project", json=said).json()["uploadUrl"]
    sandbox.fault("put", "reset", at=1_000_000)
    with pytest.raises(httpx.TransportError):
        bare.put(url, content=bytes(8_000_000), headers={"Content-Type": "audio/wav"})
    sandbox.calm()
    assert (sandbox.projects()[0]["size"], sandbox.report()["bytes_in"]) == (None, 0)
    answer = bare.put(url, content=bytes(8_000_000), headers={"Content-Type": "audio/wav"})
    assert (answer.status_code, sandbox.projects()[0]["size"]) == (200, 8_000_000)


def test_a_client_that_dies_in_the_middle_leaves_nothing(
    sandbox: Sandbox, api: httpx.Client, bare: httpx.Client
) -> None:
    sandbox.change(upload="put")
    said = {"fileName": "a.wav", "contentType": "audio/wav", "contentLength": 8_000_000}
    url = api.post("/create_project", json=said).json()["uploadUrl"]

    def dying() -> Any:
        yield bytes(1_000_000)
        raise KeyboardInterrupt

    headers = {"Content-Type": "audio/wav", "Content-Length": "8000000"}
    with pytest.raises(KeyboardInterrupt):
        bare.put(url, content=dying(), headers=headers)
    deadline = time.monotonic() + 5
    while not (cut := sandbox.report()["cut"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (cut, sandbox.projects()[0]["size"], sandbox.violations) == (1, None, [])


def test_a_download_ends_with_its_client(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client
) -> None:
    sandbox.change(upload="put")
    url = link(generate(upload(bytes(40_000_000)))).json()["downloadUrl"]
    with bare.stream("GET", url) as answer:
        assert next(answer.iter_raw())
    assert bare.get(url, headers={"Range": "bytes=0-0"}).content == b"\0"
    assert sandbox.report()["bytes_out"] < 20_000_000


def test_html_and_broken_json_come_as_200(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.fault("list_projects", "html", nth=1)
    sandbox.fault("list_projects", "broken_json", nth=2)
    page, broken = listed(api), listed(api)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (broken.status_code, broken.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Unterminated"):
        broken.json()


def test_fields_are_merged_in_and_taken_out(sandbox: Sandbox, api: httpx.Client) -> None:
    changes = {"apiProjectId": None, "upload": {"edgeBaseUrl": "http://10.0.0.1"}}
    sandbox.fault("create_project", "fields", fields=changes)
    project = api.post("/create_project", json={"fileName": "a.wav"}).json()
    assert "apiProjectId" not in project
    assert project["upload"]["edgeBaseUrl"] == "http://10.0.0.1"
    assert project["upload"]["partSizeBytes"] == 4


def test_a_huge_answer_is_huge(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.fault("list_projects", "huge", size=3_000_000)
    assert len(listed(api).content) > 3_000_000


def test_a_redirect_leads_to_the_trap_which_records_everything(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.fault("list_projects", "redirect", status=307)
    answer = listed(api)
    assert answer.status_code == 307
    assert answer.headers["location"].startswith(sandbox.origins["trap"])
    assert (sandbox.trapped, sandbox.leaks) == ([], [])
    httpx.post(answer.headers["location"], headers={"X-Api-Key": "canary-key-1"}, content=b"x", trust_env=False)
    assert [(each.headers["x-api-key"], each.body) for each in sandbox.trapped] == [("canary-key-1", b"x")]
    assert sandbox.leaks == ["an API key went to trap: POST /v1/list_projects"]


def test_a_stall_lasts_until_the_client_leaves(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.fault("list_projects", "stall", first=1)
    with pytest.raises(httpx.ReadTimeout):
        api.post("/list_projects", json={}, timeout=0.1)
    assert listed(api).status_code == 200


def test_a_stalled_answer_does_not_hold_the_sandbox(api: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("list_projects", "stall")
    arrived = threading.Event()
    sandbox.watch(lambda moment, _: arrived.set())

    def ask() -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            listed(api)

    thread = threading.Thread(target=ask)
    thread.start()
    assert arrived.wait(5)
    start = time.monotonic()
    sandbox.stop()
    thread.join()
    assert time.monotonic() - start < 1


def test_delay_and_throttle_take_their_time(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client, api: httpx.Client
) -> None:
    url = link(generate(upload(MEDIA))).json()["downloadUrl"]
    sandbox.fault("list_projects", "delay", seconds=0.1)
    sandbox.fault("download", "throttle", rate=1000)
    start = time.monotonic()
    assert listed(api).status_code == 200
    assert time.monotonic() - start >= 0.1
    start = time.monotonic()
    assert bare.get(url).content == MEDIA
    assert 0.1 <= time.monotonic() - start < 2


@pytest.fixture
def url(upload: Upload, generate: Generate, link: Link) -> str:
    return str(link(generate(upload(MEDIA))).json()["downloadUrl"])


def test_truncation_with_the_full_length_is_seen(sandbox: Sandbox, bare: httpx.Client, url: str) -> None:
    sandbox.fault("download", "truncate", at=50)
    with bare.stream("GET", url) as answer:
        assert answer.headers["content-length"] == "200"
        got: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_raw())
    assert b"".join(got) == MEDIA[:50]


@pytest.mark.parametrize(("at", "got"), [(50, 50), (0, 0), (200, 200), (900, 200)])
def test_truncation_with_a_matching_length_is_not(
    sandbox: Sandbox, bare: httpx.Client, url: str, at: int, got: int
) -> None:
    sandbox.fault("download", "truncate", at=at, honest=True)
    answer = bare.get(url)
    assert (answer.content, answer.headers["content-length"]) == (MEDIA[:got], str(got))


def test_a_body_stalls_in_its_middle(sandbox: Sandbox, bare: httpx.Client, url: str) -> None:
    sandbox.fault("download", "stall", at=50)
    got: list[bytes] = []
    with bare.stream("GET", url, timeout=0.1) as answer, pytest.raises(httpx.ReadTimeout):
        got.extend(answer.iter_raw())
    assert b"".join(got) == MEDIA[:50]


@pytest.mark.parametrize(("kind", "error"), [("reset", httpx.ReadError), ("close", httpx.RemoteProtocolError)])
def test_a_connection_breaks_in_the_middle_of_an_answer(
    sandbox: Sandbox, bare: httpx.Client, url: str, kind: Any, error: type[Exception]
) -> None:
    sandbox.fault("download", kind, after=True, at=50)
    got: list[bytes] = []
    with bare.stream("GET", url) as answer, pytest.raises(error):
        got.extend(answer.iter_raw())
    assert b"".join(got) == MEDIA[:50]


def test_a_body_may_be_any_bytes(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.fault("list_projects", "status", status=200, body=b"\xff\x00")
    assert listed(api).content == b"\xff\x00"


def test_ranges_can_be_ignored_or_wrong(sandbox: Sandbox, bare: httpx.Client, url: str) -> None:
    sandbox.fault("download", "ignore_range", nth=1)
    sandbox.fault("download", "wrong_range", nth=2)
    asked = {"Range": "bytes=150-"}
    ignored, wrong, right = (bare.get(url, headers=asked) for _ in range(3))
    assert (ignored.status_code, ignored.content) == (200, MEDIA)
    assert (wrong.status_code, wrong.headers["content-range"], wrong.content) == (206, "bytes 0-99/200", MEDIA[:100])
    assert (right.status_code, right.content) == (206, MEDIA[150:])


def test_urls_and_tokens_can_count_as_expired_or_be_born_so(
    sandbox: Sandbox, bare: httpx.Client, url: str, api: httpx.Client, link: Link
) -> None:
    sandbox.fault("download", "expired", first=1)
    assert [bare.get(url).status_code for _ in range(2)] == [403, 200]
    sandbox.fault("link", "expired", first=1)
    generation = {"generationId": sandbox.generations()[0]["id"], "apiProjectId": sandbox.projects()[0]["id"]}
    assert [bare.get(link(generation).json()["downloadUrl"]).status_code for _ in range(2)] == [403, 200]
    sandbox.change(upload="put")
    sandbox.fault("create_project", "expired", first=1)
    said = {"fileName": "a.wav", "contentType": "audio/wav"}
    for status in (403, 200):
        target = api.post("/create_project", json=said).json()["uploadUrl"]
        assert bare.put(target, content=b"x", headers={"Content-Type": "audio/wav"}).status_code == status


def test_faults_can_be_aimed_at_one_file(sandbox: Sandbox, api: httpx.Client, upload: Upload) -> None:
    sandbox.fault("part", "status", status=503, where="bad.wav")
    upload(MEDIA, fileName="good.wav")
    with pytest.raises(httpx.HTTPStatusError):
        upload(MEDIA, fileName="bad.wav")


def test_several_faults_hit_one_call(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.fault("*", "delay", seconds=0.05)
    sandbox.fault("list_projects", "fields", fields={"projects": "none"})
    start = time.monotonic()
    assert listed(api).json() == {"projects": "none"}
    assert time.monotonic() - start >= 0.05


def test_only_the_request_waits_whose_observer_does(sandbox: Sandbox, api: httpx.Client) -> None:
    let_go = asyncio.Event()
    sandbox.watch(lambda moment, seen: let_go.wait() if (moment, seen.call) == ("effect", "account") else None)
    told: list[int] = []
    with httpx.Client(base_url=api.base_url, headers=api.headers) as other:
        waiting = threading.Thread(
            target=lambda: told.append(other.post("/account/settings/get", json={}).status_code))
        waiting.start()
        while not sandbox.seen("account"):
            time.sleep(0.01)
        assert listed(api).status_code == 200
        assert told == []
        sandbox._look(let_go.set)
        waiting.join()
    assert told == [200]


def test_an_observer_stands_between_effect_and_answer(sandbox: Sandbox, upload: Upload, generate: Generate) -> None:
    project = upload(MEDIA)
    moments: list[tuple[str, int]] = []

    def look(moment: str, seen: Seen) -> None:
        if seen.call == "generate":
            moments.append((moment, sandbox.charges))

    sandbox.watch(look)
    generate(project)
    deadline = time.monotonic() + 5
    while len(moments) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert moments == [("arrived", 0), ("effect", 1), ("answered", 1)]
