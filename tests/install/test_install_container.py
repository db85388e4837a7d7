"""A new administrator's way, in a Debian booted for it: from nothing to the first delivered file, bad days, and back.

One container lives through it all, for each boot and each installation takes its time. `DIFFIO_WATCH_TEST_SUITES`
names the Debians, `bookworm` as a rule.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from install_container import CHECKOUT, Container, booted, roots_of, until
from install_unit import the_page_and_its_parts_work_in_it, what_it_keeps_away_is_told
from sounds import sound

KEY = "sk-container-secret-1"
SUITES = os.environ.get("DIFFIO_WATCH_TEST_SUITES", "bookworm").split()
UNIT = "/etc/systemd/system/diffio-watch.service"
INBOX, OUTBOX = "/srv/studio/inbox", "/srv/studio/outbox"


@pytest.mark.slow(200)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", SUITES)
def test_a_machine_from_nothing_to_gone(
        suite: str, request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> None:
    with booted(suite, roots_of(request.config, shared), tmp_path) as machine:
        the_readme_s_lines_lead_to_the_first_delivered_file(machine)
        the_key_stands_nowhere_else(machine)
        the_unit_is_as_closed_as_it_says(machine)
        everybody_is_told_the_truth(machine)
        twice_is_once(machine)
        a_reload_takes_a_good_file_and_refuses_a_bad_one(machine)
        what_breaks_is_started_again_and_what_no_restart_cures_is_not(machine)
        a_reboot_in_the_middle_of_a_job_loses_and_buys_nothing(machine)
        a_share_comes_and_goes_under_the_running_service(machine)
        root_may_be_refused_at_a_share(machine)
        version = an_update_leads_to_it(machine)
        the_page_and_its_parts_work_in_it(machine)
        what_it_keeps_away_is_told(machine)
        and_back(machine, version)
        what_is_uninstalled_leaves_the_data(machine)


def readme_lines() -> list[str]:
    """The lines by which the README installs the service, without those that fetch packages of Debian's."""
    text = (CHECKOUT / "README.md").read_text("utf-8")
    block = re.search(r"## On a server\n.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return [line for line in block[1].splitlines() if "apt install" not in line]


def drop(machine: Container, folder: str, name: str, seed: int) -> None:
    """As an editor does: copied under another name, then renamed; not through the shell's words."""
    place = machine.root / "root" / f"{seed}.wav"
    place.write_bytes(sound(str(seed), 0.5))
    machine.does(f"cp /root/{seed}.wav {folder}/.part && chmod 664 {folder}/.part && mv {folder}/.part {folder}/{name}")


def the_readme_s_lines_lead_to_the_first_delivered_file(machine: Container) -> None:
    first, install, *rest = readme_lines()
    assert "service install" in install
    machine.does(f"cd diffio-watch && {first}")
    done = machine.at_terminal(f"cd diffio-watch && {install}", {"API key": KEY, "Go on?": "y"})
    assert done.code == 0, done
    assert KEY not in done.out
    assert "All is well." in done.out
    for line in rest:
        machine.does(line)
    drop(machine, INBOX, "first.wav", 1)
    machine.delivers("first.wav")
    assert sorted(machine.does(f"ls {OUTBOX}").split()) == ["first.restored.wav", "first.wav.json"]
    assert machine.charges() == 1


def the_key_stands_nowhere_else(machine: Container) -> None:
    """In no other file, in no log, in no process's words or environment."""
    (machine.root / "root/words").write_text(KEY)  # where these commands' own words don't say it
    told = machine.run("journalctl -o export | grep -cf words; cat /proc/[0-9]*/{cmdline,environ} | grep -acf words; "
                       "grep -rlf words /etc /opt /var /srv /usr/local /run").out
    lines = [line for line in told.splitlines() if not line.startswith(("0", "cat:", "grep:", "/run/credentials/"))]
    assert lines == ["/etc/diffio-watch/api-key"], told
    assert machine.does("stat -c %a:%U /etc/diffio-watch/api-key") == "600:root\n"


def the_unit_is_as_closed_as_it_says(machine: Container) -> None:
    told = machine.does("systemd-analyze security --no-pager --threshold=15 diffio-watch.service | tail -n 1")
    assert float(re.findall(r"\d+\.\d", told)[0]) <= 1.5
    pid = machine.state("MainPID")["MainPID"]
    status = machine.does(f"cat /proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status
    assert re.search(r"CapBnd:\s+0000000010000000\n", status)  # CAP_LEASE and nothing else
    inside = f"nsenter -t {pid} -m sh -c"
    assert machine.run(f"{inside} 'touch /srv/studio/x && rm /srv/studio/x'").code == 0
    for closed in ("/etc/x", "/usr/x", "/opt/x", "/srv/x", "/var/lib/x"):
        assert machine.run(f"{inside} 'touch {closed}'").code != 0, closed
    assert machine.does(f"{inside} 'ls -A /root /home'").replace("\n", "") == "/home:/root:"


def everybody_is_told_the_truth(machine: Container) -> None:
    """`check` is green as root and as the service; another account is told what it can't see."""
    assert "All is well." in machine.does("diffio-watch check")
    told = machine.does("runuser -u diffio-watch -- diffio-watch check")
    assert "All is well." in told
    assert "accepts the key" in told
    machine.does("useradd -m ann")
    check = machine.run("runuser -u ann -- diffio-watch check").out
    assert "The service's key is not for this account to see" in " ".join(check.split())
    for command in ("status", "jobs"):
        done = machine.run(f"runuser -u ann -- diffio-watch {command}")
        assert done.code == 2
        assert "can't see the journal" in " ".join(done.out.split())


def twice_is_once(machine: Container) -> None:
    before = machine.state("MainPID", "NRestarts")
    told = machine.does("diffio-watch service install --yes")
    assert "All of it is in place." in told
    assert "It runs already, as it should." in told
    assert machine.state("MainPID", "NRestarts") == before


def a_reload_takes_a_good_file_and_refuses_a_bad_one(machine: Container) -> None:
    pid = machine.state("MainPID")
    config = machine.root / "etc/diffio-watch/config.yaml"
    good = config.read_text("utf-8")
    machine.does("sed -i 's/^  uploads: 4/  uploads: 3/' /etc/diffio-watch/config.yaml; systemctl reload diffio-watch")
    assert config.read_text("utf-8") != good
    until(lambda: "config.reloaded" in machine.does("journalctl -u diffio-watch --no-pager"), 20,
          lambda: machine.does("journalctl -u diffio-watch --no-pager | tail"))
    machine.does("echo 'limits: 7' >> /etc/diffio-watch/config.yaml; systemctl reload diffio-watch")
    until(lambda: "refused" in machine.state("StatusText")["StatusText"].lower()
          or "configuration" in machine.state("StatusText")["StatusText"].lower(), 20,
          lambda: machine.state("StatusText"))
    assert machine.state("MainPID") == pid
    drop(machine, INBOX, "meanwhile.wav", 2)
    machine.does("sed -i '$d' /etc/diffio-watch/config.yaml; systemctl reload diffio-watch")
    machine.delivers("meanwhile.wav")


def what_breaks_is_started_again_and_what_no_restart_cures_is_not(machine: Container) -> None:
    machine.does(f"printf '[Service]\\nWatchdogSec=4s\\nRestartSec=1s\\n' > {UNIT}.d/50-test.conf; "
                 "systemctl daemon-reload; systemctl restart diffio-watch")
    for signal in ("KILL", "STOP"):  # a frozen process feeds no watchdog
        before = machine.state("MainPID")["MainPID"]
        machine.does(f"kill -{signal} {before}")
        until(lambda before=before: machine.state("MainPID")["MainPID"] not in {before, "0"}  # type: ignore[misc]  # mypy knows no defaults in lambdas
              and machine.state("ActiveState")["ActiveState"] == "active", 40, lambda: machine.state("ActiveState"))
    machine.does("cp /etc/diffio-watch/config.yaml /root/; echo 'nonsense: 1' >> /etc/diffio-watch/config.yaml")
    machine.run("systemctl restart diffio-watch")
    until(lambda: machine.state("ActiveState")["ActiveState"] == "failed", 20)
    restarts = machine.state("NRestarts", "ExecMainStatus")
    assert restarts["ExecMainStatus"] == "2"
    machine.does("sleep 3")  # three times RestartSec
    assert machine.state("ActiveState")["ActiveState"] == "failed"
    assert machine.state("NRestarts", "ExecMainStatus") == restarts
    machine.does("cp /root/config.yaml /etc/diffio-watch/config.yaml; systemctl start diffio-watch")


def a_reboot_in_the_middle_of_a_job_loses_and_buys_nothing(machine: Container) -> None:
    before = machine.charges()
    for number in range(10, 16):
        drop(machine, INBOX, f"{number}.wav", number)
    until(lambda: machine.charges() > before, 20)
    machine.reboot()
    for number in range(10, 16):
        machine.delivers(f"{number}.wav")
    assert machine.charges() == before + 6


NAS = """inboxes:
  - name: nas
    path: /mnt/nas/nas/in
    outbox: /mnt/nas/nas/out
    originals: archive
    archive: /mnt/nas/nas/old
    settle: 1s
"""
FAR = """inboxes:
  - name: far
    path: /mnt/far/in
    outbox: /mnt/far/out
    settle: 1s
    rescan: 2s
"""


def configure(machine: Container, more: str) -> None:
    config = machine.root / "etc/diffio-watch/config.yaml"
    text, count = re.subn(r"^inboxes:.*\n", more, config.read_text("utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    config.write_text(text.replace("min_free: 1GiB", "min_free: 1MiB"))  # the share is a small one


def a_share_comes_and_goes_under_the_running_service(machine: Container) -> None:
    """It is seen where it comes after the start; where it goes and comes again, the old one is neither seen nor
    written; and from inbox to archive is a rename."""
    machine.does(f"mkdir -p /mnt/nas; echo '{machine.share} /mnt/nas ext4 noauto 0 0' > /etc/fstab; "
                 "mount /mnt/nas; mkdir -p /mnt/nas/nas/{in,out,old}; chgrp -R studio /mnt/nas/nas; "
                 "chmod 2775 /mnt/nas/nas/*; umount /mnt/nas")
    configure(machine, NAS)
    told = machine.run("diffio-watch service install --yes")
    assert told.code == 1, told  # the share is not there, as its check says
    machine.does("systemctl restart diffio-watch")
    assert "ReadWritePaths=-/mnt/nas\n" in machine.does(f"cat {UNIT}.d/10-folders.conf")
    pid = machine.state("MainPID")
    machine.does("mount /mnt/nas")
    drop(machine, "/mnt/nas/nas/in", "one.wav", 31)
    inode = machine.does("stat -c %i /mnt/nas/nas/in/one.wav")
    machine.delivers("one.wav")
    until(lambda: machine.run("test -e /mnt/nas/nas/old/one.wav").code == 0, 20)
    assert machine.does("stat -c %i /mnt/nas/nas/old/one.wav") == inode

    def inbox() -> dict[str, object]:
        listed = json.loads(machine.does("diffio-watch status --json"))["inboxes"]
        found: dict[str, object] = next(one for one in listed if one["name"] == "nas")
        return found

    machine.does("umount -l /mnt/nas")  # as when it was in use
    until(lambda: not inbox()["available"], 60, inbox, pause=1)
    machine.does("mkdir -p /mnt/nas/nas/{in,out,old}")  # in the empty place of it; nothing of this is to be touched
    drop(machine, "/mnt/nas/nas/in", "never.wav", 32)
    machine.does("mount /mnt/nas")
    until(lambda: inbox()["available"], 60, inbox, pause=1)
    drop(machine, "/mnt/nas/nas/in", "two.wav", 33)
    machine.delivers("two.wav")
    assert machine.does("ls /mnt/nas/nas/out").split() == [
        "one.restored.wav", "one.wav.json", "two.restored.wav", "two.wav.json"]
    assert machine.state("MainPID") == pid
    assert "never.wav" not in machine.jobs()
    machine.does("mkdir below; mount --bind / below")
    assert machine.does("cd below/mnt/nas; find . -type f").split() == ["./nas/in/never.wav"]
    machine.does("rm -r below/mnt/nas/nas; umount below")


def root_may_be_refused_at_a_share(machine: Container) -> None:
    """As with root_squash: here by FUSE, which lets in nobody but who mounted it."""
    machine.does("mknod -m 666 /dev/fuse c 10 229; mkdir -p /mnt/far /var/far/{in,out}; "
                 "chown -R diffio-watch: /mnt/far /var/far; "
                 "setpriv --reuid=diffio-watch --regid=diffio-watch --clear-groups bindfs --no-allow-other "
                 "/var/far /mnt/far")
    assert machine.run("ls /mnt/far").code != 0
    configure(machine, FAR)
    machine.does("diffio-watch service install --yes")
    assert "ReadWritePaths=-/mnt\n" in machine.does(f"cat {UNIT}.d/10-folders.conf")
    assert machine.state("ActiveState")["ActiveState"] == "active"
    drop(machine, "/var/far/in", "far.wav", 41)
    machine.does("chown diffio-watch /var/far/in/far.wav")
    machine.delivers("far.wav")


def an_update_leads_to_it(machine: Container) -> str:
    """With the extras, which came with it; the version before."""
    version = machine.does("diffio-watch --version").split()[-1]
    machine.does(f"cd diffio-watch && sed -i 's/{re.escape(version)}/99.0/' diffio_watch/__init__.py && "
                 ".venv/bin/pip install -q --no-compile '.[notify,waveforms]' && "
                 ".venv/bin/diffio-watch service update --yes",
                 seconds=300)
    assert machine.does("diffio-watch --version").split()[-1] == "99.0"
    assert json.loads(machine.does("diffio-watch status --json"))["version"] == "99.0"
    pid = machine.state("MainPID")["MainPID"]
    assert "/opt/diffio-watch/99.0/" in machine.does(f"tr '\\0' ' ' < /proc/{pid}/cmdline")
    again = machine.does("cd diffio-watch && .venv/bin/diffio-watch service update --yes")
    assert "is that already" in again
    return version


def and_back(machine: Container, version: str) -> None:
    pid = machine.state("MainPID")["MainPID"]
    machine.does("cd diffio-watch && sed -i 's/99.0/99.1/' diffio_watch/__init__.py && "
                 "echo 'raise RuntimeError' >> diffio_watch/cli/check.py")
    broken = machine.run("PIP_COMPILE=0 /opt/diffio-watch/current/bin/diffio-watch service update --yes "
                         "--from /root/diffio-watch", seconds=300)  # it never runs
    assert broken.code == 1
    assert machine.does("diffio-watch --version").split()[-1] == "99.0"
    assert machine.state("MainPID")["MainPID"] == pid
    machine.does("diffio-watch service update --back --yes")
    assert machine.does("diffio-watch --version").split()[-1] == version
    drop(machine, INBOX, "back.wav", 51)
    machine.delivers("back.wav")


def what_is_uninstalled_leaves_the_data(machine: Container) -> None:
    # but for the markers, in which the daemon tells to its end that it works
    keeps = ("find /srv/studio /mnt/nas /var/far /etc/diffio-watch -type f ! -name .diffio-watch "
             "-exec sha256sum {} + | sort -k2")
    before = machine.does(keeps)
    machine.does("diffio-watch service uninstall --yes")
    assert machine.does(keeps) == before
    assert machine.does("ls /var/lib/diffio-watch/journal.sqlite3")
    left = machine.run("find / -xdev -path /root -prune -o -path /proc -prune -o -name '*diffio*' -print "
                       "2>/dev/null").out.split()
    assert {path for path in left if not path.startswith(("/srv/", "/mnt/", "/var/far/"))} <= {
        "/etc/diffio-watch", "/var/lib/diffio-watch", "/etc/systemd/system/diffio-watch.service.d"}
    assert machine.run("systemctl cat diffio-watch").code != 0
