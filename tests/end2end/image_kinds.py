"""The kinds of images that serve a version, each made as the desk makes it: for tests that hold for all of them."""

import subprocess
from pathlib import Path
from threading import Event

from mlops_desk.engines.engine import Engine
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.export.export_task import Exports
from mlops_desk.serving.export.form import Format
from mlops_desk.serving.image import image, machine
from mlops_desk.serving.image.requirements import serving_requirements
from mlops_desk.serving.records.endpoint import ModelRef
from mlops_desk.serving.revision import Revision, Shelf
from tests.scoring import odd_model

KINDS = ("training", "build", "machine")
INSTANCE = "kinds"
LABEL = f"io.mlops-desk.instance={INSTANCE}"
_SECONDS = 500.0


def image_of(kind: str, engine: Engine, place: Path, serving: dict[str, str], training_image: str) -> str:
    """Return the tag of an image of a kind, made in ``place`` of wheels where it is no training image."""
    if kind == "training":
        return training_image
    base = serving["serving.base_image"]
    if kind == "machine":
        base = machine.base(engine, INSTANCE, place, _SECONDS)
    recipe = image.Recipe(base, serving_requirements("", "3.17.2"), Path(serving["serving.wheelhouse"]))
    return image.build(engine, INSTANCE, recipe, place, _SECONDS)


def exported(kind: str, engine: Engine, place: Path, served: str, example: object) -> str:
    """Write an endpoint that is served by an image to a file, load that, and return its tag."""
    shelf, name = Shelf(place / "endpoints"), f"odd-{kind}"
    version = ModelVersion("odd", "3", "run-1", "somewhere", "READY")
    ref = ModelRef("odd", "3", "models:/odd/3")
    shelf.write(Revision(name, 1, ref, version, "live", served, was_live=True, created_at=1_800_000_000.0))
    odd_model(shelf.place(name, 1) / "model", example)
    work = BesideWork("The export", Event())
    done = Exports(place / "exports", shelf, engine).export(name, 1, place / "out.tar", Format.OCI, None, work)
    subprocess.run(["docker", "load", "-q", "-i", str(place / "out.tar")], check=True, capture_output=True, timeout=300)
    (place / "out.tar").unlink()
    return done.image
