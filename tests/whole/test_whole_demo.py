"""A folder's worth of real recordings, in every form that studios have, from `demo` to the sidecars."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import programs
import pytest
from whole_media import RECIPES, duration
from whole_studio import clean_environment

from diffio_watch.sandbox import filtered


@pytest.mark.slow
def test_demo_delivers_every_form_with_the_right_facts_in_its_sidecar(media: Path, tmp_path: Path) -> None:
    done = programs.run([sys.executable, "-m", "diffio_watch", "demo", "--keep", str(tmp_path / "kept"), str(media)],
                          env=clean_environment(), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Delivered {len(RECIPES)} of {len(RECIPES)} files" in done.stdout
    outbox = tmp_path / "kept/outbox" / media.name
    # by what they are about: through the filter all sound is WAV, so that results of one stem get numbers
    sidecars = [json.loads(path.read_bytes()) for path in outbox.glob("*.json") if "transcript" not in path.name]
    by_name = {Path(told["source"]["path"]).name: told for told in sidecars}
    for name, recipe in RECIPES.items():
        told = by_name[name]
        facts = told["source"]["media"]
        seconds = duration(media / name)
        assert told["state"] == "delivered"
        assert (facts["format"], facts["has_video"]) == (recipe.format, recipe.has_video), name
        assert facts["duration_s"] == pytest.approx(seconds, abs=0.1), name
        (output,) = told["outputs"]
        assert output["type"] == ("video" if recipe.has_video else "audio")
        assert output["media"]["duration_s"] == pytest.approx(seconds, abs=0.1), name
        result = (tmp_path / "kept/outbox" / output["path"]).read_bytes()
        # where PyAV is there, the sandbox puts what sound it can through a filter
        assert result
        assert filtered.possible() or result == (media / name).read_bytes()
        assert told["notes"] == [], name


@pytest.mark.slow
def test_demo_shows_the_page_beside_it_until_it_is_interrupted(tmp_path: Path) -> None:
    """A newcomer sees it in the first minute, and its buttons work: the token comes along in the address."""
    command = [sys.executable, "-m", "diffio_watch", "demo", "--page", "--keep", str(tmp_path / "kept")]
    with programs.Program(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            found = next(match for line in demo.stdout if (match := re.search(r"(http://\S+/)#token=(\S+)", line)))
            url, token = found[1], found[2]
            with urllib.request.urlopen(f"{url}api/status", timeout=10) as answer:
                screen = json.load(answer)["screen"]
            assert screen["verdict"]["level"] in {"setup", "busy", "good"}
            ask = urllib.request.Request(
                f"{url}api/requests", json.dumps({"command": "pause", "args": {"inbox": "demo"}}).encode(),
                {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(ask, timeout=20) as answer:
                assert json.load(answer)["ok"]
            ask.data = json.dumps({"command": "resume", "args": {"inbox": "demo"}}).encode()
            urllib.request.urlopen(ask, timeout=20).close()
            assert any("The page stays until Ctrl-C" in line for line in demo.stdout)
        finally:
            demo.send_signal(signal.SIGINT)
        assert "Nothing of it runs any more." in demo.stdout.read()
        assert demo.wait(20) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)
