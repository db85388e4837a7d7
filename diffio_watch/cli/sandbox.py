"""sandbox: the built-in stand-in for the service, also for rehearsing a bad day."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from diffio_watch.cli.base import FAILED, REFUSED, Trouble, say

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from diffio_watch.sandbox import Sandbox

    _FaultParam = click.ParamType["_Bad"]
else:  # a generic one only in newer releases of click
    _FaultParam = click.ParamType


@dataclass(frozen=True, slots=True)
class _Bad:
    """A fault by its name, and for how many seconds; None: as long as the sandbox runs."""

    name: str
    seconds: float | None


class _FaultType(_FaultParam):
    name = "fault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> _Bad:
        from diffio_watch.config.units import duration
        from diffio_watch.sandbox.rehearsals import REHEARSALS

        name, timed, length = str(value).partition(":")
        if name not in REHEARSALS:
            self.fail(f"There is no fault {name!r}. There are: {', '.join(REHEARSALS)}.", param, ctx)
        try:
            return _Bad(name, duration(length) if timed else None)
        except ValueError as error:
            self.fail(f"{length!r} is no length of time: {error}", param, ctx)

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from diffio_watch.sandbox.rehearsals import REHEARSALS

        return [CompletionItem(name, help=one.words) for name, one in REHEARSALS.items() if name.startswith(incomplete)]


class _Command(click.Command):
    """Its help lists the faults."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from diffio_watch.sandbox.rehearsals import REHEARSALS

        with formatter.section("Faults"):
            formatter.write_dl([(name, one.words) for name, one in REHEARSALS.items()])
        super().format_epilog(ctx, formatter)


@click.command(cls=_Command)
@click.option("--port", metavar="P", type=click.IntRange(0, 65535), default=8490, show_default=True,
              help="Of the API, on loopback; 0: any free one.")
@click.option("--upload", type=click.Choice(["put", "multipart"]), default="multipart", show_default=True,
              help="Which of the service's two ways of uploading it speaks.")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=0), default=3.0, show_default=True,
              help="How long a generation takes.")
@click.option("--webhook", metavar="URL", help="Where it tells how generations go; on loopback.")
@click.option("--fault", "faults", metavar="F[:FOR]", type=_FaultType(), multiple=True,
              help="What is wrong with it, to rehearse a bad day: one of those below, for so long (such as "
                   "`outage:2m`) or for good. May stand several times.")
def sandbox(port: int, upload: str, seconds: float, webhook: str | None, faults: tuple[_Bad, ...]) -> int:
    """Run a stand-in for the service on loopback, to try things without a key or money.

    It speaks the service's protocol and hands back the media it was given: it restores nothing.
    """
    from diffio_watch.sandbox import Sandbox

    try:
        service = Sandbox(port=port, upload=upload, seconds=seconds, controlled=True, webhook_url=webhook)
    except ValueError as error:
        raise Trouble(f"{str(error)[:1].upper()}{str(error)[1:]}: such as http://127.0.0.1:8481/webhooks/diffio.",
                      REFUSED) from error
    day = _Day(service, faults, {"upload": upload, "seconds": seconds})
    try:
        try:
            service.start()
        except OSError as error:
            raise Trouble(f"Port {port} can't be used: {error.strerror}. Choose another with --port.",
                          FAILED) from error
        signal.signal(signal.SIGTERM, _interrupt)
        say([f"The sandbox listens at {service.base_url} until Ctrl-C. It restores nothing.",
             "It hands back what it is given, and any key will do. For instance:",
             f"  DIFFIO_API_BASE_URL={service.base_url} DIFFIO_API_KEY=sandbox diffio-watch run"])
        if webhook is not None:
            say([f"Its webhooks go to {webhook}, signed with the secret", f"  {service.settings.webhook_secret}"])
        day.begin()
        service.wait()
    except KeyboardInterrupt:
        pass  # that is how it ends
    finally:
        day.end()
        service.close()
    return 0


class _Day:
    """The faults that stand, each until its time is over."""

    def __init__(self, service: Sandbox, faults: tuple[_Bad, ...], usual: dict[str, Any]) -> None:
        self._service = service
        self._usual = usual
        self._lock = threading.Lock()
        self._standing = {one.name: one.seconds for one in faults}
        self._timers = [threading.Timer(one.seconds, self._over, [one.name]) for one in faults
                        if one.seconds is not None]

    def begin(self) -> None:
        """Let them begin."""
        from diffio_watch.sandbox.rehearsals import REHEARSALS

        if self._standing:
            self._rehearse()
        for name, seconds in self._standing.items():
            say([f"For {'good' if seconds is None else f'{seconds:g} s'}: {REHEARSALS[name].words} ({name})."])
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def end(self) -> None:
        """No timer is left."""
        for timer in self._timers:
            timer.cancel()

    def _over(self, name: str) -> None:
        with self._lock:
            self._standing.pop(name, None)
            self._rehearse()
        say([f"It is over: {name}."])

    def _rehearse(self) -> None:
        from diffio_watch.sandbox.rehearsals import rehearse

        rehearse(self._service, self._standing, self._usual)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
