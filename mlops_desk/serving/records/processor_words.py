"""What a processor's instructions are worth to models that are served without a GPU, in words. Pure."""

from collections.abc import Sequence

_HELPS = {"int8": ("vnni", "amx", "dotprod", "i8mm"), "float16": ("fp16",)}
"""What a variant's products are made by: dot products of bytes, and sums of half precision."""


def helping(variant: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return what of a processor makes a variant fast; all that it can where nothing is made for that one."""
    return tuple(word for word in words if word in _HELPS.get(variant, ())) or tuple(words)


def told(words: Sequence[str]) -> str:
    """Say what a processor can do, and what that is worth to models."""
    if not words:
        return "the kernel names no instructions that models gain from"
    fast = [word for word in words if word in _HELPS["int8"]]
    worth = f"int8 models gain from {', '.join(fast)}" if fast else "nothing here is made for int8 models"
    return f"{', '.join(words)}; {worth}"
