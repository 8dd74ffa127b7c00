"""Writing an endpoint down: planned, made beside its place, and put there when it is whole.

What is half made is noted before it is begun, so that the next agent takes away what a killed one has left.
"""

import contextlib
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk import signatures
from mlops_desk.kit.base.disk.files import replace_durably, write_atomically
from mlops_desk.kit.base.disk.free_space import check_room, disk_trouble, free_bytes
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.export.form import DIGEST_FILE, IMAGE_FILE, SBOM_FILE, ExportOrder, ForeignPlace, Format, tag
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.revision import Revision, Shelf

_WORKER = "mlops_desk.serving.export.worker"
_SECONDS = 1800.0  # chosen: twenty gigabytes, read three times from a slow disk
_SAVED = "saved.tar"
_NAMESPACE = "mlops-desk-export"  # what bundles are signed as: verify.sh knows it, too
_SPARE_BYTES = 64 << 20  # chosen: lists, descriptions, and a disk that is not filled to its last byte
_PATH = 400  # chosen: most of a path
_KEPT = {SBOM_FILE, DIGEST_FILE}


class Exports:
    """Writes endpoints' revisions to files of this machine. ``folder`` is where what is under way is noted."""

    def __init__(self, folder: Path, shelf: Shelf, engine: Engine) -> None:
        self._folder = folder
        self._shelf = shelf
        self._engine = engine

    def sweep(self) -> None:
        """Take away what an earlier agent has left half made. Raises OSError."""
        for note in sorted(self._folder.glob("*.part")) if self._folder.is_dir() else ():
            left = Path(note.read_text("utf-8"))
            if left.name.startswith(".") and left.name.endswith(f".{note.name}"):
                shutil.rmtree(left, ignore_errors=True)
            note.unlink(missing_ok=True)

    def export(
        self,
        name: str,
        number: int,
        to: Path,
        format_: Format,
        key: Path | None,
        work: BesideWork,
        foreign: ForeignPlace | None = None,
    ) -> ExportedEndpoint:
        """Write a revision to ``to``, which is not there yet; for another machine, of what is ``foreign``.

        Raises Invalid, NotFound, Refused, Unavailable.
        """
        revision = self._revision(name, number)
        model = read_model(self._shelf.place(name, number) / "model")
        _check_place(to)
        order = ExportOrder(
            "", "", str(model.folder), format_, revision.endpoint, revision.number, revision.model.name,
            revision.model.version, revision.created_at or time.time(), foreign,
        )  # fmt: skip
        try:
            if foreign is None:
                image_bytes = self._image_bytes(revision)
                what = f"twice the image ({size_text(image_bytes)})"
                _check_free(to, 2 * image_bytes + 2 * model.size_bytes + _SPARE_BYTES, what)
            else:
                _survey(order, to, model.size_bytes, work)
            with self._part_of(to) as part:
                return self._made(revision, order, part, to, key, work)
        except OSError as error:
            raise disk_trouble(error) or Unavailable(f"{plain(str(to), _PATH)} can't be written: {error}.") from error

    def _revision(self, name: str, number: int) -> Revision:
        revision = self._shelf.read(name, number)
        if revision is None or revision.image is None or not self._shelf.has_files(name, number):
            hint = Hint(f"mlops-desk endpoints show {name}", after=" lists those that are kept.")
            raise Refused(f"Revision {number} of endpoint {name} is not kept, so it can't be exported.", hint)
        _check_contract(revision)
        return revision

    def _image_bytes(self, revision: Revision) -> int:
        """Return the size of a revision's image, 0 where the engine does not tell. Raises Refused, Unavailable."""
        try:
            id_ = self._engine.image(revision.image or "").id
        except NotFound as error:
            model = plain(f"{revision.model.name}/{revision.model.version}")
            again = Hint(
                f"mlops-desk endpoints deploy {shlex.quote(model)} --name {revision.endpoint}", before="Make it anew: "
            )
            which = f"revision {revision.number} of endpoint {revision.endpoint}"
            raise Refused(f"The image of {which} is not at the engine any more.", again) from error
        return next((one.size_bytes or 0 for one in self._engine.images() if one.id == id_), 0)

    @contextmanager
    def _part_of(self, to: Path) -> Iterator[Path]:
        """Give a folder beside ``to``, noted, which is gone afterwards whatever happens."""
        token = f"{secrets.token_hex(4)}.part"
        part = to.with_name(f".{to.name}.{token}")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = self._folder / token
        write_atomically(note, str(part).encode())
        try:
            part.mkdir(mode=0o700)
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)
            note.unlink(missing_ok=True)

    def _made(
        self, revision: Revision, order: ExportOrder, part: Path, to: Path, key: Path | None, work: BesideWork
    ) -> ExportedEndpoint:
        content, format_ = part / "content", order.format
        content.mkdir(mode=0o755)
        if order.foreign is None:
            self._save(revision, part / _SAVED, work)
            work.tell("Putting model and server into the image.")
        told = _told(replace(order, folder=str(content), saved=str(part / _SAVED)), work)
        signer = None
        if format_ is Format.BUNDLE:
            work.tell("Signing the bundle.")
            signer = signatures.sign(content, key or signatures.own_key(self._folder), _NAMESPACE)
        work.tell("Putting what was made in its place.")
        files = self._put(content, to, format_)
        return ExportedEndpoint(
            endpoint=revision.endpoint, revision=revision.number, format=format_, to=str(to),
            image=tag(revision.endpoint, revision.number), digest=told["digest"], image_id=told["image_id"],
            size_bytes=sum(file.stat().st_size for file in files), packages=told["packages"],
            files=tuple(map(str, files)), signer=signer, platform=told["platform"], notes=tuple(told["notes"]),
        )  # fmt: skip

    def _save(self, revision: Revision, target: Path, work: BesideWork) -> None:
        """Have the engine save a revision's image, and tell how far it is."""
        whole = self._image_bytes(revision) or None

        def saved(n_bytes: int) -> None:
            work.tell("Saving the image from the engine.", n_bytes, None if whole is None else max(whole, n_bytes))

        saved(0)
        self._engine.save_image(revision.image or "", target, _SECONDS, saved)

    def _put(self, content: Path, to: Path, format_: Format) -> list[Path]:
        """Put what is whole in its place; of one file, what tells of it goes beside it first."""
        if format_ is not Format.OCI:
            replace_durably(content, to)
            return sorted(path for path in to.rglob("*") if path.is_file())
        beside = {name: to.with_name(f"{to.name}.{name.removeprefix('image.')}") for name in sorted(_KEPT)}
        if taken := next((path for path in beside.values() if path.exists()), None):
            raise Refused(f"{plain(str(taken), _PATH)} is there already; nothing is written over it.")
        with contextlib.ExitStack() as undone:
            for name, path in beside.items():
                replace_durably(content / name, path)
                undone.callback(path.unlink, missing_ok=True)
            replace_durably(content / IMAGE_FILE, to)
            undone.pop_all()
        return [to, *beside.values()]


