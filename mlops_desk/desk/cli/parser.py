"""The argument parser, made from the declared verbs plus what is done without an agent."""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_origin
from urllib.parse import quote

from mlops_desk import __version__
from mlops_desk.automation.cli.ci import arguments as ci_words
from mlops_desk.desk.cli.deep_links import arguments as opening_words
from mlops_desk.desk.cli.help import help_of, sentence
from mlops_desk.drift.cli import arguments as drift_words
from mlops_desk.engines.cli import arguments as image_words
from mlops_desk.governance.cli import arguments as card_words
from mlops_desk.governance.cli.audit import arguments as audit_words
from mlops_desk.governance.cli.evidence import arguments as evidence_words
from mlops_desk.jobs.cli import archive_import
from mlops_desk.jobs.cli.bare import arguments as bare_words
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.time_expressions import parse_length, parse_moment
from mlops_desk.kit.cli.global_options import Parser, add_first_words, command_of, split
from mlops_desk.kit.verbs import PROTOCOLS
from mlops_desk.kit.verbs.declaration import (
    AbsolutePath,
    FileOf,
    FileText,
    FolderOf,
    Length,
    Moment,
    Option,
    Pairs,
    Parameter,
    Rest,
    Switch,
    Ticket,
    Verb,
    Word,
    names_of,
    verb_named,
    verbs_of,
)

HIDDEN_SERVICES = {"agent", "telemetry", "bare", "monitors", "evidence"}
_STANDARD_INPUT = "-"
_TICKET_BYTES = 8  # chosen: nobody guesses it
_DRY_RUNS = {
    ("jobs", "submit"): ("preview", "queue nothing; tell when it would start, and what would start it sooner"),
    ("jobs", "rerun"): (
        "preview_rerun",
        "queue nothing; tell in what it would differ, and what it lacks",
    ),
}
"""Verbs with a switch to another verb, by that one's name."""
_LISTED = {"events"}
"""Services whose word alone lists."""
_COMPARES = {("runs", "compare"), ("models", "compare")}
"""Of two things that are laid side by side a person reads what differs; ``--all`` shows the rest too."""
_SHORT = {"follow": ("-f",)}
"""Switches with one letter, as everybody knows it from ``tail`` and from ``docker logs``."""


_SHORTCUTS = {
    "history": ("telemetry", "history"),
    "status-at": ("telemetry", "status_at"),
    "processes": ("telemetry", "processes"),
    "series": ("telemetry", "series"),
    "doctor": ("agent", "doctor"),
    "lineage": ("models", "lineage"),
}
"""Verbs that need no word for their service."""


def build(command: str | None = None, word: str | None = None) -> Parser:
    """Return the parser; the chosen verb is in ``verb``, what is no verb in ``act``.

    ``command`` is the first word: of the services only its own is read, and all of them where it is none of ours.
    ``word`` is the second: of the service's verbs only its own is read, and all of them where it is none of them.
    """
    parser = Parser(prog="mlops-desk", description="One window for the people who share one multi-GPU workstation.")
    parser.add_argument("--version", action="version", version=f"mlops-desk {__version__}")
    add_first_words(parser)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    adding: dict[str, Callable[[], object]] = {
        "agent": partial(_add_agent, commands),
        "status": partial(_add_status, commands),
        "audit": partial(audit_words.add, commands, _fill),
        "evidence": partial(evidence_words.add, commands, _fill),
        "exec": partial(bare_words.add, commands),
        "open": partial(opening_words.add_open, commands),
        **{word: partial(_add_shortcut, commands, word, *verb) for word, verb in _SHORTCUTS.items()},
        **{
            service: partial(_add_service, commands, service, word)
            for service in PROTOCOLS
            if service not in HIDDEN_SERVICES
        },
    }
    for name in [command] if command in adding else adding:
        adding[name]()
    return parser


def _add_agent(commands: Any) -> None:
    agent = commands.add_parser("agent", help="the process that works when nobody looks")
    agent.set_defaults(act="agent")
    acts = agent.add_subparsers(metavar="ACT", parser_class=Parser)
    acts.add_parser("run", help="be the agent, in the foreground (also without a word)").set_defaults(act="agent")
    acts.add_parser("status", help="tell whether one runs; starts none").set_defaults(act="agent-status")
    text = "end agent, collector and workers; stop --all ends the gateway and the tracking server too"
    stop = acts.add_parser("stop", help=text, description=f"{text[0].upper()}{text[1:]}.")
    stop.add_argument("--all", action="store_true", dest="everything", help="end gateway and tracking server too")
    stop.set_defaults(act="agent-stop")
    text = "list the backups of the databases, or put one in the place of what is there; an agent that runs is ended"
    restore = acts.add_parser("restore", help=text, description=f"{text[0].upper()}{text[1:]}. Nothing is deleted.")
    restore.add_argument("name", metavar="NAME", nargs="?", help="which backup, as the list names it")
    restore.add_argument("--list", action="store_true", dest="listed", help="only list them, newest first")
    restore.set_defaults(act="agent-restore")


