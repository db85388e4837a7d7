"""Names are bytes: the awkward ones go the whole way, and no command lets them act on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sounds import sound
from whole_studio import NAME, Studio, clean_environment, name_of

from diffio_watch.disk.names import is_utf8

NAMES = [
    b"no utf-8 \xff\xfe.wav",
    b"no utf-8 \\ and \xe9.wav",
    b"latin\xe9/folder too \xc3.wav",
    b"two\nlines.wav",
    b"tab\tand return\r.wav",
    b"x" * 251 + b".wav",
    "ü".encode() * 125 + b".wav",  # 254 bytes: nothing can be added to its stem
    "emoji 🎙️👩‍🎤.wav".encode(),
    b"-dash.wav",
    b"--help.wav",
    "right \u202egnp.trats\u202c left.wav".encode(),
    b"escape \x1b[31mred\x1b[2J\x1b]0;title\x07.wav",
    "c1 \u009b31m.wav".encode(),
    b"back\\slash \\xff.wav",
    b"quotes ' \" $(id) `id` ; & |.wav",
    b" spaces .wav",
    b"podcasts:colon: in a name.wav",
    b"%s {stem} {} %(x)s.wav",
    b"SHOUTED.WAV",
    "e\u0301 in two.wav".encode(),
    "\u00e9 in one.wav".encode(),
    b"<script>alert(1)<script>.wav",
    b"*?[a].wav",
    b"CON.wav",
    b"deep/" * 40 + b"down.wav",
]
# what a terminal would act on: control characters but newlines, which part lines, and marks of direction
ACTING = [chr(code) for code in (*range(10), *range(11, 32), *range(127, 160))] + ["\u202e", "\u202c"]


@pytest.fixture
def delivered(studio: Studio) -> Studio:
    studio.start()
    for name in NAMES:
        path = os.fsencode(studio.inbox()) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - bytes
        with open(path, "wb") as file:  # noqa: PTH123 - bytes
            file.write(sound(repr(name)))
    studio.wait(*map(os.fsdecode, NAMES), seconds=40)
    return studio


def test_awkward_names_go_the_whole_way_and_every_command_tells_them(delivered: Studio) -> None:
    studio = delivered
    assert studio.service.charges == len(NAMES)
    studio.check()
    sidecars = studio.sidecars()
    assert set(sidecars) == set(map(os.fsdecode, NAMES))

    jobs = {name_of(job): job for job in studio.json("jobs", "--limit", "0")}
    assert set(jobs) == set(map(os.fsdecode, NAMES))
    for name in NAMES:
        path = os.fsdecode(name)
        assert ("path_hex" in jobs[path]) is not is_utf8(path)
        shown = jobs[path]["path"]
        arguments = {f"{NAME}:{path}", f"{NAME}:{shown}", str(studio.inbox() / path), str(studio.inbox() / shown)}
        for argument in arguments:
            told = studio.json("show", argument)
            assert told["id"] == jobs[path]["id"], argument
            assert told["sidecar"]["source"]["path"] == shown
            found = studio.json("explain", argument)
            assert (found["verdict"], name_of(found)) == ("job", path)
        for command in ("show", "explain"):
            code, out, _ = studio.command(command, f"{NAME}:{path}")
            assert code == 0
            assert [char for char in ACTING if char in out] == []
    for line in (["jobs"], ["status"], ["journal", "export"], ["jobs", "--json"], ["status", "--json"]):
        code, out, err = studio.command(*line)
        assert code == 0, err
        assert [char for char in ACTING if char in out] == []
    log = studio.log_file.read_bytes()
    assert [char for char in ACTING if char.encode() in log] == []


def test_bytes_of_a_shell_reach_their_job(studio: Studio) -> None:
    studio.start()
    path = os.fsencode(studio.inbox()) + b"/" + NAMES[0]
    with open(path, "wb") as file:  # noqa: PTH123 - bytes
        file.write(sound("a"))
    studio.wait(os.fsdecode(NAMES[0]))
    for locale in ("C.UTF-8", "C"):
        done = subprocess.run([sys.executable, "-m", "diffio_watch", "-c", studio.config_file, "show", path],
                              env=clean_environment() | {"LC_ALL": locale}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert rb"no utf-8 \xff\xfe.wav" in done.stdout
