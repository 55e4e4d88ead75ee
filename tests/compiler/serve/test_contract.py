"""The server against its own OpenAPI page: whatever the page allows is answered, and nothing else is."""

from __future__ import annotations

import json

import pytest

import burnish

schemathesis = pytest.importorskip("schemathesis")
hypothesis = pytest.importorskip("hypothesis")

ORDER = {"kind": "a", "lines": [{"name": "x", "price": 1}]}
REPLY = json.dumps({"order_again": ORDER, "label": "x"})


@pytest.fixture
def page(shop_program, tmp_path):
    path = shop_program().save(tmp_path / "program.json")
    app = burnish.asgi(burnish.load(path, lm=lambda messages, params: REPLY))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


schema = schemathesis.pytest.from_fixture("page")


@pytest.mark.slow
@schema.parametrize()
@hypothesis.settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck), database=None
)
def test_what_the_openapi_page_says_holds(case):
    case.call_and_validate()
