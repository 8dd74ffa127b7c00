"""The words of ``audit``: alone it lists; what is verified or written may be a file of whoever asks."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.cli.global_options import Parser
from mlops_desk.kit.verbs.declaration import Verb, verb_named
from mlops_desk.kit.verbs.desk import PROTOCOLS


def add(commands: Any, fill: Callable[[Parser, Verb], None]) -> None:
    """Add ``audit`` and its words; ``fill`` gives a parser the options of a verb."""
    text = "who changed what and when, and whether anybody changed what is told of it"
    audit: Parser = commands.add_parser("audit", help=text, description=f"{text[0].upper()}{text[1:]}.")
    fill(audit, _verb("audit"))
    words = audit.add_subparsers(metavar="VERB", parser_class=Parser)
    fill(_word(words, "list", "list the newest changes that were asked for, as audit alone does"), _verb("audit"))
    verify = _word(words, "verify", "tell the first record that was changed, moved or taken away; exit code 1 then")
    fill(verify, _verb("verify_audit"))
    verify.add_argument("--file", metavar="FILE", help="look at an exported audit instead, which needs no agent")
    held = "hold it against the heads in an evidence pack, too (give it several times for several)"
    verify.add_argument("--pack", metavar="FILE", action="append", help=held)
    verify.set_defaults(act="audit-verify")
    export = _word(words, "export", "write the audit as JSON lines that audit verify --file can look at")
    export.add_argument("out", metavar="OUT", help="the file to write; one that is there is not overwritten")
    export.set_defaults(act="audit-export")


def _word(words: Any, name: str, text: str) -> Parser:
    made: Parser = words.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return made


def _verb(name: str) -> Verb:
    return verb_named("agent", PROTOCOLS["agent"], name)
