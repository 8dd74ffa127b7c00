"""What this machine's processor can do that makes a difference to models. Pure but for the reading of one file."""

from pathlib import Path

_WORDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("avx2", frozenset({"avx2"})),
    ("avx512", frozenset({"avx512f"})),
    ("vnni", frozenset({"avx512_vnni", "avx_vnni"})),
    ("bf16", frozenset({"avx512_bf16", "bf16"})),
    ("amx", frozenset({"amx_int8", "amx_bf16", "amx_tile"})),
    ("fp16", frozenset({"avx512_fp16", "asimdhp"})),
    ("dotprod", frozenset({"asimddp"})),
    ("i8mm", frozenset({"i8mm"})),
    ("sve", frozenset({"sve"})),
)
"""Our words, and the kernel's for them: ``arch/x86/include/asm/cpufeatures.h``, and arm64's ``elf_hwcaps.rst``."""


def features(table: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return what the processor can do; nothing where the kernel does not tell."""
    try:
        return parsed(table.read_text("ascii", "replace"))
    except OSError:
        return ()


def parsed(text: str) -> tuple[str, ...]:
    """Return the words of the first processor that the kernel lists."""
    lines = (line.partition(":") for line in text.splitlines())
    flags = next((set(value.split()) for name, _, value in lines if name.strip() in {"flags", "Features"}), set())
    return tuple(word for word, known in _WORDS if known & flags)
