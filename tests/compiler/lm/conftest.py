from __future__ import annotations

import random

import pytest

from burnish.compiler.lm import Client, ReplyCache

from .client_world import Meter, Naps


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture
def meter():
    return Meter()


@pytest.fixture
def client(tmp_path, naps, meter):
    cache = ReplyCache(tmp_path / "cache")
    with Client(cache, meter, sleep=naps, random_source=random.Random(0)) as opened:
        yield opened
