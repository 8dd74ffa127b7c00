"""The files of serving that come along: the scoring server, and the templates of runtimes."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

SCORING_SERVER = "scoring_server.py"
VERIFY = "verify.sh"
VARIANT_BENCH = "variant_bench.py"
COLUMN_IMPORTANCE, MODEL_SAYS = "column_importance.py", "model_says.py"
RELAY = "relay.py"
_FOLDER = "runtimes"


def text(name: str) -> str:
    """Return a shipped file. Raises OSError."""
    return (folder() / name).read_text("utf-8")


def folder() -> Traversable:
    """Return where they lie: in a checkout beside the package, else where it was installed."""
    beside = Path(__file__).resolve().parents[3] / "resources" / _FOLDER
    return beside if beside.is_dir() else files("mlops_desk_resources") / _FOLDER