def _add_shortcut(commands: Any, word: str, service: str, name: str) -> None:
    parser = _add_verb(commands, word, _verb(service, name))
    if word == "lineage":
        text = "as events of OpenLineage, one JSON document a line"
        events = _verb(service, "open_lineage")
        parser.add_argument("--openlineage", action="store_const", dest="verb", const=events, help=text)


def _verb(service: str, name: str) -> Verb:
    return verb_named(service, PROTOCOLS[service], name)


def _add_status(commands: Any) -> None:
    status = _add_verb(commands, "status", _verb("telemetry", "status"))
    watch = "go on and paint in place (with --json: one document a line) until Ctrl+C or the agent's end"
    status.add_argument("--watch", action="store_const", dest="act", const="watch", default="verb", help=watch)


def _add_service(commands: Any, service: str, word: str | None = None) -> None:
    protocol = PROTOCOLS[service]
    about = _first_line(protocol.__doc__)
    parser = commands.add_parser(service, help=about, description=f"{about}.")
    verbs = parser.add_subparsers(metavar="VERB", required=service not in _LISTED, parser_class=Parser)
    if service in _LISTED:
        _fill(parser, _verb(service, "list"))
    for verb in _verbs(service, protocol, word):
        if (service, verb.name) == ("drift", drift_words.PROFILE):
            continue
        _add_verb(verbs, verb.word.replace("_", "-"), verb)
        if (service, verb.name) in _DRY_RUNS:
            _add_dry_run(verbs.choices[verb.word], verb, *_DRY_RUNS[service, verb.name])
        if (service, verb.name) in _COMPARES:
            _add_all(verbs.choices[verb.word])
        if (service, verb.name) == ("cards", "export"):
            card_words.add_out(verbs.choices[verb.word])
        if (service, verb.name) == archive_import.IMPORT:
            archive_import.add_options(verbs.choices[verb.word])
    if service == "drift":
        drift_words.add_report(verbs)
        drift_words.add_profile(verbs, _verb("drift", drift_words.PROFILE))
        drift_words.add_monitors(verbs, verbs_of("monitors", PROTOCOLS["monitors"]), _add_verb)
        drift_words.add_performance(verbs)
    if service == "runs":
        opening_words.add_run_open(verbs)


def _verbs(service: str, protocol: type, word: str | None) -> Sequence[Verb]:
    """Return the verb of that word; all of them where it is none, for then they are to be listed."""
    name = next((name for name in names_of(protocol) if name.rstrip("_").replace("_", "-") == word), None)
    return verbs_of(service, protocol) if name is None else [verb_named(service, protocol, name)]


def _add_dry_run(parser: Parser, verb: Verb, preview: str, text: str) -> None:
    """Give a verb a switch by which another one is asked, with the same arguments."""
    other = _verb(verb.service, preview)
    parser.add_argument("--dry-run", action="store_const", dest="verb", const=other, default=verb, help=text)


def _add_all(parser: Parser) -> None:
    """Give a verb that compares a switch for what is the same; with --json all of it is there anyhow."""
    text = "show what is the same too"
    parser.add_argument("--all", dest="differing", action="store_false", default=True, help=text)


def _add_verb(parsers: Any, word: str, verb: Verb) -> Parser:
    parser: Parser = parsers.add_parser(word, help=_first_line(verb.doc), description=_escaped(verb.doc))
    _fill(parser, verb)
    return parser


def _fill(parser: Parser, verb: Verb) -> None:
    for words in (image_words, ci_words):
        if (verb.service, verb.name) in words.OWN:
            words.fill(parser, verb)
            return
    for parameter in verb.parameters:
        _add_parameter(parser, verb, parameter)
    for form in (parameter.form for parameter in verb.parameters):
        if isinstance(form, Rest):
            _tell_rest(parser, form.metavar)
    parser.set_defaults(act="verb", verb=verb)


