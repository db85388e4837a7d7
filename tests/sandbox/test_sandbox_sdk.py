"""The official SDK runs its full flow against the sandbox, so that the sandbox can't drift from the service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from diffio import DiffioApiError, DiffioClient  # type: ignore[import-untyped]  # the SDK ships no types

from diffio_watch.sandbox import Sandbox

MEDIA = bytes(range(256)) * 50
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Delivery = tuple[dict[str, str], bytes]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Any]:
    sandbox.change(part_bytes=5000)
    with DiffioClient(apiKey="sdk-canary-key", baseUrl=sandbox.origins["api"]) as client:
        yield client


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "take 1.wav"
    path.write_bytes(MEDIA)
    return path


@pytest.fixture
def receiver(sandbox: Sandbox) -> Iterator[Queue[Delivery]]:
    """A webhook receiver; its deliveries in the order they came."""
    deliveries: Queue[Delivery] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            deliveries.put((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        sandbox.change(webhook_url=f"http://127.0.0.1:{server.server_port}/hook", webhook_secret=SECRET)
        yield deliveries
        sandbox.change(webhook_url=None)
        server.shutdown()
        thread.join()


def test_the_sdk_goes_the_whole_way(sandbox: Sandbox, client: Any, recording: Path, tmp_path: Path) -> None:
    project = client.create_project(
        filePath=str(recording), contentType="audio/wav", params={"prompt": "quiet"}, fileFormat="wav"
    )
    assert project.uploadCompletion.sizeBytes == len(MEDIA)
    first = client.create_generation(apiProjectId=project.apiProjectId, idempotencyKey="one")
    again = client.create_generation(apiProjectId=project.apiProjectId, idempotencyKey="one")
    assert (first.generationId, first.idempotentReplay) == (again.generationId, None)
    assert again.idempotentReplay is True
    progress = client.wait_for_generation(generationId=first.generationId, apiProjectId=project.apiProjectId)
    assert progress.status == "complete"
    assert progress.transcription.status == "available"
    output, words = tmp_path / "out.wav", tmp_path / "words.json"
    with pytest.warns(UserWarning, match=r"\.mp3"):  # the SDK knows audio as mp3; the sandbox gives back a WAV
        download = client.generations.download(
            generationId=first.generationId, apiProjectId=project.apiProjectId, downloadFilePath=str(output),
        )  # fmt: skip
    assert (download.downloadType, download.mimeType, output.read_bytes()) == ("audio", "audio/wav", MEDIA)
    client.generations.download(
        generationId=first.generationId, apiProjectId=project.apiProjectId, downloadType="transcript",
        downloadFilePath=str(words),
    )  # fmt: skip
    assert {"word", "start", "end"} == json.loads(words.read_text())["words"][0].keys()
    assert [each.apiProjectId for each in client.list_projects().projects] == [project.apiProjectId]
    listed = client.list_project_generations(apiProjectId=project.apiProjectId).generations
    assert [(each.generationId, each.modelKey) for each in listed] == [(first.generationId, "diffio-4.6-flash")]
    assert (sandbox.charges, sandbox.violations, sandbox.leaks) == (1, [], [])
    assert sandbox.parts(project.apiProjectId) == {1: 1, 2: 1, 3: 1}
    assert sandbox.projects()[0]["params"] == {"prompt": "quiet", "fileFormat": "wav"}


def test_one_call_of_the_sdk_restores_a_video(sandbox: Sandbox, client: Any, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(MEDIA)
    content, told = client.restore_audio(filePath=str(film), downloadType="video", raiseOnError=True)
    assert content == MEDIA
    assert told["mimeType"] == "video/mp4"
    # the SDK's own shortcut leaves the idempotency key out: the one thing the sandbox holds against it
    assert sandbox.violations == ["generate: without an idempotencyKey"]


def test_an_empty_file_is_one_empty_part(sandbox: Sandbox, client: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    project = client.create_project(filePath=str(tmp_path / "empty.wav"))
    assert project.uploadCompletion.sizeBytes == 0
    assert (sandbox.parts(project.apiProjectId), sandbox.violations) == ({1: 1}, [])


def test_the_sdk_reads_the_account(sandbox: Sandbox, client: Any) -> None:
    assert client.account.get_settings().account["plan"] == "paid"
    assert client.usage.summary().usage == {"generations": 0, "billedSeconds": 0}
    stored = client.webhooks.configure(mode="live", url="https://example.com/h", eventTypes=["generation.failed"])
    assert stored.webhook["url"] == "https://example.com/h"
    with pytest.raises(DiffioApiError, match="https"):
        client.webhooks.configure(mode="live", url="http://example.com/h", eventTypes=["generation.failed"])
    sandbox.change(agent=False)
    with pytest.raises(DiffioApiError, match="agent"):
        client.usage.summary()


def test_the_sdk_meets_errors_in_the_forms_it_knows(sandbox: Sandbox, client: Any, recording: Path) -> None:
    sandbox.change(account="auth")
    with pytest.raises(DiffioApiError, match="key is missing or not valid") as error:
        client.create_project(filePath=str(recording))
    assert error.value.statusCode == 401
    sandbox.change(account="ok")
    sandbox.fault("part", "expired", first=1)
    with pytest.raises(DiffioApiError, match="session has expired"):
        client.create_project(filePath=str(recording))
    assert sandbox.calls["abort"] == 1


def test_the_sdk_verifies_the_sandboxs_webhooks(
    sandbox: Sandbox, client: Any, recording: Path, receiver: Queue[Delivery]
) -> None:
    project = client.create_project(filePath=str(recording))
    generation = client.create_generation(apiProjectId=project.apiProjectId, idempotencyKey="one")
    events = []
    for _ in range(3):
        headers, body = receiver.get(timeout=10)
        events.append(client.webhooks.verify_signature(payload=body, headers=headers, secret=SECRET))
    assert [each.eventType for each in events] == [
        "generation.queued", "generation.processing", "generation.completed"
    ]  # fmt: skip
    assert {each.generationId for each in events} == {generation.generationId}
    assert events[-1].status == "complete"
    sandbox.tell(generation.generationId, "generation.queued")
    headers, body = receiver.get(timeout=10)
    assert client.webhooks.verify_signature(payload=body, headers=headers, secret=SECRET).status == "queued"
    with pytest.raises(DiffioApiError):
        client.webhooks.verify_signature(payload=body + b" ", headers=headers, secret=SECRET)


def test_a_test_event_is_delivered_before_it_is_answered(
    sandbox: Sandbox, client: Any, receiver: Queue[Delivery]
) -> None:
    sent = client.webhooks.send_test_event(
        eventType="generation.failed", mode="test", samplePayload={"error": "An example."}
    )
    headers, body = receiver.get_nowait()
    event = client.webhooks.verify_signature(payload=body, headers=headers, secret=SECRET)
    assert (event.eventId, event.error, event.status) == (sent.eventId, "An example.", "error")
    assert {name.lower(): value for name, value in headers.items()}["svix-id"] == sent.svixMessageId
