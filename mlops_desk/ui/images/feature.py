"""Images, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.ui.actions import Action
from mlops_desk.ui.feature import Badge, Feature, as_it_is, go, later
from mlops_desk.ui.images import loads
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark


def _mark(store: Store) -> Mark | None:
    busy = sum(not task.state.is_final for task in loads.tasks(store).values())
    return Mark("info", str(busy), f"{numbers.count(busy, 'image')} on the way") if busy else None


def _things(context: Context) -> Iterator[Action]:
    for image in loads.images(context.store).values():
        yield go(context, "images", image.id, f"Image {image.name}", " ".join(image.tags))


FEATURE = Feature(
    later("mlops_desk.ui.images.page", "ImagesPage"),
    loads=loads.LOADS,
    badge=Badge(frozenset({loads.TASKS}), _mark),
    things=_things,
    sources=frozenset({"images"}),
    shows={"image": as_it_is, "image task": as_it_is},
)
