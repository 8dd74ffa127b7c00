"""What a person reads of tries, replays, exports and variants; and the words by which they are asked for."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.desk.cli.output import text
from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.records.task_progress import Undertaking
from mlops_desk.serving.records.test_request import LatencyFigures, ReplayDifference, Replayed, Tried
from mlops_desk.serving.records.variants import Variant, VariantComparison


def parsed(*words: str) -> dict[str, object]:
    given = parse(words)
    return arguments_of(given.verb, given)


def without_ticket(*words: str) -> dict[str, object]:
    """Return what is asked with, but for the ticket, which is another one each time."""
    arguments = parsed(*words)
    tickets = {str(arguments.pop("ticket")), str(parsed(*words)["ticket"])}
    assert [len(ticket) for ticket in tickets] == [16, 16]
    return arguments


def test_a_file_is_sent_by_its_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    assert parsed("endpoints", "try", "e", "--data", str(tmp_path / "rows.csv")) == {"name": "e", "data": "a\n1\n"}
    assert parsed("endpoints", "try", "e") == {"name": "e", "data": None}


def test_words_of_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_ticket("endpoints", "replay", "e", "--revision", "2", "--limit", "9") == {
        "name": "e", "revision": 2, "since": None, "limit": 9, "rate": 20.0,
    }  # fmt: skip
    words = ("endpoints", "export", "e", "out", "--format", "bundle", "--key", "k")
    asked = {
        "name": "e", "out": str(tmp_path / "out"), "format": "bundle", "revision": None, "key": str(tmp_path / "k"),
        "base": None, "wheels": None, "platform": None,
    }  # fmt: skip
    assert without_ticket(*words) == asked
    more = {"base": str(tmp_path / "b.tar"), "wheels": str(tmp_path / "w"), "platform": "linux/arm64"}
    said = ("--base", "b.tar", "--wheels", "w", "--platform", "linux/arm64")
    assert without_ticket(*words, *said) == {**asked, **more}
    assert without_ticket("endpoints", "compare", "m/3", "--threads", "1,2") == {
        "model": "m/3", "variants": "float32,float16,int8", "threads": "1,2", "data": None, "label": None,
    }  # fmt: skip
    assert not hasattr(parse(("endpoints", "compare", "m/3")), "differing"), "variants are no two things side by side"


def test_an_answer_is_plain_text_and_says_what_is_missing() -> None:
    shown = text(Tried("e", 200, 0.0123, "id-1", 2, "text/plain", "hello\x1b[2J\nworld", 9 << 30, "it is cut"), "")
    assert (
        shown == "200 by revision 2 in 12.3 ms, request id-1\nhello\\x1b[2J\nworld\nThe answer has 9.0 GiB: it is cut."
    )
    assert text(Tried("e", 503, 0.5, "", None, "", "", 0), "").startswith("503, no revision was asked, after 500.0 ms")


def test_a_replay_names_the_worst_differences() -> None:
    worst = (ReplayDifference("id-1", 0, "", "yes", "no"), ReplayDifference("id-2", 3, "p", "0.5", "0.6", 1 / 6))
    told = Replayed("e", 2, 10, 1, 7, 1, 1, {"500": 1}, LatencyFigures(0.01, 0.02, 0.03), None, worst, 1.5)
    assert text(told, "").splitlines() == [
        "10 requests to revision 2 of e in 1.5 s, 1 skipped: the log has not all of them",
        "7 same, 1 close, 1 different, 1 errors",
        "errors: 500 1",
        "logged:   p50 10.0 ms, p95 20.0 ms, p99 30.0 ms",
        "  id-1#0: yes is now no",
        "  id-2#3 p: 0.5 is now 0.6 (16.7 % apart)",
    ]


def test_an_export_says_where_it_is_and_who_signed_it() -> None:
    done = ExportedEndpoint(
        "e", 1, "bundle", "/x/out", "i:r1", "sha256:1", "sha256:2", 5 << 20, 7, ("a", "b"), "SHA256:k"
    )
    assert "as bundle: /x/out (5 MiB, 2 files)" in text(done, "")
    assert "signed by SHA256:k" in text(done, "")
    elsewhere = replace(done, platform="linux/arm64", notes=("x.py is in a and b; that of b is laid.",))
    assert "as bundle, for linux/arm64: /x/out" in text(elsewhere, "")
    assert text(elsewhere, "").splitlines()[-1] == "x.py is in a and b; that of b is laid."


def test_variants_are_a_table_with_what_is_unknown_left_open() -> None:
    whole = Variant("float32", 1, None, 4, 0.001, 0.002, 4000.0, 1 << 20, 2 << 20, 1.0, 0.5, None)
    found = VariantComparison("m", "3", "i", ("avx2",), (whole, Variant("int8", 0, "no onnx")), "Stay.", "A note.")
    lines = text(found, "").splitlines()
    assert lines[2].split() == ["float32", "1", "1.000", "2.000", "4,000", "1.0", "2.0", "100.0", "50.0", "–"]
    assert lines[3].split() == ["int8", *["–"] * 9]
    assert lines[4:] == ["int8: no onnx", "processor: avx2", "A note.", "Stay."]


def test_how_far_something_is_is_told_as_a_line() -> None:
    told = Undertaking("The replay", "Asking revision 2.", time.time() - 12, 30, 120)
    assert re.fullmatch(r" +1[23]\.\d s  Asking revision 2\. 30 of 120 \(25 %\)", text(told, ""))
    assert text(replace(told, done=None, total=None), "").endswith(" s  Asking revision 2.")
