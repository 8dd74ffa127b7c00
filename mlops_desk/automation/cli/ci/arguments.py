"""The words of ``ci run``, which waits, tells how far it is, and writes reports."""

import argparse

from mlops_desk.kit.verbs.declaration import Verb

OWN = {("ci", "run")}


def fill(parser: argparse.ArgumentParser, verb: Verb) -> None:
    """Give the parser of the verb its words."""
    text = "folder of the repository with the pipeline's file (default: this one)"
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=".", help=text)
    parser.add_argument("-f", "--file", metavar="PATH", default="mlops-desk.yaml", help="the pipeline's file in it")
    parser.add_argument(
        "--branch", metavar="NAME", help="run it as of this branch (default: as the runner says, or git)"
    )
    parser.add_argument("--tag", metavar="NAME", help="run it as of this tag (default: as the runner says)")
    text = "folder or file of this machine that its stages get at TARGET, read only; may be given several times"
    parser.add_argument("--data", metavar="TARGET=PATH", action="append", default=[], help=text)
    text = "let its stages have this secret of yours, if they ask for it; may be given several times"
    parser.add_argument("--secret", metavar="NAME", action="append", default=[], help=text)
    parser.add_argument("--dirty", action="store_true", help="run the files as they are, though they differ from git's")
    parser.add_argument("--detach", action="store_true", help="begin it and do not wait: it goes on by itself")
    parser.add_argument("--junit", metavar="FILE", help="write what became of it as JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write it as Markdown")
    parser.add_argument("-q", "--quiet", action="store_true", help="leave out what its jobs write")
    parser.set_defaults(act="ci-run", verb=verb)
