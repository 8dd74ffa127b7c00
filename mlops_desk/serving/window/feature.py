"""Endpoints, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.kit.window.words.alerts import gravest
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records import event as events
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState

_BAD = {EndpointState.FAILED, EndpointState.UNHEALTHY}


def _ask(desk: ClientLike, _store: Store) -> dict[str, Endpoint]:
    return {endpoint.name: endpoint for endpoint in desk.endpoints.list()}


def _mark(store: Store) -> Mark | None:
    """Return the mark of the endpoint that is worst, as its page and the overview show it."""
    every = (store.endpoints.value or {}).values()
    bad = [marks.ENDPOINT_MARKS[endpoint.state] for endpoint in every if endpoint.state in _BAD]
    worst = gravest(bad)
    return worst and Mark(worst.token, worst.shape, numbers.count(len(bad), "endpoint") + " not well")


def _things(context: Context) -> Iterator[Action]:
    for name in context.store.endpoints.value or {}:
        yield go(context, "endpoints", name, f"Endpoint {name}")


def _wrong_now(store: Store) -> Iterator[Line]:
    for endpoint in (store.endpoints.value or {}).values():
        if endpoint.state in _BAD:
            yield Line(
                marks.ENDPOINT_MARKS[endpoint.state],
                f"endpoint {plain(endpoint.name)}" + (f": {plain(endpoint.reason.text)}" if endpoint.reason else ""),
                numbers.ago(endpoint.updated_at),
                f"endpoints/{endpoint.name}",
            )


FEATURE = Feature(
    later("mlops_desk.serving.window.page", "EndpointsPage"),
    loads=(
        Loaded(
            Topic.ENDPOINTS,
            _ask,
            {
                events.EndpointChanged: announcements.put(
                    lambda store: store.endpoints, lambda event: (event.endpoint.name, event.endpoint)
                ),
                events.EndpointRemoved: announcements.remove(lambda store: store.endpoints, lambda event: event.name),
            },
            early=True,
        ),
    ),
    badge=Badge(frozenset({Topic.ENDPOINTS}), _mark),
    things=_things,
    wrong_now=_wrong_now,
    sources=frozenset({"serving", "endpoints"}),
    shows={"endpoint": as_it_is},
    acts={"endpoints.deploy": later("mlops_desk.serving.window.deploy_form", "open_deploy")},
    offers=(
        OfferedAct("endpoints.deploy", "Deploy a model …", "serve create new endpoint"),
        OfferedAct("endpoints.log", "Load what is shown of the endpoint anew", "reload refresh"),
        OfferedAct("endpoints.span", "Requests of the time that the charts show", "logged requests"),
        OfferedAct("endpoints.revision", "New revision of the chosen endpoint …", "deploy update redeploy"),
        OfferedAct("endpoints.token", "New token for the chosen endpoint …", "key password access"),
        OfferedAct("endpoints.promote", "Promote the revision on its way", "make live release rollout canary"),
        OfferedAct(
            "endpoints.back",
            "Roll back the chosen endpoint …",
            "undo revert take back make it live previous revision rollback",
        ),
        OfferedAct("endpoints.export", "Export the chosen endpoint …", "save archive"),
        OfferedAct("endpoints.replay", "Replay logged requests …", "load test measure"),
        OfferedAct("endpoints.sleep", "Let the chosen endpoint sleep", "idle scale zero"),
        OfferedAct("endpoints.wake", "Wake the chosen endpoint", "start"),
        OfferedAct("endpoints.lend", "Lend the GPUs of the chosen endpoint to jobs …", "give gpus"),
        OfferedAct("endpoints.claim", "Ask for the GPUs of the chosen endpoint back", "take back gpus"),
        OfferedAct("endpoints.pause", "Pause the chosen endpoint …", "hold stop"),
        OfferedAct("endpoints.resume", "Resume the chosen endpoint", "continue go on"),
        OfferedAct("endpoints.stop", "Stop the chosen endpoint …", "end shut down"),
        OfferedAct("endpoints.remove", "Remove the chosen endpoint …", "delete"),
    ),
)
