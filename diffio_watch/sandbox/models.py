"""Models and their endpoints, as the documentation and the official SDK 0.1 to 0.3 know them."""

from __future__ import annotations

from typing import Final

from diffio_watch.sandbox.answers import Refusal
from diffio_watch.sandbox.settings import Settings

CURRENT: Final = ("diffio-4.6-flash", "diffio-4.6-pro")
OLDER: Final = (
    "diffio-4.5-flash", "diffio-4.5-pro", "diffio-4.0-flash", "diffio-4.0-pro",
    "diffio-3.5", "diffio-3.4", "diffio-2", "diffio-2-flash",
)  # fmt: skip
ENDPOINTS: Final = {"diffio-2": "diffio-2.0-generation", "diffio-2-flash": "diffio-2.0-flash-generation"}
ALIASES: Final = {"diffio-3.4": "diffio-3.5"}
SUFFIX: Final = "-generation"
_BY_ENDPOINT: Final = {endpoint: model for model, endpoint in ENDPOINTS.items()}


def model_of(endpoint: str, settings: Settings) -> str:
    """The model key that an endpoint runs.

    Raises:
        Refusal: 410 for a retired model, 404 for an unknown one, 403 where the plan does not cover it.
    """
    model = _BY_ENDPOINT.get(endpoint, endpoint.removesuffix(SUFFIX))
    gone = model in OLDER and settings.models == "current" and model not in settings.more_models
    if gone or model in settings.retired:
        raise Refusal(410, f"{model} is retired. Use {' or '.join(CURRENT)}.", "model_retired")
    known = model in (*CURRENT, *OLDER, *settings.more_models) and model not in ENDPOINTS.values()
    if not known or endpoint != ENDPOINTS.get(model, model + SUFFIX):
        raise Refusal(404, f"Unknown endpoint {endpoint}.")
    if model.endswith("-pro") and not settings.paid_plan:
        raise Refusal(403, f"{model} needs a paid plan.")
    return ALIASES.get(model, model)
