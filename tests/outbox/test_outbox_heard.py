"""What listening found out stands in the sidecar, and whatever its files hold, a sidecar is written."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from diffio_watch.job import Job, Media, Output, Settings, State
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.heard import NOTHING, heard

_ONE, _OTHER = "a" * 64, "b" * 64
_JOB = Job(id="01ARZ3NDEKTSV4RRFFQ69G5FAV", inbox="podcasts", path="a.wav", size=1, mtime_ns=1, settings=Settings(),
           state=State.DELIVERED, sha256=_ONE, media=Media("Wave", 1.0, has_video=False),
           outputs=(Output("audio", "published", "a.restored.wav", 1, _OTHER, "audio/wav",
                           Media("Wave", 1.0, has_video=False)),))


def _keep(state_dir: Path, name: str, line: bytes) -> None:
    (state_dir / "sound").mkdir(exist_ok=True)
    (state_dir / "sound" / f"{name}.json").write_bytes(line + b'\n{"peaks": ""}')


def test_loudness_of_both_sides_and_what_there_is_to_know_stand_in_the_sidecar(tmp_path: Path) -> None:
    _keep(tmp_path, _ONE, b'{"integrated": -17.3, "range": 4.2, "true_peak": -1.0, "version": 1}')
    _keep(tmp_path, _OTHER, b'{"integrated": -23, "range": null, "true_peak": null}')
    _keep(tmp_path, f"{_ONE[:32]}-{_OTHER[:32]}", b'{"lag": {}, "note": "The sound is 120 ms late."}')
    told = json.loads(sidecar.render(_JOB, heard=heard(tmp_path, _JOB)))
    assert told["source"]["media"]["loudness"] == {"integrated_lufs": -17.3, "range_lu": 4.2, "true_peak_dbtp": -1.0}
    assert told["outputs"][0]["media"]["loudness"]["integrated_lufs"] == -23
    assert told["notes"] == ["The sound is 120 ms late."]
    jsonschema.Draft202012Validator(sidecar.json_schema()).validate(told)
    assert sidecar.parse(json.dumps(told).encode()).source.media is not None


def test_where_nothing_is_known_nothing_stands_there(tmp_path: Path) -> None:
    assert heard(tmp_path, _JOB) == NOTHING
    told = json.loads(sidecar.render(_JOB, heard=heard(tmp_path, _JOB)))
    assert told["source"]["media"] == {"format": "Wave", "duration_s": 1.0, "has_video": False}


@pytest.mark.parametrize("line", [
    b"", b"[]", b"{", b"[" * 5000, b'{"integrated": true}', b'{"integrated": "x"}', b'{"integrated": NaN}',
    b'{"integrated": 1e999}', b'{"integrated": null}', b'{"integrated": -23, "range": []}', b'{"note": 5}',
    b'{"integrated": ' + b"9" * 5000 + b"}", b'{"integrated": ' + b"9" * 2000 + b"}", b"\xff\xfe",
])
def test_damage_there_keeps_no_sidecar_from_being_written(tmp_path: Path, line: bytes) -> None:
    for name in (_ONE, _OTHER, f"{_ONE[:32]}-{_OTHER[:32]}"):
        _keep(tmp_path, name, line)
    told = json.loads(sidecar.render(_JOB, heard=heard(tmp_path, _JOB)))
    assert "loudness" not in told["source"]["media"]
    assert told["notes"] == []
