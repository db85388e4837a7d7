"""A folder's worth of real recordings, in every form that studios have, from `demo` to the sidecars."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from whole_media import RECIPES, duration
from whole_studio import clean_environment


@pytest.mark.slow
def test_demo_delivers_every_form_with_the_right_facts_in_its_sidecar(media: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "diffio_watch", "demo", "--keep", str(tmp_path / "kept"), str(media)],
                          env=clean_environment(), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Delivered {len(RECIPES)} of {len(RECIPES)} files" in done.stdout
    outbox = tmp_path / "kept/outbox" / media.name
    for name, recipe in RECIPES.items():
        told = json.loads((outbox / f"{name}.json").read_bytes())
        facts = told["source"]["media"]
        seconds = duration(media / name)
        assert told["state"] == "delivered"
        assert (facts["format"], facts["has_video"]) == (recipe.format, recipe.has_video), name
        assert facts["duration_s"] == pytest.approx(seconds, abs=0.1), name
        (output,) = told["outputs"]
        assert output["type"] == ("video" if recipe.has_video else "audio")
        assert output["media"]["duration_s"] == pytest.approx(seconds, abs=0.1), name
        assert (tmp_path / "kept/outbox" / output["path"]).read_bytes() == (media / name).read_bytes()
        assert told["notes"] == [], name
