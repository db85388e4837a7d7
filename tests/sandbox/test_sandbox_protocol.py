"""The rules of the protocol, at the wire: what is answered, what is charged, what is held against the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from diffio_watch.sandbox import Sandbox

Link = Callable[..., httpx.Response]
Upload = Callable[..., str]
Generate = Callable[..., dict[str, Any]]

MEDIA = b"0123456789"


def session_of(api: httpx.Client, **fields: Any) -> tuple[str, str, dict[str, str]]:
    """A new project's id, its edge URL, and the headers of its upload token."""
    said = {"fileName": "a.wav", "contentType": "audio/wav", "contentLength": len(MEDIA), **fields}
    project = api.post("/create_project", json=said).json()
    session = project["upload"]
    token = {"Authorization": f"Bearer {session['uploadToken']}", "Content-Type": "application/octet-stream"}
    return project["apiProjectId"], f"{session['edgeBaseUrl']}/v1/uploads", token


def started(bare: httpx.Client, edge: str, token: dict[str, str]) -> str:
    said = {**token, "Content-Type": "application/json"}
    return str(bare.post(f"{edge}/start", json={}, headers=said).json()["uploadId"])


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "Xi-Api-Key"])
def test_the_key_may_stand_in_three_headers(sandbox: Sandbox, bare: httpx.Client, header: str) -> None:
    value = "Bearer canary-key-1" if header == "Authorization" else "canary-key-1"
    answer = bare.post(f"{sandbox.base_url}/list_projects", json={}, headers={header: value})
    assert (answer.status_code, sandbox.leaks) == (200, [])
    assert bare.post(f"{sandbox.base_url}/list_projects", json={}).status_code == 401


def test_only_post_is_answered_and_options_is_204(sandbox: Sandbox, api: httpx.Client) -> None:
    assert api.options("/list_projects").status_code == 204
    refused = api.get("/list_projects")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert sandbox.violations == ["list_projects: sent as GET"]


