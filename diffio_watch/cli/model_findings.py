"""What `check` finds out about the models: whether this program and the service know each one."""

from __future__ import annotations

import difflib
import json
import os
import secrets
import threading
from typing import TYPE_CHECKING, Final

from diffio_watch.api import CURRENT, KNOWN, Api, ApiError, Forbidden, ModelRetired, NotFound, Tries
from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.config import KeyMissing, read_key

if TYPE_CHECKING:
    from diffio_watch.config import Config

# a project that no service has given to anything: nothing can be bought on it
_NOWHERE: Final = "diffio-watch-check"


def models(config: Config, *, offline: bool) -> list[Finding]:
    """A finding for each model that an inbox names.

    There is no list of models to ask for. The endpoint of each is asked, with a project that does not exist: what it
    answers in place of "no such project" tells of the model.
    """
    found = []
    ask = _Asked(config) if not offline else None
    try:
        for model in dict.fromkeys(inbox.model for inbox in config.inboxes):
            names = ", ".join(inbox.name for inbox in config.inboxes if inbox.model == model)
            found.append(_model(model, names, ask(model) if ask is not None else ""))
    finally:
        if ask is not None:
            ask.close()
    return found


def _model(model: str, inboxes: str, said: str) -> Finding:
    known = " or ".join(one for one in CURRENT if one != model)
    # a slip is the likeliest cause of an unknown name, and a whole day's drops would wait for it
    near = difflib.get_close_matches(model, CURRENT, 1, 0.8)
    remedy = f"Set `model` to {known}." if not near or model in KNOWN else (
        f"Did you mean `model: {near[0]}`? Today's are {known}.")
    match said:
        case "retired":
            return error("model", f"The service has retired {model} ({inboxes}).", remedy)
        case "unknown":
            return error("model", f"The service does not know the model {model} ({inboxes}).", remedy)
        case "forbidden":
            return error("model", f"The service forbids {model} ({inboxes}) to this key.",
                         "Check the plan and the key's permissions, or set another `model`.")
    if model in CURRENT:
        return ok("model", f"The service takes {model} ({inboxes})." if said == "taken" else
                  f"{model} ({inboxes}) is one that this program knows; the service was not heard on it.")
    if model in KNOWN:
        return warning("model", f"{model} ({inboxes}) is an older model, which the service may have retired.", remedy)
    return warning("model", f"{model} ({inboxes}) is no model that this program knows: it is newer than the program, "
                            "or mistyped.", remedy)


class _Asked:
    """What the service says of a model: `taken`, `retired`, `unknown`, `forbidden`, or nothing that tells."""

    def __init__(self, config: Config) -> None:
        self._api = Api(config.api.base_url, lambda: read_key(config, os.environ),
                        connect_timeout=config.api.connect_timeout, read_timeout=min(15.0, config.api.read_timeout),
                        stop=threading.Event(), tries=Tries(attempts=1, budget=15.0))
        self._usual: str | None = None

    def __call__(self, model: str) -> str:
        if self._usual is None:
            self._usual = self._answer(CURRENT[0])
        usual = model == CURRENT[0]
        answer = self._usual if usual else self._answer(model)
        if answer == "forbidden":  # where the usual one is too, it is not this model that is
            return answer if usual or answer != self._usual else ""
        if answer == "retired":
            return answer
        # no project is known to either; only where the endpoint is unknown too is that said in other words
        if not self._usual.startswith("404") or not answer:
            return ""
        return "taken" if answer == self._usual else "unknown"

    def _answer(self, model: str) -> str:
        """The answer in words that are the same for each model that there is."""
        body = {"apiProjectId": _NOWHERE, "idempotencyKey": f"check-{secrets.token_hex(8)}"}
        try:
            self._api.generate(model, json.dumps(body))
        except ModelRetired:
            return "retired"
        except Forbidden:
            return "forbidden"
        except NotFound as refused:
            return f"404 {refused.message.replace(model, 'the model')}"
        except (ApiError, KeyMissing, ValueError):
            pass  # told with the key, or nothing that tells of the model
        return ""

    def close(self) -> None:
        """End every connection."""
        self._api.close()
