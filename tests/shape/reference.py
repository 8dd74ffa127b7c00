"""Writes the reference pages of the documentation from the program's own declarations.

``python -m tests.shape.reference`` writes them, ``--check`` says which are old and exits with 1.
"""

import io
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import msgspec

from mlops_desk.automation.rules.document.fields import RuleFile
from mlops_desk.desk.cli.parser import parse
from mlops_desk.desk.model_composition import RECORDED
from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.kit.base.document.field_declarations import Kind, kind_of
from mlops_desk.kit.base.setting import Setting
from mlops_desk.kit.base.settings import SETTINGS
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.records.metric import Metric
from mlops_desk.machine.telemetry.metrics.table import METRICS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "resources" / "docs" / "reference"
MADE = "*Made from the program's own declarations by `python -m tests.shape.reference`.*"
_DEVICES = {
    "gpu": "GPUs", "mig": "MIG instances", "link": "NVLinks", "host": "Host", "core": "Processor cores", "sensor": "Sensors",
    "disk": "Disks", "filesystem": "Filesystems", "network": "Network cards", "endpoint": "Endpoints",
    "drift": "Drift reports", "monitor": "Drift monitors", "job": "Jobs",
}  # fmt: skip
_LISTED = re.compile(r"^    ([a-z][a-z-]*)(?:\s|$)", re.MULTILINE)


def pages() -> dict[str, str]:
    """Return each page's text by the name of its file."""
    return {
        "job-file.md": _document("The job file", "job file", JobFile, "../jobs.md", "Jobs", "jobs schema"),
        "rules.md": _document("The rule document", "rule", RuleFile, "../automation.md", "Automation", "rules schema"),
        "metrics.md": _metrics(),
        "settings.md": _settings(),
        "verbs.md": _verbs(),
    }


def old(folder: Path = FOLDER) -> list[str]:
    """Return the pages that the folder lacks, has in another wording, or has beside those there are."""
    made = pages()
    lying = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(name for name in made.keys() | lying.keys() if made.get(name) != lying.get(name))


def _document(title: str, what: str, table: type[msgspec.Struct], page: str, of: str, schema: str) -> str:
    intro = (
        f"All fields of a {what}. [{of}]({page}) shows how they are used, `mlops-desk {schema}` prints the JSON Schema."
    )
    parts = [f"# {title}", MADE, intro]
    seen: dict[type[msgspec.Struct], str] = {table: ""}
    waiting = [table]
    while waiting:
        at = waiting.pop(0)
        if at is not table:
            parts.append(f"## {seen[at]}\n\n{_sentence(at.__doc__)}")
        rows = []
        for item in msgspec.structs.fields(at):
            kind = kind_of(item.type)
            for inner in _tables(kind):
                if inner not in seen:
                    seen[inner] = item.encode_name
                    waiting.append(inner)
            name = f"`{item.encode_name}`" + (" (required)" if item.required else "")
            rows.append((name, kind.told or "", "; ".join(_expected(kind, seen)), _default(item)))
        parts.append(_table(("field", "what it says", "expected", "default"), rows))
    return "\n\n".join(parts) + "\n"


def _tables(kind: Kind) -> Iterator[type[msgspec.Struct]]:
    if kind.is_table:
        yield kind.type
    for inner in (*(kind.parts if kind.is_list or kind.is_mapping else ()), *([kind.other] if kind.other else [])):
        yield from _tables(inner)


def _expected(kind: Kind, names: Mapping[type[msgspec.Struct], str]) -> Iterator[str]:
    """Yield how a value is written: a table leads to its own fields."""
    if kind.is_table:
        name = names[kind.type]
        yield f"[{name}](#{name.lower()})"
    elif kind.is_list:
        yield "a list: " + "; ".join(_expected(kind.parts[0], names))
    elif kind.is_mapping:
        key, value = (", ".join(_expected(part, names)) for part in kind.parts)
        yield f"`{{key: value}}`, each key {key}, each value {value}"
    elif kind.form is not None:
        yield kind.form.wanted
    if kind.other is not None:
        yield from _expected(kind.other, names)


