"""What the administrator is told of listening."""

from __future__ import annotations

from typing import Final

ON: Final = "Loudness and waveforms of what is delivered are measured, one recording at a time, behind all other work."
MISSING: Final = ("Waveforms, loudness and previews are left out: PyAV is not installed. "
                  "`pip install 'av>=18.1,<19'` into this program's environment brings it.")
