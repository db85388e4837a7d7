"""The table of statuses, and what may be read into an answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffio_watch.api import errors
from diffio_watch.api.answers import LIMIT, Answer
from diffio_watch.api.errors import Ambiguous, ApiError, PaymentRequired, RateLimited, Unavailable
from diffio_watch.api.fields import Fields
from diffio_watch.api.shapes import (
    DownloadLink,
    Generation,
    GenerationSummary,
    Progress,
    Project,
    Session,
    StoredUpload,
)
from diffio_watch.api.verdicts import Judge, judge_api, judge_link, judge_upload


def answer(status: int = 200, body: bytes | object = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, iter([raw]))


TABLE: list[tuple[int, str | None, str]] = [
    (200, None, ""), (201, None, ""), (204, None, ""),
    (300, None, "Ambiguous"), (301, None, "Ambiguous"), (302, None, "Ambiguous"), (304, None, "Ambiguous"),
    (307, None, "Ambiguous"), (308, None, "Ambiguous"), (101, None, "Ambiguous"), (600, None, "Ambiguous"),
    (400, None, "Rejected"), (401, None, "Unauthorized"), (402, "paymentFailed", "PaymentRequired"),
    (403, None, "Forbidden"), (404, None, "NotFound"), (404, "TRANSCRIPT_UNAVAILABLE", "TranscriptUnavailable"),
    (405, None, "Rejected"), (406, None, "Rejected"), (407, None, "Unavailable"), (408, None, "Unavailable"),
    (409, None, "NotReady"), (409, "TRANSCRIPT_PENDING", "NotReady"), (410, "model_retired", "ModelRetired"),
    (409, "idempotencyKeyConflict", "IdempotencyConflict"), (413, None, "Rejected"), (415, None, "Rejected"),
    (418, None, "Rejected"), (421, None, "Unavailable"), (422, None, "Rejected"), (425, None, "Unavailable"),
    (429, None, "RateLimited"), (451, None, "Rejected"), (500, None, "Unavailable"), (501, None, "Unavailable"),
    (502, None, "Unavailable"), (503, None, "Unavailable"), (504, None, "Unavailable"), (520, None, "Unavailable"),
    (599, None, "Unavailable"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "name"), TABLE)
def test_each_status_of_the_api_means_one_thing(status: int, code: str | None, name: str) -> None:
    said = judge_api(answer(status, {"error": "Some words.", "code": code} if code else {"error": "Some words."}))
    assert type(said).__name__ == (name or "NoneType")
    if said is not None and name != "Ambiguous":
        assert (said.status, said.code, said.message) == (status, code, "Some words.")


ACCOUNT = (errors.Unauthorized, errors.PaymentRequired, errors.Forbidden, errors.ModelRetired, errors.NotFound)


@pytest.mark.parametrize("judge", [judge_upload, judge_link])
@pytest.mark.parametrize("status", range(400, 600))
def test_no_status_of_an_upload_or_storage_host_says_anything_about_the_account(judge: Judge, status: int) -> None:
    said = judge(answer(status, {"error": {"code": "paymentFailed", "message": "x"}}))
    assert not isinstance(said, ACCOUNT)
    assert said is None or said.transient == (status in {407, 408, 421, 425, 429} or status >= 500)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 412])
def test_an_upload_host_that_refuses_has_lost_the_session(status: int) -> None:
    assert isinstance(judge_upload(answer(status, b"<Error><Code>ExpiredToken</Code></Error>")), errors.SessionLost)


@pytest.mark.parametrize("status", [413, 415, 422])
def test_an_upload_host_may_refuse_the_file_itself(status: int) -> None:
    assert isinstance(judge_upload(answer(status)), errors.Rejected)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refused_download_is_an_expired_link(status: int) -> None:
    assert isinstance(judge_link(answer(status)), errors.LinkExpired)


@pytest.mark.parametrize("kind", ["text/html; charset=UTF-8", "TEXT/HTML", "application/xml", "application/json", ""])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_header_alone_makes_no_upload_a_failure(kind: str, status: int) -> None:
    """Google's storage answers a PUT with the type of a page, and an empty body."""
    assert judge_upload(answer(status, b"", content_type=kind)) is None


