"""A folder as Hugging Face lays it: weights, description and tokenizer together.

MLflow's transformers flavour keeps the tokenizer apart (``components/tokenizer``). A model without a template for chats
is asked to go on with a text instead.
"""

import json
from pathlib import Path

from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.records.own_image import GoldenRequest
from mlops_desk.serving.templates.conversion import Conversion, lay_all

_LIMIT_BYTES = 16 << 20  # chosen: a tokenizer's settings with a template for chats have some KB
_COMPONENTS = "components"
_TOKENIZERS = ("tokenizer", "processor")
_SIGNS = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model", "tekken.json")


def prepare(order: Conversion) -> GoldenRequest | None:
    """Lay the model and its tokenizer into one folder. Raises Invalid, OSError."""
    lay_all(order.form.folder, order.target)
    for name in _TOKENIZERS:
        beside = order.form.folder.parent / _COMPONENTS / name
        if beside.is_dir() and not beside.is_symlink():
            lay_all(beside, order.target)
    if not any((order.target / sign).is_file() for sign in _SIGNS):
        text = "The model's weights come without a tokenizer, so nothing can be asked of them in words."
        raise Invalid(text, "Log it with its tokenizer: mlflow.transformers.log_model takes a pipeline.")
    if _chats(order.target):
        return None
    body = {"model": order.name, "prompt": "One, two,", "max_tokens": 1, "temperature": 0, "seed": 1}
    return GoldenRequest("/v1/completions", json.dumps(body).encode(), ("choices",))


def _chats(folder: Path) -> bool:
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    try:
        with open_plain(folder / "tokenizer_config.json", links=True) as file:
            told = json.loads(file.read(_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError):
        return False  # the server says what is wrong with it
    return isinstance(told, dict) and bool(told.get("chat_template"))
