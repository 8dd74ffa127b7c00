"""How a verb is declared, and how the faces of the program read the declaration.

``@reads`` and ``@changes`` mark a protocol's methods. Annotations on parameters say what the command
line makes of them: ``FileText`` reads a file and sends its text (the agent never opens a caller's
file), ``FolderOf`` sends the absolute folder of that file, ``AbsolutePath`` resolves a path here, and
``Option`` turns a required parameter into a named one, ``Moment`` reads a time, ``Length`` how long.
"""

import inspect
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.verbs.answers.names import AnswerNames

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__verb__"


class Who(StrEnum):
    """Who may ask for a verb. Administrators may whatever an owner may."""

    EVERYBODY = "everybody"
    OWNER = "owner"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class VerbMark:
    """What a verb does, who of those that reach the agent may ask, and its deadline.

    ``before`` names the reading verb of the same service that shows the thing: how it was, for the audit trail, and
    whose it is. ``of`` says what the thing is called, and which argument names it. ``why`` everybody may change it.
    """

    changes: bool
    who: Who = Who.EVERYBODY
    timeout_seconds: float = 60.0
    before: str | None = None
    of: tuple[str, str] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class FileText:
    """On the command line: a file's path (``-``: standard input), whose text is sent (at most ``limit_bytes``).

    ``stdin``: it is read from standard input where no file is named. ``option``: it is given as ``--name FILE``.
    """

    metavar: str = "FILE"
    limit_bytes: int = 1 << 20
    stdin: bool = False
    option: bool = False


@dataclass(frozen=True, slots=True)
class FileOf:
    """Filled in by the command line: the text of the file that ``parameter`` names, unless another one is given."""

    parameter: str
    unless: str
    metavar: str = "RULE.yaml"
    limit_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class FolderOf:
    """Filled in by the command line: the absolute folder of the file given for ``parameter``."""

    parameter: str


@dataclass(frozen=True, slots=True)
class AbsolutePath:
    """On the command line: a path, sent absolute."""

    metavar: str = "PATH"


@dataclass(frozen=True, slots=True)
class Option:
    """On the command line: a required ``--name VALUE`` instead of a positional word.

    ``word`` stands there instead of the name (``from``, which Python keeps for itself).
    """

    metavar: str | None = None
    help: str | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """On the command line: a word that may be left out, which may also be given as ``--name VALUE``."""

    metavar: str
    help: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """On the command line: repeated ``--name KEY=VALUE`` (the value an absolute path if ``paths``).

    ``word`` stands there instead of the name (``set``, which Python keeps for itself). ``short`` has options of their
    own for some keys, ``rest`` is the key of what follows ``--``, as a list.
    """

    metavar: str = "KEY=VALUE"
    paths: bool = False
    word: str | None = None
    short: Mapping[str, str] = field(default_factory=dict)
    rest: str | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """On the command line: a time as ``-1h`` (ago), ``2026-11-24 13:00`` or Unix seconds; sent as Unix seconds.

    ``word`` stands there instead of the name. ``ahead``: it lies ahead, so that ``18:00`` is the next one.
    """

    metavar: str = "TIME"
    word: str | None = None
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """On the command line: ``--name`` or ``--no-name``; without either, what may be None is left as it is."""


@dataclass(frozen=True, slots=True)
class Rest:
    """On the command line: what follows ``--``, as a list."""

    metavar: str


@dataclass(frozen=True, slots=True)
class Length:
    """On the command line: ``--word 1h`` (``30m``, ``2d``, plain seconds); sent as seconds."""

    word: str
    metavar: str = "TIME"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Filled in by whoever asks: a word of their own, by which they hear how far it is, and may stop it."""


CURSOR = Option("CURSOR", "goes on where a page ended: the word that it gives as next")

_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_FORMS = (FileText, FileOf, FolderOf, AbsolutePath, Option, Word, Pairs, Moment, Length, Switch, Rest, Ticket)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a verb: its type, default (``inspect.Parameter.empty`` if required) and command-line form."""

    name: str
    type: Any
    default: Any
    form: (
        FileText
        | FileOf
        | FolderOf
        | AbsolutePath
        | Option
        | Word
        | Pairs
        | Moment
        | Length
        | Switch
        | Rest
        | Ticket
        | None
    )

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types that a value may have, without None."""
        options = get_args(self.type) if get_origin(self.type) in {Union, types.UnionType} else (self.type,)
        return tuple(option for option in options if option is not types.NoneType)

    @property
    def wanted(self) -> str | None:
        """Say in words what a value may be; None for what one word can't tell (lists, mappings)."""
        words = [_WORDS.get(kind) for kind in self.kinds]
        return " or ".join(word for word in words if word) if all(words) else None

    def check(self, value: Any) -> None:
        """Refuse what fits the type and is of no use: NaN, infinities, no id where one is due. Raises Invalid."""
        if value == "" and self.name.endswith("_id") and self.default != "":
            raise Invalid(f"{self.name} is empty.", "Give the id as the list shows it.")
        if isinstance(value, float) and not math.isfinite(value):
            raise Invalid(f"{self.name}: {value} is not a number to work with.")

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Verb:
    """A declared verb: where it lives, what it takes and gives, its help text and its mark."""

    service: str
    name: str
    parameters: tuple[Parameter, ...]
    declared: Callable[..., Any]
    doc: str
    mark: VerbMark

    @property
    def returns(self) -> Any:
        """What it answers with. Who asks for it has the record loaded, which asking itself needs none of."""
        return _hints(self.declared, ("return",))["return"]

    @property
    def streams(self) -> bool:
        """Tell whether the verb yields lines instead of returning a record."""
        told: Any = self.declared.__annotations__["return"]
        return told.startswith("Iterator[") if isinstance(told, str) else get_origin(told) is Iterator

    @property
    def has_body(self) -> bool:
        """Tell whether it is asked for with a body (POST): what changes something, and what takes a whole file."""
        return self.mark.changes or any(isinstance(one.form, (FileText, Pairs)) for one in self.parameters)

    @property
    def word(self) -> str:
        """What it is called by people: its name without the ``_`` that keeps it apart from a word of Python's."""
        return self.name.rstrip("_")

    @property
    def path(self) -> str:
        return f"/v1/{self.service}/{self.word}"


