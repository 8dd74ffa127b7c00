"""Endpoints, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.base.text import plain
from mlops_desk.records import event as events
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.feature import Badge, Feature, as_it_is, go, later
from mlops_desk.ui.live import announcements
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Loaded, Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.widgets.lines import Line
from mlops_desk.ui.words import marks, numbers
from mlops_desk.ui.words.numbers import Mark
from mlops_desk.verbs.desk import ClientLike

_BAD = {EndpointState.FAILED, EndpointState.UNHEALTHY}


def _ask(desk: ClientLike, _store: Store) -> dict[str, Endpoint]:
    return {endpoint.name: endpoint for endpoint in desk.endpoints.list()}


def _mark(store: Store) -> Mark | None:
    bad = sum(endpoint.state in _BAD for endpoint in (store.endpoints.value or {}).values())
    return Mark("warning", numbers.WARNING, numbers.count(bad, "endpoint") + " not well") if bad else None


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
    later("mlops_desk.ui.endpoints.page", "EndpointsPage"),
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
    acts={"endpoints.deploy": later("mlops_desk.ui.endpoints.deploy_form", "open_deploy")},
)
