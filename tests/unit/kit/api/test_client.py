"""The client alone, on answers made up for it: what it sends, and what becomes of each way an answer can fail."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlops_desk import __version__
from mlops_desk.kit.api import client as clients
from mlops_desk.kit.api import exchange
from mlops_desk.kit.api import exchange as verb_requests
from mlops_desk.kit.api.client import Begun, Client
from mlops_desk.kit.api.exchange import AgentReply, ConnectError, Inquiry, ReadTimeout
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, NotFound, TimedOut, Unavailable
from mlops_desk.kit.verbs.declaration import verb_named, verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS


@dataclass(frozen=True)
class Response:
    """What is answered: a status, and a text or a document, in one piece."""

    status: int
    json: Any = None
    text: str | None = None
    headers: str = ""

    def whole(self) -> bytes:
        body = (json.dumps(self.json) if self.text is None else self.text).encode()
        return f"HTTP/1.1 {self.status} x\r\n{self.headers}content-length: {len(body)}\r\n\r\n".encode() + body


Told = Callable[[Inquiry], Response]


@pytest.fixture
def client(tmp_path, monkeypatch) -> Iterator[Callable[[Told], Client]]:
    made: list[Client] = []

    def make(answer: Told) -> Client:
        def opened(_path: Path, question: Inquiry, _seconds: float | None, _begun: Begun) -> AgentReply:
            told = answer(question).whole()
            here, there = socket.socketpair()
            with there:
                there.sendall(told)
            return AgentReply(here)

        monkeypatch.setattr(exchange, "opened", opened)
        made.append(one := Client(AgentAddress(socket=tmp_path / "no.sock")))
        return one

    yield make
    for one in made:
        one.close()


def test_a_reading_verb_is_a_get_whose_lists_and_switches_are_words(client) -> None:
    asked: list[Inquiry] = []
    one = client(lambda request: asked.append(request) or Response(200, json=[]))
    one.jobs.list(state="running", limit=3)
    verb = next(verb for verb in verbs_of("telemetry", PROTOCOLS["telemetry"]) if verb.name == "curves")
    with pytest.raises(Exception, match=r".*"):  # the answer is none of this verb's
        one.call(verb, {"curves": ["a", "b"], "start": 1.0, "end": 2.0, "buckets": None})
    assert [(question.body, urlsplit(question.target).path) for question in asked] == [
        (None, "/v1/jobs/list"), (None, "/v1/telemetry/curves"),
    ]  # fmt: skip
    assert urlsplit(asked[0].target).query == "state=running&limit=3"
    assert urlsplit(asked[1].target).query == "curves=a&curves=b&start=1.0&end=2.0"


def test_a_changing_verb_is_a_post_and_what_was_not_given_is_not_sent(client) -> None:
    asked: list[Inquiry] = []
    one = client(lambda request: asked.append(request) or Response(404, json={"code": "none", "error": "no"}))
    with pytest.raises(DeskError):
        one.settings.set("drift.window_rows", "500")
    verb = next(verb for verb in verbs_of("settings", PROTOCOLS["settings"]) if verb.name == "set")
    with pytest.raises(DeskError):
        one.call(verb, {"key": "drift.window_rows", "value": None})
    assert json.loads(asked[0].body or b"") == {"key": "drift.window_rows", "value": "500"}
    assert json.loads(asked[1].body or b"") == {"key": "drift.window_rows"}


def test_a_switch_is_sent_as_a_word_of_json() -> None:
    given = {"on": True, "off": False, "n": 3, "names": (1, 2), "text": "a&b=c d/é"}
    assert verb_requests.query(given) == "on=true&off=false&n=3&names=1&names=2&text=a%26b%3Dc+d%2F%C3%A9"


def raising(error: Exception) -> Told:
    def answer(_question: Inquiry) -> Response:
        raise error

    return answer


def test_an_answer_that_does_not_come_in_time_is_unknown_and_not_failed(client) -> None:
    with pytest.raises(TimedOut, match=r"'jobs show' within 60 s; it may still happen") as caught:
        client(raising(ReadTimeout("late"))).jobs.show("a")
    assert "Look again" in (caught.value.hint or "")


def test_an_agent_that_is_not_there_is_unavailable_with_a_way_out(client, tmp_path) -> None:
    one = client(raising(ConnectError("refused")))
    with pytest.raises(Unavailable, match="ConnectError") as caught:
        one.jobs.show("a")
    assert "ssh -L" in (caught.value.hint or "")  # no agent may be started at a socket
    one.address = AgentAddress.of_folder(tmp_path)
    with pytest.raises(Unavailable, match="ConnectError") as caught:
        one.jobs.show("a")
    assert caught.value.hint == "Start it: mlops-desk status"


def test_an_error_keeps_its_kind_its_words_and_its_hint(client) -> None:
    document = {"code": NotFound.code, "error": "There is no job a.", "hint": "mlops-desk jobs list"}
    with pytest.raises(NotFound, match="There is no job a") as caught:
        client(lambda _request: Response(404, json=document)).jobs.show("a")
    assert caught.value.hint == "mlops-desk jobs list"


def test_an_error_of_a_kind_from_the_future_is_still_an_error(client) -> None:
    document = {"code": "eaten_by_moths", "error": "The job was eaten."}
    with pytest.raises(DeskError, match="The job was eaten") as caught:
        client(lambda _request: Response(418, json=document)).jobs.show("a")
    assert type(caught.value) is DeskError


def test_an_error_without_an_explanation_says_its_number(client) -> None:
    with pytest.raises(Unavailable, match="answered 500 without an explanation"):
        client(lambda _request: Response(500, text="<html>")).jobs.show("a")


def lines(*documents: object) -> Told:
    return lambda _request: Response(200, text="".join(json.dumps(one) + "\n" for one in documents))


def test_a_stream_that_names_an_error_raises_it_after_its_lines(client) -> None:
    told = client(lines({"line": "one"}, {"code": Unavailable.code, "error": "The engine went away."})).jobs.logs("a")
    assert next(told) == "one"
    with pytest.raises(Unavailable, match="engine went away"):
        next(told)


def test_a_line_that_holds_what_unicode_takes_for_its_end_stays_one_line(client) -> None:
    told = "step 1\u2028loss 0.5\x85\x0b\x1c"
    text = json.dumps({"line": told}, ensure_ascii=False) + "\n"
    assert list(client(lambda _question: Response(200, text=text)).jobs.logs("a")) == [told]


def test_what_an_agent_of_this_version_tells_is_handed_on_and_of_another_what_the_record_has(client) -> None:
    verb = verb_named("agent", PROTOCOLS["agent"], "info")
    told = {
        "version": "9.9",
        "uptime_seconds": 1.5,
        "cost": {},
        "data_dir": "/d",
        "pid": 7,
        "sampling": "on",
        "instance": "i",
        "new": 1,
    }
    same = client(lambda _question: Response(200, told, headers=f"X-Agent-Version: {__version__}\r\n"))
    assert same.document(verb, {}) == told
    other = client(lambda _question: Response(200, told, headers="x-agent-version: 9.9\r\n")).document(verb, {})
    assert ("new" in other, other["version"], other["note"]) == (False, "9.9", None)
    older = client(lambda _question: Response(200, told)).document(verb, {})
    assert older == other


def test_a_stream_that_is_refused_is_an_error_and_no_line(client) -> None:
    document = {"code": NotFound.code, "error": "There is no job a."}
    with pytest.raises(NotFound):
        list(client(lambda _request: Response(404, json=document)).jobs.logs("a"))


def test_a_service_has_no_verb_that_nobody_declared(client) -> None:
    with pytest.raises(AttributeError, match="explode"):
        client(lines()).jobs.explode()


def test_announcements_of_a_kind_from_the_future_are_passed_over_and_the_end_is_told(client) -> None:
    notice = {"kind": "Notice", "event": {"level": "info", "source": "x", "text": "y", "hint": None, "at": 1.0}}
    heard = client(lines({"kind": "from_the_future", "event": {}}, notice)).announcements()
    assert next(heard).text == "y"
    with pytest.raises(Unavailable, match="closed the connection"):
        next(heard)


def test_a_change_that_fits_nothing_told_before_is_no_silence(client) -> None:
    with pytest.raises(Unavailable, match="fits nothing it told before"):
        list(client(lines({"kind": "sampled", "change": {"no": "such"}})).announcements())


def test_without_an_agent_none_is_started_when_that_was_not_asked_for(tmp_path) -> None:
    with pytest.raises(Unavailable, match="No agent runs") as caught:
        clients.connect(AgentAddress.of_folder(tmp_path), start=False)
    assert caught.value.hint


def test_an_agent_that_never_answers_is_given_up_with_the_place_of_its_log(tmp_path, monkeypatch) -> None:
    class Silent:
        def check(self) -> None: ...

    monkeypatch.setattr(clients, "START_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(Unavailable, match=r"did not answer within 0\.1 s") as caught:
        clients.connect(AgentAddress.of_folder(tmp_path), started=Silent())
    assert "agent.log" in (caught.value.hint or "")


def test_who_waits_for_an_agent_to_go_is_told_when_it_stays(tmp_path) -> None:
    from mlops_desk.kit.base.disk.lock import FolderLock

    address = AgentAddress.of_folder(tmp_path)
    lock = FolderLock(tmp_path / "agent.lock")
    assert clients.wait_until_gone(address, 1.0)
    assert lock.acquire()
    try:
        assert not clients.wait_until_gone(address, 0.1)
    finally:
        lock.release()
