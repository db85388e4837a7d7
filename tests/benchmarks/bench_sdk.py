"""What one would write with the official SDK instead: `python bench_sdk.py loop|watch URL INBOX OUTBOX COUNT`.

`loop`: one file after the other. `watch`: watchdog's events and eight threads. Neither keeps a journal, looks whether a
file is finished, makes anything durable, or survives a crash. Says `ready`, and at the end a line of JSON.
"""

from __future__ import annotations

import json
import queue
import resource
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from diffio import DiffioClient  # type: ignore[import-untyped]  # the SDK ships no types
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

THREADS = 8


def restore(client: Any, path: Path, outbox: Path) -> None:
    """Upload, buy, wait, fetch: the SDK's own calls with its own defaults."""
    project = client.create_project(filePath=str(path), contentType="audio/wav")
    generation = client.create_generation(apiProjectId=project.apiProjectId, idempotencyKey=path.name)
    client.generations.wait_for_complete(generationId=generation.generationId, apiProjectId=project.apiProjectId)
    client.generations.download(generationId=generation.generationId, apiProjectId=project.apiProjectId,
                                downloadFilePath=str(outbox / f"{path.stem}.restored{path.suffix}"))


def loop(client: Any, inbox: Path, outbox: Path, count: int) -> None:
    """One file after the other."""
    paths = sorted(inbox.iterdir())
    assert len(paths) == count
    for path in paths:
        restore(client, path, outbox)


class Moved(FileSystemEventHandler):
    """Files that were renamed into place."""

    def __init__(self, found: Callable[[Path], None]) -> None:
        self._found = found

    def on_created(self, event: FileSystemEvent) -> None:
        """What comes from outside the watched folder is created there."""
        self._found(Path(str(event.src_path)))


def watch(client: Any, inbox: Path, outbox: Path, count: int) -> None:
    """Each file as it comes, by eight threads."""
    found: queue.SimpleQueue[Path] = queue.SimpleQueue()
    observer = Observer()
    observer.schedule(Moved(found.put), str(inbox))
    observer.start()
    print("ready", flush=True)
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(restore, client, found.get(), outbox) for _ in range(count)]:
            done.result()
    observer.stop()


def main(way: str, url: str, inbox: Path, outbox: Path, count: int) -> None:
    """Do it, and say what it took."""
    warnings.simplefilter("ignore")  # the SDK knows audio as mp3; the stand-in gives back what it was given
    with DiffioClient(baseUrl=url, timeout=300.0) as client:
        if way == "loop":
            print("ready", flush=True)
        before, cpu = time.monotonic(), time.process_time()
        {"loop": loop, "watch": watch}[way](client, inbox, outbox, count)
        print(json.dumps({
            "began": before, "ended": time.monotonic(), "cpu": time.process_time() - cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
