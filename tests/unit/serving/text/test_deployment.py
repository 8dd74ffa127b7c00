"""A deployment that failed ends the command with 1, and what ``stop --all`` leaves behind is named."""

import json
import shlex
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.desk.cli import agent_commands, commands, output
from mlops_desk.desk.cli.main import main
from mlops_desk.desk.cli.parser import build
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.serving.records.access import DeployedEndpoint, NewToken, deployed
from mlops_desk.serving.records.endpoint import AliasFollowing, Endpoint, EndpointState, ModelRef, Replica
from mlops_desk.serving.records.variants import Variant, VariantComparison
from mlops_desk.serving.text.deployment import failure, farewell, staying
from mlops_desk.serving.text.endpoints import COLUMNS, endpoint
from mlops_desk.serving.text.variants import compared

MODEL = ModelRef("digits", "1", "models:/digits/1")
REPLICA = Replica("front-r1", 1, "running", "unix:/e/front/model.sock")
LIVE = Endpoint("front", EndpointState.LIVE, "http://127.0.0.1:1/front", 1, MODEL, (REPLICA,))
WHY = Reason("build_failed", "No matching distribution.", "pip said so", "Set serving.wheelhouse.")
DEPLOY = build().parse_args(["endpoints", "deploy", "digits/2", "--name", "front"]).verb
STOP = build().parse_args(["endpoints", "stop", "front"]).verb


def told(answer: Endpoint, **given: Any) -> DeskError | None:
    return failure(DEPLOY, {"model": "digits/2", "name": "front", "wait": True, **given}, answer)


def test_live_is_no_failure_and_what_is_not_waited_for_is_none_yet() -> None:
    assert told(LIVE) is None
    building = replace(LIVE, state=EndpointState.BUILDING)
    assert told(building, wait=False) is None
    assert failure(STOP, {"name": "front"}, replace(LIVE, state=EndpointState.STOPPED)) is None


@pytest.mark.parametrize(
    ("answer", "words", "hint"),
    [
        (replace(LIVE, state=EndpointState.FAILED, replicas=(), reason=WHY), "failed: No matching distribution.",
         "Set serving.wheelhouse."),
        (replace(LIVE, reason=WHY), "failed: No matching distribution. Version 1 goes on answering.",
         "Set serving.wheelhouse."),
        (replace(LIVE, reason=replace(WHY, hint=None)), "Version 1 goes on", "mlops-desk endpoints show front"),
        (replace(LIVE, state=EndpointState.UNHEALTHY, reason=WHY), "failed: No matching", "Set serving.wheelhouse."),
        (replace(LIVE, state=EndpointState.STOPPED, replicas=()), "the endpoint is stopped",
         "mlops-desk endpoints show front"),
        (replace(LIVE, state=EndpointState.STARTING), "goes on, but took too long",
         "mlops-desk endpoints show front"),
    ],
)  # fmt: skip
def test_whatever_way_it_failed_it_says_so(answer: Endpoint, words: str, hint: str) -> None:
    failed = told(answer)
    assert failed is not None
    assert "digits/2 as front" in failed.message
    assert words in failed.message
    assert failed.hint == hint


