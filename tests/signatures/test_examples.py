"""Rows in from everywhere, and checked against the program before anything is spent."""

from __future__ import annotations

import datetime
import enum
import json
import random
from typing import Literal, Optional

import dspy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.signatures.dspy_bridge import read_program
from burnish.signatures.errors import ExampleError
from burnish.signatures.example import Example
from burnish.signatures.examples import check_examples, load_examples, split_overlap
from burnish.signatures.pipeline import Pipeline


class Grade(enum.Enum):
    A = "a"
    B = "b"


class Review(dspy.Signature):
    """Grade the review."""

    review: str = dspy.InputField()
    stars: int = dspy.InputField()
    hint: Optional[str] = dspy.InputField()  # noqa: UP045
    label: Literal["positive", "negative"] = dspy.OutputField()
    grade: Grade = dspy.OutputField()


class Own(dspy.Module):
    def __init__(self):
        self.step = dspy.Predict("text -> topic")

    def forward(self, text):
        return self.step(text=text)


PROGRAM = read_program(dspy.Predict(Review))
OWN = read_program(Own())
ROWS = [
    {"review": "Good.", "stars": 5, "label": "positive", "grade": "a", "source": "web"},
    {"review": "Bad.", "stars": 1, "label": "negative", "grade": "b", "source": "mail"},
]


def plain(examples):
    return [dict(example.items()) for example in examples]


# load_examples


def _file(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_jsonl_json_and_lists_give_the_same_examples(tmp_path):
    lines = _file(tmp_path, "rows.jsonl", "\n\n".join(map(json.dumps, ROWS)) + "\n")
    whole = _file(tmp_path, "rows.json", json.dumps(ROWS))
    assert plain(load_examples(lines)) == plain(load_examples(str(whole))) == plain(load_examples(ROWS)) == ROWS
    assert plain(load_examples([dspy.Example(**row) for row in ROWS])) == ROWS
    assert plain(load_examples(iter(ROWS))) == ROWS


def test_csv_gives_text_whatever_the_byte_order_mark(tmp_path):
    path = _file(tmp_path, "rows.csv", '\ufeffreview,stars\r\n"Good, really\nso",5\r\n\r\nBad,1\r\n')
    assert plain(load_examples(path)) == [{"review": "Good, really\nso", "stars": "5"}, {"review": "Bad", "stars": "1"}]


def test_pandas_frames_load_with_plain_values_and_none_for_what_is_missing():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "text": ["a", None],
            "score": [1.5, float("nan")],
            "count": pandas.array([1, None], dtype="Int64"),
            "day": [pandas.Timestamp("2024-01-02"), pandas.NaT],
            "words": [["a", "b"], ["c"]],
        },
        index=[7, 3],
    )
    first, second = plain(load_examples(frame))
    day = datetime.datetime(2024, 1, 2)
    assert first == {"text": "a", "score": 1.5, "count": 1, "day": day, "words": ["a", "b"]}
    assert {type(value) for value in first.values()} == {str, float, int, datetime.datetime, list}
    assert second == {"text": None, "score": None, "count": None, "day": None, "words": ["c"]}


def test_polars_frames_and_hugging_face_datasets_load():
    polars = pytest.importorskip("polars")
    assert plain(load_examples(polars.DataFrame(ROWS))) == ROWS
    assert plain(load_examples(polars.DataFrame({"x": [1.0, float("nan")]}))) == [{"x": 1.0}, {"x": None}]
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_list(ROWS)
    assert plain(load_examples(dataset, limit=1)) == ROWS[:1]
    with pytest.raises(ExampleError, match=r"splits 'train', 'test'.*dataset\['train'\]"):
        load_examples(datasets.DatasetDict({"train": dataset, "test": dataset}))
    with pytest.raises(ExampleError, match="limit="):
        load_examples(dataset.to_iterable_dataset())
    assert len(load_examples(dataset.to_iterable_dataset(), limit=1)) == 1


def test_inputs_are_marked_and_a_single_name_may_be_given_bare():
    assert dict(load_examples(ROWS, inputs=["review", "stars"])[0].inputs()) == {"review": "Good.", "stars": 5}
    assert dict(load_examples(ROWS, inputs="review")[0].inputs()) == {"review": "Good."}
    marked = [dspy.Example(**row).with_inputs("stars") for row in ROWS]
    assert dict(load_examples(marked)[0].inputs()) == {"stars": 5}
    loaded = load_examples(ROWS, inputs="review")
    assert (loaded.inputs, loaded.source) == (("review",), "the list")


