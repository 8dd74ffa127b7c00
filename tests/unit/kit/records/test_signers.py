"""The keys of a policy, parted by their kind: nothing that is neither is taken for either, and no secret is kept."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from mlops_desk.governance.records.signers import signers_of

BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"


def block(data: bytes, head: str = "") -> str:
    return f"{BEGIN}\n{head}\n{base64.b64encode(data).decode()}\n=njUN\n{END}\n"


OLD, NEW = block(b"\x98\x33\x04rest"), block(b"\xc6\x33\x04rest", "Comment: of Ana\n")


def test_lines_and_blocks_are_parted() -> None:
    found = signers_of(f"# ours\nana@example.org ssh-ed25519 AAAA\n\n{OLD}  bo ssh-rsa BBBB x\r\n{NEW}")
    assert found.names == ("ana@example.org", "bo")
    assert found.gpg == (OLD, NEW)
    assert found.trouble is None
    assert signers_of("# nobody\n\n") == signers_of("")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ana ssh-rsa AAAA\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "Line 2 begins a secret key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "Line 1 begins a secret key"),
        (f"{BEGIN}\n-----BEGIN RSA PRIVATE KEY-----\n{END}\n", "Line 2 begins a secret key"),
        ("-----BEGIN PUBLIC KEY-----\n", "neither an SSH key nor"),
        (f"{END}\n", "neither an SSH key nor"),
        (OLD.replace(END, ""), "was cut"),
        (f"{BEGIN}\n{OLD}", "holds no public GPG key"),
        (block(b""), "ends in line 5 holds no public GPG key"),
        (block(b"\x88\x33\x04rest"), "holds no public GPG key"),  # a signature, in the old form
        (block(b"\xc2\x33\x04rest"), "holds no public GPG key"),  # likewise, in the new one
        (block(b"\x18\x33\x04rest"), "holds no public GPG key"),  # no packet begins so
        (OLD.replace("mD", "m!"), "holds no public GPG key"),
    ],
)
def test_what_is_unfit_is_told_by_its_line(text: str, said: str) -> None:
    found = signers_of(text)
    assert said in (found.trouble or "")
    assert (found.ssh, found.gpg) == ((), ())


@given(some.text(max_size=200))
@example("-----BEGIN")
@example(f"{BEGIN}\n{END}")
def test_any_text_is_read_without_an_error_and_nothing_comes_from_nowhere(text: str) -> None:
    found = signers_of(text)
    assert all(line in text for line in found.ssh)
    assert found.trouble is None or not (found.ssh or found.gpg)
