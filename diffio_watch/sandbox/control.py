"""What another process may ask of a sandbox: its counts, and new faults and settings, all JSON.

GET /_sandbox, and of a long run less than all of it: /_sandbox/counts, /_sandbox/seen?call=NAME;
POST /_sandbox/fault, /_sandbox/calm, /_sandbox/change, /_sandbox/skip, /_sandbox/webhook.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from diffio_watch.sandbox import webhooks
from diffio_watch.sandbox.answers import Refusal, json_answer, parse_object, refusal
from diffio_watch.sandbox.faults import Fault, Rule
from diffio_watch.sandbox.state import Generation, Project, State

PREFIX: Final = "/_sandbox"


def project_facts(state: State, project: Project) -> dict[str, Any]:
    """A project for tests to look at."""
    return {
        "id": project.id,
        "key": state.key_id(project.key),
        "file_name": project.file_name,
        "content_type": project.content_type,
        "params": project.params,
        "size": project.blob.size if project.blob else None,
        "ready": project.ready,
        "charges": project.charges,
        "parts": {str(number): count for number, count in project.parts.items()},
    }


def generation_facts(state: State, generation: Generation) -> dict[str, Any]:
    """A generation for tests to look at."""
    return {
        "id": generation.id,
        "project_id": generation.project.id,
        "file_name": generation.project.file_name,
        "model": generation.model,
        "idempotency_key": generation.idempotency_key,
        "request": generation.request,
        "status": generation.status(state.now()),
        "polls": generation.polls,
    }


def report(state: State) -> dict[str, Any]:
    """Everything that is counted."""
    return {
        "origins": state.origins,
        "charges": sum(each.charges for each in state.projects.values()),
        "polls": state.calls["progress"],
        "calls": dict(state.calls),
        "violations": list(state.violations),
        "leaks": list(state.leaks),
        "trapped": [{**asdict(each), "body": each.body.decode("utf-8", "replace")} for each in state.trapped],
        "cut": state.cut,
        "bytes_in": state.bytes_in,
        "bytes_out": state.bytes_out,
        "projects": [project_facts(state, each) for each in state.projects.values()],
        "generations": [generation_facts(state, each) for each in state.generations.values()],
        "deliveries": list(state.deliveries),
        "rules": [
            {"call": rule.fault.call, "kind": rule.fault.kind, "matched": rule.matched, "fired": rule.fired}
            for rule in state.rules
        ],
    }


def counts(state: State) -> dict[str, Any]:
    """What may be asked often while thousands of files are under way."""
    return {
        "charges": sum(each.charges for each in state.projects.values()),
        "calls": dict(state.calls),
        "bytes_in": state.bytes_in,
        "bytes_out": state.bytes_out,
    }


def _told(state: State, request: Request) -> dict[str, Any]:
    match request.url.path.removeprefix(PREFIX):
        case "/counts":
            return counts(state)
        case "/seen":
            call = request.query_params.get("call")
            return {"seen": [asdict(each) for each in state.seen if call in (None, each.call)]}
        case _:
            return report(state)


async def tell(state: State, generation_id: str, event_type: str) -> str:
    """Deliver an event of a generation now, be it due, doubled, late or out of order; the message's id."""
    return await webhooks.deliver(state, webhooks.payload_of(state, state.generations[generation_id], event_type))


async def answer(state: State, request: Request) -> Response:
    """Answer a control request; none of them is counted, needs a key or meets a fault."""
    try:
        if request.method == "GET":
            return json_answer(_told(state, request))
        said = parse_object(await request.body())
        match request.url.path.removeprefix(PREFIX):
            case "/fault":
                state.rules.append(Rule(Fault.parse(said)))
            case "/calm":
                state.rules.clear()
            case "/change":
                state.settings.change(**said)
            case "/skip":
                state.skipped += float(said["seconds"])
            case "/webhook":
                await tell(state, said["generationId"], said["eventType"])
            case path:
                raise Refusal(404, f"No control called {path}.")
    except Refusal as refused:
        return refusal("api", refused)
    except (ValueError, KeyError, TypeError) as error:
        return json_answer({"error": repr(error)}, 400)
    return json_answer({})
