"""The workflow that releases, and what containers are made of, are what those who read them take."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
WORKFLOW = CHECKOUT / ".github/workflows/release.yml"


def accepted(schema: str, file: Path) -> str:
    """What a schema has against a file; "" where nothing."""
    pytest.importorskip("check_jsonschema")
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file],
                          capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.skipif(not WORKFLOW.exists(), reason="no checkout")
def test_the_workflow_is_one() -> None:
    assert accepted("vendor.github-workflows", WORKFLOW) == ""
    if shutil.which("actionlint") is not None:
        done = subprocess.run(["actionlint", WORKFLOW], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(not WORKFLOW.exists(), reason="no checkout")
def test_nothing_but_publishing_may_publish_and_no_secret_is_there() -> None:
    text = WORKFLOW.read_text("utf-8")
    workflow = yaml.safe_load(text)
    assert "secrets." not in text
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert workflow["jobs"]["publish"]["needs"] == "build"
