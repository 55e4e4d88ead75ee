from __future__ import annotations

import unicodedata

import pytest

from burnish.signatures.example import Example
from burnish.teleprompters import guards
from burnish.teleprompters.guards import check, normalise

LONG = "the plot was thin but every scene with the old dog made me laugh out loud again and again"


@pytest.fixture
def verdict(make_student):
    """verdict(text, ...): the code of the rejection, or None."""

    def of(text, *, given="Classify the review.", pool=(), seen=None, **options):
        found = check(
            text,
            candidate=make_student(given),
            predictor="self",
            pool=tuple(pool),
            seen=set() if seen is None else seen,
            **options,
        )
        assert found is None or found.sentence
        return found and found.code

    return of


def row(review, label="positive", **more):
    return Example.of({"review": review, "label": label, **more}, ("review",), "row 1 of reviews.jsonl")


def test_a_plain_new_instruction_is_admitted(verdict):
    assert verdict("Say whether the critic liked it.", pool=[row(LONG)]) is None


def test_empty_and_overlong_instructions_are_refused(verdict):
    assert verdict(" \n") == "empty"
    assert verdict("x" * 2001) == "too long"
    assert verdict("x" * 2001, max_length=3000) is None


def test_an_instruction_that_differs_in_spaces_or_composition_only_is_a_duplicate(verdict):
    seen = {normalise("Name the café.")}
    assert verdict(unicodedata.normalize("NFD", "Name  the\ncafé. "), seen=seen) == "duplicate"
    assert verdict("name the café.", seen=seen) is None  # case is kept: it can matter to a model
    assert verdict("Classify  the review.") == "duplicate"  # the one that is to be replaced


def test_what_was_checked_once_is_seen_from_then_on(verdict):
    seen = set()
    assert verdict("Say what it is.", seen=seen) is None
    assert verdict("Say what it is. ", seen=seen) == "duplicate"


def test_a_placeholder_of_the_instruction_must_remain_as_a_token(verdict):
    assert verdict("Answer in that language.", given="Answer in {language}.") == "placeholder"
    assert verdict("Answer in {languages}.", given="Answer in {language}.") == "placeholder"
    assert verdict("Reply in {language}, please.", given="Answer in {language}.") is None


@pytest.mark.parametrize(
    "text", ["Write [[ ## label ## ]] first.", "Put it into <label> tags.", "Begin with [[ ## completed ## ]]"]
)
def test_a_marker_of_any_format_is_refused_whatever_the_format_in_use(verdict, text):
    assert verdict(text) == "reserved marker"


def test_a_whole_training_input_is_a_copy_and_so_are_thirteen_words_of_a_longer_one(verdict):
    words = LONG.split()
    assert verdict(f"Reviews such as: {' '.join(words[:9]).upper()}!", pool=[row(" ".join(words[:9]))]) == "copied row"
    for start in range(len(words) - 12):
        run = " ".join(words[start : start + 13])
        assert verdict(f"For example, {run}, is good.", pool=[row("x y z"), row(LONG)]) == "copied row"
    assert verdict(f"For example, {' '.join(words[2:14])}.", pool=[row(LONG)]) is None  # twelve


def test_words_that_every_row_shares_or_the_instruction_already_had_are_no_copies(verdict):
    question = "please read the following review carefully and then say whether the critic liked the film at all"
    pool = [row(f"{question}: film {n}") for n in range(60)]
    assert verdict(f"You will {question}.", pool=pool) is None
    assert verdict(f"Now {question}.", given=question, pool=[row(question + " x")]) is None


@pytest.mark.parametrize(
    "text",
    [
        'Give the opposite, as "hot" gives "cold".',
        "Give the opposite: hot -> cold.",
        "Give the opposite (hot → cold).",
    ],
)
def test_a_short_input_beside_its_label_is_a_leak(verdict, text):
    assert verdict(text, pool=[row("hot", "cold"), row("up", "down")]) == "leaked label"


def test_the_answer_to_an_input_told_in_a_sentence_is_a_leak(verdict):
    pool = [row("capital of France", "Paris")]
    assert verdict("The capital of France is, of course, Paris. Answer so.", pool=pool) == "leaked label"
    assert verdict("Name capitals, e.g. of France. Paris is one.", pool=pool) is None


def test_naming_the_labels_of_a_task_is_no_leak(verdict):
    pool = [row(f"film {n}", ["positive", "negative"][n % 2], genre="drama") for n in range(50)]
    pool = [Example.of(r.values, ("review", "genre")) for r in pool]
    assert verdict('Answer "positive" or "negative"; a "drama" may be either.', pool=pool) is None


def test_a_rejection_names_the_row_that_was_copied(make_student):
    found = check(f"Like {LONG}.", candidate=make_student(), predictor="self", pool=(row(LONG),), seen=set())
    assert "row 1 of reviews.jsonl" in found.sentence


def test_many_proposals_are_checked_against_a_pool_by_an_index_built_once(make_student, monkeypatch):
    built = []

    class Counted(guards._Index):
        def __init__(self, pool):
            built.append(len(pool))
            super().__init__(pool)

    monkeypatch.setattr(guards, "_Index", Counted)
    pool = tuple(row(f"a pool of its own, row {n}") for n in range(30))
    for n in range(20):
        assert check(f"Proposal {n}.", candidate=make_student(), predictor="self", pool=pool, seen=set()) is None
    assert built == [30]