def test_limit_reads_no_further_than_it_says(tmp_path):
    path = _file(tmp_path, "rows.jsonl", json.dumps(ROWS[0]) + "\nnot json\n")
    assert len(load_examples(path, limit=1)) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.jsonl", '{"a": 1}\n{"a": \n', "row 2 of rows.jsonl is not JSON"),
        ("rows.jsonl", '{"a": NaN}\n', "row 1 of rows.jsonl is not JSON: NaN"),
        ("rows.jsonl", '{"a": 1}\n[1, 2]\n', r"row 2 of rows.jsonl is \[1, 2\], not an object"),
        ("rows.jsonl", "\n", "rows.jsonl has no rows"),
        ("rows.jsonl", b'{"a": "\xff"}', "rows.jsonl is not UTF-8"),
        ("rows.json", '{"a": 1}', "not a list of objects"),
        ("rows.json", "[3]", "row 1 of rows.json is 3"),
        ("rows.csv", "", "rows.csv has no rows"),
        ("rows.csv", "a,b\n", "rows.csv has no rows"),
        ("rows.csv", "a,a\n1,2\n", "two columns named 'a'"),
        ("rows.csv", "a,b\n1,2\n1,2,3\n", "row 2 of rows.csv has 3 values for 2 columns"),
        ("rows.csv", 'a\n1\n"2"x\n', "row 2 of rows.csv is not CSV"),
        ("rows.txt", "a", r"ends in '.txt'; rows are read from .jsonl, .json, .csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_row(tmp_path, name, text, message):
    with pytest.raises(ExampleError, match=message) as caught:
        load_examples(_file(tmp_path, name, text))
    assert str(caught.value).endswith("Nothing was spent.")


def test_a_missing_file_names_its_look_alikes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _file(tmp_path, "reviews.jsonl", "{}")
    with pytest.raises(ExampleError, match=r"no file review.jsonl in the current folder. There is: reviews.jsonl"):
        load_examples("review.jsonl")
    with pytest.raises(ExampleError, match="no folder"):
        load_examples("nowhere/reviews.jsonl")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "3 is not a set of rows"),
        ({"review": "x"}, "not a set of rows"),
        (None, "not a set of rows"),
        ([{"a": 1}, 3], "row 2 of the list is 3"),
        ([], "the list has no rows"),
    ],
)
def test_what_is_no_set_of_rows_is_refused(source, message):
    with pytest.raises(ExampleError, match=message):
        load_examples(source)


