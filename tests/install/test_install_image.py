"""The image for containers: each step of its Containerfile, done in a plain Debian, makes one that restores."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from install_container import CHECKOUT, URL, base, call, network, roots_of, sandbox, until, wheels
from sounds import sound

SYSTEMD = CHECKOUT / "systemd"
USER = 4711


def instructions(text: str) -> list[tuple[str, str]]:
    """Those of a Containerfile, in their order."""
    lines = re.sub(r"\\\n(\s*#.*\n)*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split()[0], line.split(None, 1)[1].strip()) for line in lines if line.strip()]


CONTAINERFILE = instructions((SYSTEMD / "Containerfile").read_text("utf-8"))
COMPOSE = yaml.safe_load((SYSTEMD / "compose.yaml").read_text("utf-8"))
QUADLET = [line for line in (SYSTEMD / "diffio-watch.container").read_text("utf-8").splitlines() if "=" in line[1:]]


def test_the_compose_file_is_one() -> None:
    pytest.importorskip("check_jsonschema")
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
                           SYSTEMD / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not on this machine")
def test_the_containerfile_is_one() -> None:
    done = subprocess.run(["hadolint", SYSTEMD / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_both_shut_it_in_alike() -> None:
    """A numeric user, a read-only root, no capability but LEASE, one volume of recordings, the key in a file."""
    service = COMPOSE["services"]["diffio-watch"]
    assert service["user"] == "${PUID:?}:${PGID:?}"
    assert (service["read_only"], service["cap_drop"], service["cap_add"]) == (True, ["ALL"], ["LEASE"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["stop_grace_period"] == "20s"
    assert [volume["target"] for volume in service["volumes"]] == [
        "/studio", "/var/lib/diffio-watch", "/etc/diffio-watch"]
    assert service["volumes"][0]["bind"]["propagation"] == "rslave"
    assert list(COMPOSE["secrets"]) == service["secrets"] == ["diffio-api-key"]
    assert {"User=1000", "Group=1000", "ReadOnly=true", "DropCapability=all", "AddCapability=CAP_LEASE",
            "NoNewPrivileges=true", "TimeoutStopSec=20s", "Volume=/srv/studio:/studio:rslave"} <= set(QUADLET)
    assert dict(CONTAINERFILE)["USER"] == "1000:1000"
    environment = dict(CONTAINERFILE)["ENV"]
    for target in ("/var/lib/diffio-watch", "/etc/diffio-watch/config.yaml", "/run/secrets"):
        assert f"={target}" in environment


@pytest.mark.slow(100)
@pytest.mark.timeout(900)  # it may have to make the Debian first
def test_the_steps_of_the_containerfile_make_one_that_restores(
        tmp_path: Path, shared: Path, request: pytest.FixtureRequest) -> None:
    """Run as it is to be: a numeric user without a name, a read-only root, no capability but LEASE."""
    cache = roots_of(request.config, shared)
    lower = base("bookworm", cache)
    with ExitStack() as stack:
        root, layer = tmp_path / "root", tmp_path / "layer"
        for folder in (root, layer / "upper", layer / "work", tmp_path / "dist"):
            folder.mkdir(parents=True)
        call("mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={lower},upperdir={layer / 'upper'},workdir={layer / 'work'}", root)
        stack.callback(call, "umount", "--lazy", root)
        wheels("bookworm", cache, root / "wheels")
        call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
             "-w", tmp_path / "dist", CHECKOUT)
        environment = built(root, tmp_path)
        holder = stack.enter_context(network())
        stack.enter_context(sandbox(holder, 0))
        restores(root, environment, holder, tmp_path)


def built(root: Path, context: Path) -> dict[str, str]:
    """Do each step below a root; the environment of what is run."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    for word, rest in CONTAINERFILE:
        match word:
            case "COPY":
                source, target = rest.split()
                (root / target.lstrip("/")).mkdir(parents=True)
                for path in context.glob(source):
                    shutil.copy(path, root / target.lstrip("/"))
            case "RUN":
                call("env", "-i", *(f"{key}={value}" for key, value in environment.items()), "PIP_NO_INDEX=1",
                     "PIP_FIND_LINKS=/wheels", "chroot", root, "/bin/sh", "-c", rest)
            case "ENV":
                environment |= dict(one.split("=", 1) for one in shlex.split(rest))
            case "FROM":
                assert rest.startswith("docker.io/library/python:3.")  # a Debian with python3, as this one
            case _:
                assert word in {"USER", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}, word
    return environment


def restores(root: Path, environment: dict[str, str], holder: int, place: Path) -> None:
    studio, state, config, secrets = (place / name for name in ("studio", "state", "config", "secrets"))
    for folder in (studio / "inbox", studio / "outbox", studio / "archive", state, config, secrets):
        folder.mkdir(parents=True)
    (config / "config.yaml").write_text(json.dumps({
        "api": {"base_url": URL}, "web": {"listen": "127.0.0.1:8480"}, "limits": {"min_free": 0}, "inboxes": [{
            "name": "studio", "path": "/studio/inbox", "outbox": "/studio/outbox", "originals": "archive",
            "archive": "/studio/archive", "settle": "1s"}]}))
    (secrets / "diffio-api-key").write_text("sk-image-1\n")
    (studio / "inbox/one.wav").write_bytes(sound("image", 0.5))
    for path in (*studio.rglob("*"), studio, state, secrets, secrets / "diffio-api-key"):
        os.chown(path, USER, USER)
    for point in ("studio", "var/lib/diffio-watch", "etc/diffio-watch"):
        (root / point).mkdir()  # as engines do
    words = {word: json.loads(rest) for word, rest in CONTAINERFILE if word in {"ENTRYPOINT", "CMD"}}
    health = json.loads(dict(CONTAINERFILE)["HEALTHCHECK"].partition("CMD")[2])
    setpriv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
               "--inh-caps=-all,+lease", "--bounding-set=-all,+lease"]
    log = (place / "log").open("wb")
    running = subprocess.Popen(
        ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--as-pid2", "--read-only", f"--directory={root}",
         f"--network-namespace-path=/proc/{holder}/ns/net", "--console=pipe", "--resolv-conf=off", "--timezone=off",
         f"--bind={studio}:/studio", f"--bind={state}:/var/lib/diffio-watch", f"--bind-ro={config}:/etc/diffio-watch",
         f"--bind-ro={secrets}:/run/secrets", *(f"--setenv={key}={value}" for key, value in environment.items()),
         *setpriv, *words["ENTRYPOINT"], *words["CMD"]],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: (studio / "outbox/one.wav.json").exists() and (studio / "archive/one.wav").exists(), 60,
              lambda: (place / "log").read_text("utf-8", "replace")[-3000:])
        assert (studio / "outbox/one.restored.wav").stat().st_uid == USER
        call("nsenter", "-t", str(holder), "-n", "chroot", root, "env", *(
            f"{key}={value}" for key, value in environment.items()), *health)
    finally:
        running.terminate()
        running.wait(30)
        log.close()
