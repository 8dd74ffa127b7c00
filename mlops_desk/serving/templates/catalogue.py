"""The runtimes that there are: those that come along, and those that this desk's owner keeps in the data folder.

One of one's own hides the one of its name that comes along. Which image serves is the template's word, unless the
setting ``serving.runtime_images`` names another.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mlops_desk.engines.engine import Engine
from mlops_desk.engines.records.relaxations import EXEC_TMP
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.runtimes import resource_files
from mlops_desk.serving.runtimes.choice import AUTO
from mlops_desk.serving.templates.conversion import ModelForm

# One runtime as a file says it: which models it serves, in which image, by which command, and how it is asked. Pure.
#
# The comments at a file's beginning are its title and its help, as in job files. Words in braces stand for what is
# known at a deployment: ``{name}`` of the endpoint, ``{model}`` (the folder in the container), ``{file}`` of the model
# in it, ``{port}``, ``{gpus}`` (how many).

FORMS = ("onnx", "safetensors", "gguf")
"""What a model's files can be, for a template's ``serves``."""
_WORDS = frozenset({"name", "model", "file", "port", "gpus"})
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ADAPTER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PATH = re.compile(r"/[A-Za-z0-9._~{}/-]{0,200}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_BRACES = re.compile(r"\{([a-z]+)\}")
_RELAXABLE = frozenset({EXEC_TMP})
"""What compilers at run time need; nothing else of the profile is a template's to open."""
_PORTS = range(1, 1 << 16)  # RFC 9293
_TITLE_LIMIT, _HELP_LIMIT = 100, 1000  # chosen: a cell of a table, a paragraph
_SAID = 300  # chosen: two or three lines of a terminal


class TemplateImages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which image serves without and with GPUs; None: it can't be."""

    cpu: str | None = None
    gpu: str | None = None


class TemplateGolden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request that every model of the runtime answers; without a path the adapter makes it.

    Of its answer only what is named in ``compare`` has to stay the same.
    """

    path: str | None = None
    body: Any = None
    compare: tuple[str, ...] = ()


class RuntimeTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file says, and from its name and first lines ``name``, ``title`` and ``help``.

    ``also`` are words by which it is meant besides its name, as one of several. ``ready`` is asked until it first
    answers (None: ``health`` is). ``never_run``: nobody has tried it with a real one of its images.
    """

    name: str = ""
    title: str = ""
    help: str = ""
    serves: tuple[str, ...]
    image: TemplateImages
    port: int
    health: str
    ready: str | None = None
    model: str
    also: tuple[str, ...] = ()
    adapter: str | None = None
    command: tuple[str, ...] = ()
    cpu_command: tuple[str, ...] = ()
    gpu_command: tuple[str, ...] = ()
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    relax: tuple[str, ...] = ()
    golden: TemplateGolden = msgspec.field(default_factory=TemplateGolden)
    never_run: bool = False

    def is_meant_by(self, word: str) -> bool:
        return word == self.name or word in self.also


def parse(name: str, text: str) -> RuntimeTemplate:
    """Read a template's file; ``name`` is the file's, without its ending. Raises Invalid, which names what is wrong."""
    try:
        known: RuntimeTemplate = wire.convert(_document(name, yaml.safe_load(text)), RuntimeTemplate)
        _check(known)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        said = " ".join(plain(str(error), _SAID).split())
        raise Invalid(f"The runtime {plain(name)}.yaml can't be read: {said}.", "Compare it with vllm.yaml.") from error
    title, *more = _comments(text) or [name]
    return msgspec.structs.replace(
        known, name=name, title=plain(title, _TITLE_LIMIT), help=plain(" ".join(more), _HELP_LIMIT)
    )


def _document(name: str, document: Any) -> Any:
    """Return a file's document. Raises ValueError for what no template is."""
    if not isinstance(document, dict) or not _NAME.fullmatch(name):
        raise ValueError("it is no table, or its name has more than small letters, digits and dashes")
    if own := {"name", "title", "help"} & document.keys():
        raise ValueError(f"{', '.join(sorted(own))} is told by the file's name and its first comments")
    return document


def filled(text: str, words: Mapping[str, str]) -> str:
    """Put what is known in the place of the words in braces."""
    return _BRACES.sub(lambda found: words.get(found[1], found[0]), text)


def filled_all(value: Any, words: Mapping[str, str]) -> Any:
    """Fill every text within lists and tables."""
    if isinstance(value, str):
        return filled(value, words)
    if isinstance(value, list):
        return [filled_all(one, words) for one in value]
    return {key: filled_all(one, words) for key, one in value.items()} if isinstance(value, dict) else value


def _comments(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return lines


def _check(known: RuntimeTemplate) -> None:
    """Raise ValueError for what can't be."""
    _check_words("serves", known.serves, FORMS)
    _check_words("relax", known.relax, _RELAXABLE)
    images = [one for one in (known.image.cpu, known.image.gpu) if one is not None]
    paths = [known.health, known.model, *(one for one in (known.ready, known.golden.path) if one is not None)]
    wrong = [
        *(one for one in images if not _REFERENCE.fullmatch(one)),
        *(one for one in paths if not _PATH.fullmatch(one) or ".." in one),
        *(one for one in known.also if not _NAME.fullmatch(one)),
        *([known.adapter] if known.adapter is not None and not _ADAPTER.fullmatch(known.adapter) else []),
        *(f"{{{word}}}" for text in _template_texts(known) for word in _BRACES.findall(text) if word not in _WORDS),
    ]
    if wrong:
        raise ValueError(f"{wrong[0]!r} can't stand where it does")
    if not known.serves or not images or known.port not in _PORTS:
        raise ValueError("it needs a form of models that it serves, an image, and a port from 1 to 65535")


def _check_words(where: str, words: tuple[str, ...], known: "tuple[str, ...] | frozenset[str]") -> None:
    if unknown := [word for word in words if word not in known]:
        raise ValueError(f"{where} has {unknown[0]!r}, and there are {', '.join(sorted(known))}")


def _template_texts(known: RuntimeTemplate) -> Iterator[str]:
    yield from (*known.command, *known.cpu_command, *known.gpu_command, *known.environment.values(), known.health)
    yield from (one for one in (known.ready, known.golden.path) if one is not None)


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
            texts = _texts(resource_files.folder() / _FOLDER)
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
