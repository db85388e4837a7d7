"""Names are bytes, whatever `LANG` says: nothing that is paid for fails on it, and everybody reads the same names."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from sounds import sound
from whole_studio import Studio, clean_environment

from diffio_watch.disk.names import parse

NAMES = ["é.wav", "日本 🎙 show/take.wav", os.fsdecode(b"latin \xe9.wav")]
SHOWN = ["é.wav", "日本 🎙 show/take.wav", "latin \\xe9.wav"]
LOCALES = {
    "POSIX": {"LC_ALL": "POSIX"},
    "plain C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    "strict": {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}}


@pytest.mark.slow
@pytest.mark.parametrize("locale", LOCALES)
def test_every_name_goes_its_way_in_any_locale(studio: Studio, locale: str) -> None:
    def run(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "diffio_watch", *words, "-c", str(studio.config_file)],
                              env=clean_environment() | LOCALES[locale], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        told = done.stderr.decode("utf-8", "backslashreplace")
        assert done.returncode == 0, told
        assert "Traceback" not in told
        return done.stdout.decode("utf-8")

    studio.configure()
    for number, name in enumerate(NAMES):
        path = studio.inbox() / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sound(str(number)))
    run("once")
    for name, shown in zip(NAMES, SHOWN, strict=True):
        told = json.loads((studio.outbox() / f"{name}.json").read_text("utf-8"))
        assert told["source"]["path"] == shown
        assert ("path_hex" in told["source"]) is (shown != name)
        assert (studio.outbox() / parse(told["outputs"][0]["path"], told["outputs"][0].get("path_hex"))).exists()
    assert {job["path"] for job in json.loads(run("jobs", "--json"))} == set(SHOWN)
    run("jobs")
    for name in NAMES:
        run("explain", str(studio.inbox() / name))
    assert "3 are known" in run("journal", "rebuild")
    assert studio.service.charges == len(NAMES)
