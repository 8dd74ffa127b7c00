"""The words of ``drift``: ``report``, ``profile``, ``performance``, which need no agent, and the verbs of monitors."""

from collections.abc import Callable, Iterable
from typing import Any

from mlops_desk.kit.cli.global_options import Parser
from mlops_desk.kit.verbs.declaration import Verb

_OPTIONS = (
    ("--columns", "A,B", "compare only these columns"),
    ("--ignore", "A,B", "do not compare these columns"),
    ("--target", "A,B", "what the model learns to tell; that the current data lack it is no fault"),
    ("--prediction", "A,B", "what the model answered; likewise"),
    ("--id", "A,B", "what only names a row; not compared"),
    ("--real-values", "COLUMN=NA", "in this column words like NA and none (parted by commas) are values, not missing"),
    ("--kind", "COLUMN=KIND", "numeric, categorical, boolean, time, text or identifier, whatever it looks like"),
)
"""Options that may be given several times; a comma parts names."""
_RENAME = ("--rename", "NOW=BEFORE", "the current data's column NOW is the reference's BEFORE")

PROFILE = "profile"
"""The verb of the agent's that ``add_profile`` adds."""
BESIDE = frozenset({"history"})
"""Verbs about monitors that stand beside ``drift monitors``."""


def add_monitors(verbs: Any, monitors: Iterable[Verb], add: Callable[[Any, str, Verb], Parser]) -> None:
    """Add ``drift monitors …`` and ``drift history``; ``add`` makes a parser of a verb."""
    text = "what is watched for drift, and how it stands"
    parser = verbs.add_parser("monitors", help=text, description=f"{text[0].upper()}{text[1:]}.")
    words = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    for verb in monitors:
        add(verbs if verb.name in BESIDE else words, verb.word, verb)


_FORMS = (
    "Data are a file or a folder of files (Parquet, CSV, JSON lines), also larger than memory; sql:ADDRESS with a "
    "query (sqlite:////path/to/file.db, postgresql://USER@HOST/DATABASE; a password better in PGPASSWORD, ~/.pgpass); "
    "mlflow:RUN/NAME, a data set or a table that a run logged; or models:/NAME/VERSION, what a version was trained on. "
    "The last two ask the agent."
)


def add_report(verbs: Any) -> None:
    """Add ``drift report``."""
    text = "compare two sets of data: files, folders, databases or what runs have logged; files need no agent"
    more = "Exit code 0 whatever the verdict (a drifted data set is an answer), 1 when they can't be compared."
    report = verbs.add_parser("report", help=text, description=f"{text[0].upper()}{text[1:]}. {_FORMS} {more}")
    about = "the data the model was trained on, or a profile of them (drift profile)"
    report.add_argument("--reference", required=True, metavar="REF", help=about)
    report.add_argument("--current", required=True, metavar="CUR", help="the data to judge")
    report.add_argument("--query", metavar="SQL", help="where --current is a database: the query that gives the rows")
    report.add_argument("--reference-query", metavar="SQL", help="where --reference is a database: likewise")
    for option, metavar, what in (*_OPTIONS, _RENAME):
        report.add_argument(option, metavar=metavar, action="append", default=[], help=what)
    report.add_argument("--html", metavar="OUT", help="write the report as a page of its own to OUT, too")
    about = "compare rows as wholes too: MMD, and a classifier that names the columns which give the current rows away"
    report.add_argument("--multivariate", action="store_true", help=about)
    about = "compare the rows of each of this column's values by themselves, too"
    report.add_argument("--segment", metavar="COLUMN", help=about)
    about = "what columns mean to the model, a JSON object of a number each: tells how much of that has drifted"
    report.add_argument("--importance", metavar="FILE", help=about)
    _add_manner(report)
    report.set_defaults(act="drift-report")


