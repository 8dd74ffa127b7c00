"""The columns of the page's tables: images, pulls and builds, what needs an image, volumes."""

from mlops_desk.engines.records.image import ImageCard, ImageUser, VolumeCard
from mlops_desk.engines.records.task import ImageTask
from mlops_desk.engines.window import words
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import numbers


def _size(count: int | None, tip: str = "") -> Cell:
    return Cell(numbers.size(count), -1 if count is None else count, tip=tip)


def _when(at: float | None) -> Cell:
    return Cell(numbers.ago(at), -1.0 if at is None else at, tip=numbers.absolute(at) if at is not None else "")


def _used(image: ImageCard) -> Cell:
    names = "\n".join(f"{words.kind(user)} {user.name}" for user in image.used_by[:20])
    return Cell(words.used(image), len(image.used_by), None if image.used_by else "muted", names)


def _name(image: ImageCard) -> Cell:
    nameless = not image.tags
    return Cell(words.listed_name(image), image.name.lower(), "muted" if nameless else None, "\n".join(image.tags[:20]))


IMAGES: tuple[Column[ImageCard], ...] = (
    Column("name", "Image", _name, stretch=True, whole=True, order=lambda one: one.name.lower()),
    Column("id", "Id", lambda one: Cell(words.short_id(one.id), tip=one.id), fixed=True, order=lambda one: one.id),
    Column("size", "Size", lambda one: _size(one.size_bytes), right=True, order=lambda one: one.size_bytes or -1),
    Column("shared", "Shared", lambda one: _size(one.shared_bytes, "In layers that other images have too"), right=True,
           order=lambda one: -1 if one.shared_bytes is None else one.shared_bytes),
    Column("own", "Frees", lambda one: _size(one.own_bytes, "What is free without it"), right=True,
           order=lambda one: -1 if one.own_bytes is None else one.own_bytes),
    Column("created", "Made", lambda one: _when(one.created_at), order=lambda one: one.created_at or -1.0),
    Column("brought", "Came here", lambda one: _when(one.brought_at), order=lambda one: one.brought_at or -1.0,
           hidden=True),
    Column("platform", "Platform", lambda one: Cell(one.platform or numbers.NOTHING), hidden=True),
    Column("used", "Needed by", _used, order=lambda one: len(one.used_by)),
)  # fmt: skip


def image_words(image: ImageCard) -> str:
    """Return what a filter looks through of an image: cells of thousands would be prepared for it otherwise."""
    users = " ".join(user.name for user in image.used_by[:50])
    return f"{' '.join(image.tags)} {' '.join(image.digests)} {image.id} {image.platform} {image.origin} {users}"


def _state(task: ImageTask) -> Cell:
    mark = words.mark(task)
    return Cell(mark.text, mark.word, mark.token, task.reason.text if task.reason else "")


def _progress(task: ImageTask) -> Cell:
    share = None if task.state.is_final else words.share(task)
    return Cell(words.progress(task) or numbers.NOTHING, bar=share)


TASKS: tuple[Column[ImageTask], ...] = (
    Column("reference", "On their way", lambda one: Cell(one.reference), stretch=True),
    Column("state", "State", _state),
    Column("progress", "How far", _progress),
    Column("pace", "Speed", lambda one: Cell(words.pace(one))),
    Column("user", "By", lambda one: Cell(one.user)),
    Column("started", "Begun", lambda one: _when(one.started_at)),
)

USERS: tuple[Column[ImageUser], ...] = (
    Column("kind", "What", lambda one: Cell(words.kind(one))),
    Column("name", "Name", lambda one: Cell(one.name), stretch=True, whole=True),
    Column("state", "State", lambda one: Cell(one.state)),
    Column("user", "Whose", lambda one: Cell(one.user or numbers.NOTHING)),
)


def _volume_used(volume: VolumeCard) -> Cell:
    names = "\n".join(user.name for user in volume.used_by[:20])
    text = words.used_by(volume.used_by) or numbers.NOTHING
    return Cell(text, len(volume.used_by), None if volume.used_by else "muted", names)


VOLUMES: tuple[Column[VolumeCard], ...] = (
    Column("name", "Volume", lambda one: Cell(one.name), stretch=True, whole=True),
    Column("driver", "Driver", lambda one: Cell(one.driver or numbers.NOTHING)),
    Column("size", "Size", lambda one: _size(one.size_bytes), right=True),
    Column("created", "Made", lambda one: _when(one.created_at)),
    Column("used", "Used by", _volume_used),
)