def _add_parameter(parser: argparse.ArgumentParser, verb: Verb, parameter: Parameter) -> None:
    form = parameter.form
    text = _escaped(help_of(verb, parameter))
    word = (form.word if isinstance(form, (Option, Length, Pairs, Moment)) else None) or parameter.name
    option = "--" + word.replace("_", "-")
    if isinstance(form, (FileOf, FolderOf, Rest, Ticket)):
        return
    if parameter.type is bool or isinstance(form, Switch):
        names = (option, *_SHORT.get(parameter.name, ()))
        parser.add_argument(*names, action=argparse.BooleanOptionalAction, default=parameter.default, help=text)
    elif isinstance(form, Pairs):
        _add_pairs(parser, parameter, form, option, text)
    elif get_origin(parameter.type) is list and parameter.required and form is None:
        parser.add_argument(parameter.name, metavar=parameter.name.removesuffix("s").upper(), nargs="+", help=text)
    elif isinstance(form, FileText) and not form.option and (form.stdin or not parameter.required):
        parser.add_argument(parameter.name, metavar=form.metavar, nargs="?", help=text)
    elif isinstance(form, Word):
        _add_word(parser, parameter, form, option, text)
    elif parameter.required and not isinstance(form, (Option, Moment, Length)):
        metavar = form.metavar if isinstance(form, (FileText, AbsolutePath)) else parameter.name.upper()
        parser.add_argument(parameter.name, metavar=metavar, type=_type(parameter), help=text)
    else:
        named = form.metavar if isinstance(form, (Option, Moment, Length, FileText)) else None
        metavar = named or parameter.name.upper()
        default = None if parameter.required else parameter.default
        parser.add_argument(
            option, dest=parameter.name, metavar=metavar, required=parameter.required, default=default,
            type=_type(parameter), help=text,
        )  # fmt: skip


def _add_word(parser: argparse.ArgumentParser, parameter: Parameter, form: Word, option: str, text: str) -> None:
    # Suppressed, or the word that is left out would put its default over what the option was given.
    parser.add_argument(parameter.name, metavar=form.metavar, nargs="?", default=argparse.SUPPRESS, help=text)
    also = f"the same as {form.metavar}"
    default = "" if parameter.required else parameter.default
    parser.add_argument(option, dest=parameter.name, metavar=form.metavar, default=default, help=also)


def _add_pairs(parser: argparse.ArgumentParser, parameter: Parameter, form: Pairs, option: str, text: str) -> None:
    parser.add_argument(option, dest=parameter.name, metavar=form.metavar, action="append", help=text)
    for short, key in form.short.items():
        about = f"short for {option} {key}=..."
        parser.add_argument(f"--{short}", dest=_short(parameter, short), metavar=short.upper(), help=about)
    if form.rest is not None:
        _tell_rest(parser, form.rest.upper())


def _tell_rest(parser: argparse.ArgumentParser, metavar: str) -> None:
    parser.usage = f"{parser.format_usage().partition(':')[2].strip()} [-- {metavar} ...]"


def _short(parameter: Parameter, short: str) -> str:
    return f"{parameter.name}.{short}"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return what ``words`` say. What follows ``--`` is a command for a verb that takes one, and as ever for others."""
    head, rest = split(words)
    command = command_of(head)
    parser = build(command, _next(head, command))
    if not rest or command is None or command not in PROTOCOLS or not _takes_rest(command, head):
        return parser.parse_args(words)
    given = parser.parse_args(head)
    given.rest = rest
    return given


def _next(words: Sequence[str], command: str | None) -> str | None:
    """Return the word that stands right behind the command."""
    at = words.index(command) + 1 if command in words else len(words)
    return words[at] if at < len(words) else None


def _takes_rest(service: str, head: Sequence[str]) -> bool:
    """Tell whether the verb that is named in ``head`` takes a command."""
    return any(
        (service, verb.name) in pairwise(head) and any(_is_rest(item.form) for item in verb.parameters)
        for verb in verbs_of(service, PROTOCOLS[service])
    )


def _is_rest(form: Any) -> bool:
    return isinstance(form, Rest) or (isinstance(form, Pairs) and form.rest is not None)


def _type(parameter: Parameter) -> Any:
    """Return what argparse converts with: the one type beside None."""
    kind = str if isinstance(parameter.form, (Moment, Length)) else parameter.kinds[0]
    if kind is float:
        return _number
    return kind if kind in {int, str} else str


def _number(text: str) -> float:
    """Read a finite number: NaN compares with nothing, so no limit would hold it."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number to work with")
    return value


def _first_line(text: str | None) -> str:
    return _escaped((text or "").partition("\n")[0].rstrip("."))


def _escaped(text: str | None) -> str:
    """Return a text as argparse takes it literally."""
    return sentence(text).replace("%", "%%")


