"""Every host that is not the API: uploads and downloads, by a client that never knew the key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from diffio_watch.api import urls
from diffio_watch.api.client import unobserved
from diffio_watch.api.download import Downloads, Received
from diffio_watch.api.retry import Tries
from diffio_watch.api.shapes import DownloadLink, Session, SignedPut
from diffio_watch.api.streams import Body, Sink
from diffio_watch.api.upload import Uploads
from diffio_watch.api.wire import Observe, Wire

STORAGE_TRIES: Final = Tries()


class Storage:
    """Uploads and downloads, with connections of its own. Safe to use from many threads.

    Every method may raise any `ApiError` but those of the account, and is tried a few times; each ends soon with
    `Stopped` when `stop` is set. What a `Body` or `Sink` raises comes out unchanged.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float,
        read_timeout: float,
        stop: threading.Event,
        observe: Observe = unobserved,
        tries: Tries = STORAGE_TRIES,
    ) -> None:
        """Make a client; nothing is sent.

        Args:
            base_url: of the API: where that is on loopback, uploads and downloads may be so too.
            connect_timeout: seconds until a connection must stand.
            read_timeout: seconds of silence after which a request is given up, sending or receiving.
            stop: set when the program stops.
            observe: is told what each HTTP request showed of its origin; in the calling thread.
            tries: how a call is repeated.
        """
        self._wire = Wire(
            connect_timeout=connect_timeout, read_timeout=read_timeout, stop=stop, observe=observe, tries=tries
        )
        loopback = urls.parse(base_url).loopback
        self._uploads = Uploads(self._wire, loopback=loopback)
        self._downloads = Downloads(self._wire, loopback=loopback)

    def put(self, to: SignedPut, body: Body) -> None:
        """Send a whole file to its signed URL.

        Raises:
            SessionLost: the URL has expired: a new project, if no generation is intended yet.
        """
        self._uploads.put(to, body)

    def start(self, session: Session) -> tuple[str, int]:
        """Begin an upload in parts; its id, and the size of every part but the last in bytes.

        Raises:
            SessionLost: the token or session is gone; so in the next two methods.
        """
        return self._uploads.start(session)

    def send_part(self, session: Session, upload_id: str, number: int, body: Body) -> str:
        """Send one part, counted from 1; its ETag."""
        return self._uploads.send_part(session, upload_id, number, body)

    def complete(self, session: Session, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Put the parts, given by number and ETag, together.

        After a lost answer the host may say `SessionLost` because it is complete already: ask the API's
        `complete_project_upload` before sending anything again.
        """
        self._uploads.complete(session, upload_id, parts)

    def abort(self, session: Session, upload_id: str) -> None:
        """Give a partial upload up; that it is gone already is fine."""
        self._uploads.abort(session, upload_id)

    def download(self, link: DownloadLink, sink: Sink) -> Received:
        """Fetch a result into `sink`, going on from what is in it if that is of the same object.

        Raises:
            LinkExpired: ask for a new link; the sink keeps what it has.
            BadDownload: what comes is not the file, in every try.
            UnsafeUrl: the link must not be used.
        """
        return self._downloads.download(link, sink)

    def close(self) -> None:
        """End every connection."""
        self._wire.close()
