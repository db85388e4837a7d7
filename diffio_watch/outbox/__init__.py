"""What lands in the outbox: names, durable publishing, sidecars and error files, and what becomes of originals."""

from diffio_watch.outbox.publish import Outbox

__all__ = ["Outbox"]
