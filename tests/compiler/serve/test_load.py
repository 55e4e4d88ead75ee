"""Under load: no request fails, and memory, threads and open files stay where they are."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from burnish.testing import ScriptedServer

PATH = Path(__file__).resolve().parents[3] / "benchmarks" / "serving.py"
GROWTH_MB = 12  # what allocators and caches may still settle; 3000 leaked bodies alone would be more


@pytest.fixture
def bench(monkeypatch):
    if not PATH.is_file() or not Path("/proc/self/status").is_file():
        pytest.skip("needs the benchmark of a checkout, and Linux")
    monkeypatch.syspath_prepend(str(PATH.parent))  # where the load generator's process finds it too
    yield importlib.import_module("serving")
    del sys.modules["serving"]


@pytest.mark.slow
def test_64_connections_fail_at_nothing_and_leave_nothing_behind(bench, compiled_program, serving):
    body = json.dumps({"review": "The plot is thin. " * 300}).encode()  # 5 kB
    with ScriptedServer({"": "positive"}) as server:
        served = serving(compiled_program(format="plain"), "--lm", "small", "--base-url", server.base_url)
        asking = (f"{served.url}/run", body, b'{"label":"positive"}')
        warm = bench.load(*asking, 1000)
        before = bench.held(served.process.pid)
        loads = [warm, *(bench.load(*asking, 1000) for _ in range(3))]
        after = bench.held(served.process.pid)
    assert [one.errors for one in loads] == [0, 0, 0, 0]
    assert len(served.requests) >= 4000 - 64
    assert after["resident MB"] - before["resident MB"] < GROWTH_MB
    assert after["threads"] <= before["threads"] + 64
    assert after["open files"] <= before["open files"] + 16
