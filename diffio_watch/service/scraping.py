"""What Prometheus and Grafana fetch: the metrics, and the alert rules and the dashboard that go with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from diffio_watch.service.answers import Refused

if TYPE_CHECKING:
    from diffio_watch.service.metrics import Metrics
    from diffio_watch.service.threads import Threads

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_SHIPPED: Final = {"alerts.yaml": "text/yaml; charset=utf-8", "dashboard.json": "application/json"}  # in `prometheus/`


def answers(threads: Threads, metrics: Metrics) -> dict[str, Callable[[Request, object], Awaitable[Response]]]:
    """What answers by path; who may read the page may have it."""
    async def scrape(_: Request, __: object) -> Response:
        body = await threads.run("metrics", metrics.scrape)
        return Response(body, 200, {"cache-control": "no-store", "content-type": _TEXT})

    return {"/metrics": scrape, "/metrics/{name}": _shipped}


async def _shipped(request: Request, _: object) -> Response:
    name = request.path_params["name"]
    kind = _SHIPPED.get(name)
    if kind is None:
        raise Refused(404, f"There is no such file here, only {' and '.join(_SHIPPED)}.")
    body = (resources.files("diffio_watch.service") / "prometheus" / name).read_bytes()
    return Response(body, 200, {"cache-control": "no-cache", "content-type": kind})