def arguments_of(verb: Verb, given: argparse.Namespace) -> dict[str, Any]:
    """Return what to send for ``verb``: file contents, absolute paths, pairs as a mapping. Raises Invalid."""
    arguments: dict[str, Any] = {}
    for parameter in verb.parameters:
        form = parameter.form
        if isinstance(form, FolderOf):
            path = getattr(given, form.parameter)
            folder = Path.cwd() if path in {None, _STANDARD_INPUT} else Path(path).absolute().parent
            arguments[parameter.name] = str(folder)
            continue
        if isinstance(form, Ticket):
            arguments[parameter.name] = os.urandom(_TICKET_BYTES).hex()  # as secrets does, which loads more
            continue
        if isinstance(form, Rest):
            arguments[parameter.name] = getattr(given, "rest", None)
            continue
        value = _path_of(form, given) if isinstance(form, FileOf) else getattr(given, parameter.name)
        if isinstance(form, Moment) and value is not None:
            value = parse_moment(value, time.time(), ahead=form.ahead)
        if isinstance(form, Length) and value is not None:
            value = parse_length(value)
        if isinstance(form, (FileOf, FileText)):
            value = _STANDARD_INPUT if value is None and isinstance(form, FileText) and form.stdin else value
            value = parameter.default if value is None else _read(value, form)
        elif isinstance(form, AbsolutePath) and value is not None:
            value = str(Path(value).expanduser().absolute())
        elif isinstance(form, Pairs):
            value = _all_pairs(parameter, form, given)
        arguments[parameter.name] = _absolute_uri(parameter.name, value)
    return arguments


def _path_of(form: FileOf, given: argparse.Namespace) -> str | None:
    """Return the path that a word is, where it is one."""
    return getattr(given, form.parameter) if getattr(given, form.unless) is None else None


def file_of(verb: Verb, given: argparse.Namespace) -> str | None:
    """Return the path of the file whose text is sent for ``verb``, as it was given; None where none is."""
    files = [getattr(given, item.name) for item in verb.parameters if isinstance(item.form, FileText)]
    files += [_path_of(item.form, given) for item in verb.parameters if isinstance(item.form, FileOf)]
    if not files or files[0] is None:
        return None
    return "standard input" if files[0] == _STANDARD_INPUT else plain(files[0])


_RELATIVE = {"sqlite:///": "sqlite:///", "file:": "file://"}
"""What MLflow takes a path behind that need not be absolute, and what stands before an absolute one."""


def _absolute_uri(name: str, value: Any) -> Any:
    """Make a relative path given as ``--uri`` absolute: the agent has another working folder."""
    if name != "uri" or not isinstance(value, str):
        return value
    if "://" not in value and (value.startswith(("./", "../")) or Path(value).exists()):
        return str(Path(value).absolute())
    for scheme, root in _RELATIVE.items():
        if value.startswith(scheme) and not value.startswith(scheme + "/"):
            return f"{root}{quote(str(Path.cwd()))}/{value.removeprefix(scheme)}"  # a folder may be called 100%25
    return value


def _read(path: str, form: FileText | FileOf) -> str:
    try:
        with sys.stdin.buffer if path == _STANDARD_INPUT else Path(path).open("rb") as file:
            data = file.read(form.limit_bytes + 1)
    except OSError as error:
        raise Invalid(
            f"{path} can't be read: {error.strerror}.", "Give the path of a file, or - for standard input."
        ) from error
    if len(data) > form.limit_bytes:
        raise Invalid(f"{path} is larger than {form.limit_bytes >> 10} KiB.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not text in UTF-8.") from error


def _all_pairs(parameter: Parameter, form: Pairs, given: argparse.Namespace) -> Mapping[str, str] | None:
    """Return the pairs that were given, those of their own options, and the command after ``--``; None without any."""
    values = getattr(given, parameter.name)
    pairs = {} if values is None else dict(_pairs(form.word or parameter.name, values, form))
    for short, key in form.short.items():
        value = getattr(given, _short(parameter, short))
        if value is not None:
            pairs[key] = value
    rest = getattr(given, "rest", None)
    if form.rest is not None and rest:
        pairs[form.rest] = json.dumps(rest)  # which is YAML, whatever is in it
    return pairs or None


def _pairs(name: str, values: Sequence[str], form: Pairs) -> Mapping[str, str]:
    pairs = {}
    for item in values:
        key, equals, value = item.partition("=")
        if not equals or not key or not value:
            raise Invalid(f"--{name} {item!r} is not of the form {form.metavar}.")
        pairs[key] = str(Path(value).expanduser().absolute()) if form.paths else value
    return pairs
