"""remote: the service's own lists, an old result, usage, a webhook test. Nothing here costs money."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffio_watch.cli.base import FAILED, Trouble, config_option, json_option, print_json, say, workplace

if TYPE_CHECKING:
    from diffio_watch.api import Api, DownloadLink, Storage
    from diffio_watch.cli.base import Workplace
    from diffio_watch.config import Config


@click.group()
def remote() -> None:
    """Ask the service itself: its lists, an old result, usage, a webhook test."""


@remote.command()
@json_option
@config_option
def projects(*, as_json: bool) -> int:
    """List the projects that the key sees."""
    with opened_api(workplace(key=True).config) as api:
        found = api.list_projects()
    if as_json:
        print_json([_dated(asdict(one)) for one in found])
        return 0
    from diffio_watch.cli import draw

    table = draw.grid("Project", "Status", "Generations", "Made", "File", elastic=(4,))
    for one in found:
        table.add_row(draw.words(one.project_id), draw.words(one.status or ""), str(one.generations or 0),
                      draw.moment(one.created_at) if one.created_at else "", draw.name(one.file_name or ""))
    draw.write(table if found else "No projects.")
    return 0


@remote.command()
@click.argument("project")
@json_option
@config_option
def generations(project: str, *, as_json: bool) -> int:
    """List the generations of a project."""
    with opened_api(workplace(key=True).config) as api:
        found = api.list_generations(project)
    if as_json:
        print_json([_dated(asdict(one)) for one in found])
        return 0
    from diffio_watch.cli import draw

    table = draw.grid("Generation", "Status", "Model", "Made")
    for one in found:
        table.add_row(draw.words(one.generation_id), draw.words(one.status), draw.words(one.model_key or ""),
                      draw.moment(one.created_at) if one.created_at else "")
    draw.write(table if found else "No generations.")
    return 0


@remote.command()
@json_option
@config_option
def usage(*, as_json: bool) -> int:
    """Show what was used and is billed."""
    with opened_api(workplace(key=True).config) as api:
        found = asdict(api.usage())
    if as_json:
        print_json(found)
    else:
        from diffio_watch.disk.names import terminal

        say(terminal(line) for line in _leaves(found))
    return 0


@remote.command("test-event")
@click.option("--type", "event_type", default="generation.completed", show_default=True,
              type=click.Choice([f"generation.{word}" for word in ("queued", "processing", "failed", "completed")]))
@click.option("--mode", type=click.Choice(["test", "live"]), default="test", show_default=True)
@click.option("--wait", default=30.0, show_default=True, metavar="SECONDS", type=click.FloatRange(0, 3600),
              help="How long the daemon of this machine may take to have it.")
@json_option
@config_option
def test_event(event_type: str, mode: str, *, wait: float, as_json: bool) -> int:
    """Have the service send a webhook event, and see it arrive at the daemon of this machine."""
    from diffio_watch.cli import arrival

    work = workplace(key=True)
    before = arrival.known(work)
    with opened_api(work.config) as api:
        event = api.send_test_event(event_type, "live" if mode == "live" else "test")
    if not as_json:
        say(f"The service sends the event {event}.")
    seen = arrival.wait_for(work, event, before, wait)
    if as_json:
        print_json({"event_id": event, "event_type": event_type, "mode": mode, "arrived": seen.arrived,
                    "message": seen.message})
    elif seen.arrived is False:
        raise Trouble(seen.message, FAILED)
    else:
        say(seen.message)
    return FAILED if seen.arrived is False else 0


@remote.command()
@click.argument("generation")
@click.option("--project", metavar="PROJECT", help="Its project, where the journal does not know it.")
@click.option("--type", "kind", type=click.Choice(["audio", "video", "transcript"]),
              help="Default: the service's choice.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="Default: in the current folder.")
@json_option
@config_option
def download(generation: str, *, project: str | None, kind: Any, output: Path | None, as_json: bool) -> int:
    """Fetch the result of a generation, however old. Never overwrites."""
    from diffio_watch.media.types import extension

    work = workplace(key=True)
    with opened_api(work.config) as api, _storage(work.config) as storage:
        link = api.download_link(generation, project or _project(work, generation), kind)
        target = output or Path(f"{_plain(generation)}{extension(link.type, link.mime_type)}")
        size = _fetch(storage, link, target)
    if as_json:
        print_json({"path": str(target.absolute()), "type": link.type, "size": size})
    else:
        say([f"Written ({size} bytes):", f"  {target}"])
    return 0


def _fetch(storage: Storage, link: DownloadLink, target: Path) -> int:
    """Fetch into a hidden file beside the target and name it when it is whole; bytes."""
    from diffio_watch.disk import durable

    hidden = f".diffio-watch-{os.getpid()}.part"
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.path.lexists(target):
            raise Trouble(f"{target} exists already and stays as it is: name another with --output.", FAILED)
        descriptor = durable.create(hidden, 0o666 & ~_umask(), dir_fd=folder)
        try:
            with os.fdopen(descriptor, "w+b", buffering=0) as file:
                storage.download(link, _Sink(file.fileno()))
                durable.sync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            durable.rename_noreplace(hidden, target.name, source_fd=folder, target_fd=folder)
        except BaseException:
            os.unlink(hidden, dir_fd=folder)
            raise
        durable.sync_folder(folder)
    except FileExistsError:
        raise Trouble(f"{target} exists already and stays as it is: name another with --output.", FAILED) from None
    finally:
        os.close(folder)
    return size


class _Sink:
    """A file as a download's sink."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.validator: str | None = None

    @property
    def size(self) -> int:
        """Bytes in it so far."""
        return os.fstat(self._descriptor).st_size

    def expect(self, size: int, /) -> None:
        """A person sees what the disk says."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Put them at the end."""
        from diffio_watch.disk import durable

        durable.write_all(self._descriptor, data)

    def restart(self) -> None:
        """Throw away what is in it."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)


def _project(work: Workplace, generation: str) -> str:
    """The project of a generation, from the journal."""
    with work.read() as journal:
        project = journal.jobs.project_of(generation) if journal else None
    if project is not None:
        return project
    raise Trouble("The journal does not know this generation: name its project with --project "
                  "(`diffio-watch remote projects` lists them).", FAILED)


@contextmanager
def opened_api(config: Config) -> Iterator[Api]:
    """The service, with the configured key."""
    from diffio_watch.api import Api, Tries
    from diffio_watch.config import read_key

    api = Api(config.api.base_url, lambda: read_key(config, os.environ), connect_timeout=config.api.connect_timeout,
              read_timeout=config.api.read_timeout, stop=threading.Event(), tries=Tries(budget=20.0))
    try:
        yield api
    finally:
        api.close()


@contextmanager
def _storage(config: Config) -> Iterator[Storage]:
    from diffio_watch.api import Storage

    storage = Storage(config.api.base_url, connect_timeout=config.api.connect_timeout,
                      read_timeout=config.api.read_timeout, stop=threading.Event())
    try:
        yield storage
    finally:
        storage.close()


def _dated(found: dict[str, Any]) -> dict[str, Any]:
    from diffio_watch.clock import rfc3339

    return {name: rfc3339(value) if name.endswith("_at") else value for name, value in found.items()}


def _leaves(found: Any, path: str = "") -> Iterator[str]:
    """Nested values as `billing.plan: pro` lines."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from _leaves(value, f"{path}.{name}" if path else str(name))
    else:
        yield f"{path}: {found}"


def _plain(word: str) -> str:
    """A server's word as part of a file name."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in word)[:100]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
