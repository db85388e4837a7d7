"""One request on its way through the sandbox, as the origins' handlers see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from diffio_watch.sandbox.answers import Refusal
from diffio_watch.sandbox.settings import Settings
from diffio_watch.sandbox.state import Project, State


@dataclass(slots=True)
class Call:
    """A request with what is known about it before it is handled."""

    state: State
    request: Request
    origin: str
    name: str
    endpoint: str  # the path below /v1/ or /v1/uploads/; the whole path at storage
    body: dict[str, Any] = field(default_factory=dict)
    key: str = ""  # the API key, at the API
    project: Project | None = None  # by upload token at the edge, by object at storage
    flags: frozenset[str] = frozenset()  # faults that the handlers do: expired, swap, ignore_range, …

    @property
    def settings(self) -> Settings:
        """The sandbox's settings of this moment."""
        return self.state.settings

    def violation(self, text: str) -> None:
        """Record what the client did wrong in this call."""
        self.state.violation(f"{self.name}: {text}")

    def known_fields(self, *names: str) -> None:
        """Record every field of the body that the endpoint does not know."""
        if unknown := self.body.keys() - set(names):
            self.violation(f"unknown fields {sorted(unknown)}")

    def text(self, name: str) -> str:
        """A string of the body that has to be there.

        Raises:
            Refusal: 400, it is missing, empty or no string.
        """
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise Refusal(400, f"{name} must be a non-empty string.")
        return value

    def choice(self, name: str, choices: Collection[str]) -> str:
        """A string of the body that is one of a few.

        Raises:
            Refusal: 400, it is another.
        """
        value = self.text(name)
        if value not in choices:
            raise Refusal(400, f"{name} must be one of {', '.join(choices)}.")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """An object of the body; empty where it is left out.

        Raises:
            Refusal: 400, it is something else.
        """
        value = self.body.get(name, {})
        if not isinstance(value, dict):
            raise Refusal(400, f"{name} must be an object.")
        return value
