"""The words of ``evidence``: what is written and what is looked at are files of whoever asks."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.cli.global_options import Parser
from mlops_desk.kit.verbs.declaration import Verb, verb_named
from mlops_desk.kit.verbs.desk import PROTOCOLS


def add(commands: Any, fill: Callable[[Parser, Verb], None]) -> None:
    """Add ``evidence`` and its words; ``fill`` gives a parser the options of a verb."""
    text = "one signed file with everything about one model version, and whether one is as it was made"
    evidence: Parser = commands.add_parser("evidence", help=text, description=f"{text[0].upper()}{text[1:]}.")
    words = evidence.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    build = _word(
        words, "build", "write facts, run, lineage, endpoints, drift, decisions, audit and packages of a version"
    )
    fill(build, verb_named("evidence", PROTOCOLS["evidence"], "build"))
    build.add_argument("out", metavar="OUT", help="the file to write; one that is there is not overwritten")
    build.set_defaults(act="evidence-build")
    verify = _word(words, "verify", "tell the first file that is not as it was made; exit code 1 then; needs no agent")
    verify.add_argument("file", metavar="FILE", help="the pack")
    signer = "fingerprint of the key that must have signed it, as build told it: anybody can sign a pack anew"
    verify.add_argument("--signer", metavar="SHA256:…", help=signer)
    verify.set_defaults(act="evidence-verify")


def _word(words: Any, name: str, text: str) -> Parser:
    made: Parser = words.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return made
