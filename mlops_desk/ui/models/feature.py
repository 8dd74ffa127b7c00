"""Models, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.records import event as events
from mlops_desk.records.model import Model, Registry
from mlops_desk.ui.actions import Action
from mlops_desk.ui.feature import Feature, as_it_is, go, later
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Loaded, Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.verbs.desk import ClientLike


def _ask_models(desk: ClientLike, store: Store) -> dict[str, Model]:
    return {model.name: model for model in desk.models.list(uri=store.models_uri)}


def _ask_registry(desk: ClientLike, _store: Store) -> Registry:
    return desk.models.server()


def _keep_registry(store: Store, event: events.RegistryChanged) -> bool:
    if event.uri is None:
        store.registry.value = event.registry
    return True


def _models_changed(_store: Store, _event: events.RegistryChanged) -> bool:
    """Tell the page, which asks anew for the models that it shows: the event says only that some changed."""
    return True


def _things(context: Context) -> Iterator[Action]:
    for name in context.store.models.value or {}:
        yield go(context, "models", name, f"Model {name}")


FEATURE = Feature(
    later("mlops_desk.ui.models.page", "ModelsPage"),
    loads=(
        Loaded(Topic.REGISTRY, _ask_registry, {events.RegistryChanged: _keep_registry}, early=True),
        Loaded(Topic.MODELS, _ask_models, {events.RegistryChanged: _models_changed}),
    ),
    things=_things,
    sources=frozenset({"registry", "models"}),
    shows={"model": as_it_is},
)
