"""Model ids and the endpoints they are generated at."""

from __future__ import annotations

from typing import Final

CURRENT: Final = ("diffio-4.6-flash", "diffio-4.6-pro")
"""What the service takes today (official SDK 0.3); it answers 410 to the older ones."""

KNOWN: Final = (
    *CURRENT,
    "diffio-4.5-flash", "diffio-4.5-pro",
    "diffio-4.0-flash", "diffio-4.0-pro",
    "diffio-3.5", "diffio-3.4",
    "diffio-2", "diffio-2-flash",
)
"""Every id that the documentation and the official SDK have ever named."""

_IRREGULAR: Final = {
    "diffio-2": "diffio-2.0-generation",
    "diffio-2-flash": "diffio-2.0-flash-generation",
}

_UNRESERVED: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def endpoint(model: str) -> str:
    """The path under the base URL that queues a generation with `model`.

    An id that this program does not know follows the rule of all newer ones, so a new model needs no new release.

    Raises:
        ValueError: the id can't be a part of a path.
    """
    if not model or len(model) > 100 or not _UNRESERVED.issuperset(model):
        raise ValueError(f"{model!r} is no model id: letters, digits and -._~ only, 100 at most")
    return _IRREGULAR.get(model, f"{model}-generation")
