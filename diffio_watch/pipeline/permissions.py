"""Whether the key may fetch what it buys: found out before anything is bought, by calls that cost nothing."""

from __future__ import annotations

from typing import Final

from diffio_watch.api.client import Api
from diffio_watch.api.errors import ApiError, Forbidden, NotFound, NotReady, Rejected, Stopped
from diffio_watch.clock import Clock

NOBODYS: Final = "diffio-watch-probe"  # an id that no generation can have
DOWNLOAD: Final = ":download"  # the end of such a stop's scope
_ASK_AGAIN: Final = 600.0  # seconds after a question that got no answer to go by


class MayNotDownload(Exception):
    """The key is forbidden to fetch results. Its text is the service's words."""


def refused_download(api: Api) -> str | None:
    """The service's words where it forbids the key to download; None where it does not.

    Asked for what can't exist, a service that lets the key download says that it does not know it. One that forbids
    whatever it does not know says so of the progress too, which shows nothing.

    Raises:
        ApiError: the service gave no answer to go by.
    """
    try:
        api.download_link(NOBODYS, NOBODYS)
    except (NotFound, NotReady, Rejected):
        return None
    except Forbidden as refused:
        try:
            api.progress(NOBODYS)
        except (NotFound, Rejected):
            return refused.message
        except Forbidden:
            return None
    return None


class Permits:
    """What was found out about keys since the program began. Safe to use from many threads.

    A key is known by what it is for, the service's address, and by its print.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._good_until: dict[str, float] = {}  # in monotonic seconds

    def prove(self, key: str) -> None:
        """The key has shown that it may download."""
        self._good_until[key] = float("inf")

    def doubt(self, key: str) -> None:
        """A download was forbidden: what was known of the key counts no more."""
        self._good_until.pop(key, None)

    def check(self, api: Api, key: str, *, clearly: bool = False) -> None:
        """Go on, unless the key may not download; asked once a key where the answer is a clear one.

        Raises:
            MayNotDownload: it may not.
            Stopped: the program is stopping.
            ApiError: with `clearly`, where the service gave no answer to go by.
        """
        now = self._clock.monotonic()
        if self._good_until.get(key, 0.0) > now:
            return
        try:
            words = refused_download(api)
        except Stopped:
            raise
        except ApiError:
            if clearly:
                raise
            # that the service is down or the key bad is met by the call that comes next
            self._good_until[key] = now + _ASK_AGAIN
            return
        if words is not None:
            raise MayNotDownload(words)
        self.prove(key)
