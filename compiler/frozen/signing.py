"""Detached ed25519 signatures of compiled files: who vouches for them. Needs the extra `sign` (cryptography)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from .checks import shown
from .document import document_text, read_document

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = "burnish-signature/1"
PASSWORD = "BURNISH_KEY_PASSWORD"
MOST_BYTES = 10_000  # of a key or a signature


@dataclass(frozen=True)
class Signature:
    """A signature that was checked. key: the sha256 of the public key, its first 16 digits: what people compare."""

    key: str
    file_sha256: str

    def to_json(self) -> dict[str, JSON]:
        return {"algorithm": "ed25519", "key": self.key, "file_sha256": self.file_sha256}

    def __str__(self) -> str:
        return f"by the key {self.key} (ed25519)"


def make_key(path: str | os.PathLike[str]) -> tuple[Path, Path, str]:
    """Writes a new private key, readable by its owner alone, and its public key beside it (NAME.pub.pem).

    Returns both paths and the key's short name. With BURNISH_KEY_PASSWORD the private key is encrypted.
    Raises FrozenError where one of the files is there already.
    """
    crypto = _cryptography()
    private = Path(path)
    public = private.with_suffix(".pub.pem")
    for place in (private, public):
        if place.exists():
            raise FrozenError(f"{place} is there already, and a key is never overwritten. Give another name.")
    key = crypto.ed25519.Ed25519PrivateKey.generate()
    form, password = crypto.serialization, os.environ.get(PASSWORD)
    locked = form.BestAvailableEncryption(password.encode()) if password else form.NoEncryption()
    try:
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked))
        public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    except OSError as error:
        raise FrozenError(
            f"{error.filename or private} cannot be written: {error.strerror}. Give another path."
        ) from None
    return private, public, _name(key.public_key())


def sign(path: str | os.PathLike[str], key: str | os.PathLike[str], output: str | os.PathLike[str]) -> Signature:
    """Writes the signature of a checked file to `output`. key: an ed25519 private key as PEM (PKCS 8).

    What is signed is the text of the file with "\\n" line ends, so that a checkout with other ones is signed still.
    """
    private = _private_key(key)
    digest, message = _message(read_document(path))
    signature = {
        "format": FORMAT,
        "algorithm": "ed25519",
        "file_sha256": digest,
        "key": _name(private.public_key()),
        "signature": base64.b64encode(private.sign(message)).decode("ascii"),
    }
    try:
        Path(output).write_text(json.dumps(signature, indent=1) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise FrozenError(f"{os.fspath(output)} cannot be written: {error.strerror}. Give another path.") from None
    return Signature(signature["key"], digest)


def check_signature(
    document: Mapping[str, JSON],
    path: str | os.PathLike[str],
    signature: str | os.PathLike[str],
    key: str | os.PathLike[str],
) -> Signature:
    """The signature, when this key made it for the document that was read from the file at `path`.

    Raises FrozenError that says which of them does not fit.
    """
    crypto = _cryptography()
    public = _public_key(key)
    found = _read_signature(signature)
    digest, message = _message(document)
    name = _name(public)
    try:
        public.verify(found["signature"], message)
    except crypto.InvalidSignature:
        if found["key"] != name:
            why = f"it was made with the key {shown(found['key'])}, and {os.fspath(key)} is the key {name}"
        elif found["file_sha256"] != digest:
            why = f"it was made for another file: sha256 {shown(found['file_sha256'])}, and this one has {digest}"
        else:
            why = "it was changed after it was made"
        raise FrozenError(
            f"{os.fspath(signature)} is no signature of {os.fspath(path)} by {os.fspath(key)}: {why}. "
            "Do not use the file before you know why."
        ) from None
    return Signature(name, digest)


def _message(document: Mapping[str, JSON]) -> tuple[str, bytes]:
    """The sha256 of the file's text, and what is signed: that, under a heading that no other use of the key has."""
    digest = hashlib.sha256(document_text(document).encode("utf-8")).hexdigest()
    return digest, f"{FORMAT}\n{digest}\n".encode()


def _read_signature(path: str | os.PathLike[str]) -> dict[str, Any]:
    content = _content(path, "sign")
    try:
        found = json.loads(content)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError
        return {
            "key": found.get("key"),
            "file_sha256": found.get("file_sha256"),
            "signature": base64.b64decode(found["signature"], validate=True),
        }
    except (ValueError, TypeError, LookupError, RecursionError, binascii.Error):
        raise FrozenError(
            f"{os.fspath(path)} is no signature that `burnish sign` wrote. Sign the file again."
        ) from None


def _private_key(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    crypto = _cryptography()
    content, password = _content(path, "keygen"), os.environ.get(PASSWORD)
    try:
        key = crypto.serialization.load_pem_private_key(content, password.encode() if password else None)
    except TypeError:  # encrypted and no password, or the other way round
        raise FrozenError(
            f"{os.fspath(path)}: {PASSWORD} must hold the password of an encrypted key, and be unset for any other."
        ) from None
    except (ValueError, crypto.UnsupportedAlgorithm):
        raise FrozenError(
            f"{os.fspath(path)} is no private key as PEM, or {PASSWORD} is not its password. "
            "Make one with `burnish keygen`."
        ) from None
    if not isinstance(key, crypto.ed25519.Ed25519PrivateKey):
        raise FrozenError(f"{os.fspath(path)} is a private key, but not for ed25519. Make one with `burnish keygen`.")
    found: Ed25519PrivateKey = key
    return found


def _public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    crypto = _cryptography()
    content = _content(path, "keygen")
    if b"PRIVATE KEY" in content:
        raise FrozenError(f"{os.fspath(path)} is a private key. Give the public one (.pub.pem).")
    try:
        key = crypto.serialization.load_pem_public_key(content)
    except (ValueError, crypto.UnsupportedAlgorithm):
        raise FrozenError(
            f"{os.fspath(path)} is no public key as PEM. Give one: `burnish keygen` writes it (.pub.pem)."
        ) from None
    if not isinstance(key, crypto.ed25519.Ed25519PublicKey):
        raise FrozenError(f"{os.fspath(path)} is a public key, but not for ed25519. Make a pair with `burnish keygen`.")
    found: Ed25519PublicKey = key
    return found


def _name(key: Ed25519PublicKey) -> str:
    form = _cryptography().serialization
    return hashlib.sha256(key.public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)).hexdigest()[:16]


def _content(path: str | os.PathLike[str], command: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FrozenError(
            f"{os.fspath(path)} cannot be read: {error.strerror}. Give a file that `burnish {command}` wrote."
        ) from None
    if len(content) > MOST_BYTES:
        raise FrozenError(
            f"{os.fspath(path)} is too large for a key or a signature. Give a file that `burnish {command}` wrote."
        )
    return content


@dataclass(frozen=True)
class _Cryptography:
    ed25519: Any
    serialization: Any
    InvalidSignature: type[Exception]
    UnsupportedAlgorithm: type[Exception]


def _cryptography() -> _Cryptography:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise FrozenError("Signatures need the package cryptography: pip install 'burnish[sign]'.") from None
    return _Cryptography(ed25519, serialization, InvalidSignature, UnsupportedAlgorithm)