def _default(item: msgspec.structs.FieldInfo) -> str:
    value = item.default
    if item.required or value in (msgspec.NODEFAULT, None, ()) or isinstance(value, msgspec.Struct):
        return ""
    form = kind_of(item.type).form
    text = str(value if form is None else form.write(value))
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def _metrics() -> str:
    parts = [
        "# Metrics",
        MADE,
        (
            "What is measured, in SI units (`By` is bytes, `Cel` is °C, `1` is a number or a share of 1). `mlops-desk history METRIC --device DEVICE` "
            "shows one, `mlops-desk series` lists what endpoints and drift have recorded. In a rule, `metric:` names one and "
            "`device:` its class. [Telemetry](../telemetry.md) says how long they are kept."
        ),
    ]
    every = [*METRICS, *RECORDED]
    for device in dict.fromkeys(metric.device for metric in every):
        rows = [_metric(metric) for metric in every if metric.device == device]
        parts.append(f"## {_DEVICES.get(device, device)}\n\nClass `{device}`.")
        parts.append(_table(("metric", "unit", "what it is", "in DCGM"), rows))
    parts.append(
        "## What built-in rules measure\n\nRules of your own may name these too. They have no history of their own."
    )
    measured = {one.measure.declared.name: one.measure.declared for one in WATCHED if one.measure.declared is not None}
    rows = [(f"`{name}`", measured[name].unit, _words(measured[name])) for name in sorted(measured)]
    parts.append(_table(("metric", "unit", "what it is"), rows))
    return "\n\n".join(parts) + "\n"


def _metric(metric: Metric) -> tuple[str, ...]:
    return f"`{metric.name}`", metric.unit, _words(metric), f"`{metric.dcgm}`" if metric.dcgm else ""


def _words(metric: Metric) -> str:
    """Return what a metric's help says, or else its title; the help of a fact follows the name of its thing."""
    if metric.is_fact:
        return f"1 when it {metric.help.rstrip('.')}, else 0."
    return _sentence(metric.help or metric.title)


def _settings() -> str:
    parts = [
        "# Settings",
        MADE,
        (
            "`mlops-desk settings list` shows them with their values, `mlops-desk settings set KEY VALUE` changes one, and so does "
            "the page Settings."
        ),
    ]
    for section, group in groupby(sorted(SETTINGS, key=_section), key=lambda one: one.section):
        parts.append(f"## {section}")
        rows = [(f"`{one.key}`", f"**{one.title}.** {one.help}", _shown(one), _values(one)) for one in group]
        parts.append(_table(("setting", "what it does", "default", "values"), rows))
    return "\n\n".join(parts) + "\n"


def _section(setting: Setting) -> int:
    return list(dict.fromkeys(one.section for one in SETTINGS)).index(setting.section)


def _shown(setting: Setting) -> str:
    value = setting.default
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return f"`{text}`{f' {setting.unit}' if setting.unit else ''}" if text else ""


def _values(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    if setting.minimum is None and setting.maximum is None:
        return {"switch": "on, off"}.get(setting.kind, setting.kind)
    least, most = (None if limit is None else f"{limit:,.10g}" for limit in (setting.minimum, setting.maximum))
    if least is not None and most is not None:
        return f"{least} to {most}"
    return f"at least {least}" if most is None else f"at most {most}"


def _verbs() -> str:
    parts = [
        "# Verbs",
        MADE,
        "All verbs of the command line. `--help` behind one explains its options, `--json` makes its answer one JSON document.",
    ]
    with patch.dict(os.environ, {"COLUMNS": "10000"}):
        for word in _below(()):
            lines = [_verb(words) for words in _leaves((word,))]
            parts.append(f"## {word}\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _help(words: Sequence[str]) -> str:
    written = io.StringIO()
    with redirect_stdout(written):
        try:
            parse([*words, "--help"])
        except SystemExit:
            return written.getvalue()
    raise AssertionError(words)


def _below(words: Sequence[str]) -> list[str]:
    """Return the words that may follow these, where the help lists any."""
    text = _help(words)
    listed = text.partition("positional arguments:")[2].partition("\noptions:")[0]
    of_verbs = re.match(r"\n  [A-Z]+\n", listed)
    return [] if of_verbs is None else _LISTED.findall(listed)


def _leaves(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    below = _below(words)
    if not below or (words[0] in {"audit", "events"} and len(words) == 1):
        yield words
    for word in below:
        yield from _leaves((*words, word))


def _verb(words: Sequence[str]) -> str:
    text = _help(words)
    usage, _, rest = text.removeprefix("usage: mlops-desk ").partition("\n")
    about = rest.strip().partition("\n\n")[0]
    if about.startswith(("positional", "options")):  # it has no words of its own: those of the list above it
        listed = re.search(rf"^    {re.escape(words[-1])}\s+(.+)$", _help(words[:-1]), re.MULTILINE)
        about = "" if listed is None else listed[1]
    return f"- `{usage.replace(' [-h]', '').removesuffix(' VERB ...')}`: {_sentence(about)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in every)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _sentence(text: str | None) -> str:
    words = " ".join((text or "").split())
    return words if not words or words.endswith((".", "?")) else f"{words[0].upper()}{words[1:]}."


def main(words: Sequence[str]) -> int:
    if "--check" in words:
        stale = old()
        print("\n".join(f"{FOLDER / name} is old." for name in stale) or "All reference pages are as the code says.")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
