"""What identifies code: its text and its plain values, the same in every process and every version of Python."""

from __future__ import annotations

import functools
import importlib.util
import math

import pytest

from burnish.signatures.code_identity import code_identity


@pytest.fixture
def defined(tmp_path):
    """What a file with this source calls `it`."""
    made = 0

    def define(source):
        nonlocal made
        made += 1
        path = tmp_path / f"file{made}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("file", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.it

    return define


@pytest.mark.parametrize("source", ["it = lambda x: x + 1", "def it(x):\n    return x + 1"])
def test_a_function_with_source_is_its_text_whatever_bytecode_this_python_makes_of_it(defined, source):
    first, second = defined(source), defined(source)
    second.__code__ = second.__code__.replace(co_consts=(*second.__code__.co_consts, "of another version"))
    assert code_identity(first) == code_identity(second)
    assert code_identity(first) != code_identity(defined(source.replace("1", "2")))


def test_a_lambda_is_its_own_text_however_it_is_laid_out(defined):
    source = "def same(f): return f\nit = same(\n    lambda x:\n        x + {},  # {}\n)"
    first = code_identity(defined(source.format(1, "a comment")))
    assert first == code_identity(defined(source.format(1, "another comment")))
    assert first != code_identity(defined(source.format(2, "a comment")))


def test_lambdas_in_one_line_are_told_apart():
    one, two = (lambda x: x + 1), (lambda x: x + 2)
    assert code_identity(one) != code_identity(two)


def test_plain_values_count_wherever_a_function_holds_them():
    def made(closed, default=0):
        def function(x, kept=default):
            return x + closed + kept

        return function

    identities = {
        code_identity(one)
        for one in (made(1), made(2), made(1, 2), made([1, 2]), made({"a": {1, 2}}), functools.partial(made(1), 1))
    }
    assert len(identities) == 6
    assert code_identity(made({"a": {"x", "y", "z"}})) == code_identity(made({"a": {"z", "y", "x"}}))


def test_functions_that_are_built_in_are_told_apart_by_name_and_by_what_they_are_bound_to():
    assert len({code_identity(one) for one in (len, sum, math.floor, "a".count, "b".count, "a".index)}) == 6
    assert code_identity("a".count) == code_identity("a".count)


def test_equal_values_count_the_same_whether_they_are_shared_or_not():
    shared = [1, 2]
    assert code_identity([shared, shared]) == code_identity([[1, 2], [1, 2]])


def test_values_that_hold_themselves_or_share_their_parts_many_times_over_are_read_once():
    ring: list[object] = [1]
    ring.append(ring)
    other: list[object] = [1]
    other.append(other)
    assert code_identity(ring) == code_identity(other)
    lattice: list[object] = []
    for _ in range(200):
        lattice = [lattice, lattice]
    assert len(code_identity(lattice)) == 64