@pytest.mark.parametrize(("body", "code", "message"), [
    (b"", None, "no reason given"),
    (b'{"error": "No."}', None, "No."),
    (b'{"error": "No.", "code": "some_code"}', "some_code", "No."),
    (b'{"error": {"code": "invalid_part", "message": "Part 2."}}', "invalid_part", "Part 2."),
    (b'{"error": {"code": "invalid_part"}}', "invalid_part", "invalid_part"),
    (b'{"message": "From a gateway."}', None, "From a gateway."),
    (b'{"error": 5, "code": ["x"]}', None, "no reason given"),
    (b"[1, 2]", None, "no reason given"),
    (b"\xff\xfe\x00", None, "\ufffd\ufffd"),
    (b"upstream connect error", None, "upstream connect error"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Denied.</Message><StringToSign>canary</Error>",
     "AccessDenied", "Denied."),
    (b"<html><head><title>502 Bad Gateway</title></head><body>canary</body></html>", None, "502 Bad Gateway"),
    (b'{"error": "see https://x.example/?token=canary"}', None, "see https://x.example/?\u2026"),
    (b'{"error": "a\\nb\\u001b[2J\\ud800"}', None, "a b [2J"),
    (b'{"error": "' + b"x" * 5000 + b'"}', None, "x" * 299 + "\u2026"),
    (b"[" * 100_000, None, "no reason given"),
])
def test_the_words_of_an_error_are_found_in_every_form(body: bytes, code: str | None, message: str) -> None:
    said = judge_api(answer(400, body))
    assert isinstance(said, errors.Rejected)
    assert (said.code, said.message) == (code, message)


@pytest.mark.parametrize(("body", "kind", "end", "amounts"), [
    ({"error": "paymentFailed"}, "billing", None, {}),
    ({"error": "Payment failed.", "code": "paymentFailed", "periodEnd": "2030-01-01T00:00:00Z"}, "billing", None, {}),
    ({"error": {"code": "paymentFailed", "message": "x"}}, "billing", None, {}),
    ({"error": "Something about money."}, "billing", None, {}),
    ({"error": "spendLimitExceeded", "usedUsd": 9.5, "spendLimitUsd": 10, "periodEnd": "2030-01-01T00:00:00Z"},
     "spend_limit", 1893456000.0, {"usedUsd": 9.5, "spendLimitUsd": 10.0}),
    ({"error": "x", "code": "spendLimitExceeded", "periodEnd": 1893456000000}, "spend_limit", 1893456000.0, {}),
    ({"error": "x", "code": "spendLimitExceeded", "details": {"periodEnd": 1893456000}},
     "spend_limit", 1893456000.0, {}),
    ({"error": "x", "code": "spendLimitExceeded", "periodEnd": "soon", "usedUsd": "much"}, "spend_limit", None, {}),
    ({"error": "x", "code": "spendLimitExceeded", "periodEnd": True, "usedUsd": 1e400}, "spend_limit", None, {}),
])
def test_a_402_tells_a_billing_hold_from_a_spend_limit(
    body: dict[str, object], kind: str, end: float | None, amounts: dict[str, float]
) -> None:
    said = judge_api(answer(402, json.dumps(body).replace("Infinity", "1e400").encode()))
    assert isinstance(said, PaymentRequired)
    assert (said.kind, said.period_end, said.amounts) == (kind, end, amounts)


@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0.0), ("5", 5.0), ("2.5", 2.5), ("3600", 3600.0), ("999999", 3600.0), ("9" * 5000, 3600.0),
    ("-1", None), ("soon", None), ("", None), ("nan", None), ("inf", None), ("1e3", None), ("5, 6", None),
    ("Mon, 99 Foo 2030 00:00:00 GMT", None),
])  # fmt: skip
def test_retry_after_is_believed_for_an_hour_at_most(text: str, seconds: float | None) -> None:
    assert answer(503, retry_after=text).retry_after() == seconds
    said = judge_api(answer(429, retry_after=text))
    assert isinstance(said, RateLimited)
    assert said.retry_after == seconds


