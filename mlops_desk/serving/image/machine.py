"""A base image of this machine's own Python, for where no registry answers: interpreter, library, pip and a shell.

All is copied as it lies here, with the libraries that the dynamic linker would load, so nothing is fetched. It is
named after what it is made of, and made once.
"""

import hashlib
import os
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from pathlib import Path

from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base.errors import Hint, NotFound, Unavailable
from mlops_desk.kit.base.process import run_command
from mlops_desk.serving import deploy_options

_RECIPE = "1"  # part of the image's name: raise it when what goes into it changes
_SECONDS = 60.0  # chosen: ldd of a hundred files on a slow disk
_LEFT_OUT = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "idlelib", "turtledemo", "tkinter", "lib2to3"}
)
_FOR_WHEELS = frozenset({
    "libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1", "libm.so.6", "librt.so.1", "libutil.so.1", "libdl.so.2",
    "libpthread.so.0",
})  # fmt: skip # what manylinux wheels of numpy, scipy, scikit-learn and ONNX Runtime want from the system
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_DEBIAN_WHEELS = Path("/usr/share/python-wheels")
_DEBIAN = "deb_system"  # the scheme of Debian's own Python, whose packages lie elsewhere
_FOLDERS = ("bin", "usr/bin", "tmp", "etc", "proc", "sys", "dev", "root", "run")
_PEOPLE = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUPS = "root:x:0:\nnogroup:x:65534:\n"


def base(engine: Engine, instance: str, place: Path, timeout_seconds: float) -> str:
    """Return the tag of the base, made in ``place`` if the engine has none. Raises DeskErrors and OSError."""
    tag = deploy_options.machine_tag(instance, _digest())
    try:
        engine.image(tag)
    except NotFound:
        context = place / "machine"
        shutil.rmtree(context, ignore_errors=True)
        try:
            lay(context / "root")
            (context / "Dockerfile").write_text(_dockerfile(), encoding="utf-8")
            labels = {deploy_options.LABEL_INSTANCE: instance}
            engine.build(context, tag, labels, timeout_seconds, place / "machine.log")
        finally:
            shutil.rmtree(context, ignore_errors=True)
    return tag


def lay(root: Path) -> None:
    """Lay the files of such an image below ``root``. Raises Unavailable where there is no pip, and OSError."""
    pip = _pip()
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text(_PEOPLE, encoding="utf-8")
    (root / "etc/group").write_text(_GROUPS, encoding="utf-8")
    binary, library = _binary(), _library()
    shell = Path("/bin/sh").resolve()
    _copy(binary, root)
    _copy_as(shell, root / "bin/sh")
    for link in (f"{sys.base_prefix}/bin/python3", "/usr/bin/python3"):
        where = root / link.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        if not where.exists() and not where.is_symlink():
            where.symlink_to(binary)
    inside = root / str(library).lstrip("/")
    shutil.copytree(library, inside, ignore=_ignored, symlinks=True)
    with zipfile.ZipFile(pip) as wheel:
        wheel.extractall(_site(root, library))
    if _CERTIFICATES.is_file():
        _copy(_CERTIFICATES, root)
    for path in sorted(_libraries([binary, shell, *(library / "lib-dynload").glob("*.so")])):
        _copy(path, root)
    _open_to_all(root)


def _dockerfile() -> str:
    path = ":".join(dict.fromkeys((f"{sys.base_prefix}/bin", "/usr/bin", "/bin")))
    return f'FROM scratch\nCOPY root/ /\nENV PATH={path}\nCMD ["python3"]\n'


def _digest() -> str:
    binary = _binary()
    parts = (_RECIPE, sys.version, str(binary), str(binary.stat().st_mtime_ns), str(_pip()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _binary() -> Path:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = Path(sys.base_prefix) / "bin" / name
    if not found.is_file():
        raise Unavailable(f"This machine's Python has no program at {found}.", "Set serving.base_image to an image.")
    return found.resolve()


def _library() -> Path:
    prefix = sys.base_prefix
    return Path(sysconfig.get_path("stdlib", vars={"base": prefix, "installed_base": prefix}))


def _site(root: Path, library: Path) -> Path:
    """Return where this Python looks for packages, which Debian calls otherwise."""
    if _DEBIAN in sysconfig.get_scheme_names():
        return root / sysconfig.get_path("purelib", _DEBIAN).lstrip("/")
    return root / str(library).lstrip("/") / "site-packages"


def _pip() -> Path:
    folders = (_library() / "ensurepip" / "_bundled", _DEBIAN_WHEELS)
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    if not wheels:
        raise Unavailable(
            "This machine's Python brings no pip.", Hint("apt-get install python3-venv", before="On Debian: ")
        )
    return wheels[0]


def _ignored(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _LEFT_OUT or name.endswith(".a") or name.startswith("config-")}


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Return what the dynamic linker loads for ``programs``, and what wheels want of it. Raises DeskErrors."""
    found = set()
    for line in _said("ldd", *map(str, programs)):
        words = line.split()
        path = words[2] if len(words) > 2 and words[1] == "=>" else (words[0] if words else "")
        if path.startswith("/") and not path.endswith(":"):
            found.add(Path(path))
    bits = "x86-64" if os.uname().machine == "x86_64" else "AArch64"
    for line in _said(shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin") or "ldconfig", "-p"):
        name, _, path = line.strip().partition(" => ")
        library, _, kind = name.partition(" ")
        if library in _FOR_WHEELS and bits in kind and path:
            found.add(Path(path))
    return found


def _said(*command: str) -> list[str]:
    """Run a program that tells of libraries; it also ends with 1 where one of many files is none of its kind."""
    return run_command(command, _SECONDS).output.decode("utf-8", "replace").splitlines()


def _copy(path: Path, root: Path) -> None:
    _copy_as(path, root / str(path).lstrip("/"))


def _copy_as(path: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path.resolve(), target)


def _open_to_all(root: Path) -> None:
    """Let any user of a container read it, whatever this process's mask is."""
    for folder, _folders, names in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder) / name for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    (root / "tmp").chmod(0o1777)
