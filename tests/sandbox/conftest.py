"""A sandbox whose generations are complete at once and whose parts have four bytes, and clients to talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from diffio_watch.sandbox import Sandbox

KEY = "canary-key-1"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=0, part_bytes=4) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """The API's client, with the key."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def bare() -> Iterator[httpx.Client]:
    """The client of all other hosts, without any credentials."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


Link = Callable[..., httpx.Response]
Upload = Callable[..., str]
Generate = Callable[..., dict[str, Any]]


@pytest.fixture
def upload(api: httpx.Client, bare: httpx.Client) -> Upload:
    """Takes the bytes and fields of create_project through the whole upload, whichever form; the project id."""

    def whole(content: bytes, **fields: Any) -> str:
        said = {"fileName": "a.wav", "contentType": "audio/wav", "contentLength": len(content), **fields}
        project = api.post("/create_project", json=said).raise_for_status().json()
        if "uploadUrl" in project:
            headers = {"Content-Type": said["contentType"]}
            bare.put(project["uploadUrl"], content=content, headers=headers).raise_for_status()
            return str(project["apiProjectId"])
        session = project["upload"]
        edge = f"{session['edgeBaseUrl']}/v1/uploads"
        token = {"Authorization": f"Bearer {session['uploadToken']}"}
        started = bare.post(f"{edge}/start", json={}, headers=token).raise_for_status().json()
        size = started["partSizeBytes"]
        parts = []
        for number, start in enumerate(range(0, max(1, len(content)), size), 1):
            answer = bare.put(
                f"{edge}/parts/{number}", params={"uploadId": started["uploadId"]},
                content=content[start : start + size],
                headers={**token, "Content-Type": "application/octet-stream"},
            ).raise_for_status()  # fmt: skip
            parts.append({"partNumber": number, "etag": answer.json()["etag"]})
        done = {"uploadId": started["uploadId"], "parts": parts}
        bare.post(f"{edge}/complete", json=done, headers=token).raise_for_status()
        confirmed = {"apiProjectId": project["apiProjectId"]}
        stored = api.post("/complete_project_upload", json=confirmed).raise_for_status().json()
        assert stored["sizeBytes"] == len(content)
        return str(project["apiProjectId"])

    return whole


@pytest.fixture
def generate(api: httpx.Client) -> Generate:
    """Starts a generation of a project; its answer."""

    def start(project_id: str, *, model: str = "diffio-4.6-flash", key: str = "k") -> dict[str, Any]:
        body = {"apiProjectId": project_id, "idempotencyKey": key}
        answer = api.post(f"/{model}-generation", json=body).raise_for_status()
        return dict(answer.json())

    return start


@pytest.fixture
def link(api: httpx.Client) -> Link:
    """Asks for a download link of a generation; the answer, whatever it is."""

    def ask(generation: dict[str, Any], kind: str | None = None) -> httpx.Response:
        body = {name: generation[name] for name in ("generationId", "apiProjectId")}
        return api.post("/get_generation_download", json=body | ({"downloadType": kind} if kind else {}))

    return ask
