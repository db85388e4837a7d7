"""Webhook deliveries, signed the way Svix signs (standardwebhooks under Svix's header names)."""

from __future__ import annotations

import asyncio
import json
import secrets
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any, Final

from standardwebhooks.webhooks import Webhook

from diffio_watch.sandbox import progress
from diffio_watch.sandbox.state import Generation, State, stamp

STATUS_OF: Final = {
    "generation.queued": "queued",
    "generation.processing": "processing",
    "generation.failed": "error",
    "generation.completed": "complete",
}
PATIENCE = 5.0  # seconds for the receiver to answer
TICK = 0.05  # seconds between two looks at what is due


def signed(secret: str, message_id: str, body: str) -> dict[str, str]:
    """The headers of a delivery of `body`."""
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "svix-id": message_id,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": Webhook(secret).sign(message_id, now, body),
    }


def payload_of(state: State, generation: Generation, event_type: str) -> dict[str, Any]:
    """The event of a generation."""
    now = state.now()
    project = generation.project
    told = progress.transcription(generation.fraction(now), state.settings.transcript)
    return {
        "eventType": event_type,
        "eventId": f"evt_{secrets.token_hex(10)}",
        "createdAt": stamp(now),
        "apiKeyId": state.key_id(project.key),
        "apiProjectId": project.id,
        "generationId": generation.id,
        "status": STATUS_OF[event_type],
        "hasVideo": project.has_video,
        "modelKey": generation.model,
        "error": generation.error if event_type == "generation.failed" else None,
        "errorDetails": None,
        "transcription": {"status": told},
    }


def example(event_type: str, key_id: str, now: float) -> dict[str, Any]:
    """The event that send_test_event delivers."""
    return {
        "eventType": event_type,
        "eventId": f"evt_{secrets.token_hex(10)}",
        "createdAt": stamp(now),
        "apiKeyId": key_id,
        "apiProjectId": "proj_example",
        "generationId": "gen_example",
        "status": STATUS_OF[event_type],
        "hasVideo": False,
        "modelKey": "diffio-4.6-flash",
        "error": None,
        "errorDetails": None,
    }


def _post(url: str, body: bytes, headers: dict[str, str]) -> int | str:
    """The receiver's status, or why there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - Sandbox checks the URL
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError as error:
        return str(error)


async def deliver(state: State, payload: dict[str, Any]) -> str:
    """Deliver one event once, where there is a receiver; the message's id."""
    message_id = f"msg_{secrets.token_hex(12)}"
    if state.settings.webhook_url is None:
        return message_id
    body = json.dumps(payload)
    headers = signed(state.settings.webhook_secret, message_id, body)
    answer = await asyncio.to_thread(_post, state.settings.webhook_url, body.encode(), headers)
    state.deliveries.append({
        "id": message_id,
        "eventType": payload["eventType"],
        "generationId": payload["generationId"],
        "answer": answer,
    })
    return message_id


def due(generation: Generation, now: float) -> list[str]:
    """The events that a generation has reached and not told yet, oldest first."""
    reached = ["generation.queued"]
    match generation.status(now):
        case "processing":
            reached += ["generation.processing"]
        case "complete":
            reached += ["generation.processing", "generation.completed"]
        case "failed":
            reached += ["generation.processing", "generation.failed"]
    return [event for event in reached if event not in generation.told]


async def keep_telling(state: State) -> None:
    """Deliver every generation's events as they fall due, for as long as the sandbox runs."""
    while True:
        if state.settings.webhook_url is not None:
            for generation in list(state.generations.values()):
                for event in due(generation, state.now()):
                    generation.told.add(event)
                    await deliver(state, payload_of(state, generation, event))
        await asyncio.sleep(TICK)
