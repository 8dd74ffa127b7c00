#!/usr/bin/env python3
"""Build mlops-desk_VERSION_amd64.deb for Debian 13 into build/deb.

    python3 packaging/deb/build.py

The same commit gives the same file, byte for byte: times are those of the commit (or
SOURCE_DATE_EPOCH). The package has no maintainer scripts: nothing is restarted, reloaded or enabled,
so installing, upgrading and removing it cannot disturb a running container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import metadata
import payload
from desk_setup.say import BUILD, ROOT, SetupError, Stopwatch, complain, quietly, say

FILES = Path(__file__).resolve().parent / "files"
ICONS = ROOT / "resources" / "icons"
APPLICATION = "org.mlopsdesk.desk"
OUTPUT = BUILD / "deb"
SECONDS = 600


def main() -> int:
    watch = Stopwatch()
    stage = BUILD / "deb-stage"
    epoch = _epoch()
    os.environ.update(SOURCE_DATE_EPOCH=str(epoch), PYTHONHASHSEED="1")
    try:
        shutil.rmtree(stage, ignore_errors=True)
        payload.make(stage)
        _integration(stage, epoch)
        package = _pack(stage, epoch)
    except SetupError as error:
        complain(error)
        return 1
    say(f"{package.relative_to(ROOT)}: {package.stat().st_size / 1e6:.1f} MB after {watch}.")
    return 0


def _epoch() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True, timeout=60
    )
    return int(asked.stdout)


def _integration(stage: Path, epoch: int) -> None:
    """What makes it a program of the desktop: command, menu entry, icons, metadata, unit, documents."""
    share = stage / "usr" / "share"
    _put(FILES / "launcher", stage / "usr" / "bin" / "mlops-desk", mode=0o755)
    _put(FILES / f"{APPLICATION}.desktop", share / "applications" / f"{APPLICATION}.desktop")
    _put(FILES / "mlops-desk-agent.service", stage / "usr/lib/systemd/user/mlops-desk-agent.service")
    metainfo = (FILES / f"{APPLICATION}.metainfo.xml").read_text()
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    filled = metainfo.replace("@VERSION@", metadata.version()).replace("@DATE@", date)
    _write(share / "metainfo" / f"{APPLICATION}.metainfo.xml", filled.encode())
    _icons(share / "icons" / "hicolor", stage)
    _put(FILES / "lintian-overrides", share / "lintian" / "overrides" / "mlops-desk")
    documents = share / "doc" / "mlops-desk"
    _write(documents / "copyright", metadata.copyright_text().encode())
    _write(documents / "changelog.gz", metadata.changelog(epoch))
    for name in ("README.md", "CHANGELOG.md"):
        _put(ROOT / name, documents / name)


def _icons(hicolor: Path, stage: Path) -> None:
    say("Drawing the icons.")
    drawing = ICONS / f"{APPLICATION}.svg"
    _put(drawing, hicolor / "scalable" / "apps" / drawing.name)
    symbolic = ICONS / f"{APPLICATION}-symbolic.svg"
    _put(symbolic, hicolor / "symbolic" / "apps" / symbolic.name)
    site = stage / payload.PREFIX.lstrip("/") / "lib" / payload.PYTHON / "site-packages"
    draw = [payload.python(), "-B", str(FILES.parent / "icons.py"), str(drawing), str(hicolor)]
    quietly(draw, "Drawing the icons", SECONDS, env={**os.environ, "PYTHONPATH": str(site)})


def _pack(stage: Path, epoch: int) -> Path:
    say("Packing.")
    control = stage / "DEBIAN"
    files = [path for path in stage.rglob("*") if path.is_file() and not path.is_symlink()]
    installed_kib = sum(path.stat().st_size for path in files) // 1024
    _write(control / "md5sums", metadata.checksums(stage).encode())
    _write(control / "control", metadata.control(installed_kib).encode())
    for path in [stage, *stage.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    package = OUTPUT / f"mlops-desk_{metadata.version()}_amd64.deb"
    pack = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z10", "--build", str(stage), str(package)]
    quietly(pack, "Packing", SECONDS)
    return package


def _put(source: Path, target: Path, mode: int = 0o644) -> None:
    _write(target, source.read_bytes())
    target.chmod(mode)


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o644)


if __name__ == "__main__":
    sys.exit(main())
