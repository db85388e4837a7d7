"""Large files: how fast they go and come, and what they take of memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from bench_small import WATCH, sdk
from bench_table import Row
from bench_world import MIB, Service, Studio, World, header

_LONG = 3600.0  # seconds that the service takes; they are skipped once what was uploaded is on the disk


def gigabyte(world: World) -> list[Row]:
    """A large recording: sent in parts, and fetched, hashed and synced; and curl with the same bytes and server."""
    size = world.count(1024, few=8) * MIB
    with world.folder() as base, Service(base / "service", _LONG) as service:
        studio = Studio(base / "studio", service.url, world.program)
        recording = _recording(base / "long.wav", size)
        with studio.run() as daemon:
            daemon.calm()
            (base / "long.wav").rename(recording := studio.inbox / "long.wav")
            studio.wait(lambda: service.counts()["calls"].get("progress"), 120, 0.2)
            os.sync()  # nobody else's bytes are on their way to the disk
            service.skip(_LONG)
            studio.wait(studio.delivered, 120, 0.05)
        sent = service.seen("complete")[0]["at"] - service.seen("start")[0]["at"]
        fetched = (studio.outbox / "long.wav.json").stat().st_ctime + _LONG - service.seen("download")[0]["at"]
        up = Row(f"upload of {size // MIB:,} MiB in parts", "MiB/s", [size / MIB / sent], of="")
        down = Row(f"download of {size // MIB:,} MiB, hashed and synced", "MiB/s", [size / MIB / fetched], of="")
        if world.compare:
            os.sync()
            put, get, hashed = _curl(service, recording, base / "fetched")
            up.instead["(c) curl, one PUT"] = [size / MIB / put]
            down.instead["(c) curl, sync"] = [size / MIB / get]
            down.instead["(c) curl, sync, sha256sum"] = [size / MIB / (get + hashed)]
        return [up, down]


def memory(world: World) -> list[Row]:
    """Four large files at once."""
    size = world.count(512, 2047, few=4) * MIB
    told = f"four files of {size // MIB} MiB at once: peak memory"
    with world.folder() as base, Service(base / "service", 1.0) as service:
        studio = Studio(base / "studio", service.url, world.program)
        names = [f"{number}.wav" for number in range(4)]
        for name in names:
            _recording(base / name, size)
        with studio.run() as daemon:
            for name in names:
                (base / name).rename(studio.inbox / name)
            studio.wait(lambda: studio.delivered() == len(names), 600, 0.2)
            row = Row(told, "MiB", [daemon.peak()])
        if world.compare and world.scale == "full":
            (outbox := base / "others").mkdir()
            (base / "there").mkdir()
            with sdk(base, "watch", service.url, base / "there", outbox, len(names)) as child:
                assert child.process.stdout is not None
                child.process.stdout.readline()
                for name in names:
                    (studio.inbox / name).rename(base / "there" / name)
                row.instead[WATCH] = [json.loads(child.process.stdout.readline())["peak"]]
        return [row]


def _recording(path: Path, size: int) -> Path:
    """A WAV file in which no two pieces of 4 MiB are the same."""
    noise = os.urandom(4 * MIB)
    with path.open("wb") as file:
        file.write(header(size))
        while (left := size - file.tell()) > 0:
            file.write((file.tell().to_bytes(8) + noise[8:])[:left])
    return path


def _curl(service: Service, recording: Path, out: Path) -> tuple[float, float, float]:
    """Seconds that curl takes to put a file and to fetch one (synced), and sha256sum to read it."""
    service.change(upload="put")
    made = service.call("create_project", fileName=recording.name, contentType="audio/wav",
                        contentLength=recording.stat().st_size)
    put = _seconds(["curl", "-fsS", "-H", "Content-Type: audio/wav", "-T", str(recording), made["uploadUrl"]])
    os.sync()
    bought = service.seen("link")[-1]  # the first one only asks whether the key may fetch
    link = service.call("get_generation_download", generationId=bought["generation_id"],
                        apiProjectId=bought["project_id"])["downloadUrl"]
    get = _seconds(["curl", "-fsS", "-o", str(out), link]) + _seconds(["sync", str(out)])
    return put, get, _seconds(["sha256sum", str(out)])


def _seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