def add_profile(verbs: Any, shown: Verb) -> None:
    """Add ``drift profile``: with a version it asks the agent for ``shown``, else it reads data and needs none."""
    text = "read a reference once and keep it as a profile, for drift report --reference PROFILE; files need no agent"
    more = (
        "A profile has some kilobytes for each column; a file larger than memory is read in parts. With MODEL/VERSION "
        "instead, show what is kept of the data that a version was trained on: the profile that the desk has left "
        "among the files of its run."
    )
    profile = verbs.add_parser("profile", help=text, description=f"{text[0].upper()}{text[1:]}. {_FORMS} {more}")
    about = "show the profile of a version's data, without --reference and --out"
    profile.add_argument("version", metavar="MODEL/VERSION", nargs="?", help=about)
    about = "with MODEL/VERSION: the registry, as models show takes it"
    profile.add_argument("--uri", metavar="URI", help=about)
    profile.add_argument("--reference", metavar="REF", help="the data the model was trained on")
    profile.add_argument("--query", metavar="SQL", help="where they are a database: the query that gives the rows")
    profile.add_argument("--out", metavar="PROFILE", help="the file to write")
    for option, metavar, what in _OPTIONS:
        profile.add_argument(option, metavar=metavar, action="append", default=[], help=what)
    _add_manner(profile)
    profile.set_defaults(act="drift-profile", verb=shown)


def add_performance(verbs: Any) -> None:
    """Add ``drift performance``."""
    text = "tell how good a model's answers were, from files with labels beside them or by a monitor"
    more = (
        "Files need no agent; with --monitor NAME it is told what that monitor has scored, and files are not read. "
        "With a reference it also tells what has changed, and what to expect of rows whose label is not there yet. "
        "Exit code 0 whatever the figures, 1 when they can't be had."
    )
    told = verbs.add_parser("performance", help=text, description=f"{text[0].upper()}{text[1:]}. {more}")
    about = "the rows to judge: a file or a folder of files (Parquet, CSV, JSON lines)"
    told.add_argument("--data", metavar="FILE", help=about)
    told.add_argument("--label", metavar="COL", help="what turned out; rows without are counted")
    told.add_argument("--prediction", metavar="COL", help="what the model answered; without it the likeliest class")
    about = "probabilities: of the positive class, lists of them, or a column each (prob_CLASS; may be given again)"
    told.add_argument("--score", metavar="COL", action="append", default=[], help=about)
    told.add_argument("--reference", metavar="FILE", help="labelled rows that the model answered while it was good")
    told.add_argument("--positive", metavar="CLASS", help="of two classes the one that figures speak of")
    about = "whatever the labels look like"
    told.add_argument("--kind", choices=("classification", "regression"), help=about)
    told.add_argument("--window", metavar="ROWS", type=int, help="judge so many rows at a time, in the file's order")
    told.add_argument("--quiet", action="store_true", help="do not say on stderr how far it is")
    told.add_argument("--monitor", metavar="NAME", help="what this drift monitor has scored, window by window")
    moment = "of a monitor's windows, those {} then: -7d, a date, or Unix seconds"
    told.add_argument("--since", metavar="TIME", help=moment.format("since"))
    told.add_argument("--until", metavar="TIME", help=moment.format("until"))
    told.add_argument("--limit", metavar="N", type=int, help="of a monitor's windows, the newest so many (100)")
    told.set_defaults(act="drift-performance")


def _add_manner(parser: Any) -> None:
    parser.add_argument(
        "--query-seconds", type=float, default=600.0, metavar="S", help="how long a query may take (600)"
    )
    order = parser.add_mutually_exclusive_group()
    what = "of dates like 01/02/2024 the first number is the {}, where the column's own values don't tell"
    order.add_argument("--dayfirst", dest="day_first", action="store_true", default=None, help=what.format("day"))
    order.add_argument("--monthfirst", dest="day_first", action="store_false", help=what.format("month"))
    parser.add_argument("--quiet", action="store_true", help="do not say on stderr how far it is")
