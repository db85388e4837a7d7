"""The pipeline tests' house and the intake tests' room serve here too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))
sys.path.insert(0, str(Path(__file__).parent.parent / "intake"))

import pipeline_fixtures

service = pipeline_fixtures.service
make_house = pipeline_fixtures.make_house
house = pipeline_fixtures.house
