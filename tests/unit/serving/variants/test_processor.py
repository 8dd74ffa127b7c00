"""What processors can do, by what kernels write of them: one text was read from a machine, five are put together."""

from pathlib import Path

import pytest

from mlops_desk.serving.processor import features, parsed
from mlops_desk.serving.records.processor_words import helping, told

TEXTS = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "cpuinfo").glob("*.txt"))}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("intel_xeon_8481c", ("avx2", "avx512", "vnni", "bf16", "amx", "fp16")),
        ("intel_i7_8700k", ("avx2",)),
        ("amd_epyc_9005", ("avx2", "avx512", "vnni", "bf16")),
        ("amd_epyc_7302", ("avx2",)),
        ("arm_neoverse_v1", ("bf16", "fp16", "dotprod", "i8mm", "sve")),
        ("arm_raspberry_pi_4", ()),
    ],
)
def test_it_is_read_from_what_the_kernel_says(name: str, words: tuple[str, ...]) -> None:
    assert parsed(TEXTS[name]) == words


def test_the_first_processor_speaks_for_all_and_nonsense_for_none() -> None:
    assert parsed("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx512f\n") == ("avx2",)
    assert parsed("") == parsed("flags\nnonsense: avx2") == parsed("vmx flags\t: avx2") == ()


def test_where_the_kernel_does_not_tell_nothing_is_known(tmp_path: Path) -> None:
    assert features(tmp_path / "missing") == ()
    (tmp_path / "cpuinfo").write_bytes(b"flags\t: \xff\xfe avx2\n")
    assert features(tmp_path / "cpuinfo") == ("avx2",)


def test_of_all_that_it_can_what_makes_a_variant_fast_is_named() -> None:
    words = ("avx2", "avx512", "vnni", "amx", "fp16")
    assert (helping("int8", words), helping("float16", words)) == (("vnni", "amx"), ("fp16",))
    assert helping("float32", words) == words
    assert helping("int8", ("avx2",)) == ("avx2",)
    assert told(words).endswith("int8 models gain from vnni, amx")
    assert told(("avx2",)) == "avx2; nothing here is made for int8 models"
