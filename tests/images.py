"""Small images made without a registry: busybox, and Python from the running interpreter.

An image is named after what is in it, so that it is made once on a machine and found again. All carry
the label ``io.mlops-desk.test``; ``remove_images`` takes them away. Other tests import the functions.
"""

import compileall
import contextlib
import hashlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from mlops_desk.engines.docker.address import choose_address
from mlops_desk.engines.docker.connection import connect
from tests.memory_folder import memory_folder
from tests.wheels import closure

LABEL = "io.mlops-desk.test"
_RECIPE = "10"  # part of every image's name: raise it when what goes into an image changes
_APPLETS = ("sh", "ls", "cat", "env", "sleep", "id", "mkdir", "rm", "echo", "grep", "nproc", "kill", "ps", "touch", "test", "true", "false", "seq", "head", "tail", "dd", "wc", "wget", "mount", "printf", "nc", "stat", "find", "cp", "df", "ulimit", "yes", "date", "tr")  # fmt: skip
_LEFT_OUT = {"test", "tests", "site-packages", "idlelib", "turtledemo", "tkinter", "lib2to3"}
# What wheels of numpy, scipy and scikit-learn want from the system.
_FOR_WHEELS = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libgomp.so.1",
    "libm.so.6",
    "librt.so.1",
    "libutil.so.1",
    "libdl.so.2",
    "libpthread.so.0",
)

_ARCHITECTURES = {"x86_64": "x86-64", "aarch64": "AArch64"}


@contextlib.contextmanager
def engine_client(base_url: str | None = None) -> Iterator[Any]:
    client = connect(base_url or choose_address(""), 300)
    try:
        yield client
    finally:
        client.close()


def busybox_image(base_url: str | None = None) -> str:
    """Return the tag of an image that holds busybox and nothing else."""
    busybox = _busybox()
    digest = hashlib.sha256(_RECIPE.encode() + busybox.read_bytes()).hexdigest()[:12]
    return _made(f"mlops-desk-test/busybox:{digest}", _lay_busybox, base_url)


def bare_image(base_url: str | None = None) -> str:
    """Return the tag of an image that holds busybox's programs and no shell."""
    digest = hashlib.sha256(_RECIPE.encode() + _busybox().read_bytes()).hexdigest()[:12]
    return _made(f"mlops-desk-test/bare:{digest}", _lay_bare, base_url)


def python_image(
    packages: Iterable[str] = (), with_pip: bool = False, base_url: str | None = None, programs: Iterable[str] = ()
) -> str:
    """Return the tag of an image with this interpreter, its standard library and busybox.

    ``packages`` are names of installed distributions to take along from this environment's
    site-packages, with what they require; ``with_pip`` adds pip. ``programs`` are this machine's, by their whole paths.
    """
    wanted = closure(packages)
    paths = [path for name in wanted for path in _installed(name)]
    stamp = "".join(
        [
            *(_RECIPE, sys.version, str(with_pip), *wanted),
            *(f"{path.name}:{path.stat().st_mtime_ns}" for path in (*paths, *map(Path, programs))),
        ]
    )
    digest = hashlib.sha256(stamp.encode()).hexdigest()[:12]

    def lay(root: Path) -> None:
        site = _lay_python(root, paths)
        if with_pip:
            _lay_pip(root, site)
            _lay_certificates(root)
        _lay_programs(root, [Path(program) for program in programs])

    return _made(f"mlops-desk-test/python:{digest}", lay, base_url, python=True)


def remove_images(base_url: str | None = None) -> None:
    """Remove all images made here from the engine, and what was built on them by tests."""
    with engine_client(base_url) as client:
        for image in client.images(filters={"label": LABEL}):
            with contextlib.suppress(Exception):
                client.remove_image(image["Id"], force=True)


