"""burnish serve."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...signatures.errors import BurnishError
from .arguments import lm_of, lm_of_file, named_object
from .options import answering_options, command, positive

if TYPE_CHECKING:
    from .options import Commands

TOKEN = "BURNISH_SERVE_TOKEN"


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "serve",
        serve,
        "Serve a frozen file over HTTP: POST /run, /docs, /healthz, /readyz, /metrics. Needs the extra 'serve'.",
        "  burnish serve sentiment.json\n"
        "  burnish serve sentiment.json --host 0.0.0.0 --token-file /run/secrets/token --lm small --base-url URL",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8000, help="default 8000; 0: a free one, which the log tells")
    answering_options(parser)
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"bearer tokens that callers must have, one a line (default: {TOKEN} of the environment, else none)",
    )
    parser.add_argument(
        "--concurrency", type=positive, default=64, metavar="N", help="most runs at once, then 429 (default 64)"
    )
    parser.add_argument(
        "--max-bytes", type=positive, default=2**20, metavar="N", help="of a body, then 413 (default 1048576)"
    )
    parser.add_argument(
        "--timeout", type=positive, default=60, metavar="SECONDS", help="for one request, then 504 (default 60)"
    )
    parser.add_argument(
        "--grace", type=positive, default=30, metavar="SECONDS", help="for requests in flight at a stop (default 30)"
    )
    parser.add_argument("--log-inputs", action="store_true", help="log inputs, outputs and the words of errors too")


def serve(parsed: argparse.Namespace) -> int:
    from ..runtime.program import load
    from ..serve.app import asgi, check_installed

    check_installed("fastapi", "prometheus_client", "uvicorn", "httptools")
    from ..serve.server import bound
    from ..serve.server import serve as serve_app

    program = named_object(parsed.program, "--program") if parsed.program else None
    encoder = lm_of(parsed.encoder, parsed.encoder and parsed.base_url, [])
    lm = lm_of_file(parsed, parsed.file)
    tokens = _tokens(parsed.token_file)
    loaded = load(parsed.file, lm=lm, program=program, encoder=encoder)
    with bound(parsed.host, parsed.port) as listening:  # before a model is loaded, which may take its time
        app = asgi(
            loaded,
            token=tokens,
            seconds=parsed.timeout,
            concurrency=parsed.concurrency,
            max_bytes=parsed.max_bytes,
            log_inputs=parsed.log_inputs,
        )
        app.title = Path(parsed.file).stem
        serve_app(app, listening, parsed.grace, is_guarded=bool(tokens), with_inputs=parsed.log_inputs)
    return 0


def _tokens(file: str | None) -> list[str]:
    """From the file, else from the environment; never from the command line, which every process can read."""
    if file is None:
        return [token] if (token := os.environ.get(TOKEN, "").strip()) else []
    try:
        lines = Path(file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BurnishError(f"--token-file {file} cannot be read: {error}. Give a readable text file.") from None
    if not lines:
        raise BurnishError(f"--token-file {file} holds no token. Write one into it, or leave the option out.")
    return lines
