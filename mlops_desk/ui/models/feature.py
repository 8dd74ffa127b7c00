"""Models, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.ui.actions import Action
from mlops_desk.ui.feature import Feature, as_it_is, go, later
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.models import loads


def _things(context: Context) -> Iterator[Action]:
    known = loads.cards(context.store)
    for name, card in known.items():
        yield go(context, "models", name, f"Model {name}", " ".join(card.aliases))
    for name in context.store.models.value or {}:
        if name not in known:
            yield go(context, "models", name, f"Model {name}")


def _look(context: Context, uri: str | None) -> None:
    """Look at the models of a registry (None: the default one)."""
    context.store.models_uri = uri
    context.open_page("models", None)


FEATURE = Feature(
    later("mlops_desk.ui.models.page", "ModelsPage"),
    loads=loads.LOADS,
    things=_things,
    sources=frozenset({"registry", "models"}),
    shows={"model": as_it_is},
    acts={"models.look": _look},
)
