"""What is released: the same bytes whoever builds it, and whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "dist", "tests")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with a wheel and a source archive each, of two copies of the checkout with dates of their own."""
    pytest.importorskip("hatchling")
    found = []
    for number, mask in ((1, 0o022), (2, 0o077)):
        copy = tmp_path_factory.mktemp(f"copy-{number}") / "checkout"
        shutil.copytree(CHECKOUT, copy, ignore=LEFT_OUT)
        for path in copy.rglob("*"):
            os.utime(path, (1e9 + number, 1e9 + number))
        (copy / "diffio_watch/__pycache__").mkdir()
        (copy / "diffio_watch/__pycache__/x.pyc").touch()
        subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", copy.parent / "dist"], cwd=copy, check=True,
                       capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}, umask=mask)
        found.append(copy.parent / "dist")
    return found


def test_a_build_is_the_same_each_time(built: list[Path]) -> None:
    one, other = ({path.name: path.read_bytes() for path in dist.iterdir()} for dist in built)
    assert sorted(name.rpartition(".")[2] for name in one) == ["gz", "whl"]
    assert one == other


def test_all_that_is_not_python_goes_into_the_wheel(built: list[Path]) -> None:
    """The page, schemas, rules and dashboards beside their modules; the units and the example, which lie elsewhere."""
    wheel = next(built[0].glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    package = CHECKOUT / "diffio_watch"
    wanted = {str(path.relative_to(CHECKOUT)) for path in package.rglob("*")
              if path.is_file() and path.suffix != ".pyc"}
    wanted |= {f"diffio_watch/install/systemd/{path.name}" for path in (CHECKOUT / "systemd").iterdir()}
    wanted.add("diffio_watch/config/example.yaml")
    assert {"diffio_watch/service/page/index.html", "diffio_watch/config/schema.json",
            "diffio_watch/install/systemd/diffio-watch.service"} <= wanted
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert any(name.endswith("/licenses/LICENSE") for name in names)
