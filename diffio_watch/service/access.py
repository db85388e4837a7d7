"""Who may read and who may change: from the peer, the headers, the cookie and the time to a verdict. Pure.

Reading is free to whoever is truly local: on the Unix socket, or on loopback, asking for a loopback name, with no
proxy between. All others need the token, and so does every change. A browser's change has to come from the page itself:
cookies ignore ports, and a page on another port of the same host counts as the same site (Fetch Metadata, RFC 6265bis).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from diffio_watch.journal.sessions import Ended
from diffio_watch.service.tries import Tries

if TYPE_CHECKING:
    from diffio_watch.config.model import Web

ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - what is listened at, and no name of anything
COOKIE_AGE: Final = 30 * 86_400  # seconds
_SKEW: Final = 60.0  # seconds that a clock may have been set back
# what proxies, tunnels and content networks write, and no browser
_PROXY: Final = re.compile("forwarded|via|cdn-loop|(?:.*-)?(?:client|real|connecting)-?ip|x-.*-ip|"
                           "(?:x-forwarded|x-original|x-envoy|x-amz|x-amzn|x-arr|x-azure|x-cloud|x-proxy|x-host|"
                           "x-scheme|x-varnish|(?:x-)?remote|cf|fastly|fly|tailscale|ngrok|proxy)(?:-.*)?")
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?", re.ASCII)

Need = Literal["nothing", "read", "change", "login"]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, as far as it matters here.

    Attributes:
        peer: the address that it comes from; None on a Unix socket.
        headers: by lower-case name; several of one name joined by ", ".
        cookie: the value of our cookie; "" where none came.
        version: of HTTP.
    """

    peer: str | None
    headers: Mapping[str, str]
    cookie: str = ""
    version: str = "1.1"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request: `status` 200 lets it in, every other is the answer, with the sentence `error`.

    `may_change` tells whether the visitor may change things, for a page that shows its buttons or the login.
    """

    status: int = 200
    error: str = ""
    may_change: bool = False


@dataclass
class Access:
    """The rules in force, the sessions that are over, and how often a wrong token came from where. For one thread.

    Attributes:
        hosts: names that the page answers to, beside those of loopback.
        token: the token; None where there is none.
        secret: keys the sessions, so that they outlive a restart.
        ended: sessions that were ended before their time.
        tries: wrong tokens.
    """

    secret: bytes
    hosts: frozenset[str] = frozenset()
    token: str | None = None
    ended: Ended = field(default_factory=Ended)
    tries: Tries = field(default_factory=Tries)

    def judge(self, visit: Visit, need: Need, now: float) -> Verdict:
        """Whether a visitor may.

        Args:
            visit: the request.
            need: what it is for.
            now: seconds since the epoch.
        """
        host = _host(visit.headers.get("host", ""))
        if host is None or not (is_loopback_name(host) or host in self.hosts):
            return Verdict(421, unknown_host(host))
        if need == "nothing":
            return Verdict()
        bearer = _bearer(visit.headers)
        if bearer is not None and self.token is not None:
            return self._by_token(visit, bearer, now)
        if need == "login":
            return Verdict() if _same_origin(visit.headers, neither=True) else Verdict(403, _ELSEWHERE)
        signed_in = self.is_session(visit.cookie, now)
        if need == "read":
            if _is_embedded(visit.headers):
                return Verdict(403, _EMBEDDED)
            if signed_in:
                return Verdict(may_change=True)
            return Verdict() if is_local(visit) else Verdict(401, self._sign_in("To see this page"))
        if not signed_in:
            return Verdict(401, self._sign_in("To change anything"))
        if not _same_origin(visit.headers, neither=False):
            return Verdict(403, _ELSEWHERE)
        return Verdict(may_change=True)

    def login(self, visit: Visit, token: str, now: float) -> Verdict:
        """Whether a token that was typed is the one."""
        return self._by_token(visit, token, now)

    def session(self, now: float) -> str:
        """A new value for the cookie: random, dated, and signed for this token."""
        value = f"{secrets.token_urlsafe(24)}.{int(now)}"
        return f"{value}.{self._sign(value)}"

    def is_session(self, cookie: str, now: float) -> bool:
        """Whether a cookie is of a session that was begun with the token in force, and not ended."""
        return self._began(cookie, now) is not None

    def ending(self, cookie: str, now: float) -> tuple[str, int] | None:
        """What `journal.sessions.end` is to remember of a session, and then `end`; None where it is none."""
        began = self._began(cookie, now)
        return None if began is None else (_name(cookie), began)

    def end(self, name: str, began: int) -> None:
        """End a session that the journal remembers as ended: what only this process knew, a restart would forget."""
        self.ended = self.ended.adding(name, began)

    def lasting(self, visit: Visit, now: float) -> Callable[[float], bool]:
        """What tells, at any later time, whether that still holds by which a visitor was let in to read."""
        if _bearer(visit.headers) is not None and self.token is not None:
            token = self.token
            return lambda _: self.token == token
        if self.is_session(visit.cookie, now):
            return lambda now: self.is_session(visit.cookie, now)
        return lambda _: True  # whoever is local

    def _began(self, cookie: str, now: float) -> int | None:
        """When a session began; None where it is none any more, or was never one."""
        value, _, signature = cookie.rpartition(".")
        if self.token is None or not value:
            return None
        if not hmac.compare_digest(self._sign(value).encode(), signature.encode("utf-8", "replace")):
            return None
        began = int(value.rpartition(".")[2])  # signed, so it is ours
        if not -_SKEW <= now - began < COOKIE_AGE or self.ended.has(_name(cookie), began):
            return None
        return began

    def _sign(self, value: str) -> str:
        key = self.secret + b"\0" + (self.token or "").encode()
        return hmac.new(hashlib.sha256(key).digest(), value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _by_token(self, visit: Visit, token: str, now: float) -> Verdict:
        if self.token is None:
            return Verdict(401, self._sign_in("To change anything"))
        if hmac.compare_digest(_digest(token), _digest(self.token)):  # whoever shares an address with a guesser, too
            return Verdict(may_change=True)
        if self.tries.one_more(visit.peer, visit.headers.get("x-forwarded-for", ""), now):
            return Verdict(429, "Too many wrong tokens came from here. The right one is taken at any time.")
        return Verdict(401, "This is not the token. Ask your administrator.")

    def _sign_in(self, what: str) -> str:
        if self.token is None:
            return f"{what}, a token is needed, and none is set up: name a file with one as `web.token_file`."
        return f"{what}, log in with the token."


_EMBEDDED: Final = "Another page asks for this: only the page itself reads it, or who opens its address."
_ELSEWHERE: Final = ("This came from another page: only the page itself changes anything. Programs send the token as "
                     "`Authorization: Bearer`.")


def known_hosts(web: Web) -> frozenset[str]:
    """The names that the page answers to, beside those of loopback: its own address's, and the configured ones."""
    own = "" if web.listen is None or web.listen.startswith("unix:") else web.listen.rpartition(":")[0].strip("[]")
    return frozenset({*(host.strip("[]").rstrip(".").lower() for host in (own, *web.hosts))} - {"", *ANY})