def test_retry_after_as_a_date_counts_by_the_services_own_clock() -> None:
    now = time.time() - 86_400
    told = answer(503, retry_after=formatdate(now + 120, usegmt=True), date=formatdate(now, usegmt=True))
    assert told.retry_after() == pytest.approx(120, abs=1)
    past = answer(503, retry_after=formatdate(now - 120, usegmt=True), date=formatdate(now, usegmt=True))
    assert past.retry_after() == 0
    undated = answer(503, retry_after=formatdate(time.time() + 60, usegmt=True))
    assert undated.retry_after() == pytest.approx(60, abs=2)


def test_a_4xx_whose_words_are_lost_is_ambiguous_and_a_5xx_stays_one() -> None:
    def broken() -> Any:
        yield b'{"error": "pa'
        raise Ambiguous("the connection broke")

    assert isinstance(judge_api(Answer(409, {}, broken())), Ambiguous)
    assert isinstance(judge_api(Answer(402, {}, broken())), Ambiguous)
    assert isinstance(judge_api(Answer(503, {}, broken())), Unavailable)


def test_an_absurdly_large_answer_is_not_read_on() -> None:
    chunks = iter([b" " * LIMIT, b" ", b"never"])
    with pytest.raises(Ambiguous, match="longer"):
        Answer(200, {}, chunks).body()
    assert next(chunks) == b"never"


def test_an_answer_that_trickles_in_is_given_up() -> None:
    with pytest.raises(Ambiguous, match="whole"):
        Answer(200, {}, iter([b"{", b"}"]), patience=-1).body()


def test_an_answer_in_an_unknown_encoding_is_ambiguous() -> None:
    with pytest.raises(Ambiguous, match="compressed"):
        answer(200, b"\x0b\x01", content_encoding="br").body()


UPLOAD = {"edgeBaseUrl": "https://a.example", "uploadToken": "t", "partSizeBytes": 5, "maxBytes": 9, "expiresAt": 1}
GOOD: list[tuple[dict[str, object], Callable[[Fields], object]]] = [
    ({"apiProjectId": "p1", "upload": UPLOAD}, lambda fields: Project.read(fields, "audio/wav")),
    ({"apiProjectId": "p1", "uploadUrl": "https://a.example/x", "uploadMethod": "PUT"},
     lambda fields: Project.read(fields, "audio/wav")),
    ({"apiProjectId": "p1", "status": "uploaded", "sizeBytes": 5}, lambda fields: StoredUpload.read(fields, "p1")),
    ({"generationId": "g1", "apiProjectId": "p1", "modelKey": "m", "status": "queued"}, Generation.read),
    ({"generationId": "g1", "status": "complete", "inference": {"progress": 5}, "queue": {"position": 1}},
     lambda fields: Progress.read(fields, "g1")),
    ({"generationId": "g1", "downloadType": "audio", "downloadUrl": "https://a.example/x"},
     lambda fields: DownloadLink.read(fields, "g1", None)),
    ({"generationId": "g1", "downloadType": "mp3", "downloadUrl": "https://a.example/x"},
     lambda fields: DownloadLink.read(fields, "g1", "audio")),
    ({"generations": [{"generationId": "g1", "status": "queued", "createdAt": 1}]},
     lambda fields: fields.rows("generations", GenerationSummary.read)),
]


@pytest.mark.parametrize(("body", "reader"), GOOD)
def test_a_good_answer_is_read(body: dict[str, object], reader: Callable[[Fields], object]) -> None:
    assert reader(answer(200, body).fields())


