from __future__ import annotations

import contextvars
import enum
import functools
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import dspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.compiler.judge import bind_judge, judge
from burnish.compiler.metrics import (
    Metric,
    as_metric,
    check_fields,
    contains,
    exact_match,
    json_match,
    metric,
    normalized_match,
    numeric_match,
    token_f1,
)
from burnish.signatures.errors import BudgetSpent, ExampleError, LMError, MetricError
from burnish.signatures.example import Example


def score(measured: Metric, value: Any, label: Any) -> float:
    """The score of a prediction `answer=value` on an example `answer=label`."""
    example = dspy.Example(question="?", answer=label).with_inputs("question")
    return measured.measure(example, dspy.Prediction(answer=value))[0]


class Colour(enum.Enum):
    RED = "red"


# built-ins


@pytest.mark.parametrize(
    ("value", "label", "expected"),
    [
        ("yes", "yes", 1),
        (" yes\n", "yes", 1),
        ("Yes", "yes", 0),
        (3, 3.0, 1),
        (3, "3", 1),
        ("3.0", 3, 1),
        (True, "True", 1),
        (True, "false", 0),
        (None, None, 1),
        (None, "yes", 0),
        (Colour.RED, "red", 1),
        (["a", "b"], ("a", "b"), 1),
        (["a", "b"], '["a", "b"]', 1),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, 1),
        (["a", "b"], ["b", "a"], 0),
    ],
)
def test_exact_match_compares_values_and_forgives_only_space_and_spelling_of_types(
    value: Any, label: Any, expected: float
) -> None:
    assert score(exact_match("answer"), value, label) == expected


def test_normalized_match_forgives_what_squad_forgives_and_takes_several_answers() -> None:
    assert score(normalized_match("answer"), "The  Eiffel-Tower!", "eiffeltower") == 1
    assert score(normalized_match("answer"), "an apple", ["pear", "Apple."]) == 1
    assert score(normalized_match("answer"), "apples", "apple") == 0


def test_token_f1_is_the_overlap_of_words() -> None:
    assert score(token_f1("answer"), "the quick brown fox", "a quick fox") == pytest.approx(0.8)
    assert score(token_f1("answer"), "slow dog", ["quick fox", "dog"]) == pytest.approx(2 / 3)
    assert score(token_f1("answer"), "", "fox") == 0
    assert score(token_f1("answer"), "", "the") == 1


def test_contains_finds_a_label_in_the_text_whatever_case_and_space() -> None:
    assert score(contains("answer"), "It was  PARIS, of course", "paris") == 1
    assert score(contains("answer"), "It was Lyon", ["Paris", "Lyon"]) == 1
    assert score(contains("answer"), "It was Lyon", "Paris") == 0
    assert score(contains("answer"), "It was Lyon", "") == 0


@pytest.mark.parametrize(
    ("value", "label", "expected"),
    [
        ("The answer is $1,234.50.", 1234.5, 1),
        ("18 eggs, so 9 * 2 = 18", "He sells 9.\n#### 18", 1),
        ("-5", -5, 1),
        ("−5", "-5", 1),
        ("-$5", "$-5", 1),
        ("5-3", 3, 1),
        ("50%", 50, 1),
        (".5", "0.5", 1),
        ("1e3", 1000, 1),
        ("1,2,3", 3, 1),
        ("1,234,567", 1234567, 1),
        ("7.", 7, 1),
        ("none", 7, 0),
        ("", 7, 0),
        (7, 8, 0),
        (float("nan"), 8, 0),
        ("9" * 400, 8, 0),
    ],
)
def test_numeric_match_compares_the_last_numbers(value: Any, label: Any, expected: float) -> None:
    assert score(numeric_match("answer"), value, label) == expected


def test_numeric_match_allows_a_tolerance() -> None:
    assert score(numeric_match("answer", tolerance=0.01), "3.14", 3.14159) == 1
    assert score(numeric_match("answer"), "3.14", 3.14159) == 0


