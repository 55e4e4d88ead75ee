"""burnish verify, burnish sign, burnish keygen."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import command, json_option, print_json
from .writing import SIGNATURE, check_output, force_option

if TYPE_CHECKING:
    from .options import Commands


def add(commands: Commands) -> None:
    verifying = command(
        commands,
        "verify",
        verify,
        "Check a frozen file: its digest, templates, golden requests and, with a key, its signature. Makes no call.",
        "  burnish verify sentiment.json\n"
        "  burnish verify sentiment.json --signature sentiment.json.sig --key team.pub.pem",
    )
    verifying.add_argument("file", metavar="FILE")
    verifying.add_argument("--key", metavar="PEM", help="the public key that must have signed the file")
    verifying.add_argument("--signature", metavar="FILE", help="its signature (default, with --key: FILE.sig)")
    json_option(verifying)
    signing = command(
        commands,
        "sign",
        sign,
        "Sign a frozen file with an ed25519 key; the file itself stays as it is.",
        "  burnish sign sentiment.json --key team.pem\n  burnish sign sentiment.json --key team.pem -o release.sig",
    )
    signing.add_argument("file", metavar="FILE")
    signing.add_argument("--key", metavar="PEM", required=True, help="the private key (burnish keygen, or openssl)")
    signing.add_argument("-o", "--output", metavar="FILE", help="where the signature goes (default: FILE.sig)")
    force_option(signing)
    making = command(
        commands,
        "keygen",
        keygen,
        "Make an ed25519 key for `burnish sign`: the private one, and the public one beside it.",
        "  burnish keygen team.pem\n  BURNISH_KEY_PASSWORD=... burnish keygen team.pem",
    )
    making.add_argument("file", metavar="PEM", help="the private key; the public one is written to NAME.pub.pem")


def verify(parsed: argparse.Namespace) -> int:
    from ..frozen.verifying import verify

    verified = verify(parsed.file, parsed.signature, parsed.key)
    print_json({"file": parsed.file, **verified.to_json()}) if parsed.json else print(f"{parsed.file}\n{verified}")
    return 0


def sign(parsed: argparse.Namespace) -> int:
    from ..frozen.signing import sign

    output = parsed.output or f"{parsed.file}.sig"
    check_output(output, SIGNATURE, {"FILE": parsed.file, "--key": parsed.key}, parsed.force)
    print(f"{output}: signed {sign(parsed.file, parsed.key, output)}")
    return 0


def keygen(parsed: argparse.Namespace) -> int:
    from ..frozen.signing import make_key

    private, public, name = make_key(parsed.file)
    print(f"{private}: the private key {name}. Keep it to yourself.\n{public}: its public key, for --key of verify")
    return 0
