"""``jobs import`` of a file that ``jobs export`` wrote: another verb is asked, shown what would run unless --submit."""

import argparse
from pathlib import Path

from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.verbs.declaration import Verb, verb_named
from mlops_desk.kit.verbs.desk import PROTOCOLS

IMPORT = ("jobs", "import_")
ENDING = ".mldcapsule"
_ZIP = b"PK\x03\x04"
"""How a zip archive begins (APPNOTE 4.3.7), whatever the file is called."""


_GRANTS = (
    ("--secret", "secrets", "NAME", f"let the job of a {ENDING} file have this secret of yours, if it asks for it"),
    ("--relax", "relax", "POINT", "let its container be less closed in this point, if it asks for it"),
    ("--port", "ports", "PORT", "open this port of its container on this machine, if it asks for it"),
    ("--git", "git", "ADDRESS", "fetch its code from this address, if it asks for it"),
)
"""What the job of somebody else's file may have of this machine: option, parameter of the verb, value, help."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what holds for exported jobs alone."""
    parser.add_argument("--submit", action="store_true", help=f"queue the job of a {ENDING} file, not only show it")
    parser.add_argument(
        "--set", dest="changed", metavar="FIELD=VALUE", action="append",
        help=f"a field of the job of a {ENDING} file with its new value; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="TARGET=PATH", action="append",
        help="where the data of a mount target lie on this machine; may be given several times",
    )  # fmt: skip
    for option, dest, metavar, text in _GRANTS:
        parser.add_argument(option, dest=dest, metavar=metavar, action="append", help=text)
    text = f"let the job of a {ENDING} file reach the network, as your own jobs do"
    parser.add_argument("--network", action="store_true", help=text)
    parser.add_argument("--runtime", metavar="RUNTIME", help="name of the engine to run on; without it this machine's")


def chosen(verb: Verb, given: argparse.Namespace) -> Verb:
    """Return the verb that is meant. Raises Invalid for what makes no sense with other files."""
    if (verb.service, verb.name) != IMPORT:
        return verb
    if given.file is None or not _is_exported(given.file):
        grants = [given.data, given.secrets, given.relax, given.ports, given.git, given.network]
        if given.submit or given.changed or given.runtime or any(grants):
            text = f"All options but --docker-run and --only are for {ENDING} files, which jobs export writes."
            raise Invalid(text, Hint("mlops-desk jobs submit FILE", before="A job file that was printed: "))
        return verb
    if given.docker_run or given.only:
        raise Invalid(f"A {ENDING} file is one job, and is taken whole.", "Leave out the other options.")
    for _, dest, _, _ in _GRANTS:
        setattr(given, dest, " ".join(getattr(given, dest) or ()))
    return verb_named("jobs", PROTOCOLS["jobs"], "submit_import" if given.submit else "preview_import")


def _is_exported(file: str) -> bool:
    """Tell it by its name, or by how it begins: nobody's job file is a zip archive."""
    if file.endswith(ENDING):
        return True
    try:
        with Path(file).open("rb") as stream:
            return stream.read(len(_ZIP)) == _ZIP
    except OSError:
        return False  # what reads it says so