def test_json_match_compares_json_wherever_it_stands() -> None:
    assert score(json_match("answer"), 'Here: ```json\n{"b": [1, 2.0], "a": null}\n```', {"a": None, "b": [1, 2]}) == 1
    assert score(json_match("answer"), '{"a": 1}', {"a": 2}) == 0
    assert score(json_match("answer"), "no json", {"a": 2}) == 0
    assert score(json_match("answer"), '{"a": NaN}', {"a": 2}) == 0
    assert score(json_match("answer"), "[" * 100_000, {"a": 2}) == 0


def test_json_match_can_give_the_share_of_equal_leaves() -> None:
    partial = json_match("answer", partial=True)
    assert score(partial, {"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}) == pytest.approx(2 / 3)
    assert score(partial, {"a": 1, "extra": 2}, {"a": 1}) == 0.5
    assert score(partial, {"a": 1}, {"a": 1}) == 1


BUILT_IN: list[Callable[..., Metric]] = [exact_match, normalized_match, token_f1, contains, json_match]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("built_in", BUILT_IN)
@settings(deadline=None, max_examples=60)
@given(value=values, label=st.text(min_size=1) | st.integers() | st.lists(st.text(), min_size=1, max_size=3))
def test_no_output_of_a_model_makes_a_built_in_raise_or_leave_the_range(
    built_in: Callable[..., Metric], value: Any, label: Any
) -> None:
    assert 0 <= score(built_in("answer"), value, label) <= 1


@pytest.mark.parametrize("built_in", [exact_match, normalized_match, token_f1, json_match])
@settings(deadline=None, max_examples=60)
@given(label=st.text(min_size=1) | st.integers() | st.booleans())
def test_every_label_matches_itself(built_in: Callable[..., Metric], label: Any) -> None:
    assert score(built_in("answer"), label, label) == 1


def test_a_label_may_stand_in_a_column_of_another_name() -> None:
    example = dspy.Example(question="?", gold="yes")
    measured = exact_match("answer", label="gold")
    assert measured.measure(example, dspy.Prediction(answer="yes")) == (1.0, "")


def test_a_built_in_is_a_metric_for_dspy_too() -> None:
    example = dspy.Example(question="?", answer="yes").with_inputs("question")

    class Yes(dspy.Module):
        def forward(self, question: str) -> dspy.Prediction:
            return dspy.Prediction(answer="yes")

    evaluate = dspy.Evaluate(devset=[example], metric=exact_match("answer"), display_progress=False)
    assert evaluate(Yes()).score == 100.0


# checks before any call


def test_a_row_without_the_label_is_named_with_what_it_has_before_any_call() -> None:
    row = Example.of({"review": "fine", "sentiment": "positive"}, ("review",), "row 17 of reviews.jsonl")
    with pytest.raises(ExampleError) as raised:
        check_fields(exact_match("label"), [row], ("label",))
    assert str(raised.value) == (
        "row 17 of reviews.jsonl has no field 'label', which metric exact_match('label') reads.\n"
        "It has: 'review', 'sentiment'. Rename the column, or pass label=... with the column's name.\n"
        "Nothing was spent."
    )


def test_an_output_field_that_the_program_does_not_give_is_named_before_any_call() -> None:
    with pytest.raises(MetricError, match="reads the output field 'lable', which the program does not give"):
        check_fields(exact_match("lable"), [], ("label", "reason"))


def test_a_label_that_nothing_can_match_is_found_before_any_call() -> None:
    row = Example.of({"question": "?", "answer": "unknown"}, ("question",), "row 3 of maths.csv")
    with pytest.raises(ExampleError, match=r"row 3 of maths\.csv: numeric_match needs a number in the label"):
        check_fields(numeric_match("answer"), [row], ("answer",))


def test_rows_that_fit_and_functions_of_the_users_pass() -> None:
    row = Example.of({"question": "?", "answer": "4"}, ("question",))
    check_fields(numeric_match("answer"), [row], ("answer",))
    check_fields(as_metric(lambda example, prediction: 1), [row], ())


# functions of the user's


class Judged:
    score = 0.25
    feedback = "too long"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (True, (1.0, "")),
        (0, (0.0, "")),
        (0.5, (0.5, "")),
        (np.float64(0.5), (0.5, "")),
        (np.bool_(True), (1.0, "")),
        (dspy.Prediction(score=0.75, feedback="good"), (0.75, "good")),
        (dspy.Prediction(score=1), (1.0, "")),
        ({"score": 0.5, "feedback": "fair"}, (0.5, "fair")),
        (Judged(), (0.25, "too long")),
        (SimpleNamespace(score=1, feedback=None), (1.0, "")),
    ],
)
def test_a_metric_may_return_a_truth_a_number_or_a_score_with_feedback(
    result: Any, expected: tuple[float, str]
) -> None:
    assert as_metric(lambda example, prediction, trace=None: result).measure(None, None) == expected