def _told(order: ExportOrder, work: BesideWork) -> dict[str, Any]:
    """Have the worker do what is ordered; return what it tells. Raises its errors, and what ends it."""
    answer: dict[str, Any] = run_worker(_WORKER, wire.to_builtins(order), _SECONDS, ending=work.stopping)
    return answer


def _survey(order: ExportOrder, to: Path, model_bytes: int, work: BesideWork) -> None:
    """Look through what an image for another machine is made of, before anything is written."""
    work.tell("Looking through the base image and the wheels.")
    told = _told(replace(order, is_survey=True), work)
    needed = told["needed_bytes"]
    _check_free(to, needed + 2 * model_bytes + _SPARE_BYTES, f"base image and wheels ({size_text(needed)})")
    work.tell(f"Laying {told['n_wheels']} wheels and the model upon {told['title']}.")


def _check_place(to: Path) -> None:
    """See that nothing is there yet, in a folder that can be written in."""
    if to.exists() or to.is_symlink():
        raise Refused(f"{plain(str(to), _PATH)} is there already; nothing is written over it.")
    if not to.parent.is_dir():
        raise NotFound(
            f"There is no folder {plain(str(to.parent), _PATH)}.", "Make it, or name a place in another one."
        )
    check_room(to.parent, "Name a place on another disk.")


def _check_free(to: Path, needed: int, what: str) -> None:
    """See that there is room: for what it is made of, and for what becomes of it."""
    free = free_bytes(to.parent)
    if free is not None and free < needed:
        parts = f"{what} and twice the model for a while"
        text = f"The export needs {size_text(needed)}, {parts}, and {plain(str(to.parent))} has {size_text(free)}."
        raise Refused(text, "Name a place on another disk.")


def _check_contract(revision: Revision) -> None:
    """Refuse an image that serves by itself: nothing says that it runs in the five ways of images that leave."""
    served = revision.served
    if served is None:
        return
    text = (
        f"Revision {revision.number} of endpoint {revision.endpoint} is served by the image {plain(served.reference)} "
        "itself. It doesn't keep the contract of exported images (GET /ping, POST /invocations, the port that "
        "SageMaker, Vertex AI and Azure ML name), so it can't be exported."
    )
    hint = Hint(f"docker save -o FILE {shlex.quote(served.reference)}", before="The image as it is: ")
    raise Refused(text, hint)
