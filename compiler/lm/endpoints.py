"""Addresses of servers: OpenAI's own, and the one spelling that identities are made of; names of what is no server."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...signatures.errors import LMError

OPENAI_URL = "https://api.openai.com/v1"
SENTENCE_TRANSFORMERS = "sentence-transformers:"  # before the name of a model in this process: no server's is called so


def normalized(url: str) -> str:
    """One spelling of a base URL: lower-case host, no default port, no trailing slash, no user, query or fragment."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LMError(f"base_url {url!r} is not an http or https address such as 'http://localhost:8000/v1'.")
    try:
        port = parts.port
    except ValueError:
        raise LMError(
            f"base_url {url!r} has no number as its port. Give one, as in 'http://localhost:8000/v1'."
        ) from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"
