"""Whose signed tags count, as a policy is given it: lines of an allowed_signers file, armoured GPG keys among them."""

import base64
import binascii
from dataclasses import dataclass

_BEGIN, _END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
_PRIVATE = "PRIVATE KEY"  # how the first line of each kind of secret key reads: of GPG, of OpenSSH and of PEM
_CHECKSUM = "="  # rfc9580, section 6.1: the line of the CRC begins with it, and no line of base64 does
_PUBLIC_KEY = 6  # rfc9580, section 5: the type of the packet that a public key begins with


@dataclass(frozen=True, slots=True)
class Signers:
    """``ssh`` are lines of an OpenSSH allowed_signers file, without comments; ``gpg`` armoured blocks of public keys.

    ``trouble`` says what makes the whole of it unfit to hold a signature against.
    """

    ssh: tuple[str, ...] = ()
    gpg: tuple[str, ...] = ()
    trouble: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Whom the lines for SSH keys name."""
        return tuple(line.split()[0] for line in self.ssh)


def signers_of(text: str) -> Signers:
    """Part the keys of a policy by their kind."""
    ssh: list[str] = []
    gpg: list[str] = []
    block: list[str] | None = None
    for number, line in enumerate((one.strip() for one in text.splitlines()), 1):
        if line.startswith("-----BEGIN") and _PRIVATE in line:
            return Signers(trouble=f"Line {number} begins a secret key, which belongs in no policy.")
        if line == _BEGIN and block is None:
            block = [line]
        elif block is not None:
            block.append(line)
            if line.startswith("-----"):
                if line != _END or not _is_public_key(block):
                    return Signers(trouble=f"The block that ends in line {number} holds no public GPG key.")
                gpg.append("\n".join((*block, "")))
                block = None
        elif line.startswith("-----"):
            return Signers(trouble=f"Line {number} begins or ends what is neither an SSH key nor a public GPG key.")
        elif line and not line.startswith("#"):
            ssh.append(line)
    if block is not None:
        return Signers(trouble="The last GPG key has no end: the file was cut.")
    return Signers(tuple(ssh), tuple(gpg))


def _is_public_key(block: list[str]) -> bool:
    """Tell whether an armoured block can be read and begins as a public key does; whether it is sound gpg tells."""
    body = block[1:-1]
    if "" in body:  # its own headers, such as Comment, end with an empty line
        body = body[body.index("") + 1 :]
    try:
        data = base64.b64decode("".join(line for line in body if not line.startswith(_CHECKSUM)), validate=True)
    except (binascii.Error, ValueError):
        return False
    if not data or not data[0] & 0x80:
        return False
    kind = data[0] & 0x3F if data[0] & 0x40 else (data[0] & 0x3C) >> 2  # rfc9580, section 4.2: two forms of a header
    return kind == _PUBLIC_KEY
