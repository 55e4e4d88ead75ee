"""What users may rely on: settings of a teleprompter are JSON that names each of them, the same in every process."""

from __future__ import annotations

import enum
import functools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from burnish.signatures.errors import BurnishError
from burnish.teleprompters import APE
from burnish.teleprompters.bandits import UCB, Filtering
from burnish.teleprompters.base import Forecast, Teleprompter


class Searching(Teleprompter):
    def search(self, bench):
        yield from ()

    def forecast(self, sizes):
        return Forecast(0, 0, "nothing")


@dataclass(frozen=True)
class Taking(Searching):
    """Has one setting of any kind."""

    shared: ClassVar[object] = object()
    value: Any = None


class Order(enum.Enum):
    FIRST = "first"


@dataclass(frozen=True)
class Choosing:
    """A selector: its field, and a function in it, are settings."""

    key: Any
    most: int = 3


def shortest(row):
    return len(row)


def of(value):
    return Taking(value).settings()["value"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, [2.5, "x", None, True]), [1, [2.5, "x", None, True]]),
        ({"b": (1,), "a": {}}, {"b": [1], "a": {}}),
        ({"z", "a", "k"}, ["a", "k", "z"]),
        (float("inf"), "inf"),
        (Order.FIRST, "first"),
        (Path("rows") / "a.txt", "rows/a.txt"),
        (Choosing(None), ["Choosing", {"key": None, "most": 3}]),
        (Taking((2,)), {"name": "Taking", "value": [2]}),
    ],
)
def test_settings_of_plain_kinds_are_written_as_they_are(value, expected):
    assert Taking(value).settings() == {"name": "Taking", "value": expected}


def test_a_function_counts_by_its_code_and_never_by_where_it_lies_in_memory():
    def made(weight):
        return lambda row: weight * len(row)

    assert of(made(1)) == of(made(1))
    kinds = (made(1), made(2), shortest, functools.partial(shortest, row="x"), len, max, "a".count, Choosing)
    assert len({of(one) for one in kinds}) == len(kinds)
    assert of(Choosing(made(1))) == of(Choosing(made(1))) != of(Choosing(made(2)))
    assert " at 0x" not in json.dumps([of(one) for one in kinds])


def test_the_selector_of_a_search_is_told_by_its_own_settings():
    found = APE(evaluation=Filtering(subset=7)).settings()["evaluation"]
    assert found == ["Filtering", {"subset": 7, "keep": 0.5}]
    assert APE(evaluation=UCB()).settings()["evaluation"][0] == "UCB"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "Taking.value=<object"),
        ([1, {"a": random.Random(0)}], r"Taking.value\[1\]\['a'\]=<random"),
        ({1: "x"}, r"Taking.value=\{1"),
        (Choosing(iter(())), "Taking.value.key=<tuple_iterator"),
    ],
)
def test_a_setting_that_cannot_be_told_from_another_is_refused_by_name(value, place):
    with pytest.raises(BurnishError, match=place) as raised:
        Taking(value).settings()
    assert str(raised.value).endswith("Nothing was spent.")


def test_the_attributes_of_a_teleprompter_that_is_no_dataclass_are_its_settings():
    class Plain(Searching):
        rounds: int = 3

        def __init__(self, width):
            self.width = width

    class Wider(Taking):
        extra = 1

    assert Plain(2).settings() == {"name": "Plain", "rounds": 3, "width": 2}
    plain = Plain(2)
    plain.rounds = 4
    assert plain.settings()["rounds"] == 4
    assert Wider((5,)).settings() == {"name": "Wider", "value": [5], "extra": 1}
    with pytest.raises(BurnishError, match=r"Plain\.width=<object"):
        Plain(object()).settings()


def test_a_setting_called_name_is_refused_rather_than_mistaken_for_the_teleprompters_own():
    @dataclass(frozen=True)
    class Named(Searching):
        name: str = "x"

    with pytest.raises(BurnishError, match=r"Named\.name"):
        Named().settings()
