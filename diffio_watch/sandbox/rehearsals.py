"""Bad days to rehearse, by name: what the service does on each, said in the words of `Settings` and `Fault`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from diffio_watch.sandbox.faults import Fault
from diffio_watch.sandbox.models import CURRENT
from diffio_watch.sandbox.server import Sandbox
from diffio_watch.sandbox.settings import MIB, Settings

_EVERY: Final = "*"
_NOISE: Final = bytes(range(1, 256)) * 64
_AUDIO: Final = {"Content-Type": "audio/mpeg"}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One kind of trouble.

    Attributes:
        words: what the service does, for the help.
        settings: of the sandbox, while it lasts.
        faults: at the wire, while it lasts.
    """

    words: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


REHEARSALS: Final[dict[str, Rehearsal]] = {
    "billing": Rehearsal("a payment failed: nothing more can be bought", {"account": "billing"}),
    "spend-limit": Rehearsal("the key's spend limit is reached", {"account": "spend_limit"}),
    "bad-key": Rehearsal("no key is accepted", {"account": "auth"}),
    "inactive-key": Rehearsal("the key is switched off", {"account": "inactive"}),
    "no-download": Rehearsal("the key may buy, and not fetch", {"permissions": ("read", "write")}),
    "plan": Rehearsal("the plan has no pro models", {"paid_plan": False}),
    "retired": Rehearsal("every model is retired", {"retired": CURRENT}),
    "outage": Rehearsal("nothing answers but with 503", {"down": ("api", "edge", "storage")}),
    "storage-outage": Rehearsal("uploads and downloads answer 503", {"down": ("edge", "storage")}),
    "slow": Rehearsal("1 MiB a second, and a second to each answer", {}, (
        Fault("part", "throttle", rate=MIB), Fault("put", "throttle", rate=MIB),
        Fault("download", "throttle", rate=MIB), Fault(_EVERY, "delay", seconds=1.0))),
    "short-uploads": Rehearsal("uploads are kept open for a minute only, on a thin line", {"upload_lifetime": 60.0}, (
        Fault("part", "throttle", rate=MIB / 8), Fault("put", "throttle", rate=MIB / 8))),
    "flaky": Rehearsal("of ten answers, three are lost after they took effect", {}, (
        Fault(_EVERY, "reset", after=True, chance=0.3, seed=1),)),
    "rate-limit": Rehearsal("every third call is told to wait for 20 s", {}, (
        Fault(_EVERY, "status", status=429, headers={"Retry-After": "20"}, every=3),)),
    "pages": Rehearsal("a proxy answers everything with its own page", {}, (Fault(_EVERY, "html"),)),
    "silence": Rehearsal("connections are taken, and nothing is ever answered", {}, (Fault(_EVERY, "stall"),)),
    "processing": Rehearsal("everything is answered with 102 for ever", {}, (Fault(_EVERY, "informational"),)),
    "failing": Rehearsal("every generation fails", {"failing": {"*": "The sandbox was told to fail it."}}),
    "stuck": Rehearsal("no generation ends", {"seconds": 1e9}),
    "lag": Rehearsal("results come late after the end", {"lag": 3}),
    "expired-links": Rehearsal("every other download link has expired", {}, (Fault("download", "expired", every=2),)),
    "bad-results": Rehearsal("what is handed out is noise", {}, (
        Fault("download", "status", status=200, body=_NOISE, headers=_AUDIO),)),
    "no-transcript": Rehearsal("there never is a transcript", {"transcript": "unavailable"}),
}


def rehearse(service: Sandbox, names: Collection[str], usual: Mapping[str, Any]) -> None:
    """From now on let it be as bad as these say, together, and no worse.

    Args:
        service: a sandbox.
        names: keys of `REHEARSALS`; none: a good day.
        usual: the settings that it was started with, where they are not the defaults.

    Raises:
        KeyError: there is no such day.
    """
    days = [REHEARSALS[name] for name in names]
    defaults = Settings()
    good = {name: getattr(defaults, name) for day in REHEARSALS.values() for name in day.settings}
    for day in days:
        good |= day.settings
    service.calm()
    service.change(**{**good, **{name: value for name, value in usual.items()
                                 if not any(name in day.settings for day in days)}})
    for day in days:
        for fault in day.faults:
            service.fault(**{each.name: getattr(fault, each.name) for each in fields(fault)})
