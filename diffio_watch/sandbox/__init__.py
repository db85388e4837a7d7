"""A stand-in for the Diffio service on loopback, for demos and tests. It restores nothing.

Real HTTP with the real protocol, both upload ways, every call of the flow, account states and faults.
It knows nothing of the rest of this program.
"""

from __future__ import annotations

from diffio_watch.sandbox.faults import Fault, Rule
from diffio_watch.sandbox.server import Sandbox
from diffio_watch.sandbox.settings import Settings
from diffio_watch.sandbox.state import Seen, Trapped

__all__ = ["Fault", "Rule", "Sandbox", "Seen", "Settings", "Trapped"]