def test_a_frame_with_two_columns_of_one_name_is_refused():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ExampleError, match="two columns named 'a'"):
        load_examples(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_inputs_that_are_no_columns_are_refused_when_loading():
    with pytest.raises(ExampleError, match="row 1 of the list has no field 'revue'") as caught:
        load_examples(ROWS, inputs=["revue"])
    assert "It has: 'review', 'stars'" in str(caught.value)
    with pytest.raises(ExampleError, match="limit=0"):
        load_examples(ROWS, limit=0)


# check_examples


def test_rows_become_examples_with_the_programs_inputs():
    first, second = check_examples(ROWS, PROGRAM, role="trainset")
    assert first.inputs == ("review", "stars")
    assert first.labels == {"label": "positive", "grade": "a", "source": "web"}
    assert second.place == "row 2 of trainset"


def test_places_survive_cutting_and_shuffling(tmp_path):
    path = _file(tmp_path, "rows.jsonl", "\n".join(json.dumps({**ROWS[0], "n": n}) for n in range(10)))
    loaded = load_examples(path)
    random.Random(3).shuffle(loaded)
    for example in check_examples(loaded[2:6], PROGRAM, role="valset"):
        assert example.place == f"row {example.values['n'] + 1} of rows.jsonl"


def test_a_path_may_be_given_as_the_set_itself(tmp_path):
    path = _file(tmp_path, "rows.jsonl", "\n".join(map(json.dumps, ROWS)))
    assert check_examples(path, PROGRAM, role="trainset") == check_examples(ROWS, PROGRAM, role="trainset")


def test_text_from_csv_takes_the_type_that_the_program_declares(tmp_path):
    path = _file(tmp_path, "rows.csv", "review,stars,label\n5,4,positive\n")
    (example,) = check_examples(load_examples(path), PROGRAM, role="trainset")
    assert example.values == {"review": "5", "stars": 4, "label": "positive"}


def test_python_values_take_their_json_form():
    row = {"review": "x", "stars": 1, "grade": Grade.B, "when": datetime.date(2024, 1, 2)}
    (example,) = check_examples([row], PROGRAM, role="trainset")
    assert example.values == {"review": "x", "stars": 1, "grade": "b", "when": "2024-01-02"}


def test_equal_rows_are_kept_once_and_counted():
    checked = check_examples([*ROWS, dict(reversed(ROWS[0].items())), ROWS[0]], PROGRAM, role="trainset")
    assert [example.place for example in checked] == ["row 1 of trainset", "row 2 of trainset"]
    assert checked.duplicates == 2
    assert check_examples(ROWS, PROGRAM, role="trainset").duplicates == 0


def test_optional_inputs_missing_labels_and_lists_of_passages_are_fine():
    rows = [
        {"review": "x", "stars": 1, "hint": None, "label": None},
        {"review": ["passage one", "passage two"], "stars": 2, "hint": "h"},
    ]
    first, second = check_examples(rows, PROGRAM, role="trainset")
    assert first.inputs == ("review", "stars", "hint")
    assert second.values["review"] == ["passage one", "passage two"]


def test_a_label_beside_a_text_output_may_be_anything():
    program = read_program(dspy.Predict("question -> answer"))
    (example,) = check_examples([{"question": "q", "answer": ["Paris", "paris"]}], program, role="holdout")
    assert example.labels == {"answer": ["Paris", "paris"]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"review": "x"}, "row 3 of holdout has no field 'stars', which the program takes"),
        ({"review": None, "stars": 1}, "row 3 of holdout: 'review' must be text; got null"),
        ({"review": 3, "stars": 1}, "row 3 of holdout: 'review' must be text; got 3"),
        ({"review": "x", "stars": "many"}, "row 3 of holdout: 'stars' must be an integer; got 'many'"),
        ({"review": "x", "stars": 1, "label": "good"}, "row 3 of holdout: 'label' must be one of"),
        ({"review": "x", "stars": 1, "source": float("nan")}, "row 3 of holdout, field 'source': .*not JSON"),
        (dspy.Example(**ROWS[0]).with_inputs("review"), "no field 'stars' among its inputs"),
        (
            dspy.Example(**ROWS[0]).with_inputs("review", "stars", "source"),
            "the input 'source', which the program does",
        ),
        (
            dspy.Example(**ROWS[0]).with_inputs("review", "stars", "film"),
            "no field 'film', which was named as an input",
        ),
        (3, "row 3 of holdout is 3"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_row_and_field(row, message):
    with pytest.raises(ExampleError, match=message) as caught:
        check_examples([*ROWS, row], PROGRAM, role="holdout")
    assert str(caught.value).endswith("Nothing was spent.")


@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"review": "good \ud83d"}, "'review'"),
        ({"source": {"tags": ["web", "\udc80"]}}, "'source'"),
        ({"source": {"\ud83d": 1}}, "'source'"),
        ({"label \ud83d": "x"}, r"'label \\ud83d'"),
    ],
)
def test_a_lone_surrogate_which_no_request_can_hold_is_refused_by_row_and_field(odd, field):
    with pytest.raises(ExampleError, match=f"row 3 of trainset, field {field}: .*lone surrogate") as caught:
        check_examples([*ROWS, {**ROWS[0], **odd}], PROGRAM, role="trainset")
    assert str(caught.value).endswith("Nothing was spent.")
    str(caught.value).encode()


def test_a_character_that_a_file_writes_as_a_pair_of_surrogates_is_fine(tmp_path):
    path = _file(tmp_path, "rows.jsonl", json.dumps({**ROWS[0], "review": "good \U0001f600"}))
    (example,) = check_examples(path, PROGRAM, role="trainset")
    assert example.values["review"] == "good \U0001f600"


