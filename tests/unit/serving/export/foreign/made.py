"""Base images and wheels that are made up: a Python of any machine, and whatever a stranger may put into them."""

import base64
import csv
import gzip
import hashlib
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MACHINES = {"amd64": 62, "arm64": 183}


def elf(architecture: str, loader: str) -> bytes:
    """Return the beginning of a program: its head, and one entry that names its loader (elf(5))."""
    name = loader.encode() + b"\0"
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, MACHINES[architecture], 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)  # fmt: skip
    entry = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1)
    return head + entry + name


def python_files(architecture: str = "arm64", python: str = "3.12.7", glibc: str = "2.36") -> dict[str, bytes | str]:
    """Return the files of an image of Python; a text is a link to it."""
    minor, machine = python.rpartition(".")[0], {"amd64": "x86_64", "arm64": "aarch64"}[architecture]
    return {
        "usr/local/bin/python3": f"python{minor}",
        f"usr/local/bin/python{minor}": elf(architecture, f"/lib/ld-linux-{machine}.so.1"),
        f"usr/local/include/python{minor}/patchlevel.h": f'#define PY_VERSION      "{python}"\n'.encode(),
        "lib": "usr/lib",
        f"usr/lib/ld-linux-{machine}.so.1": f"{machine}-linux-gnu/ld-linux-{machine}.so.1",
        f"usr/lib/{machine}-linux-gnu/ld-linux-{machine}.so.1": elf(architecture, ""),
        f"usr/lib/{machine}-linux-gnu/libc.so.6": elf(architecture, "")
        + f"\0GNU C Library (Debian GLIBC {glibc}-9) stable release version {glibc}.\n\0".encode(),
    }


def musl_files(version: str = "1.2.5") -> dict[str, bytes | str]:
    loader = "lib/ld-musl-aarch64.so.1"
    return {
        "usr/bin/python3": "python3.12",
        "usr/bin/python3.12": elf("arm64", f"/{loader}"),
        loader: elf("arm64", "") + b"\0musl libc (aarch64)\nVersion %s\n\0" + version.encode() + b"\0",
    }


def layer(files: Mapping[str, bytes | str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:") as archive:
        for name, what in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
                archive.addfile(info)
                continue
            info.size = len(what)
            archive.addfile(info, io.BytesIO(what))
    return made.getvalue()


def summed(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def image(
    files: Mapping[str, bytes | str], architecture: str = "arm64", config: Any = None, *more: bytes
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the blobs of an image and its entry in an index."""
    layers = [layer(files), *more]
    packed = [gzip.compress(one) if number % 2 == 0 else one for number, one in enumerate(layers)]
    about = {
        "os": "linux",
        "architecture": architecture,
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin"]} if config is None else config,
        "rootfs": {"type": "layers", "diff_ids": [summed(one) for one in layers]},
    }
    blobs = {}

    def kept(data: bytes) -> dict[str, Any]:
        blobs[f"blobs/sha256/{summed(data)[7:]}"] = data
        return {"digest": summed(data), "size": len(data)}

    manifest = {"config": kept(json.dumps(about).encode()), "layers": [kept(one) for one in packed]}
    entry = kept(json.dumps(manifest).encode())
    return blobs, {**entry, "platform": {"os": "linux", "architecture": architecture}}


def archive(path: Path, files: Mapping[str, bytes | str]) -> Path:
    path.write_bytes(layer(files))
    return path


def oci(path: Path, *images: tuple[dict[str, bytes], dict[str, Any]]) -> Path:
    blobs = {name: data for made, _ in images for name, data in made.items()}
    index = json.dumps({"manifests": [entry for _, entry in images]}).encode()
    return archive(path, {"oci-layout": b"{}", "index.json": index, **blobs})


def base(path: Path, architecture: str = "arm64", **config: Any) -> Path:
    run = {"Env": ["PATH=/usr/local/bin:/usr/bin"], **config}
    return oci(path, image(python_files(architecture), architecture, run))


def wheel(
    folder: Path, name: str, version: str = "1.0", tag: str = "py3-none-any", requires: tuple[str, ...] = (),
    files: Mapping[str, bytes] | None = None, unlisted: Mapping[str, bytes] | None = None, pythons: str = "",
    modes: Mapping[str, int] | None = None,
) -> Path:  # fmt: skip
    """Write a wheel whose RECORD tells of ``files``, not of what is ``unlisted``."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requires] + ([f"Requires-Python: {pythons}"] if pythons else [])
    listed = {f"{name}/__init__.py": b""} if files is None else dict(files)
    listed.setdefault(f"{info}/METADATA", ("\n".join(lines) + "\n").encode())
    listed.setdefault(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n".encode())
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for place, data in listed.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow([place, f"sha256={digest}", len(data)])
    writer.writerow([f"{info}/RECORD", "", ""])
    path = folder / f"{name}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for place, data in {**listed, f"{info}/RECORD": rows.getvalue().encode(), **(unlisted or {})}.items():
            entry = zipfile.ZipInfo(place)
            entry.external_attr = (modes or {}).get(place, 0o100644) << 16
            made.writestr(entry, data)
    return path
