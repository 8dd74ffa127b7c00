"""The words ``open ADDRESS`` and ``runs open ID``."""

from typing import Any


def add_open(commands: Any) -> None:
    """Add the word that browsers and desktops call."""
    text = "show what an address leads to (mlops-desk://job/ID) in the window; without one, the window"
    parser = commands.add_parser("open", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("destination", metavar="ADDRESS", nargs="?", default="", help="mlops-desk://KIND/NAME")
    parser.set_defaults(act="open")


def add_run_open(verbs: Any) -> None:
    """Add the word that leads from a run to the window."""
    text = "show a run in the window, or in MLflow's own page"
    parser = verbs.add_parser("open", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("run_id", metavar="RUN_ID", help="id of the run")
    parser.add_argument("--mlflow", action="store_true", help="in the browser, on the page of the server that has it")
    parser.add_argument(
        "--uri", metavar="URI", help="tracking URI; without it the setting registry.uri, else the desk's own"
    )
    parser.set_defaults(act="run-open")
