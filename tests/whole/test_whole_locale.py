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


# a process that begins in the locale, and runs the commands that are parted by a "+" one after another
PROGRAM = """
import sys
from diffio_watch.cli import main
words = sys.argv[1:] + ["+"]
while words:
    end = words.index("+")
    sys.argv[1:], words = words[:end], words[end + 1:]
    try:
        main()  # where names are no UTF-8 to Python, this begins it all anew in a Python to which they are
    except SystemExit as ended:
        assert ended.code == 0, (sys.argv, ended.code)
    print(flush=True)
    print("+", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("locale", LOCALES)
def test_every_name_goes_its_way_in_any_locale(studio: Studio, locale: str) -> None:
    studio.configure()
    for number, name in enumerate(NAMES):
        path = studio.inbox() / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sound(str(number)))
    commands = [["once"], ["jobs", "--json"], ["jobs"], *(["explain", str(studio.inbox() / name)] for name in NAMES),
                ["journal", "rebuild"]]
    words = [word for command in commands for word in ("+", *command, "-c", str(studio.config_file))][1:]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], env=clean_environment() | LOCALES[locale],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "backslashreplace")
    assert b"Traceback" not in done.stderr
    told = done.stdout.decode("utf-8").split("\n+\n")
    assert len(told) == len(commands) + 1
    assert {job["path"] for job in json.loads(told[1])} == set(SHOWN)
    assert "3 are known" in told[-2]
    for name, shown in zip(NAMES, SHOWN, strict=True):
        told_of = json.loads((studio.outbox() / f"{name}.json").read_text("utf-8"))
        assert told_of["source"]["path"] == shown
        assert ("path_hex" in told_of["source"]) is (shown != name)
        assert (studio.outbox() / parse(told_of["outputs"][0]["path"], told_of["outputs"][0].get("path_hex"))).exists()
    assert studio.service.charges == len(NAMES)
