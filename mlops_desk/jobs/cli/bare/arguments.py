"""The words of ``mlops-desk exec``: what is wished for, and the command behind ``--``."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.cli.global_options import Parser, add_first_words, command_of, split

_NAME_LIMIT = 100  # what a job file takes for a name
_RESOURCES = ("gpus", "gpu_memory", "gpu_model", "share")
_KEYS = {"priority": "priority", "time_limit": "timeLimit", "grace": "grace"}


@dataclass(frozen=True, slots=True)
class ExecWish:
    """What was asked for: ``spec`` is a job file without an image, as JSON; ``command`` what is to run."""

    given: argparse.Namespace
    spec: str
    command: tuple[str, ...]


def asks(words: Sequence[str]) -> bool:
    """Tell whether the command is ``exec``."""
    return command_of(words) == "exec"


def read(words: Sequence[str]) -> ExecWish:
    """Read the words. Raises Invalid, and SystemExit as argparse does."""
    head, command = split(words)
    given = _parser().parse_args(head)
    if not command:
        hint = Hint("mlops-desk exec --gpus 1 -- python train.py", before="Put it behind two dashes: ")
        raise Invalid("No command is given.", hint)
    return ExecWish(given, _spec(given, command), tuple(command))


def _spec(given: argparse.Namespace, command: Sequence[str]) -> str:
    name = given.name or os.path.basename(command[0])[:_NAME_LIMIT] or "process"  # noqa: PTH119 - pathlib takes 10 ms to load
    found = {"name": name, "command": list(command), "preemptible": given.preemptible}
    found |= {key: getattr(given, word) for word, key in _KEYS.items() if getattr(given, word) is not None}
    found["resources"] = {word: getattr(given, word) for word in _RESOURCES if getattr(given, word) is not None}
    if given.share is not None:
        found["resources"]["exclusive"] = False
    if given.experiment is not None:
        found["mlflow"] = {"experiment": given.experiment}
    return json.dumps(found)


def _parser() -> Parser:
    parser = Parser(prog="mlops-desk", add_help=False)
    add_first_words(parser)
    commands = parser.add_subparsers(parser_class=Parser)
    add(commands)
    return parser


def add(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add ``exec`` to the commands."""
    text = "run a command on GPUs that the queue leases to it, until it ends"
    more = (
        "It waits in the same queue as the jobs, and sees its own GPUs only. Its output is its terminal's alone: it is "
        "left as it is, not kept, and not read, so no progress is shown. What it logs to MLflow (--experiment) is."
    )
    usage = "%(prog)s [--gpus N] [OPTION …] -- COMMAND …"
    parser = commands.add_parser("exec", help=text, description=f"{text[0].upper()}{text[1:]}. {more}", usage=usage)
    parser.add_argument("--gpus", metavar="N", default="0", help="how many GPUs (0: none, it only waits its turn)")
    parser.add_argument("--gpu-memory", metavar="AMOUNT", help="memory that each GPU has free at least, as 20GiB")
    parser.add_argument("--gpu-model", metavar="PATTERN", help='which GPUs, by their name, as "H100*"')
    parser.add_argument("--share", metavar="AMOUNT", help="share the GPUs with others, and take so much memory of each")
    parser.add_argument("--name", metavar="NAME", help="what it is called (else the command's)")
    parser.add_argument("--priority", metavar="N", help="larger goes first")
    parser.add_argument(
        "--time-limit", metavar="TIME", help="end it after so long, as 90m; what ends soon may go ahead"
    )
    parser.add_argument("--grace", metavar="TIME", help="how long it has to end by itself when it is asked to")
    parser.add_argument("--preemptible", action="store_true", help="it may be ended for what is more urgent")
    parser.add_argument("--experiment", metavar="NAME", help="log to a run of this experiment on the desk's MLflow")
    parser.add_argument("--now", action="store_true", help="don't wait: fail where it can't begin at once")
    parser.set_defaults(act="exec", verb=None)
