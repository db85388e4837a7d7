"""The API's calls, against the sandbox where it is honest and a wild server where it is not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from api_wild import FAST, KEY, Bytes, Wild, http

from diffio_watch.api import (
    Ambiguous,
    Api,
    ApiError,
    Forbidden,
    IdempotencyConflict,
    ModelRetired,
    NotFound,
    NotReady,
    Observation,
    PaymentRequired,
    RateLimited,
    Rejected,
    Storage,
    StoredUpload,
    TooLarge,
    TranscriptUnavailable,
    Unauthorized,
    Unavailable,
)
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.faults import Kind

AUDIO = b"RIFF" + b"\x01" * 2000


def project(api: Api, storage: Storage, data: bytes = AUDIO) -> str:
    """A project with its file uploaded, whichever way the service wants it."""
    made = api.create_project(file_name="a.wav", content_type="audio/wav", content_length=len(data), file_format="wav",
                              params={"show": 12})
    if made.put:
        storage.put(made.put, Bytes(data))
        return made.project_id
    assert made.session
    upload_id, size = storage.start(made.session)
    starts = range(0, max(1, len(data)), size)
    parts = [(number, storage.send_part(made.session, upload_id, number, Bytes(data[start : start + size])))
             for number, start in enumerate(starts, 1)]
    storage.complete(made.session, upload_id, parts)
    assert api.complete_project_upload(made.project_id) == StoredUpload("uploaded", len(data))
    return made.project_id


def body(project_id: str, key: str = "k-1") -> str:
    return json.dumps({"apiProjectId": project_id, "idempotencyKey": key, "sampling": {"seed": 7}})


@pytest.mark.parametrize("form", ["put", "multipart"])
def test_the_whole_way_leaves_no_violation_and_one_charge(
    form: str, sandbox: Sandbox, box_api: Api, box_storage: Storage, observed: list[Observation]
) -> None:
    sandbox.change(upload=form)
    project_id = project(box_api, box_storage, b"RIFF" + b"\x01" * (5 << 19))
    made = box_api.generate("diffio-4.6-flash", body(project_id))
    assert (made.project_id, made.model_key, made.replayed) == (project_id, "diffio-4.6-flash", False)
    again = box_api.generate("diffio-4.6-flash", body(project_id))
    assert (again.generation_id, again.replayed) == (made.generation_id, True)
    seen = box_api.progress(made.generation_id, project_id)
    assert (seen.status, seen.percent, seen.has_video, seen.transcription) == ("complete", 100.0, False, "available")
    link = box_api.download_link(made.generation_id, project_id)
    assert (link.type, link.mime_type) == ("audio", "audio/wav")
    assert box_api.download_link(made.generation_id, project_id, "transcript").type == "transcript"
    assert [row.project_id for row in box_api.list_projects()] == [project_id]
    assert [row.generation_id for row in box_api.list_generations(project_id)] == [made.generation_id]
    assert box_api.usage().usage
    assert isinstance(box_api.account_settings(), dict)
    assert sandbox.charges == 1
    assert (sandbox.violations, sandbox.leaks) == ([], [])
    assert all(one.ok for one in observed)
    assert {one.role for one in observed} == {"api", "upload"}


def test_an_answer_tells_the_queue_and_the_stage(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    sandbox.change(seconds=100)
    project_id = project(box_api, box_storage)
    made = box_api.generate("diffio-4.6-flash", body(project_id))
    queued = box_api.progress(made.generation_id)
    assert (queued.status, queued.queue_position, queued.percent) == ("queued", 1, 0.0)
    sandbox.skip(50)
    half = box_api.progress(made.generation_id)
    assert half.status == "processing"
    assert half.percent is not None
    assert 20 < half.percent < 80


def test_the_body_of_a_generation_goes_out_byte_for_byte_in_every_try(wild: Wild, api: Api) -> None:
    text = '{ "apiProjectId":"p",\t"idempotencyKey" : "k",  "params":{"b":1,"a":"\u00e9"} }'
    good = http(200, {"generationId": "g", "apiProjectId": "p"})
    wild.replies = [http(503), http(200, "<html>"), good]
    assert api.generate("diffio-4.6-flash", text).generation_id == "g"
    assert [one.body for one in wild.seen] == [text.encode()] * 3


@pytest.mark.parametrize("text", [
    '{"apiProjectId": "p"}', '{"apiProjectId": "p", "idempotencyKey": " "}', '{"idempotencyKey": "k"}', "[]", "{", "",
    '{"apiProjectId": "p", "idempotencyKey": 5}', json.dumps({"apiProjectId": "p", "idempotencyKey": "k" * 256}),
])
def test_a_generation_without_an_idempotency_key_is_never_sent(text: str, wild: Wild, api: Api) -> None:
    with pytest.raises(ValueError, match=r".+"):
        api.generate("diffio-4.6-flash", text)
    assert not wild.seen


def test_a_name_that_is_no_utf8_is_sent_as_one_that_is(wild: Wild, api: Api) -> None:
    wild.replies = [http(200, {"apiProjectId": "p", "uploadUrl": wild.url + "/u"})]
    api.create_project(file_name="a\udcff\U0001f3a4.wav", content_type="audio/wav", content_length=1)
    assert wild.seen[0].json()["fileName"] == "a\ufffd\U0001f3a4.wav"


def test_a_file_over_the_projects_limit_is_refused_before_a_byte_is_sent(sandbox: Sandbox, box_api: Api) -> None:
    sandbox.change(max_bytes=1000)
    with pytest.raises(TooLarge) as caught:
        box_api.create_project(file_name="a.wav", content_type="audio/wav", content_length=1001)
    assert caught.value.limit == 1000
    assert sandbox.calls == {"create_project": 1}


def test_the_service_decides_the_way_and_a_session_wins(wild: Wild, api: Api) -> None:
    upload = {"edgeBaseUrl": wild.url + "/", "uploadToken": "t", "partSizeBytes": 5,
              "expiresAt": "2030-01-01T00:00:00Z"}
    wild.replies = [
        http(200, {"apiProjectId": "p", "uploadUrl": wild.url + "/u", "upload": upload}),
        http(200, {"apiProjectId": "p", "uploadUrl": wild.url + "/u", "uploadMethod": "post", "expiresAt": 1893456000}),
        http(200, {"apiProjectId": "p", "uploadUrl": wild.url + "/u", "uploadMethod": "DELETE"}),
        http(200, {"apiProjectId": "p"}),
    ]

    def create() -> object:
        return api.create_project(file_name="a", content_type="audio/wav", content_length=1)

    first, second = api.create_project(file_name="a", content_type="audio/wav", content_length=1), create()
    assert first.put is None
    assert first.session
    assert (first.session.edge, first.session.max_bytes, first.session.expires_at) == (wild.url, None, 1893456000.0)
    assert getattr(second, "put", None)
    assert "canary" not in repr(second)
    with pytest.raises(Ambiguous):
        create()


ACCOUNT: list[tuple[dict[str, object], type[ApiError], str]] = [
    ({"account": "auth"}, Unauthorized, "create"),
    ({"account": "inactive"}, Forbidden, "create"),
    ({"permissions": ["read"]}, Forbidden, "create"),
    ({"account": "billing"}, PaymentRequired, "generate"),
    ({"account": "spend_limit"}, PaymentRequired, "generate"),
    ({"paid_plan": False}, Forbidden, "pro"),
    ({"agent": False}, Forbidden, "usage"),
    ({}, ModelRetired, "old"),
    ({}, NotFound, "unknown"),
    ({"down": ["api"]}, Unavailable, "usage"),
]


@pytest.mark.parametrize(("settings", "error", "call"), ACCOUNT)
def test_what_the_account_and_the_model_may_not_do_has_its_own_error(
    settings: dict[str, object], error: type[ApiError], call: str,
    sandbox: Sandbox, box_api: Api, box_storage: Storage,
) -> None:
    project_id = project(box_api, box_storage)
    sandbox.change(**settings)
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: box_api.create_project(file_name="a", content_type="audio/wav", content_length=1),
        "generate": lambda: box_api.generate("diffio-4.6-flash", body(project_id)),
        "pro": lambda: box_api.generate("diffio-4.6-pro", body(project_id)),
        "old": lambda: box_api.generate("diffio-2", body(project_id)),
        "unknown": lambda: box_api.generate("diffio-9", body(project_id)),
        "usage": box_api.usage,
    }
    with pytest.raises(error) as caught:
        calls[call]()
    assert caught.value.origin == sandbox.origins["api"]
    assert caught.value.message
    if isinstance(caught.value, PaymentRequired):
        assert caught.value.kind == settings["account"]
        assert (caught.value.period_end is not None) == (caught.value.kind == "spend_limit")
    assert sandbox.charges == 0


def test_a_key_used_for_another_model_is_a_conflict(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    project_id = project(box_api, box_storage)
    box_api.generate("diffio-4.6-flash", body(project_id))
    with pytest.raises(IdempotencyConflict):
        box_api.generate("diffio-4.6-pro", body(project_id))
    assert sandbox.charges == 1


def test_a_result_may_lag_or_never_be(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    project_id = project(box_api, box_storage)
    generation_id = box_api.generate("diffio-4.6-flash", body(project_id)).generation_id
    sandbox.change(lag=1)
    with pytest.raises(NotReady):
        box_api.download_link(generation_id, project_id)
    with pytest.raises(Rejected):
        box_api.download_link(generation_id, project_id, "video")
    sandbox.change(transcript="pending")
    with pytest.raises(NotReady) as caught:
        box_api.download_link(generation_id, project_id, "transcript")
    assert caught.value.code == "TRANSCRIPT_PENDING"
    sandbox.change(transcript="unavailable")
    with pytest.raises(TranscriptUnavailable):
        box_api.download_link(generation_id, project_id, "transcript")


@pytest.mark.parametrize("kind", ["reset", "close", "html", "broken_json", "huge", "redirect", "status"])
def test_a_lost_answer_to_the_paid_call_is_asked_for_again_and_charged_once(
    kind: Kind, sandbox: Sandbox, box_api: Api, box_storage: Storage
) -> None:
    project_id = project(box_api, box_storage)
    sandbox.fault("generate", kind, after=True, first=2, **({"status": 503} if kind == "status" else {}))
    made = box_api.generate("diffio-4.6-flash", body(project_id))
    assert made.replayed
    assert sandbox.charges == 1
    assert sandbox.calls["generate"] == 3
    assert (sandbox.trapped, sandbox.leaks, sandbox.violations) == ([], [], [])


@pytest.mark.parametrize("kind", ["reset", "close", "html", "broken_json", "huge", "redirect"])
def test_an_answer_that_stays_unreadable_is_ambiguous(
    kind: Kind, sandbox: Sandbox, box_api: Api, observed: list[Observation]
) -> None:
    sandbox.fault("usage", kind)
    with pytest.raises(Ambiguous) as caught:
        box_api.usage()
    assert (caught.value.call, caught.value.transient) == ("usage", True)
    assert [one.ok for one in observed] == [False] * FAST.attempts
    assert not sandbox.trapped


@pytest.mark.parametrize("field", ["generationId", "apiProjectId"])
def test_a_generation_without_an_id_is_ambiguous(
    field: str, sandbox: Sandbox, box_api: Api, box_storage: Storage
) -> None:
    project_id = project(box_api, box_storage)
    sandbox.fault("generate", "fields", fields={field: None}, first=1)
    assert box_api.generate("diffio-4.6-flash", body(project_id)).replayed
    assert sandbox.charges == 1


def test_a_stalled_answer_ends_with_the_silence(sandbox: Sandbox, stop: threading.Event) -> None:
    sandbox.fault("usage", "stall")
    api = Api(sandbox.base_url, lambda: KEY, connect_timeout=1, read_timeout=0.2, stop=stop, tries=FAST)
    with pytest.raises(Ambiguous, match=r"no sign of life for 0\.2 s"):
        api.usage()
    api.close()


def test_a_429_holds_back_every_other_call_of_this_client(sandbox: Sandbox, box_api: Api) -> None:
    sandbox.fault("usage", "status", status=429, headers={"Retry-After": "60"}, times=1)
    with pytest.raises(RateLimited) as caught:
        box_api.usage()
    assert caught.value.retry_after == 60
    with pytest.raises(RateLimited) as caught:
        box_api.list_projects()
    assert caught.value.retry_after
    assert 50 < caught.value.retry_after <= 60
    assert sandbox.calls == {"usage": 1}


def test_a_call_for_a_test_event_reaches_the_service(sandbox: Sandbox, box_api: Api) -> None:
    assert box_api.send_test_event("generation.completed", "test", {"generationId": "g"})
    assert sandbox.violations == []