def _made(tag: str, lay: Any, base_url: str | None, *, python: bool = False) -> str:
    with engine_client(base_url) as client:
        if client.images(name=tag):
            return tag
        with tempfile.TemporaryDirectory(prefix="mlops-desk-test-image-", dir=memory_folder()) as folder:
            root = Path(folder)
            for name in ("bin", "usr/bin", "tmp", "etc", "proc", "sys", "dev", "root", "run"):
                (root / name).mkdir(parents=True)
            (root / "tmp").chmod(0o1777)
            (root / "etc/passwd").write_text(
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
            )
            (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
            lay(root)
            changes = [f"LABEL {LABEL}=1", 'CMD ["python3"]' if python else 'CMD ["sh"]']
            if python:
                changes.append(f"ENV PATH={sys.base_prefix}/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1")
            _import(client, root, tag, changes)
    return tag


def _import(client: Any, root: Path, tag: str, changes: list[str]) -> None:
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(root, ".", filter=_owned_by_root)
        file.seek(0)
        repository, _, version = tag.rpartition(":")
        answer = client.import_image_from_data(file, repository=repository, tag=version, changes=changes)
        assert "error" not in str(answer).lower(), answer


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def _busybox() -> Path:
    found = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
    assert found, "busybox is needed for test images: apt-get install busybox-static"
    return Path(found).resolve()


def _lay_busybox(root: Path) -> None:
    busybox = _busybox()
    shutil.copy2(busybox, root / "bin/busybox")
    for applet in _APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    _copy_libraries(root, [busybox])


def _lay_bare(root: Path) -> None:
    _lay_busybox(root)
    (root / "bin/sh").unlink()


def _lay_python(root: Path, packages: list[Path]) -> Path:
    _lay_busybox(root)
    prefix, version = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    binary = (prefix / "bin" / version).resolve()
    inside = root / prefix.relative_to("/")
    for folder in ("bin", "lib"):
        (inside / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary, inside / "bin" / version)
    for link in (inside / "bin/python3", inside / "bin/python", root / "usr/bin/python3", root / "usr/bin/python"):
        if not link.exists():
            link.symlink_to(prefix / "bin" / version)
    library = Path(sysconfig.get_path("stdlib", vars={"base": str(prefix), "installed_base": str(prefix)}))
    shutil.copytree(library, inside / "lib" / version, ignore=_not_needed, symlinks=True)
    site = inside / "lib" / version / "site-packages"
    for path in packages:
        target = site / path.name
        if path.is_dir():
            shutil.copytree(path, target, ignore=_not_loaded, symlinks=True, dirs_exist_ok=True)
        else:
            site.mkdir(exist_ok=True)
            shutil.copy2(path, target)
    site.mkdir(exist_ok=True)
    _copy_libraries(root, [binary, *(library / "lib-dynload").glob("*.so"), *_wheel_libraries()])
    return site


def _lay_pip(root: Path, site: Path) -> None:
    """Unpack the pip that comes with Python; Debian's Python has it in a package of its own."""
    folders = [Path(sysconfig.get_path("stdlib")) / "ensurepip/_bundled", Path("/usr/share/python-wheels")]
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    assert wheels, "no pip wheel: apt-get install python3-venv"
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(site)
    compileall.compile_dir(site / "pip", quiet=2, stripdir=str(root), prependdir="/")


def _lay_programs(root: Path, programs: list[Path]) -> None:
    for program in programs:
        target = root / program.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(program.resolve(), target)
    _copy_libraries(root, programs)


def _lay_certificates(root: Path) -> None:
    """Bring the system's certificates: Debian's pip does not start without them, even offline."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.is_file():
        target = root / bundle.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(bundle, target)


def _not_needed(folder: str, names: list[str]) -> set[str]:
    others = _other_bytecode(names)
    return others | {name for name in names if name in _LEFT_OUT or name.endswith(".a") or name.startswith("config-")}


def _not_loaded(folder: str, names: list[str]) -> set[str]:
    return _other_bytecode(names) | {"tests"}.intersection(names)


def _other_bytecode(names: list[str]) -> set[str]:
    """Bytecode of this Python comes along, as in an image that pip filled: else each container compiles what it imports."""
    ours = f".{sys.implementation.cache_tag}.pyc"
    return {name for name in names if name.endswith(".pyc") and not name.endswith(ours)}


def _wheel_libraries() -> list[Path]:
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listed.splitlines():
        name, _, path = line.strip().partition(" => ")
        library, _, kind = name.partition(" ")
        if library in _FOR_WHEELS and _ARCHITECTURES.get(platform.machine(), "") in kind:
            found.setdefault(library, Path(path))
    return list(found.values())


def _copy_libraries(root: Path, programs: Iterable[Path]) -> None:
    """Copy what the dynamic linker would load for ``programs``, and libraries among them, to the same places."""
    wanted = {path for path in programs if ".so." in path.name}
    for program in programs:
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        for line in listed.splitlines():
            words = line.split()
            path = words[2] if len(words) > 2 and words[1] == "=>" else (words[0] if words else "")
            if path.startswith("/"):
                wanted.add(Path(path))
    for path in sorted(wanted):
        target = root / path.relative_to("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path.resolve(), target)


def _installed(name: str) -> list[Path]:
    """Return the folders and files in site-packages that belong to a distribution."""
    site = Path(sysconfig.get_path("purelib"))
    files = metadata.distribution(name).files or []
    tops = {file.parts[0] for file in files if file.parts[0] not in {"..", "__pycache__"}}
    return [site / top for top in sorted(tops) if (site / top).exists()]
