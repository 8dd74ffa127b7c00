#!/usr/bin/env python3
"""Try the package in a clean Debian system: install, self-test, verify, purge, and nothing is left.

    sudo python3 packaging/trials/installer.py build/deb/mlops-desk_0.1.0_amd64.deb

Everything of the program runs there as an ordinary user, on a virtual screen and without one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from clean_root import CleanRoot, ended

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
BASE = BUILD / "clean-debian"
APPLICATION = "org.mlopsdesk.desk"
PERSON = "person"
# Where a package may leave files of its own; dpkg's and apt's records of what was once there are not such.
SEARCHED = ("opt", "usr", "etc", "var/lib", "var/cache", "srv")
RECORDS = ("var/lib/dpkg", "var/lib/apt", "var/cache/apt", "srv/")


def main(package: Path) -> int:
    _no_maintainer_scripts(package)
    root = CleanRoot(BUILD / "try-installer")
    root.make(BASE)
    root.put(package, f"/srv/{package.name}")
    root.install(f"/srv/{package.name}", "xvfb", "xauth")
    root.add_person(PERSON)
    _integration_is_valid(root)
    _self_test(root, "on a virtual screen", ["xvfb-run", "-a"], {})
    _self_test(root, "without a screen", [], {"QT_QPA_PLATFORM": "offscreen"})
    _state_by_command_line(root)
    _files_are_as_packaged(root)
    _purge(root)
    root.remove()
    return 0


def _no_maintainer_scripts(package: Path) -> None:
    """No script can reload, restart or enable anything, because there is none."""
    listed = subprocess.run(
        ["dpkg-deb", "--info", str(package)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    scripts = [name for name in ("preinst", "postinst", "prerm", "postrm") if f" {name}" in listed]
    _expect(not scripts, f"the package runs scripts: {scripts}")
    print("The package has no maintainer scripts.", flush=True)


def _integration_is_valid(root: CleanRoot) -> None:
    share = root.path / "usr" / "share"
    menu_entry = share / "applications" / f"{APPLICATION}.desktop"
    metainfo = share / "metainfo" / f"{APPLICATION}.metainfo.xml"
    subprocess.run(["desktop-file-validate", str(menu_entry)], check=True, timeout=60)
    # The project has no home page yet, and none is made up to please the validator.
    validate = ["appstreamcli", "validate", "--no-net", "--override=url-homepage-missing=info", str(metainfo)]
    subprocess.run(validate, check=True, timeout=60)


def _self_test(root: CleanRoot, where: str, prefix: list[str], env: dict[str, str]) -> None:
    """`mlops-desk --selftest` opens everything that a package can lose, and writes what it found."""
    folder = f"/home/{PERSON}/selftest-{'screen' if prefix else 'offscreen'}"
    root.run([*prefix, "mlops-desk", "--selftest", folder], user=PERSON, folder=f"/home/{PERSON}", env=env)
    reports = list((root.path / folder.lstrip("/")).glob("*.json"))
    _expect(len(reports) == 1, f"the self-test left {len(reports)} reports in {folder}")
    report = json.loads(reports[0].read_text())
    _expect(report["ok"] is True, f"the self-test says: {json.dumps(report, indent=1)}")
    print(f"The self-test passed {where}.", flush=True)


def _state_by_command_line(root: CleanRoot) -> None:
    """A verb starts the installed agent as a child process, and the agent ends when told to."""
    left = "grep -lsz 'mlops_[d]esk' /proc/[0-9]*/cmdline"  # the brackets keep the pattern from finding itself
    command = f"mlops-desk status --json && mlops-desk agent stop >&2 && ! {left} >&2"
    status = root.run(["sh", "-c", command], user=PERSON, folder=f"/home/{PERSON}", capture=True).stdout
    _expect("cpu" in json.dumps(json.loads(status)["host"]), f"status tells nothing of the host: {status}")
    print("The installed agent answers, and ends when told to.", flush=True)


def _files_are_as_packaged(root: CleanRoot) -> None:
    changed = root.run(["dpkg", "-V", "mlops-desk"], capture=True).stdout
    _expect(not changed, f"running it changed its own files:\n{changed}")
    print("dpkg -V: every file is as packaged.", flush=True)


def _purge(root: CleanRoot) -> None:
    root.run(["apt-get", "purge", "-y", "-qq", "mlops-desk"], capture=True)
    left = [
        str(path.relative_to(root.path))
        for top in SEARCHED
        for path in (root.path / top).rglob("*")
        if "mlops" in path.name and not str(path.relative_to(root.path)).startswith(RECORDS)
    ]
    _expect(not left, f"after the purge there is still: {left}")
    print("After the purge nothing is left.", flush=True)


def _expect(fine: bool, otherwise: str) -> None:
    if not fine:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    sys.exit(ended(main, Path(sys.argv[1]).resolve()))
