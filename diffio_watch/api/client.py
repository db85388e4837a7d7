"""The calls of the API itself, which are the only ones that carry the key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar

from diffio_watch.api import models, sanitize, urls
from diffio_watch.api.answers import LIMIT, LIST_LIMIT
from diffio_watch.api.errors import RateLimited, TooLarge, Unauthorized, UnsafeUrl
from diffio_watch.api.fields import Fields
from diffio_watch.api.retry import Pace, Tries
from diffio_watch.api.shapes import (
    DownloadLink,
    DownloadType,
    Generation,
    GenerationSummary,
    Progress,
    Project,
    ProjectSummary,
    StoredUpload,
    Usage,
)
from diffio_watch.api.verdicts import judge_api
from diffio_watch.api.wire import Observation, Observe, Request, Wire

T = TypeVar("T")

API_TRIES: Final = Tries(budget=20.0)


def unobserved(_: Observation) -> None:
    """Look at nothing."""


class Api:
    """The service's API at one base URL. Safe to use from many threads.

    Every method may raise any `ApiError`; those that a method treats in its own way are named there. Each call is
    tried a few times within seconds where that is safe, and ends at once with `Stopped` when `stop` is set.
    """

    def __init__(
        self,
        base_url: str,
        key: Callable[[], str],
        *,
        connect_timeout: float,
        read_timeout: float,
        stop: threading.Event,
        observe: Observe = unobserved,
        tries: Tries = API_TRIES,
        requests_per_second: float | None = None,
    ) -> None:
        """Make a client; nothing is sent.

        Args:
            base_url: ends in "/v1", without a slash behind; plain http only to loopback.
            key: gives the API key, anew for every call. What it raises comes out of the call unchanged.
            connect_timeout: seconds until a connection must stand.
            read_timeout: seconds of silence after which a request is given up, sending or receiving.
            stop: set when the program stops.
            observe: is told what each HTTP request showed of its origin; in the calling thread.
            tries: how a call is repeated.
            requests_per_second: requests begun in a second at most; None: as many as come.

        Raises:
            ValueError: the base URL is none, or would send the key over the network in the clear.
        """
        try:
            self._base = urls.parse(base_url)
        except UnsafeUrl as error:
            raise ValueError(error.message) from None
        if self._base.scheme == "http" and not self._base.loopback:
            raise ValueError("plain http is for loopback only: it would show the key to the network")
        self.origin: Final = self._base.origin
        self._loopback = self._base.loopback
        self._key = key
        self._wire = Wire(
            connect_timeout=connect_timeout, read_timeout=read_timeout, stop=stop, observe=observe, tries=tries
        )
        self._pace = Pace(requests_per_second, self._wire.retrier.sleep)

    def create_project(
        self, *, file_name: str, content_type: str, content_length: int, file_format: str | None = None,
        params: Mapping[str, Any] | None = None, key: str | None = None,
    ) -> Project:
        """Make a project and learn how its file is to be uploaded. After a lost answer there may be two.

        Args:
            file_name: the last part of the path; bytes that are no UTF-8 are sent as replacement characters.
            content_type: the media type; a signed PUT has to repeat it exactly.
            content_length: bytes of the file.
            file_format: a short label such as "wav".
            params: stored with the project.
            key: the API key to send with, where it was read already.

        Raises:
            TooLarge: the file is over what this project takes.
            UnsafeUrl: the upload would go to a host that must not be talked to.
        """
        name = file_name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        body: dict[str, Any] = {"fileName": name, "contentType": content_type, "contentLength": content_length}
        if file_format:
            body["fileFormat"] = file_format
        if params:
            body["params"] = dict(params)

        def read(fields: Fields) -> Project:
            project = Project.read(fields, content_type)
            if project.session:
                urls.safe(project.session.edge, loopback=self._loopback)
                limit = project.session.max_bytes
                if limit is not None and content_length > limit:
                    raise TooLarge(f"{content_length} bytes are over the service's {limit}", limit=limit)
            if project.put:
                urls.safe(project.put.url, loopback=self._loopback)
            return project

        return self._ask("create_project", body, read, key=key)

    def complete_project_upload(self, project_id: str) -> StoredUpload:
        """Say that the file is uploaded, and learn what the service stored. Idempotent."""
        return self._ask("complete_project_upload", {"apiProjectId": project_id},
                         lambda fields: StoredUpload.read(fields, project_id))

    def generate(self, model: str, body: str, *, key: str | None = None) -> Generation:
        """Queue a generation: this is what costs money.

        Args:
            model: a model id, known to this program or not.
            body: the request's JSON, sent byte for byte, in every try and every later call. Its `idempotencyKey`
                is what makes repeating it free.
            key: the API key to send with, where it was read already: what makes it free is scoped by the key.

        Raises:
            ValueError: the body has no idempotency key or no project, or the model id is none; nothing was sent.
            IdempotencyConflict: the key was used with this project for something else.
            ModelRetired: the model's endpoint is gone.
        """
        sent = json.loads(body)
        once = sent.get("idempotencyKey") if isinstance(sent, dict) else None
        if not isinstance(once, str) or not 1 <= len(once.strip()) <= 255 or not sent.get("apiProjectId"):
            raise ValueError("a generation needs its project and an idempotency key of 1 to 255 characters")
        return self._ask(models.endpoint(model), body, Generation.read, call="generate", key=key)

    def progress(self, generation_id: str, project_id: str | None = None) -> Progress:
        """How far a generation is."""
        body = {"generationId": generation_id}
        if project_id is not None:
            body["apiProjectId"] = project_id
        return self._ask("get_generation_progress", body, lambda fields: Progress.read(fields, generation_id),
                         call="progress")

    def download_link(self, generation_id: str, project_id: str, kind: DownloadType | None = None) -> DownloadLink:
        """A URL to fetch a result from, good for some hours.

        Args:
            generation_id: whose result.
            project_id: the project it belongs to.
            kind: which result; None leaves it to the service (video of a video project, else audio).

        Raises:
            NotReady: not yet, also shortly after the whole is complete.
            NotFound: not (yet) there.
            TranscriptUnavailable: there never will be a transcript.
            Rejected: such as the video of an audio project.
            UnsafeUrl: the download would come from a host that must not be talked to.
        """
        body = {"generationId": generation_id, "apiProjectId": project_id}
        if kind is not None:
            body["downloadType"] = kind

        def read(fields: Fields) -> DownloadLink:
            link = DownloadLink.read(fields, generation_id, kind)
            urls.safe(link.url, loopback=self._loopback)
            return link

        return self._ask("get_generation_download", body, read, call="download_link")

    def list_projects(self, *, every: bool = False) -> list[ProjectSummary]:
        """All projects that the key sees.

        Args:
            every: money depends on it: a list of which a row can't be read is an unreadable answer.
        """
        return self._ask("list_projects", {}, lambda fields: fields.rows("projects", ProjectSummary.read, every=every),
                         limit=LIST_LIMIT)

    def list_generations(
        self, project_id: str, *, every: bool = False, key: str | None = None,
    ) -> list[GenerationSummary]:
        """All generations of a project.

        Args:
            project_id: the project.
            every: money depends on it: a list of which a row can't be read is an unreadable answer.
            key: the API key to send with, where it was read already.
        """
        def read(fields: Fields) -> list[GenerationSummary]:
            if fields.has("apiProjectId"):
                fields.same_id("apiProjectId", project_id)
            return fields.rows("generations", GenerationSummary.read, every=every)

        return self._ask("list_project_generations", {"apiProjectId": project_id}, read, call="list_generations",
                         limit=LIST_LIMIT, key=key)

    def usage(self) -> Usage:
        """What was used and is billed.

        Raises:
            Forbidden: the key is a scoped one.
        """
        return self._ask("usage/summary", {}, lambda fields: Usage(
            _shown(fields.inner("usage").values), _shown(fields.inner("billing").values)
        ), call="usage")

    def account_settings(self) -> dict[str, Any]:
        """The account's settings.

        Raises:
            Forbidden: the key is a scoped one.
        """
        return self._ask("account/settings/get", {}, lambda fields: _shown(fields.inner("account").values),
                         call="account_settings")

    def send_test_event(
        self, event_type: str, mode: Literal["test", "live"], sample: Mapping[str, Any] | None = None
    ) -> str:
        """Have the service deliver a webhook event; its id. After a lost answer there may be two."""
        body: dict[str, Any] = {"eventType": event_type, "mode": mode}
        if sample is not None:
            body["samplePayload"] = dict(sample)
        return self._ask("webhooks/send_test_event", body, lambda fields: fields.id("eventId"), call="send_test_event")

    def close(self) -> None:
        """End every connection."""
        self._wire.close()

    def _ask(self, path: str, body: Mapping[str, Any] | str, read: Callable[[Fields], T], call: str = "",
             limit: int = LIMIT, key: str | None = None) -> T:
        key = self._key() if key is None else key
        if not key or not all("!" <= char <= "~" for char in key):
            raise Unauthorized("the API key is empty or holds characters that no key has", call=call or path,
                               origin=self.origin)
        text = body if isinstance(body, str) else json.dumps(body)
        request = Request(
            call or path, "api", "POST", self._base.below(path), judge_api,
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"},
            text.encode(), (key,),
        )

        def once() -> T:
            try:
                self._pace.enter()
                with self._wire.open(request) as answer:
                    return read(answer.fields(limit))
            except RateLimited as error:
                error.call, error.origin = request.call, self.origin  # its own pause raises it unsent
                self._pace.close(error.retry_after or 0.0)
                raise

        return self._wire.retrier.run(once)


def _shown(value: Any) -> Any:
    """Foreign JSON with every string made fit to show."""
    if isinstance(value, dict):
        return {sanitize.clean(key, longest=100): _shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    return sanitize.clean(value) if isinstance(value, str) else value
