"""The drop-in names mount points, and never what would keep showing a share that was mounted anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from diffio_watch.config import Config, parse
from diffio_watch.disk.mounts import Mount, mount_of
from diffio_watch.install.dropin import Facts, folders, in_home, render, writable

ROOT = Mount("/", "ext4", "/dev/sda1")
HOME = Mount("/home", "ext4", "/dev/sda2")
VAR = Mount("/var", "ext4", "/dev/sda3")
NAS = Mount("/nas", "nfs4", "nas:/studio")
DEEP = Mount("/mnt/nas/podcasts", "cifs", "//nas/podcasts")


def facts(*mounts: Mount, closed: Callable[[str], bool] = lambda _: False, groups: tuple[str, ...] = ()) -> Facts:
    return Facts(lambda path: mount_of(path, [ROOT, *mounts]).point, closed, groups)


@pytest.mark.parametrize(("paths", "mounts", "named"), [
    ([["/nas/in", "/nas/out", "/nas/old"]], [NAS], ["/nas"]),
    ([["/nas/a/in", "/nas/a/out"], ["/nas/b/in", "/nas/b/out"]], [NAS], ["/nas"]),
    ([["/nas", "/mnt/nas/podcasts/out"]], [NAS, DEEP], ["/mnt/nas/podcasts", "/nas"]),
    ([["/srv/studio/inbox", "/srv/studio/outbox"]], [], ["/srv/studio"]),
    ([["/srv/in", "/srv/out"]], [], ["/srv"]),
    ([["/srv/a/in", "/srv/b/out", "/srv/b/old"]], [], ["/srv"]),
    ([["/srv/in", "/srv/out"], ["/srv/x/in", "/srv/x/out"]], [], ["/srv"]),
    ([["/in", "/out"]], [], ["/in", "/out"]),
    ([["/data/a/in", "/other/out"]], [], ["/data/a", "/other"]),
    ([["/var/in", "/var/out"]], [VAR], ["/var/in", "/var/out"]),
    ([["/var/studio/in", "/var/studio/out"]], [VAR], ["/var/studio"]),
    ([["/home/ann/in", "/home/ann/out"]], [HOME], ["/home/ann"]),
    ([["/srv/one", "/nas/out"]], [NAS], ["/nas", "/srv"]),
], ids=str)
def test_what_can_be_written_is_a_mount_point_or_what_is_above_the_folders(
        paths: list[list[str]], mounts: list[Mount], named: list[str]) -> None:
    assert writable(paths, facts(*mounts)) == named


def test_a_folder_below_a_mount_point_is_never_named() -> None:
    for paths in (["/nas/in", "/nas/out"], ["/nas/deep/er/in", "/nas/deep/er/out"]):
        assert not set(paths) & set(writable([paths], facts(NAS)))


def test_a_share_that_root_may_not_read_is_named_by_what_is_above_it() -> None:
    """systemd 255 and newer start no unit that names such a one."""
    assert writable([["/mnt/nas/podcasts/in"]], facts(DEEP, closed=lambda path: path == DEEP.point)) == ["/mnt/nas"]


def config(tmp_path: Path, more: str = "", inbox: str = "") -> Config:
    return parse(f"state_dir: {tmp_path}/state\ninboxes:\n  - name: a\n    path: {inbox or tmp_path / 'in'}\n"
                 f"    outbox: {tmp_path}/out\n{more}".encode(), {})


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_drop_in_says_what_the_configuration_asks_for(tmp_path: Path) -> None:
    text = "state_dir: /var/lib/diffio-watch\ninboxes: [{name: a, path: /srv/s/in, outbox: /srv/s/out}]\n"
    assert lines(render(parse(text.encode(), {}), facts(groups=("studio", "1007")))) == [
        "[Service]", "ReadWritePaths=-/srv/s", "SupplementaryGroups=studio 1007"]


@pytest.mark.parametrize(("text", "line"), [
    ("state_dir: /var/lib/other", "StateDirectory=other"),
    ("state_dir: /data/journal", "ReadWritePaths=-/data/journal"),
    ("api: {key_file: /etc/diffio-watch/key}", "LoadCredential="),
    ("web: {listen: unix:/run/proxy/page.sock, token_file: /etc/t}", "ReadWritePaths=-/run/proxy"),
    ("inboxes: [{name: a, path: /home/ann/in, outbox: /srv/out}]", "ProtectHome=no"),
    ("inboxes: [{name: a, path: /tmp/x/in, outbox: /srv/out}]", "PrivateTmp=no"),
    ('inboxes: [{name: a, path: "/srv/50% of it/in", outbox: /srv/out}]', "ReadWritePaths=-/srv"),
    ('inboxes: [{name: a, path: "/srv/50% \\"ä/in", outbox: /srv/out}]', "ReadWritePaths=-/srv"),
    ('inboxes: [{name: a, path: "/in \\"ä 5%", outbox: /srv/out}]', 'ReadWritePaths=-"/in \\x22\\xc3\\xa4 5%%"'),
])
def test_what_lies_elsewhere_is_let_in_and_what_has_no_use_is_left_out(text: str, line: str) -> None:
    whole = text if text.startswith("inboxes") else f"{text}\ninboxes: [{{name: a, path: /srv/in, outbox: /srv/out}}]"
    if "state_dir" not in whole:
        whole += "\nstate_dir: /var/lib/diffio-watch"
    assert line in lines(render(parse(whole.encode(), {}), facts()))


def test_links_are_followed_to_what_they_mean(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "in").symlink_to(tmp_path / "real")
    assert folders(config(tmp_path))["a"][0] == str(tmp_path / "real")


def test_what_protect_home_hides_is_known_by_its_real_name(tmp_path: Path) -> None:
    (tmp_path / "venv").symlink_to("/root/venv")
    assert in_home(tmp_path / "venv/bin/python")
    assert not in_home("/opt/diffio-watch")
    assert not in_home("/homeland")
