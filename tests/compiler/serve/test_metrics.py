"""Metrics from the first scrape on: a rate over a counter that begins with its first failure misses that failure."""

from __future__ import annotations

from burnish.compiler.serve.problems import KINDS


def counted(client):
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("burnish_")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_all_that_can_be_counted_is_there_and_0_before_the_first_request(client, compiled_pipeline):
    found = counted(client(compiled_pipeline(), lambda messages, params: ""))
    statuses = {200, 499, *(status for kind, (status, _) in KINDS.items() if kind != "not_found")}
    for status in statuses:
        assert found.pop(f'burnish_requests_total{{status="{status}"}}') == 0
    for predictor in ("extract", "add"):
        for name in ("model_seconds_count", "model_failures_total", "parse_failures_total"):
            assert found.pop(f'burnish_{name}{{predictor="{predictor}"}}') == 0
    for kind in ("prompt", "completion"):
        assert found.pop(f'burnish_tokens_total{{kind="{kind}"}}') == 0
    assert found["burnish_requests_in_flight"] == 0


def test_no_request_adds_a_status_that_was_not_there(client, compiled_program):
    served = client(compiled_program(format="plain"), lambda messages, params: "neither")
    before = set(counted(served))
    served.post("/run", json={"review": "x"})
    served.post("/run", json={"film": "x"})
    served.post("/run", content=b"{", headers={"Content-Type": "application/json"})
    served.post("/run", content=b"x", headers={"Content-Type": "text/plain"})
    served.put("/run")
    found = counted(served)
    assert {name for name in set(found) - before if "_created" not in name} == set()
    assert [found[f'burnish_requests_total{{status="{status}"}}'] for status in (502, 422, 400, 415, 405)] == [1] * 5