@pytest.mark.parametrize(
    "result", [None, float("nan"), float("inf"), 2, -0.1, "0.5", "yes", [], {}, {"feedback": "x"}, dspy.Prediction(a=1)]
)
def test_what_is_not_a_number_in_the_range_stops_the_run_and_shows_the_example(result: Any) -> None:
    measured = as_metric(lambda example, prediction: result)
    with pytest.raises(MetricError, match=r"not a number from 0 to 1.\n(.|\n)*range=\(0, 10\)") as raised:
        measured.measure(dspy.Example(question="how?"), dspy.Prediction(answer="so"))
    assert "question='how?'" in str(raised.value)
    assert "answer='so'" in str(raised.value)


def test_a_metric_that_raises_stops_the_run_and_shows_the_example_shortened() -> None:
    def broken(example: Any, prediction: Any) -> float:
        return 1 / 0

    with pytest.raises(MetricError, match="metric 'broken' raised ZeroDivisionError") as raised:
        as_metric(broken).measure(dspy.Example(question="x" * 5000), dspy.Prediction(answer="so"))
    assert len(str(raised.value)) < 1000
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_errors_of_the_run_inside_a_metric_pass_through_unchanged() -> None:
    for error in (LMError("no key"), BudgetSpent()):

        def asking(example: Any, prediction: Any, error: BaseException = error) -> float:
            raise error

        with pytest.raises(type(error)):
            as_metric(asking).measure(None, None)


def test_range_and_version_are_stated_where_the_metric_is_defined() -> None:
    @metric(range=(0, 10), version="2")
    def points(example: Any, prediction: Any, trace: Any = None) -> float:
        return 7

    assert points.range == (0.0, 10.0)
    assert points.measure(None, None) == (7.0, "")
    assert points.name == "points"
    assert metric(points.fn, range=(5, 8)).measure(None, None) == (7.0, "")


@pytest.mark.parametrize("wrong", [(1, 0), (0, 0), (0, float("inf")), (float("nan"), 1)])
def test_a_range_that_is_none_is_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(MetricError, match="lowest and the highest score"):
        metric(lambda example, prediction: 1, range=wrong)


def test_functions_of_two_and_of_three_arguments_are_called_right() -> None:
    class Kept:
        def __call__(self, example: Any, prediction: Any, trace: Any = None) -> float:
            return 1.0 if trace is None else 0.0

    traces: list[Callable[..., Any]] = [
        Kept(),
        Kept().__call__,
        lambda *given: float(given[2] is None),
        lambda example, prediction, trace=None, pred_name=None, pred_trace=None: float(trace is None),
        functools.partial(lambda weight, e, p, trace: weight * float(trace is None), 1.0),
    ]
    for fn in traces:
        assert as_metric(fn).measure(None, None, None)[0] == 1.0
        assert as_metric(fn).measure(None, None, ["step"])[0] == 0.0
    assert as_metric(lambda example, prediction: 1).measure(None, None, ["step"])[0] == 1.0
    assert as_metric(lambda example, prediction, weight=0.5: weight).measure(None, None, ["step"])[0] == 0.5


