from __future__ import annotations

import pytest

from .world import score


@pytest.fixture
def bench(bench):
    """bench(...): one that also records what is scored on the rows of dev by name, and notes temperatures."""

    def build(score_of=score, **options):
        world = bench(score_of, **options)
        score, ask, world.temperatures = world.score, world.ask, []

        def recorded(candidates, examples=None, **named):
            return score(candidates, None if examples == world.dev else examples, **named)

        def noted(requests, n=1, *, temperature, **named):
            world.temperatures.append(temperature)
            return ask(requests, n, temperature=temperature, **named)

        world.score, world.ask = recorded, noted
        return world

    return build
