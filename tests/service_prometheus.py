"""The alert rules and the dashboard as they are shipped, and series that show what they do."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any, Final

import yaml

FOLDER: Final = resources.files("diffio_watch.service") / "prometheus"
ALERTS: Final = (FOLDER / "alerts.yaml").read_text("utf-8")
DASHBOARD: Final[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
RULES: Final[list[dict[str, Any]]] = yaml.safe_load(ALERTS)["groups"][0]["rules"]
_GRAFANA: Final = {"$__rate_interval": "5m", "$instance": ".*", "$inbox": ".*"}


def expressions() -> list[str]:
    """What the dashboard asks, with what Grafana fills in."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    for name, value in _GRAFANA.items():
        found = [one.replace(name, value) for one in found]
    return found


def names(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(re.findall(r"\b(?:diffio_watch|process)_[a-z_]+", expression))


# an hour in which all is well; each alert's test changes one of these
_WELL: Final = {
    'diffio_watch_build_info{version="1"}': "1x2000",
    'diffio_watch_inbox_available{inbox="podcasts"}': "1x2000",
    'diffio_watch_last_scan_timestamp_seconds{inbox="podcasts"}': "0+60x2000",
    'diffio_watch_oldest_open_seconds{inbox="podcasts"}': "300x2000",
    'diffio_watch_jobs{inbox="podcasts",state="failed"}': "7x2000",
    'diffio_watch_jobs{inbox="podcasts",state="held"}': "0x2000",
    "diffio_watch_daily_limit_ratio": "0.5x2000",
    'diffio_watch_api_requests_total{kind="progress",status="2xx"}': "0+60x2000",
    'diffio_watch_api_requests_total{kind="progress",status="5xx"}': "0+1x2000",
    'diffio_watch_webhooks_total{result="accepted"}': "0+1x2000",
    'diffio_watch_webhooks_total{result="refused"}': "0x2000",
    'diffio_watch_webhooks_total{result="unsigned"}': "0+9x2000",
    **{f'diffio_watch_halted{{reason="{reason}"}}': "0x2000" for reason in (
        "auth", "billing", "spend_limit", "service_down", "unavailable", "outbox_unavailable", "outbox_full",
        "model_retired", "model_unknown", "forbidden", "paused")},
}
# by alert: what is otherwise, after how long it fires (minutes), and its labels
_FIRES: Final[dict[str, tuple[dict[str, str | None], int, dict[str, str]]]] = {
    "DiffioWatchAbsent": ({'diffio_watch_build_info{version="1"}': None}, 5, {}),
    "DiffioWatchHalted": ({'diffio_watch_halted{reason="billing"}': "1x2000"}, 5, {"reason": "billing"}),
    "DiffioWatchServiceDown": ({'diffio_watch_halted{reason="service_down"}': "1x2000"}, 30, {}),
    "DiffioWatchInboxAway": ({'diffio_watch_inbox_available{inbox="podcasts"}': "0x2000"}, 15, {"inbox": "podcasts"}),
    "DiffioWatchInboxStopped": ({'diffio_watch_halted{reason="outbox_full"}': "2x2000"}, 15, {"reason": "outbox_full"}),
    "DiffioWatchPaused": ({'diffio_watch_halted{reason="paused"}': "1x2000"}, 1440, {}),
    "DiffioWatchNotScanned": ({'diffio_watch_last_scan_timestamp_seconds{inbox="podcasts"}': "0x2000"}, 77,
                              {"inbox": "podcasts"}),
    "DiffioWatchStuck": ({'diffio_watch_oldest_open_seconds{inbox="podcasts"}': "90000x2000"}, 15,
                         {"inbox": "podcasts"}),
    "DiffioWatchFailed": ({'diffio_watch_jobs{inbox="podcasts",state="failed"}': "7x60 8x2000"}, 65,
                          {"inbox": "podcasts", "state": "failed"}),
    "DiffioWatchHeld": ({'diffio_watch_jobs{inbox="podcasts",state="held"}': "3x2000"}, 60, {"inbox": "podcasts"}),
    "DiffioWatchLimitReached": ({"diffio_watch_daily_limit_ratio": "1x2000"}, 5, {}),
    "DiffioWatchErrors": ({'diffio_watch_api_requests_total{kind="progress",status="5xx"}': "0+60x2000"}, 32, {}),
    "DiffioWatchWebhooksRefused": ({'diffio_watch_webhooks_total{result="refused"}': "0+1x2000",
                                    'diffio_watch_webhooks_total{result="accepted"}': "9x2000"}, 20, {}),
}


def alert_tests() -> dict[str, Any]:
    """For promtool: each alert fires for its cause and alone, and none does while all is well."""
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
    assert severities.keys() == _FIRES.keys()
    quiet = [{"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": []}
             for minutes in (30, 120) for name in _FIRES]
    tests = [_test(_WELL, quiet)]
    for name, (changes, minutes, labels) in _FIRES.items():
        series = {one: value for one, value in (_WELL | changes).items() if value is not None}
        fires = [{"exp_labels": {"severity": severities[name], **labels}}]
        tests.append(_test(series, [
            {"eval_time": f"{minutes + 1}m", "alertname": name, "exp_alerts": fires},
            *({"eval_time": f"{minutes + 1}m", "alertname": other, "exp_alerts": []} for other in _FIRES
              if other != name)]))
    return {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}


def _test(series: dict[str, str], alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"interval": "1m", "alert_rule_test": alerts,
            "input_series": [{"series": name, "values": values} for name, values in series.items()]}
