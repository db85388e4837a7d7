"""When the daemon's loops last moved: what feeds systemd's watchdog, for those who ask the page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Pulse:
    """When the daemon's main loop last found all loops moving, on a steady clock."""

    at: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        """They move."""
        self.at = time.monotonic()