class Desk:
    """An agent that answers with one endpoint."""

    def __init__(self, endpoint: Endpoint, *, simulated: bool = False, token: str | None = None) -> None:
        self.endpoint = endpoint
        self.token = token
        self.asked: list[bool] = []
        self.agent = SimpleNamespace(
            info=lambda: SimpleNamespace(pid=7, simulated=simulated),
            shutdown=lambda *, everything: self.asked.append(everything),
        )
        self.endpoints = SimpleNamespace(list=lambda: [endpoint])

    def call(self, _verb: object, _arguments: object) -> DeployedEndpoint:
        return deployed(self.endpoint, self.token)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    def become(endpoint: Endpoint, **more: Any) -> Desk:
        made = Desk(endpoint, **more)
        for module in (commands, agent_commands):
            monkeypatch.setattr(module, "connect", lambda *_, **__: made)
        monkeypatch.setattr(agent_commands, "wait_until_gone", lambda *_: True)
        return made

    return become


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_command_ends_with_1_and_still_shows_the_endpoint(
    desk: Any, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["endpoints", "deploy", "digits/2", "--name", "front", *more]
    desk(replace(LIVE, reason=WHY))
    assert main(words) == 1
    output, errors = capsys.readouterr()
    assert "front" in output
    assert "The deployment of digits/2 as front failed: No matching distribution." in errors
    desk(LIVE)
    assert main(words) == 0
    assert capsys.readouterr().err == ""


def test_stop_all_names_what_stays_without_a_way_to_it(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made = desk(LIVE)
    assert main(["agent", "stop", "--all"]) == 0
    said = capsys.readouterr().out
    assert "endpoint front goes on running and can't be reached now" in said
    assert "mlops-desk endpoints stop front" in said
    assert main(["agent", "stop", "--all", "--json"]) == 0
    assert '"endpoints_left": ["front"]' in capsys.readouterr().out
    assert made.asked == [True, True]


def test_stop_alone_and_a_demo_leave_nothing_unreachable(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    desk(LIVE)
    assert main(["agent", "stop"]) == 0
    desk(LIVE, simulated=True)
    assert main(["agent", "stop", "--all"]) == 0
    desk(replace(LIVE, state=EndpointState.STOPPED, replicas=()))
    assert main(["agent", "stop", "--all"]) == 0
    assert "goes on" not in capsys.readouterr().out


def test_several_are_told_together() -> None:
    assert staying([LIVE, replace(LIVE, name="b"), replace(LIVE, name="c", replicas=())]) == ["front", "b"]
    assert farewell([]) == ""
    assert "endpoints front, b go on running" in farewell(["front", "b"])


def test_the_first_token_is_shown_with_a_line_to_paste_and_later_none(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["endpoints", "deploy", "digits/2", "--name", "front"]
    desk(replace(LIVE, token_required=True), token="s3cret")
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Its token is told this once: s3cret\n" in said
    assert 'TOKEN=s3cret; curl -H "Authorization: Bearer $TOKEN"' in said
    assert said.rstrip().endswith("http://127.0.0.1:1/front")
    desk(replace(LIVE, token_required=True))
    assert main(words) == 0
    said = capsys.readouterr().out
    assert 'curl -H "Authorization: Bearer $TOKEN"' in said
    assert "told this once" not in said
    desk(LIVE)
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Authorization" not in said
    assert "open to every user of this machine" in said


def test_with_json_the_token_is_in_the_answer_also_of_a_deployment_that_failed(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["endpoints", "deploy", "digits/2", "--name", "front", "--json"]
    desk(replace(LIVE, state=EndpointState.FAILED, reason=WHY, token_required=True), token="s3cret")
    assert main(words) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["token"], answer["token_required"], answer["state"]) == ("s3cret", True, "failed")


@pytest.mark.parametrize(("required", "held"), [(True, 1), (True, 3), (False, 1)])
def test_a_new_token_is_the_last_word(required: bool, held: int) -> None:
    said = output.text(NewToken("front", "s3cret", held, required, "http://127.0.0.1:1/front"))
    assert said.split()[-1] == "s3cret"
    assert said.count("s3cret") == 1
    assert ("--no-open" in said) is not required


def test_the_line_to_paste_brings_the_models_example_where_it_is_short(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["endpoints", "deploy", "digits/2", "--name", "front"]
    desk(replace(LIVE, example={"inputs": ["it's"]}))
    assert main(words) == 0
    line = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert shlex.split(line.removeprefix("Ask it: "))[-3:] == [
        "-d",
        '{"inputs": ["it\'s"]}',
        "http://127.0.0.1:1/front",
    ]
    desk(replace(LIVE, example={"inputs": "x" * 500}, example_path="/v1/chat/completions"))
    assert main(words) == 0
    assert capsys.readouterr().out.rstrip().endswith("-d @request.json http://127.0.0.1:1/front/v1/chat/completions")


def test_what_does_not_answer_is_not_said_to_and_its_token_is_told(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["endpoints", "deploy", "digits/2", "--name", "front"]
    failed = replace(
        LIVE, state=EndpointState.FAILED, reason=replace(WHY, evidence="pip\ngave up"), token_required=True
    )
    desk(failed, token="s3cret")
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "Its token is told this once: s3cret" in said
    assert "Ask it" not in said
    assert "evidence        pip\n                gave up\n" in said
    desk(replace(failed, traffic={"1": 1.0}))
    assert main(words) == 1
    assert "Ask it" in capsys.readouterr().out


def test_a_comparison_of_which_nothing_could_be_measured_has_failed() -> None:
    wrong = Variant("as it is", 1, error="status 400: no column")
    found = VariantComparison("digits", "2", "img", (), (wrong, wrong), "None.")
    failed = failure(STOP, {}, found)
    assert failed is not None
    assert failed.message == "No variant of digits/2 could be measured: status 400: no column"
    assert compared(found).count("status 400") == 1
    assert failure(STOP, {}, replace(found, variants=(wrong, Variant("int8", 1)))) is None


def test_a_list_says_what_is_followed_and_that_the_alias_has_moved() -> None:
    following = AliasFollowing("2", 1.0, waits_for=WHY)
    assert COLUMNS["FOLLOWS"](LIVE) == "–"
    assert COLUMNS["FOLLOWS"](replace(LIVE, follows="champion")) == "champion"
    assert COLUMNS["FOLLOWS"](replace(LIVE, follows="champion", following=following)) == "champion (moved)"
    assert COLUMNS["ERRORS 24H"](replace(LIVE, errors={"4xx": 1200, "timeout": 1})) == "4xx: 1,200, timeout: 1"


def test_one_that_a_retraining_leads_says_so_beside_its_alias() -> None:
    led = AliasFollowing("1", 1.0, led_by="6da15932")
    told = endpoint(replace(LIVE, follows="champion", following=led))
    assert "alias champion; pipeline 6da15932 tries another version beside it" in told
