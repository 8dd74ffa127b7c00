"""What rows a retraining is to make, between document and record; what is left out is the record's own default."""

from typing import Literal, cast

from mlops_desk.records.pipelines.synthetic import Augmentation, AugmentUse
from mlops_desk.rules.document.fields import AugmentFields

_PLAIN = Augmentation("", 1)


def augmentation_of(table: AugmentFields, label: str | None) -> Augmentation:
    """Return what a document asks for; ``label`` is the column of the truth that its rule names."""
    return Augmentation(
        table.template,
        table.rows,
        AugmentUse(table.use or AugmentUse.WITH),
        table.file,
        label,
        table.params or {},
        table.seed or 0,
        _PLAIN.quality if table.quality is None else table.quality,
        _PLAIN.copies if table.copies is None else table.copies,
        _PLAIN.protection if table.protection is None else table.protection,
    )


def augment_fields(asked: Augmentation) -> AugmentFields:
    """Return it as the document has it."""
    return AugmentFields(
        template=asked.template,
        rows=asked.rows,
        use=None if asked.use is AugmentUse.WITH else cast("Literal['instead']", asked.use.value),
        file=asked.file,
        params=dict(asked.params) or None,
        seed=asked.seed or None,
        quality=_unless(asked.quality, _PLAIN.quality),
        copies=_unless(asked.copies, _PLAIN.copies),
        protection=_unless(asked.protection, _PLAIN.protection),
    )


def _unless(value: float, plain: float) -> float | None:
    return None if value == plain else value