@pytest.mark.parametrize("rows", [[], iter(())])
def test_an_empty_set_is_refused(rows):
    with pytest.raises(ExampleError, match="valset has no rows"):
        check_examples(rows, PROGRAM, role="valset")


def own(forward=None, **functions):
    """A module of one's own with this forward(), as it is read."""
    functions = functions if forward is None else {"forward": forward}
    kind = type("Other", (dspy.Module,), {"__init__": Own.__init__, **functions})
    return read_program(kind())


TOPIC = [{"text": "x", "topic": "y"}]


def test_the_columns_that_a_modules_forward_takes_are_its_inputs():
    (example,) = check_examples(TOPIC, OWN, role="trainset")
    assert (example.inputs, example.labels) == (("text",), {"topic": "y"})
    (again,) = check_examples(load_examples(TOPIC, inputs="text"), OWN, role="trainset")
    assert again == example


def test_a_label_that_forward_may_be_given_stays_a_label_unless_it_is_marked():
    program = own(lambda self, text, topic=None: None)
    (example,) = check_examples(TOPIC, program, role="trainset")
    assert (example.inputs, example.labels) == (("text",), {"topic": "y"})
    (marked,) = check_examples(load_examples(TOPIC, inputs=["text", "topic"]), program, role="trainset")
    assert set(marked.inputs) == {"text", "topic"}


def test_a_row_without_what_forward_must_be_given_is_refused():
    with pytest.raises(ExampleError, match=r"row 2 of trainset has no field 'text', which the program takes"):
        check_examples([*TOPIC, {"topic": "y"}], OWN, role="trainset")


def test_a_module_that_has_only_aforward_is_read_by_it():
    async def aforward(self, text):
        """Never run here."""

    (example,) = check_examples(TOPIC, own(aforward=aforward), role="trainset")
    assert example.inputs == ("text",)


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, **inputs: None,
        lambda self, text, *more: None,
        lambda self, text, /: None,
        lambda self: None,
        lambda self, text=None: None,
    ],
    ids=["any name", "any number", "no name", "nothing", "nothing that must be given"],
)
def test_a_module_whose_forward_does_not_tell_needs_its_inputs_stated(forward):
    with pytest.raises(ExampleError, match=r"row 1 of trainset does not say.*inputs=\[\.\.\.\].*with_inputs"):
        check_examples(TOPIC, own(forward), role="trainset")
    (example,) = check_examples(load_examples(TOPIC, inputs="text"), own(forward), role="trainset")
    assert (example.inputs, example.labels) == (("text",), {"topic": "y"})


def test_a_pipelines_rows_need_what_no_step_gives():
    program = read_program(
        Pipeline(extract="text -> facts: list[str]", answer_it="facts: list[str], question -> answer")
    )
    (example,) = check_examples([{"text": "t", "question": "q", "answer": "a"}], program, role="trainset")
    assert example.inputs == ("text", "question")
    with pytest.raises(ExampleError, match="no field 'question'"):
        check_examples([{"text": "t"}], program, role="trainset")


def test_split_overlap_finds_what_is_in_both():
    a = check_examples(ROWS, PROGRAM, role="trainset")
    b = check_examples([ROWS[1], {**ROWS[0], "stars": 4}], PROGRAM, role="valset")
    assert split_overlap(a, b) == (a[1].digest,)
    assert split_overlap(a, a[:0]) == ()


_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
_VALUES = _PLAIN | st.lists(_PLAIN, max_size=2) | st.dictionaries(st.text(max_size=3), _PLAIN, max_size=2)
_ROWS = st.dictionaries(st.sampled_from(["a", "b", "topic", "ключ"]), _VALUES)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_ROWS, min_size=1, max_size=4))
def test_any_json_rows_survive_a_file_and_the_check(tmp_path, rows):
    rows = [{**row, "text": "x"} for row in rows]
    path = _file(tmp_path, "rows.jsonl", "\n".join(map(json.dumps, rows)))
    checked = check_examples(load_examples(path, inputs="text"), OWN, role="trainset")
    expected = dict.fromkeys(Example.of(row, ("text",)) for row in rows)
    assert checked == tuple(expected)
    assert checked.duplicates == len(rows) - len(expected)
