"""One runtime as a file says it: which models it serves, in which image, by which command, and how it is asked. Pure.

The comments at a file's beginning are its title and its help, as in job files. Words in braces stand for what is known
at a deployment: ``{name}`` of the endpoint, ``{model}`` (the folder in the container), ``{file}`` of the model in it,
``{port}``, ``{gpus}`` (how many).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import yaml

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.relaxations import EXEC_TMP

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
        *(f"{{{word}}}" for text in _texts(known) for word in _BRACES.findall(text) if word not in _WORDS),
    ]
    if wrong:
        raise ValueError(f"{wrong[0]!r} can't stand where it does")
    if not known.serves or not images or known.port not in _PORTS:
        raise ValueError("it needs a form of models that it serves, an image, and a port from 1 to 65535")


def _check_words(where: str, words: tuple[str, ...], known: "tuple[str, ...] | frozenset[str]") -> None:
    if unknown := [word for word in words if word not in known]:
        raise ValueError(f"{where} has {unknown[0]!r}, and there are {', '.join(sorted(known))}")


def _texts(known: RuntimeTemplate) -> Iterator[str]:
    yield from (*known.command, *known.cpu_command, *known.gpu_command, *known.environment.values(), known.health)
    yield from (one for one in (known.ready, known.golden.path) if one is not None)
