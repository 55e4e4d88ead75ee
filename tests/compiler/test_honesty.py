"""The fast version of `benchmarks/honesty.py`: simulated compiles of tasks whose true gains are known."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "honesty.py"
RUNS = 200


@pytest.fixture(scope="module")
def honesty() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("honesty", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["honesty"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["honesty"]


@pytest.mark.parametrize("gain", [0.0, 0.05, 0.15])
def test_the_reported_gain_is_unbiased_and_covered_where_the_gain_on_dev_is_not(
    honesty: ModuleType, gain: float
) -> None:
    summary = honesty.summarize([honesty.short_cut(gain, run) for run in range(RUNS)])
    assert abs(summary.bias) < 3.5 * summary.bias_error
    assert summary.dev_bias > 5 * summary.bias_error  # the winner's curse, which is why dev is never reported on
    assert summary.coverage > 0.91  # 95 % less the error of 200 simulations
    assert summary.false_ships < 0.07  # 2.5 % plus that error


def test_a_larger_true_gain_ships_more_often(honesty: ModuleType) -> None:
    ships = [honesty.summarize([honesty.short_cut(gain, run) for run in range(RUNS)]).ships for gain in (0.0, 0.15)]
    assert ships[1] > ships[0] + 0.2


@pytest.mark.parametrize("gain", [0.0, 0.15])
def test_compile_gives_the_verdict_that_the_arithmetic_gives(
    honesty: ModuleType, gain: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path))  # given back after the test; the benchmark sets its own
    for run in range(2):
        assert honesty.whole(gain, run) == honesty.short_cut(gain, run)
