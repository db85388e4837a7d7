"""The API's calls about the account and its webhooks."""

from __future__ import annotations

import secrets
from typing import Any, Final

from starlette.responses import Response

from diffio_watch.sandbox import webhooks
from diffio_watch.sandbox.answers import Refusal, json_answer
from diffio_watch.sandbox.call import Call

MODES: Final = ("test", "live")


def _agent(call: Call) -> None:
    if not call.settings.agent:
        raise Refusal(403, "This needs an agent key.")


def settings(call: Call) -> Response:
    """The account's settings."""
    call.known_fields()
    _agent(call)
    plan = "paid" if call.settings.paid_plan else "free"
    account: dict[str, Any] = {"name": "Sandbox", "plan": plan, "billingPolicy": {}}
    return json_answer({"account": account, "apiKeyId": call.state.key_id(call.key)})


def usage(call: Call) -> Response:
    """What this key's generations come to: a minute each, the least that is billed."""
    call.known_fields("apiKeyId")
    _agent(call)
    charged = sum(each.charges for each in call.state.projects.values() if each.key == call.key)
    return json_answer({
        "usage": {"generations": charged, "billedSeconds": 60 * charged},
        "billing": {"currency": "usd", "usedUsd": 0, "status": "sandbox"},
    })


async def test_event(call: Call) -> Response:
    """Deliver an example event to the webhook URL that the sandbox was told, if any."""
    call.known_fields("eventType", "mode", "apiKeyId", "samplePayload")
    event_type = call.choice("eventType", tuple(webhooks.STATUS_OF))
    mode = call.choice("mode", MODES)
    payload = webhooks.example(event_type, call.state.key_id(call.key), call.state.now())
    payload |= call.mapping("samplePayload")
    message_id = await webhooks.deliver(call.state, payload)
    return json_answer({
        "svixMessageId": message_id,
        "eventId": payload["eventId"],
        "eventType": event_type,
        "mode": mode,
        "apiKeyId": call.body.get("apiKeyId") or payload["apiKeyId"],
    })


def configure(call: Call) -> Response:
    """Take note of a webhook; the sandbox calls nothing beyond the loopback URL it was started with."""
    call.known_fields("mode", "url", "eventTypes", "apiKeyId")
    _agent(call)
    mode, url = call.choice("mode", MODES), call.text("url")
    events = call.body.get("eventTypes")
    if not url.startswith("https://"):
        raise Refusal(400, "url must be https.")
    if not isinstance(events, list) or not events or not set(map(str, events)) <= webhooks.STATUS_OF.keys():
        raise Refusal(400, "eventTypes must be a list of known event types.")
    webhook = {
        "endpointId": f"ep_{secrets.token_hex(10)}",
        "mode": mode,
        "url": url,
        "eventTypes": events,
        "apiKeyId": call.body.get("apiKeyId") or call.state.key_id(call.key),
    }
    call.state.webhooks.append(webhook)
    return json_answer({"webhook": webhook})
