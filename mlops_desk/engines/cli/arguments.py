"""The words of ``images pull``, ``build`` and ``prune``, which are more than one verb asked: they wait, or look first.

A pull or build goes on in the agent whoever looks; waiting here is only looking. Ctrl+C ends the looking, and says so.
"""

import argparse
from typing import Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.time_expressions import parse_length
from mlops_desk.kit.verbs.declaration import Verb

OWN = {("images", "pull"), ("images", "build"), ("images", "prune")}
_ENGINE = "name of one of the engines in the settings; without it this machine's own"

_SEEN = {
    "pull": "One sees how far it is; Ctrl+C ends the looking alone.",
    "build": "One sees what it writes; Ctrl+C ends the looking alone.",
    "prune": "Without --yes it is only shown.",
}
"""What the command line does beside the verb."""


def fill(parser: argparse.ArgumentParser, verb: Verb) -> None:
    """Give the parser of one of these verbs its words."""
    {"pull": _fill_pull, "build": _fill_build, "prune": _fill_prune}[verb.name](parser)
    parser.description = f"{parser.description} {_SEEN[verb.name]}"
    parser.add_argument("--engine", metavar="NAME", help=_ENGINE)
    parser.set_defaults(act=f"images-{verb.name}", verb=verb)


def _fill_pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="image to pull, as python:3.12-slim")
    _add_detach(parser)


def _fill_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=".", help="folder to build (default: this one)")
    parser.add_argument(
        "-f", "--file", metavar="FILE", default="Dockerfile", help="Dockerfile, as it lies in the folder"
    )
    parser.add_argument("-t", "--tag", metavar="TAG", default="", help="name of the image (default: the folder's)")
    _add_detach(parser)


def _fill_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="remove what is shown; without it nothing is removed")
    text = "only what nothing has needed for so long, as 30d or 12h"
    parser.add_argument("--unused-for", metavar="TIME", type=_seconds, default=0.0, help=text)


def _add_detach(parser: argparse.ArgumentParser) -> None:
    text = "answer at once; images task ID tells how far it is"
    parser.add_argument("-d", "--detach", action="store_true", help=text)


def _seconds(text: str) -> Any:
    try:
        return parse_length(text)
    except Invalid as error:
        raise argparse.ArgumentTypeError(error.message) from error