def test_what_is_no_json_object_is_refused(sandbox: Sandbox, api: httpx.Client) -> None:
    for body in (b"{", b"[]", b"\xff"):
        answer = api.post("/list_projects", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert isinstance(answer.json()["error"], str)
    assert api.post("/list_projects", content=b"{}").status_code == 400
    assert len(sandbox.violations) == 1


@pytest.mark.parametrize("form", ["put", "multipart"])
def test_both_forms_lead_to_one_charged_generation(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client, form: str
) -> None:
    sandbox.change(upload=form)
    project = upload(MEDIA)
    generation = generate(project)
    assert generate(project)["idempotentReplay"] is True
    told = link(generation).json()
    assert ("bucket" in told) == (form == "put")
    answer = bare.get(told["downloadUrl"])
    assert (answer.content, answer.headers["content-type"]) == (MEDIA, "audio/wav")
    assert (sandbox.charges_by_project, sandbox.violations, sandbox.leaks) == ({project: 1}, [], [])
    assert sandbox.parts(project) == ({1: 1} if form == "put" else {1: 1, 2: 1, 3: 1})


def test_a_key_of_another_generation_charges_again(sandbox: Sandbox, upload: Upload, generate: Generate) -> None:
    project = upload(MEDIA)
    first, second = generate(project, key="a"), generate(project, key="b")
    assert first["generationId"] != second["generationId"]
    assert (sandbox.charges, sandbox.violations) == (2, [])


def test_idempotency_is_scoped_by_project_and_holds_to_its_model(
    sandbox: Sandbox, upload: Upload, generate: Generate
) -> None:
    one, two = upload(MEDIA), upload(MEDIA)
    assert generate(one)["generationId"] != generate(two)["generationId"]
    with pytest.raises(httpx.HTTPStatusError) as error:
        generate(one, model="diffio-4.6-pro")
    assert error.value.response.status_code == 409
    assert error.value.response.json()["code"] == "idempotencyKeyConflict"
    assert sandbox.charges == 2


@pytest.mark.parametrize(("key", "status"), [("", 400), (" " * 9, 400), ("k" * 256, 400), (7, 400), (" k ", 200)])
def test_an_idempotency_key_has_1_to_255_characters(upload: Upload, api: httpx.Client, key: Any, status: int) -> None:
    body = {"apiProjectId": upload(MEDIA), "idempotencyKey": key}
    assert api.post("/diffio-4.6-flash-generation", json=body).status_code == status


def test_a_generation_without_a_key_or_before_its_upload_is_held_against_the_client(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    project, _, _ = session_of(api)
    assert api.post("/diffio-4.6-flash-generation", json={"apiProjectId": project}).status_code == 409
    assert sandbox.violations == [
        "generate: without an idempotencyKey",
        "generate: before the project's upload is complete",
    ]
    assert sandbox.charges == 0


@pytest.mark.parametrize(("models", "endpoint", "status", "model"), [
    ("current", "diffio-4.6-flash-generation", 200, "diffio-4.6-flash"),
    ("current", "diffio-4.5-flash-generation", 410, ""),
    ("current", "diffio-2.0-generation", 410, ""),
    ("documented", "diffio-4.6-pro-generation", 200, "diffio-4.6-pro"),
    ("documented", "diffio-4.5-flash-generation", 200, "diffio-4.5-flash"),
    ("documented", "diffio-3.4-generation", 200, "diffio-3.5"),
    ("documented", "diffio-2.0-generation", 200, "diffio-2"),
    ("documented", "diffio-2.0-flash-generation", 200, "diffio-2-flash"),
    ("documented", "diffio-2-generation", 404, ""),
    ("documented", "diffio-9-generation", 404, ""),
    ("documented", "diffio-5-generation", 200, "diffio-5"),
])  # fmt: skip
def test_models_have_their_endpoints(
    sandbox: Sandbox, upload: Upload, api: httpx.Client, models: str, endpoint: str, status: int, model: str
) -> None:
    sandbox.change(models=models, more_models=["diffio-5"])
    answer = api.post(f"/{endpoint}", json={"apiProjectId": upload(MEDIA), "idempotencyKey": "k"})
    assert answer.status_code == status
    assert answer.json().get("modelKey", "") == model
    assert answer.json().get("code") == ("model_retired" if status == 410 else None)


def test_every_part_but_the_last_has_the_part_size(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    _, edge, token = session_of(api)
    where = {"uploadId": started(bare, edge, token)}
    answers = [
        bare.put(f"{edge}/parts/{number}", params=where, headers=token, content=content).status_code
        for number, content in ((1, b"0123"), (1, b"012"), (3, b"89"), (3, b"8"), (4, b"x"), (2, b"45678"))
    ]
    assert answers == [200, 400, 200, 400, 400, 400]
    assert len(sandbox.violations) == 4
    assert sandbox.report()["bytes_in"] == 6


def test_the_part_size_of_start_wins(sandbox: Sandbox, upload: Upload) -> None:
    sandbox.change(start_part_bytes=5)
    assert sandbox.parts(upload(MEDIA)) == {1: 1, 2: 1}
    assert sandbox.violations == []


def test_a_file_over_max_bytes_is_refused_at_the_edge(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    sandbox.change(max_bytes=6)
    _, edge, token = session_of(api)
    where = {"uploadId": started(bare, edge, token)}
    assert bare.put(f"{edge}/parts/2", params=where, headers=token, content=b"4567").status_code == 413
    assert sandbox.violations == ["part: part 2 goes over maxBytes"]


def test_parts_come_with_their_length_and_type(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    _, edge, token = session_of(api)
    where = {"uploadId": started(bare, edge, token)}
    answer = bare.put(f"{edge}/parts/1", params=where, headers=token, content=iter([b"0123"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (411, "length_required")
    typed = {**token, "Content-Type": "audio/wav"}
    assert bare.put(f"{edge}/parts/1", params=where, headers=typed, content=b"0123").status_code == 200
    assert sandbox.violations == ["part: part 1 has no Content-Length", "part: part 1 is sent as audio/wav"]


def test_complete_wants_the_stored_parts_in_order(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    project, edge, token = session_of(api)
    upload_id = started(bare, edge, token)
    etags = [
        bare.put(f"{edge}/parts/{n}", params={"uploadId": upload_id}, headers=token, content=piece).json()["etag"]
        for n, piece in ((1, b"0123"), (2, b"4567"), (3, b"89"))
    ]
    parts = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
    said = {**token, "Content-Type": "application/json"}
    for wrong in (parts[:2], parts[::-1], [], [{**parts[0], "etag": "x"}, *parts[1:]]):
        answer = bare.post(f"{edge}/complete", json={"uploadId": upload_id, "parts": wrong}, headers=said)
        assert answer.status_code == 400
    assert api.post("/complete_project_upload", json={"apiProjectId": project}).status_code == 409
    assert len(sandbox.violations) == 4  # who got no clear word from the edge may ask what came of it
    right = {"uploadId": upload_id, "parts": parts}
    assert bare.post(f"{edge}/complete", json=right, headers=said).status_code == 200
    assert bare.post(f"{edge}/complete", json=right, headers=said).status_code == 200
    sandbox.change(complete_again=False)
    assert bare.post(f"{edge}/complete", json=right, headers=said).status_code == 404
    assert len(sandbox.violations) == 4


def test_an_aborted_upload_is_gone(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    _, edge, token = session_of(api)
    upload_id = started(bare, edge, token)

    def put() -> httpx.Response:
        return bare.put(f"{edge}/parts/1", params={"uploadId": upload_id}, headers=token, content=b"0123")

    assert put().status_code == 200
    said = {**token, "Content-Type": "application/json"}
    assert bare.post(f"{edge}/abort", json={"uploadId": upload_id}, headers=said).status_code == 200
    gone = put()
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "upload_not_found")
    assert sandbox.violations == []


def test_a_confirmed_upload_closes_its_session(
    sandbox: Sandbox, upload: Upload, api: httpx.Client, bare: httpx.Client
) -> None:
    project = upload(MEDIA)
    body = {"apiProjectId": project}
    again = api.post("/complete_project_upload", json=body).json()
    assert again == {"apiProjectId": project, "status": "uploaded", "sizeBytes": len(MEDIA)}
    token = next(token for token, owner in sandbox._state.tokens.items() if owner.id == project)
    edge = f"{sandbox.origins['edge']}/v1/uploads/start"
    answer = bare.post(edge, json={}, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "session_closed")
    assert sandbox.violations == []


def test_the_upload_token_expires_with_its_session(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    _, edge, token = session_of(api)
    upload_id = started(bare, edge, token)
    sandbox.skip(sandbox.settings.upload_lifetime + 1)
    answer = bare.put(f"{edge}/parts/1", params={"uploadId": upload_id}, headers=token, content=b"0123")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "session_expired")


def test_a_signed_put_holds_to_its_method_type_and_time(
    sandbox: Sandbox, api: httpx.Client, bare: httpx.Client
) -> None:
    sandbox.change(upload="put")
    said = {"fileName": "ä b.wav", "contentType": "audio/wav", "contentLength": len(MEDIA)}
    project = api.post("/create_project", json=said).json()
    assert project["uploadMethod"] == "PUT"
    url, right = project["uploadUrl"], {"Content-Type": "audio/wav"}
    for wrong in (
        bare.put(url, content=MEDIA, headers={"Content-Type": "audio/mpeg"}),
        bare.put(url[:-1] + ("0" if url[-1] != "0" else "1"), content=MEDIA, headers=right),
        bare.get(url),
    ):
        assert wrong.status_code in (403, 404)
        assert wrong.headers["content-type"] == "application/xml"
    assert bare.put(url, content=iter([MEDIA]), headers=right).status_code == 411
    assert bare.put(url, content=MEDIA, headers=right).status_code == 200
    sandbox.skip(sandbox.settings.upload_lifetime + 1)
    late = bare.put(url, content=MEDIA, headers=right)
    assert (late.status_code, "ExpiredToken" in late.text) == (403, True)
    assert api.post("/complete_project_upload", json={"apiProjectId": project["apiProjectId"]}).status_code == 404
    assert sandbox.violations == [
        "put: sent as 'audio/mpeg', announced as 'audio/wav'",
        "put: no Content-Length",
        "complete_project_upload: a project with a signed PUT has no upload to confirm",
    ]


def test_secrets_at_the_wrong_host_are_recorded(sandbox: Sandbox, api: httpx.Client, bare: httpx.Client) -> None:
    _, edge, token = session_of(api)
    key = api.headers["Authorization"]
    bare.post(f"{edge}/start", json={}, headers={"Authorization": key})
    bare.post(f"{edge}/start", json={}, headers={**token, "X-Api-Key": "whatever"})
    bare.get(f"{sandbox.origins['storage']}/x", headers=token)
    bare.get(f"{sandbox.origins['storage']}/x", headers={"Authorization": "Basic x"})
    bare.post(f"{sandbox.base_url}/list_projects", json={}, headers=token)
    api.post("/list_projects", params={"key": key.removeprefix("Bearer ")}, json={})
    bare.get(f"{sandbox.origins['trap']}/here?x=1", headers={"Authorization": key})
    assert [leak.split(":")[0] for leak in sandbox.leaks] == [
        "an API key went to edge",
        "an API key header went to edge",
        "an upload token went to storage",
        "an Authorization header went to storage",
        "an upload token went to api",
        "an API key went to api",
        "an API key went to trap",
    ]
    assert [(each.path, each.headers["authorization"]) for each in sandbox.trapped] == [("/here?x=1", key)]


def test_a_project_belongs_to_its_key(sandbox: Sandbox, upload: Upload, generate: Generate, api: httpx.Client) -> None:
    project = upload(MEDIA)
    generation = generate(project)
    api.headers["Authorization"] = "Bearer another-key"
    body = {"apiProjectId": project, "idempotencyKey": "k"}
    assert api.post("/diffio-4.6-flash-generation", json=body).status_code == 403
    asked = {"generationId": generation["generationId"], "apiProjectId": project}
    assert api.post("/get_generation_progress", json=asked).status_code == 403
    assert api.post("/get_generation_download", json=asked).status_code == 403
    assert api.post("/list_projects", json={}).json() == {"projects": []}
    assert api.post("/list_project_generations", json={"apiProjectId": "proj_unknown"}).status_code == 404


def test_a_name_that_is_no_unicode_is_held_against_the_client(sandbox: Sandbox, api: httpx.Client) -> None:
    body = b'{"fileName": "a\\udcff.wav"}'
    assert api.post("/create_project", content=body, headers={"Content-Type": "application/json"}).status_code == 200
    assert sandbox.violations == ["create_project: fileName is not valid Unicode"]
    assert sandbox.projects()[0]["file_name"] == "a?.wav"
