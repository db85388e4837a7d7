"""The alert rules and the dashboard: Prometheus takes them, each alert fires for its cause alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from service_page import BEARER, Place
from service_prometheus import ALERTS, DASHBOARD, RULES, alert_tests, expressions, names

from diffio_watch.reasons import REASONS, Kind

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")


def promtool(*arguments: object, expect: int = 0) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    return tmp_path / "alerts.yaml"


@needs_promtool
def test_promtool_takes_the_rules(rules: Path) -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", rules)


def without_words(told: Any) -> Any:
    """Promtool compares annotations too, and what they say is no rule."""
    for group in told["groups"]:
        for rule in group["rules"]:
            rule["annotations"] = {}
    return told


@needs_promtool
def test_each_alert_fires_for_its_cause_and_alone_and_none_while_all_is_well(rules: Path) -> None:
    rules.write_text(json.dumps(without_words(yaml.safe_load(ALERTS))))
    tests = alert_tests()
    (rules.parent / "tests.json").write_text(json.dumps(tests))
    assert "SUCCESS" in promtool("test", "rules", rules.parent / "tests.json")
    tests["tests"] = tests["tests"][1:2]
    fires = next(one for one in tests["tests"][0]["alert_rule_test"] if one["exp_alerts"])
    fires["exp_alerts"] = []
    (rules.parent / "tests.json").write_text(json.dumps(tests))
    promtool("test", "rules", rules.parent / "tests.json", expect=1)  # the check can fail


@needs_promtool
def test_every_expression_of_the_dashboard_parses(tmp_path: Path) -> None:
    """As recording rules: promtool has no plainer way."""
    def check(found: list[str], expect: int) -> None:
        group = {"name": "dashboard", "rules": [{"record": f"panel:{n}", "expr": one} for n, one in enumerate(found)]}
        (tmp_path / "dashboard.yaml").write_text(json.dumps({"groups": [group]}))
        promtool("check", "rules", tmp_path / "dashboard.yaml", expect=expect)

    assert len(expressions()) > 20
    assert not [one for one in expressions() if "$" in one]
    check(expressions(), 0)
    check([*expressions(), "sum by (a (b)"], 1)


def test_every_metric_that_rules_and_dashboard_name_is_scraped(place: Place) -> None:
    scraped = place.get("/metrics").body.decode()
    told = {line.split()[2] for line in scraped.splitlines() if line.startswith("# TYPE")}
    told |= {f"{name}{suffix}" for name in told for suffix in ("_bucket", "_sum", "_count")}
    named = set().union(*map(names, [*expressions(), *(rule["expr"] for rule in RULES)]))
    assert len(named) >= 14
    assert named <= told


def test_the_reasons_that_the_rules_name_are_reasons() -> None:
    stops = {code for code, reason in REASONS.items() if reason.kind in {Kind.HALT, Kind.INBOX}}
    told = " ".join(rule["expr"] for rule in RULES)
    named = {code for code in stops if f'"{code}' in told or f"|{code}" in told}
    assert named == stops - {"unavailable"}, "that one has its own metric"


def test_the_dashboard_has_a_place_for_each_panel_and_asks_the_chosen_source() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"


def test_they_are_served_to_who_may_read_the_page(place: Place) -> None:
    assert place.get("/metrics/alerts.yaml").body.decode() == ALERTS
    assert place.get("/metrics/dashboard.json").json == DASHBOARD
    away = {"X-Forwarded-For": "192.0.2.7"}
    assert place.get("/metrics/alerts.yaml", away).status == 401
    assert place.get("/metrics/alerts.yaml", away | BEARER).status == 200
    for name in ("none", "..%2fmetrics.py", "../metrics.py", "%2e%2e/app.py"):
        assert place.get(f"/metrics/{name}").status == 404
