"""sandbox: the built-in stand-in for the service."""

from __future__ import annotations

import signal
from types import FrameType

import click

from diffio_watch.cli.base import FAILED, Trouble, say


@click.command()
@click.option("--port", metavar="P", type=click.IntRange(0, 65535), default=8490, show_default=True,
              help="Of the API, on loopback; 0: any free one.")
@click.option("--upload", type=click.Choice(["put", "multipart"]), default="multipart", show_default=True,
              help="Which of the service's two ways of uploading it speaks.")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=0), default=3.0, show_default=True,
              help="How long a generation takes.")
def sandbox(port: int, upload: str, seconds: float) -> int:
    """Run a stand-in for the service on loopback, to try things without a key or money.

    It speaks the service's protocol and hands back the media it was given: it restores nothing.
    """
    from diffio_watch.sandbox import Sandbox

    service = Sandbox(port=port, upload=upload, seconds=seconds, controlled=True)
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
        service.wait()
    except KeyboardInterrupt:
        pass  # that is how it ends
    finally:
        service.close()
    return 0


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
