"""The server against its own OpenAPI page: schemathesis asks what the page allows, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from burnish.testing import ScriptedServer

pytest.importorskip("schemathesis")

REPLY = json.dumps({"order_again": {"kind": "a", "lines": [{"name": "x", "price": 1}]}, "label": "x"})


@pytest.mark.slow
def test_schemathesis_finds_nothing_that_differs_from_the_openapi_page(shop_program, serving, tmp_path):
    with ScriptedServer({"": REPLY}) as model:
        options = ("--lm", "small", "--base-url", model.base_url)
        served = serving(shop_program(), *options, BURNISH_SERVE_TOKEN="secret")
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json", "--no-color"),
            *("-H", "Authorization: Bearer secret", "--checks", "all", "--mode", "all", "--max-examples", "60"),
            *("--phases", "examples,coverage,fuzzing", "--seed", "1", "--generation-database", "none"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        statuses = {line["status"] for line in served.requests if line["path"] == "/run"}
    assert {200, 401, 422} <= statuses  # it asked what is allowed, what is not, and without the token
    assert not {status for status in statuses if status >= 500}