def reads(method: F) -> F:
    """Mark a verb that only reads: it may be repeated and leaves no audit record; a GET, unless it takes a file."""
    setattr(method, _MARK, VerbMark(changes=False))
    return method


def reads_for(timeout_seconds: float) -> Callable[[F], F]:
    """Mark a verb that only reads and may take so long; else as ``reads``."""

    def mark(method: F) -> F:
        setattr(method, _MARK, VerbMark(changes=False, timeout_seconds=timeout_seconds))
        return method

    return mark


def reads_own(*, before: str, of: tuple[str, str]) -> Callable[[F], F]:
    """Mark a verb that only reads what is its owner's: users' data. ``before`` and ``of`` as for ``changes``."""

    def mark(method: F) -> F:
        setattr(method, _MARK, VerbMark(changes=False, who=Who.OWNER, before=before, of=of))
        return method

    return mark


def changes(
    *,
    who: Who = Who.EVERYBODY,
    timeout_seconds: float = 60.0,
    before: str | None = None,
    of: tuple[str, str] | None = None,
    why: str = "",
) -> Callable[[F], F]:
    """Mark a verb that changes something: a POST that is audited; ``who`` may ask for it.

    ``before`` is the verb that shows the thing, asked with those of the arguments that it takes. What is for the
    owner of a thing has to say how it is shown, and (``of``) what it is called and which argument names it; what is
    for everybody, ``why`` it is, among people who share a machine.
    """
    if who is Who.OWNER and (before is None or of is None):
        raise TypeError("A verb for the owner of a thing names the verb that shows it, and the argument that names it.")

    if (who is Who.EVERYBODY) is not bool(why):
        raise TypeError("A verb by which everybody may change something says why, and no other.")

    def mark(method: F) -> F:
        made = VerbMark(changes=True, who=who, timeout_seconds=timeout_seconds, before=before, of=of, why=why)
        setattr(method, _MARK, made)
        return method

    return mark


def verbs_of(service: str, protocol: type) -> tuple[Verb, ...]:
    """Read all verbs that ``protocol`` declares, in the order of their declaration."""
    return tuple(verb_named(service, protocol, name) for name in names_of(protocol))


def names_of(protocol: type) -> tuple[str, ...]:
    """Return the names of all verbs that ``protocol`` declares, of which nothing else is read."""
    return tuple(name for name, member in vars(protocol).items() if hasattr(member, _MARK))


@cache
def verb_named(service: str, protocol: type, name: str) -> Verb:
    """Return the verb of that name, which ``protocol`` declares."""
    return _verb(service, name, vars(protocol)[name])


def _verb(service: str, name: str, method: Callable[..., Any]) -> Verb:
    taken = {key: value for key, value in inspect.signature(method).parameters.items() if key != "self"}
    hints = _hints(method, taken)
    parameters = tuple(_parameter(parameter, hints[key]) for key, parameter in taken.items())
    mark: VerbMark = getattr(method, _MARK)
    return Verb(service, name, parameters, method, inspect.getdoc(method) or "", mark)


def _hints(method: Callable[..., Any], names: Iterable[str]) -> dict[str, Any]:
    """Return some of a method's types: of its parameters (by name), or of what it returns ("return")."""
    some = types.SimpleNamespace(__annotations__={name: method.__annotations__[name] for name in names})
    return get_type_hints(some, method.__globals__, AnswerNames(), include_extras=True)


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    forms = [form for form in getattr(hint, "__metadata__", ()) if isinstance(form, _FORMS)]
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return Parameter(parameter.name, plain, parameter.default, forms[0] if forms else None)


MOST_LISTED = 10_000  # chosen: some ten megabytes of JSON
MOST_ON_A_PAGE = 1000
"""Entries on one page of a list: whoever wants more goes on with its cursor."""


def check_limit(limit: int, most: int = MOST_LISTED) -> int:
    """Return ``limit`` if it lies between 1 and ``most``. Raises Invalid."""
    if not 1 <= limit <= most:
        raise Invalid(f"The limit must lie between 1 and {most:,}, not {limit}.", "Give --limit another number.")
    return limit
