"""The image an endpoint runs: the base and the model's requirements.

The model's files and the script that serves are mounted, never baked in, so two versions with the same
requirements share an image. It is built in two stages, so that neither wheels nor addresses of the index
stay in it, and its tag is a hash of all that goes into it. Only wheels are installed: building one would
run its setup.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlops_desk.engines.engine import Engine, ImageFacts
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.serving import deploy_options
from mlops_desk.serving.image.wheelhouse import lacking

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_COMPILE = (
    """python3 -m compileall -q -j 0 -x '/(site-packages|dist-packages|tests?|idlelib|lib2to3)/'"""
    """ "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')\""""
)
"""Compiles Python's own library, which images of Python bring without bytecode: a container, whose root is read-only,
would compile what it imports at each start, which was a fifth of the processor time until a model of scikit-learn
answered (2.4 against 1.9 s)."""
_PULL_SECONDS = 900.0  # chosen: a base image of 1 GB at 1.2 MB/s


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what is in the image. ``wheelhouse`` None means the package index."""

    base: str
    requirements: tuple[str, ...]
    wheelhouse: Path | None = None

    @property
    def source(self) -> str:
        """Say where packages come from."""
        return "the package index" if self.wheelhouse is None else f"the wheels in {self.wheelhouse}"

    def check(self) -> None:
        """Raise Invalid when base or wheelhouse can't be what they are set to."""
        check_reference(self.base)
        if self.wheelhouse is None:
            return
        if not self.wheelhouse.is_dir():
            hint: str = "Set serving.wheelhouse to a folder of wheels, or to nothing."
            raise Invalid(f"The wheelhouse {self.wheelhouse} is not a folder.", hint)
        missing = lacking(self.requirements, (wheel.name for wheel in _wheels(self.wheelhouse)))
        if missing:
            words = " ".join(shlex.quote(one) for one in missing)
            command = f"pip download --only-binary=:all: -d {shlex.quote(str(self.wheelhouse))} {words}"
            text = f"The wheelhouse {self.wheelhouse} has no wheel for {', '.join(missing)}."
            raise Refused(text, Hint(command, before="Where there is a network: "))


def check_reference(base: str) -> None:
    """Raise Invalid for what can't be an image's name."""
    if not _REFERENCE.fullmatch(base):
        hint = Hint("mlops-desk settings set serving.base_image python:3.12-slim")
        raise Invalid(f"{plain(base)!r} is not the name of an image.", hint)


def build(
    engine: Engine,
    instance: str,
    recipe: Recipe,
    folder: Path,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the tag of ``recipe``'s image, built in ``folder`` (output in ``build.log``) if it is not there yet.

    ``environment`` is the way to the package index; None: what this process's own says of it.
    Raises Invalid, NotFound (base image), Refused (the build failed), Unavailable.
    """
    recipe.check()
    wheels = _wheels(recipe.wheelhouse)
    tag = deploy_options.image_tag(instance, _digest(recipe, _base(engine, recipe.base).id, wheels))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / "build.log"
    try:
        engine.image(tag)
    except NotFound:
        context = folder / "image"
        labels = {deploy_options.LABEL_INSTANCE: instance, deploy_options.LABEL_STAGE: "1"}
        write_context(context, recipe, wheels, os.environ if environment is None else environment, labels)
        try:
            engine.build(context, tag, labels, timeout_seconds, log)
        finally:
            shutil.rmtree(context / "wheels", ignore_errors=True)
    else:
        log.write_text(f"The image {tag} was there already: same base, same requirements.\n", encoding="utf-8")
    return tag


def write_context(
    folder: Path, recipe: Recipe, wheels: list[Path], environment: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    """Write what the engine builds from: Dockerfile, requirements and wheels.

    The first stage carries ``labels``, so that the engine can clear it away.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(mode=0o700, parents=True)
    for wheel in wheels:
        _link(wheel, folder / "wheels" / wheel.name)
    certificate = _certificate(environment) if recipe.wheelhouse is None else None
    if certificate is not None:
        shutil.copyfile(certificate, folder / "wheels" / "ca.pem")
    (folder / "requirements.txt").write_text("\n".join(recipe.requirements) + "\n", encoding="utf-8")
    dockerfile = _dockerfile(recipe, environment, labels, has_certificate=certificate is not None)
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")


def _dockerfile(
    recipe: Recipe, environment: Mapping[str, str], labels: Mapping[str, str], *, has_certificate: bool
) -> str:
    # Compiled in a step of its own, on all cores: pip takes one, and the container's root is read-only later.
    options = ["--no-cache-dir", "--no-input", "--no-compile", "--disable-pip-version-check", "--only-binary=:all:"]
    if recipe.wheelhouse is not None:
        options += ["--no-index", "--find-links=/wheels"]
    elif has_certificate:
        options.append("--cert=/wheels/ca.pem")
    arguments = "" if recipe.wheelhouse is not None else _network(environment)
    marks = "".join(f"LABEL {key}={value}\n" for key, value in labels.items())
    return f"""\
FROM {recipe.base} AS build
{marks}{arguments}COPY wheels /wheels
COPY requirements.txt /requirements.txt
RUN python3 -m pip install {" ".join(options)} --target=/packages -r /requirements.txt
RUN python3 -m compileall -q -j 0 -x '/tests?/' /packages || echo "Some files are templates and do not compile"
FROM {recipe.base}
RUN {_COMPILE} || echo "The library of this image can't be compiled: each start does that"
COPY --from=build /packages /packages
ENV PYTHONPATH=/packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
"""


def _network(environment: Mapping[str, str]) -> str:
    """Return the way to the index as arguments of the first stage. An address with a password in it stays out."""
    lines = []
    for name in (*_PROXIES, *_INDEXES):
        value = environment.get(name, "")
        if value and "@" not in urlsplit(value).netloc and re.fullmatch(r"[\w.:/,*\[\] +-]{1,1000}", value):
            lines.append(f"ARG {name}={value}\n" if " " not in value else f'ARG {name}="{value}"\n')
    return "".join(lines)


def _certificate(environment: Mapping[str, str]) -> Path | None:
    """Return the file of certificates that pip is told to trust on this machine, for networks that need it."""
    for name in _CERTIFICATES:
        path = Path(environment.get(name, ""))
        if path.is_file():
            return path
    return None


def _base(engine: Engine, reference: str) -> ImageFacts:
    try:
        return engine.image(reference)
    except NotFound:
        return engine.pull(reference, _PULL_SECONDS)


def _wheels(wheelhouse: Path | None) -> list[Path]:
    return [] if wheelhouse is None else sorted(path for path in wheelhouse.glob("*.whl") if path.is_file())


def _digest(recipe: Recipe, base_id: str, wheels: list[Path]) -> str:
    """Hash what goes into the image: base, requirements and (by name and size) wheels."""
    sizes = [f"{wheel.name} {wheel.stat().st_size}" for wheel in wheels]
    parts = (base_id, _dockerfile(recipe, {}, {}, has_certificate=False), *recipe.requirements, *sizes)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _link(source: Path, target: Path) -> None:
    """Put a wheel into the context without copying it, where the file system lets us."""
    with contextlib.suppress(OSError):
        os.link(source.resolve(), target)
        return
    shutil.copyfile(source, target)