def test_what_cannot_be_called_as_a_metric_is_refused_with_how_it_is_called() -> None:
    async def waits(example: Any, prediction: Any) -> float:
        return 1

    for wrong in (lambda example: 1, lambda a, b, c, d: 1, lambda a, b, *, weight: 1, waits, "exact_match", None):
        with pytest.raises(MetricError, match=r"is not a metric|takes|async"):
            as_metric(wrong)  # type: ignore[arg-type]


# identity


def strict(threshold: float) -> Callable[[Any, Any], bool]:
    def passes(example: Any, prediction: Any) -> bool:
        return bool(prediction > threshold)

    return passes


def test_a_metric_is_the_same_as_long_as_its_source_and_its_plain_values_are() -> None:
    assert as_metric(strict(0.5)).identity == as_metric(strict(0.5)).identity
    assert as_metric(strict(0.5)).identity != as_metric(strict(0.6)).identity
    assert exact_match("answer").identity == exact_match("answer").identity


def test_metrics_that_score_differently_have_different_identities() -> None:
    first, second = (lambda e, p: 0), (lambda e, p: 1)
    different = [
        exact_match("answer"),
        exact_match("label"),
        exact_match("answer", label="gold"),
        normalized_match("answer"),
        numeric_match("answer"),
        numeric_match("answer", tolerance=0.1),
        json_match("answer"),
        json_match("answer", partial=True),
        as_metric(first),
        as_metric(second),
        metric(first, range=(0, 2)),
        metric(first, version="2"),
        metric(first, version="3"),
        as_metric(functools.partial(lambda w, e, p: w, 1)),
        as_metric(functools.partial(lambda w, e, p: w, 0)),
    ]
    assert len({one.identity for one in different}) == len(different)


def test_a_stated_version_is_the_identity_whatever_the_source() -> None:
    def one(example: Any, prediction: Any) -> float:
        return 1

    def two(example: Any, prediction: Any) -> float:
        return 0

    two.__name__ = "one"
    assert metric(one, version="1").identity == metric(two, version="1").identity


def test_only_functions_of_the_users_need_a_thread() -> None:
    assert not exact_match("answer").needs_thread
    assert as_metric(lambda example, prediction: 1).needs_thread


# the judge


def test_a_judge_outside_of_a_run_says_where_it_works() -> None:
    with pytest.raises(MetricError, match="works inside a metric"):
        judge("Is this right?")


def test_a_judge_goes_to_the_lm_of_the_run_and_takes_text_or_messages() -> None:
    asked: list[Any] = []

    def answer(messages: Any, parameters: Any) -> str:
        asked.append((list(messages), dict(parameters)))
        return "yes"

    with bind_judge(answer):
        assert judge("Is this right?") == "yes"
        assert judge([{"role": "system", "content": "Be strict."}], temperature=0.5, max_tokens=8) == "yes"
    assert asked[0] == ([{"role": "user", "content": "Is this right?"}], {"temperature": 0.0, "max_tokens": 256})
    assert asked[1] == ([{"role": "system", "content": "Be strict."}], {"temperature": 0.5, "max_tokens": 8})
    with pytest.raises(MetricError):
        judge("Is this right?")


def test_a_judge_bound_in_one_thread_is_not_bound_in_another() -> None:
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            judge("Is this right?")
        except MetricError as error:
            failures.append(error)

    with bind_judge(lambda messages, parameters: "yes"):
        for run in (ask, functools.partial(contextvars.copy_context().run, ask)):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    assert len(failures) == 1