def unknown_host(host: str | None) -> str:
    """What to say to who asks for a name that this is not known to be."""
    if host is None:
        return "The request names no host, or names it in a way that no browser does."
    return (f"This page does not know that it is called {host}. If that is right, add the name to the configuration, "
            f"`web: {{hosts: [{host}]}}`, and reload it (SIGHUP, `systemctl reload diffio-watch`).")


def is_local(visit: Visit) -> bool:
    """Whether a visitor is on this machine, and not a proxy that asks for somebody else."""
    if visit.peer is None:
        return True
    host = _host(visit.headers.get("host", ""))
    # nginx asks with HTTP/1.0 where it was told nothing else; no browser does
    proxied = visit.version == "1.0" or any(map(_PROXY.fullmatch, visit.headers))
    return _is_loopback(visit.peer) and host is not None and is_loopback_name(host) and not proxied


def is_trustworthy(headers: Mapping[str, str]) -> bool:
    """Whether a browser takes this for safe from others on the way: a loopback name, or https before a proxy.

    Elsewhere it ignores `Cross-Origin-Opener-Policy`, and complains of it in its console (Secure Contexts 3.1).
    """
    host = _host(headers.get("host", ""))
    return headers.get("x-forwarded-proto", "").lower() == "https" or (host is not None and is_loopback_name(host))


def cookie_of(header: str, name: str) -> str:
    """The value of a cookie; "" where it did not come."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name; what came several times joined as RFC 9110 5.3 has it."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _host(header: str) -> str | None:
    found = _HOST.fullmatch(header)
    return None if found is None else found["name"].strip("[]").rstrip(".").lower()


def is_loopback_name(host: str) -> bool:
    """Whether a name or number means this machine, and is none that others have for it."""
    return host == "localhost" or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _same_origin(headers: Mapping[str, str], *, neither: bool) -> bool:
    """Whether a browser's request comes from our own page; `neither`: what to say where no header tells."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return neither
    return origin.lower() in {f"{scheme}://{headers.get('host', '').lower()}" for scheme in ("http", "https")}


def _is_embedded(headers: Mapping[str, str]) -> bool:
    """Whether another page has a browser load this: it would see nothing of it, and hold a connection."""
    return (headers.get("sec-fetch-site", "") in {"cross-site", "same-site"}
            and headers.get("sec-fetch-mode", "") != "navigate")


def _bearer(headers: Mapping[str, str]) -> str | None:
    """The token of `Authorization: Bearer`; a proxy's own login, such as Basic, is none of ours."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _name(cookie: str) -> str:
    """What an ended session is remembered by: it lets nobody in who reads the journal."""
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()[:32]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
