"""What the service, or the way to it, refuses a command: a plain sentence, and what to do."""

from __future__ import annotations

from typing import Final

from diffio_watch.api import errors as api

_LATER: Final = "Try again later."


def told(error: api.ApiError) -> str:
    """The sentences about an error that no command can go on from."""
    where = f"The service at {error.origin}" if error.origin else "The service"
    said = error.message.rstrip(". ")
    answer = f"{said} (HTTP {error.status})" if error.status is not None else said
    match error:
        case api.Unreachable():
            return (f"{where} can't be reached: {said.removeprefix('no connection: ')}. Check the network, a proxy "
                    "(HTTPS_PROXY) and `api.base_url`.")
        case api.RateLimited():
            return f"{where} asks for a pause: {answer}. {_LATER}"
        case api.ApiError() if error.transient:
            return f"{where} did not answer as it should: {answer}. {_LATER}"
        case api.Unauthorized():
            return (f"{where} does not accept the API key: {answer}. Put a valid key in place; `diffio-watch check` "
                    "proves it.")
        case api.Forbidden():
            return (f"{where} forbids this to the API key: {answer}. Check in the service's settings that the key is "
                    "active and what it may do.")
        case api.PaymentRequired():
            return f"{where} has stopped this account's spending: {answer}. Settle it with the service."
        case api.NotFound():
            return (f"{where} does not know it: {answer}. Compare with `diffio-watch remote projects`; another key "
                    "sees other projects.")
        case api.NotReady():
            return f"{where} has not finished it yet: {answer}. {_LATER}"
        case api.LinkExpired() | api.BadDownload():
            return f"The file did not come as it should: {answer}. Try again."
        case api.UnsafeUrl():
            return f"{where} named an address that is not to be used: {answer}. Tell the service."
    return f"{where} refused it: {answer}. Change what it names."
