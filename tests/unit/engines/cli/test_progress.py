"""How a pull is shown: in place on a terminal, in a few plain lines elsewhere, and nothing that is not known."""

import io
from dataclasses import replace

import pytest

from mlops_desk.engines.cli.commands import Painter, layer_line, rate, summary
from mlops_desk.engines.records.task import ImageTask, LayerProgress, LayerState, TaskKind, TaskState
from mlops_desk.jobs.records.reason import Reason

TASK = ImageTask("t1", TaskKind.PULL, "a:1", TaskState.RUNNING, 1, "anna", 0.0)
LAYER = LayerProgress("abc", LayerState.DOWNLOADING, 3 << 20, 6 << 20)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (TASK, "asks the registry"),
        (replace(TASK, layers_count=3, layers_done=1), "1 of 3 layers"),
        (replace(TASK, layers_count=1, done_bytes=3 << 20), "0 of 1 layers, 3 MiB"),
        (
            replace(TASK, layers_count=1, done_bytes=3 << 20, total_bytes=6 << 20, bytes_per_second=512 * 1024.0),
            "0 of 1 layers, 3 MiB of 6 MiB, 512 KiB/s",
        ),
        (
            replace(TASK, layers_count=1, done_bytes=0, total_bytes=3 << 30, bytes_per_second=5e6, eta_seconds=644.2),
            "0 of 1 layers, 0 MiB of 3.0 GiB, 4 MiB/s, about 10.7 min left",
        ),
        (
            replace(TASK, state=TaskState.WAITING, reason=Reason("broken", "It broke. It is tried again in 5 s.")),
            "It broke. It is tried again in 5 s.",
        ),
    ],
)
def test_the_line_for_all_has_what_is_known(task: ImageTask, text: str) -> None:
    assert summary(task) == text


def test_slow_is_told_in_smaller_units() -> None:
    assert rate(1000.0) == "1 KiB/s"
    assert rate(300e6) == "286 MiB/s"


def test_a_layer_has_a_bar_only_where_its_size_is_known() -> None:
    assert layer_line(LAYER) == "abc  downloading [############............] 3 MiB of 6 MiB"
    assert layer_line(replace(LAYER, total_bytes=None)) == "abc  downloading 3 MiB"
    assert layer_line(LayerProgress("abc", LayerState.EXTRACTING)) == "abc  extracting "


def test_a_terminal_is_painted_in_place_and_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "5")
    output = Terminal()
    painter = Painter(output)
    many = tuple(replace(LAYER, id=f"layer{number}") for number in range(9))
    painter.show(replace(TASK, layers=many, layers_count=9))
    first = output.getvalue()
    assert "\x1b[" not in first.partition("layer0")[0]
    assert first.count("\n") == 3, "two layers and the line for all fit on five lines"
    assert all(len(line.replace("\x1b[K", "")) < 60 for line in first.split("\n"))
    painter.show(TASK)
    assert output.getvalue().removeprefix(first).startswith("\x1b[3A")
    painter.end()
    done = output.getvalue()
    painter.show(TASK)
    assert not output.getvalue().removeprefix(done).startswith("\x1b[")


def test_elsewhere_each_news_is_told_once() -> None:
    output = io.StringIO()
    painter = Painter(output)
    for done in range(7):
        moving = replace(
            TASK,
            layers=(replace(LAYER, done_bytes=done << 20),),
            layers_count=1,
            done_bytes=done << 20,
            total_bytes=6 << 20,
        )
        painter.show(moving)
        painter.show(moving)
    lines = output.getvalue().splitlines()
    assert lines[0] == "abc: downloading"
    assert [line.partition(" of 6")[0] for line in lines[1:]] == [f"0 of 1 layers, {done} MiB" for done in range(7)]
    waits = replace(TASK, state=TaskState.WAITING, reason=Reason("broken", "It broke."))
    painter.show(waits)
    painter.show(waits)
    assert output.getvalue().splitlines()[len(lines) :] == ["It broke."]
    assert "\x1b" not in output.getvalue()