NAMES = st.sampled_from([
    "apiProjectId", "generationId", "modelKey", "status", "idempotentReplay", "uploadUrl", "uploadMethod", "upload",
    "edgeBaseUrl", "uploadToken", "partSizeBytes", "maxBytes", "expiresAt", "downloadUrl", "downloadType", "mimeType",
    "fileName", "hasVideo", "preProcessing", "inference", "progress", "stage", "stageProgress", "queue", "position",
    "error", "errorDetails", "code", "message", "transcription", "sizeBytes", "generations", "etag", "createdAt",
])
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["p1", "g1", "audio", "complete", "PUT", "https://a.example/x", "2030-01-01T00:00:00Z"])
    | st.sampled_from([10**400, -1])
)
OBJECTS = st.dictionaries(NAMES, st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=8,
), max_size=8)
def check_never_a_crash_and_never_a_false_success(body: bytes, status: int, reader: Callable[[Fields], object]) -> None:
    """Each body is tried as an error of every kind of host, and as the answer that `reader` wants."""
    for judge in (judge_api, judge_upload, judge_link):
        said = judge(answer(status, body))
        if said is not None:
            assert isinstance(said, ApiError)
            str(said).encode()
            assert said.retry_after is None
    try:
        result = reader(answer(200, body).fields())
    except Ambiguous as error:
        str(error).encode()
        return
    # a number that nobody could have meant is as good as none
    value = json.loads(body, parse_int=lambda digits: int(digits) if len(digits) <= 300 else None)
    assert isinstance(value, dict)
    match result:
        case Generation():
            told = str(value["generationId"]), str(value["apiProjectId"])
            assert (result.generation_id, result.project_id) == told
        case Project():
            assert result.project_id == str(value["apiProjectId"])
            assert (result.put is None) != (result.session is None)
            if result.session:
                size = result.session.part_size
                assert type(size) is int
                assert 0 < size <= 5 << 30
        case StoredUpload():
            assert value["apiProjectId"] == "p1"
            assert result.size_bytes is None or (type(result.size_bytes) is int and result.size_bytes >= 0)
        case Progress():
            assert value.get("generationId") in ("g1", None)
            assert result.status
            assert (result.status == "complete") == (value["status"].strip().lower() == "complete")
            assert result.status != "failed" or "generationId" in value
            assert result.percent is None or 0 <= result.percent <= 100
        case DownloadLink():
            assert value.get("generationId") in ("g1", None)
            assert value["downloadUrl"] == result.url
            assert result.type in {"audio", "video", "transcript"}


def bodies(good: dict[str, object], changes: dict[str, object], cut: float) -> list[bytes]:
    """The changes alone, over a good answer, with a good field missing, and cut off."""
    whole = good | changes
    less = dict(whole)
    less.pop(list(good)[int(cut * len(good))])
    raw = json.dumps(whole).encode()
    return [json.dumps(changes).encode(), raw, json.dumps(less).encode(), raw[: int(len(raw) * cut)]]


@given(OBJECTS, st.floats(0, 0.99), st.integers(100, 699), st.binary(max_size=200))
@settings(max_examples=10_000 // (4 * len(GOOD)) + 1, deadline=None)
def test_ten_thousand_bodies_neither_crash_nor_pass_for_what_they_are_not(
    changes: dict[str, object], cut: float, status: int, noise: bytes
) -> None:
    for good, reader in GOOD:
        for body in bodies(good, changes, cut):
            check_never_a_crash_and_never_a_false_success(body, status, reader)
        check_never_a_crash_and_never_a_false_success(noise, status, reader)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, True, "five", "inf", "0x5", None, 10**400])
def test_a_number_is_finite(value: object) -> None:
    assert Fields({"x": value}).maybe_number("x") is None


@pytest.mark.parametrize(("value", "moment"), [
    ("2030-01-01T00:00:00Z", 1893456000.0), ("2030-01-01T01:00:00+01:00", 1893456000.0),
    ("2030-01-01T00:00:00", 1893456000.0), (1893456000, 1893456000.0), (1893456000000, 1893456000.0),
    ("tomorrow", None), ("", None), (None, None), ([], None), ("0001-01-01T00:00:00+23:59", None),
])  # fmt: skip
def test_times_come_as_words_or_numbers(value: object, moment: float | None) -> None:
    assert Fields({"x": value}).maybe_time("x") == moment


def test_a_session_survives_its_file_and_hides_its_token() -> None:
    session = Session("https://edge.example", "canary-token", 33_554_432, 2_147_483_648, 1893456000.5)
    assert Session.from_json(session.to_json()) == session
    assert "canary" not in repr(session)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"edge": "https://a.example", "token": "t", "part_size": 0}'])
def test_a_damaged_session_file_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Session.from_json(text)
