"""The words of ``drift report`` and ``drift profile``, which need no agent and are no verbs of it."""

from typing import Any

_OPTIONS = (
    ("--columns", "A,B", "compare only these columns"),
    ("--ignore", "A,B", "do not compare these columns"),
    ("--target", "A,B", "what the model learns to tell; that the current data lack it is no fault"),
    ("--prediction", "A,B", "what the model answered; likewise"),
    ("--id", "A,B", "what only names a row; not compared"),
    ("--kind", "COLUMN=KIND", "numeric, categorical, boolean, time, text or identifier, whatever it looks like"),
)
"""Options that may be given several times; a comma parts names."""
_RENAME = ("--rename", "NOW=BEFORE", "the current data's column NOW is the reference's BEFORE")


def add_report(verbs: Any) -> None:
    """Add ``drift report``."""
    text = "compare two files, or folders of files (Parquet, CSV, JSON lines); needs no agent"
    more = "Exit code 0 whatever the verdict (a drifted data set is an answer), 1 when they can't be compared."
    report = verbs.add_parser("report", help=text, description=f"{text[0].upper()}{text[1:]}. {more}")
    about = "the data the model was trained on, or a profile of them (drift profile)"
    report.add_argument("--reference", required=True, metavar="REF", help=about)
    report.add_argument("--current", required=True, metavar="CUR", help="the data to judge")
    for option, metavar, what in (*_OPTIONS, _RENAME):
        report.add_argument(option, metavar=metavar, action="append", default=[], help=what)
    report.add_argument("--html", metavar="OUT", help="write the report as a page of its own to OUT, too")
    report.set_defaults(act="drift-report")


def add_profile(verbs: Any) -> None:
    """Add ``drift profile``."""
    text = "read a reference once and keep it as a profile, for drift report --reference PROFILE; needs no agent"
    more = "A profile has some kilobytes for each column; a file larger than memory is read in parts."
    profile = verbs.add_parser("profile", help=text, description=f"{text[0].upper()}{text[1:]}. {more}")
    about = "the data the model was trained on: a file or a folder of files (Parquet, CSV, JSON lines)"
    profile.add_argument("--reference", required=True, metavar="REF", help=about)
    profile.add_argument("--out", required=True, metavar="PROFILE", help="the file to write")
    for option, metavar, what in _OPTIONS:
        profile.add_argument(option, metavar=metavar, action="append", default=[], help=what)
    profile.set_defaults(act="drift-profile")
