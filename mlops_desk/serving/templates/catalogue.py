"""The runtimes that there are: those that come along, and those that this desk's owner keeps in the data folder.

One of one's own hides the one of its name that comes along. Which image serves is the template's word, unless the
setting ``serving.runtime_images`` names another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import Engine
from mlops_desk.serving.runtimes import shipped
from mlops_desk.serving.runtimes.choice import AUTO
from mlops_desk.serving.templates.form import ModelForm
from mlops_desk.serving.templates.template import RuntimeTemplate, parse

_FOLDER = "templates"
_ENDING = ".yaml"
_LIMIT_BYTES = 256 << 10  # chosen: a template has two KB
_SETTING = "serving.runtime_images"


@dataclass(frozen=True, slots=True)
class BrokenTemplate:
    """A file that can't be read, and why."""

    name: str
    error: Invalid


class RuntimeTemplates:
    """Reads the files anew at every question: whoever puts one there need not start anything again."""

    def __init__(self, own: Path, settings: SettingsStore, engine: Engine) -> None:
        self._own = own
        self._settings = settings
        self._engine = engine

    def all(self) -> list[RuntimeTemplate | BrokenTemplate]:
        """Return all by name, in the place of a file that can't be read why. Raises Unavailable."""
        try:
            texts = _texts(shipped.folder() / _FOLDER)
            texts |= _texts(self._own) if self._own.is_dir() else {}
        except OSError as error:
            raise Unavailable(f"The runtimes' files can't be read: {error.strerror}.") from error
        return [_read(name, texts[name]) for name in sorted(texts)]

    def known(self) -> list[RuntimeTemplate]:
        """Return those that can be read. Raises Unavailable."""
        return [one for one in self.all() if isinstance(one, RuntimeTemplate)]

    def words(self) -> tuple[str, ...]:
        """Return the words by which they can be asked for. Raises Unavailable."""
        known = self.known()
        return tuple(dict.fromkeys(word for one in known for word in (one.name, *one.also)))

    def meant(self, word: str) -> list[RuntimeTemplate]:
        """Return those that a word means, none where it means none of them.

        Raises Unavailable, and Invalid for one of that name whose file can't be read.
        """
        found = self.all()
        if broken := next((one for one in found if isinstance(one, BrokenTemplate) and one.name == word), None):
            raise broken.error
        return [one for one in found if isinstance(one, RuntimeTemplate) and one.is_meant_by(word)]

    def check(self, word: str, gpus: int | None) -> None:
        """Raise Refused where none of those that a word means can serve here, with what stands against the first."""
        obstacles = [self.obstacle(one, gpus) for one in self.meant(word)]
        if obstacles and None not in obstacles and (first := obstacles[0]) is not None:
            text = " ".join(dict.fromkeys(one.message for one in obstacles if one is not None))
            raise Refused(text, first.hint)

    def fitting(
        self, templates: Sequence[RuntimeTemplate], forms: Sequence[ModelForm], gpus: int
    ) -> tuple[RuntimeTemplate, ModelForm] | None:
        """Return what serves a model that is there in ``forms``, one whose image is here first. Raises Unavailable."""
        pairs = [(one, form) for one in templates for form in forms if form.word in one.serves]
        return next((pair for pair in pairs if self.obstacle(pair[0], gpus) is None), pairs[0] if pairs else None)

    def chosen(self, word: str, forms: Sequence[ModelForm], gpus: int) -> tuple[RuntimeTemplate, ModelForm]:
        """Return what serves a model that is there in ``forms``; ``auto`` means any. Raises Refused: nothing does."""
        meant = self.known() if word == AUTO else self.meant(word)
        if found := self.fitting(meant, forms, gpus):
            return found
        serves = ", ".join(dict.fromkeys(form for one in meant for form in one.serves))
        there = ", ".join(form.word for form in forms) or "nothing of the kind"
        raise Refused(f"The runtime {plain(word)} serves models as {serves}, and the version's files hold {there}.")

    def image_of(self, template: RuntimeTemplate, gpus: int | None) -> str | None:
        """Return the image that serves; None where it can't be without GPUs, or with. ``gpus`` None: either will do."""
        if own := images_in(self._settings.text(_SETTING)).get(template.name):
            return own
        if gpus is None:
            return template.image.cpu or template.image.gpu
        return template.image.gpu if gpus else template.image.cpu

    def obstacle(self, template: RuntimeTemplate, gpus: int | None) -> DeskError | None:
        """Return why a runtime can't serve here now, with what to do; None where it can. Raises Unavailable."""
        image = self.image_of(template, gpus)
        if image is None:
            has = "GPUs alone" if gpus == 0 else "processors alone"
            hint = "Give each replica some: --gpus 1" if gpus == 0 else "Leave --gpus out."
            return Refused(f"{template.title} serves on {has} by the image that it has.", hint)
        try:
            self._engine.image(image)
        except NotFound:
            text = f"The image of {template.title}, {plain(image)}, is not on this machine."
            hint = Hint(
                f"mlops-desk settings set {_SETTING} {template.name}=IMAGE",
                before=f"Fetch it where there is a network (docker pull {image}), or name one that is here: ",
            )
            return Refused(text, hint)
        return None


def images_in(text: str) -> dict[str, str]:
    """Read ``NAME=IMAGE`` words; the setting's form lets no other ones in. Pure."""
    pairs = (word.partition("=") for word in text.split())
    return {name: image for name, mark, image in pairs if mark}


def _texts(folder: Traversable) -> dict[str, str]:
    files = [one for one in folder.iterdir() if one.name.endswith(_ENDING) and one.is_file()]
    return {one.name.removesuffix(_ENDING): _text(one) for one in files}


def _text(file: Traversable) -> str:
    with file.open("rb") as stream:
        return stream.read(_LIMIT_BYTES).decode("utf-8", "replace")


def _read(name: str, text: str) -> RuntimeTemplate | BrokenTemplate:
    try:
        return parse(name, text)
    except Invalid as error:
        return BrokenTemplate(name, error)
