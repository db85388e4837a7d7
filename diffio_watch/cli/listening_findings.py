"""What `check` finds out about listening: whether its child process works here, on a second of sound."""

from __future__ import annotations

import tempfile
import wave
from typing import TYPE_CHECKING

from diffio_watch.cli.findings import Finding, ok, warning
from diffio_watch.service.sound.listening import available
from diffio_watch.service.sound.runner import ChildFailed, Runner
from diffio_watch.service.sound.words import MISSING

if TYPE_CHECKING:
    from diffio_watch.config import Config

_SUBJECT = "listening"
_PATIENCE = 30.0  # seconds


def listening(config: Config) -> list[Finding]:
    """Nothing where there is no page. That the extra is missing is no fault."""
    if config.web.listen is None:
        return []
    if not available():
        return [ok(_SUBJECT, MISSING)]
    with tempfile.TemporaryFile() as file:
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16_000))
        file.flush()
        try:
            answer = Runner(wall=_PATIENCE).ask({"do": "measure", "file": file.fileno()}, [file.fileno()])
        except ChildFailed as failed:
            return [warning(_SUBJECT, f"The process that measures recordings does not work here. {failed}",
                            "Install the extra anew: `pip install --force-reinstall 'av>=18.1,<19'`.")]
    if answer.get("seconds") != 1.0:
        return [warning(_SUBJECT, f"A second of silence was measured as {answer.get('note', 'something else')}",
                        "Install the extra anew: `pip install --force-reinstall 'av>=18.1,<19'`.")]
    return [ok(_SUBJECT, "Waveforms, loudness and previews can be made.")]
