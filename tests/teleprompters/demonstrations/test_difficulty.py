from __future__ import annotations

import math
import re

import pytest

from burnish.signatures.prompt import Demo
from burnish.teleprompters.demonstrations.base import Shot
from burnish.teleprompters.demonstrations.difficulty import (
    Judge,
    LabelLogProbability,
    Length,
    SuccessRate,
    easiest_first,
    perplexity,
)
from burnish.teleprompters.demonstrations.supply import supply_of


def number(example):
    return int(example.values["review"].split()[1])


def seed(candidate, path="self"):
    return candidate[path].settings.params.get("seed")


def supply(world, k=4, money=10**4, **options):
    return supply_of(world, world.student, "self", k=k, money=money, **options)


def measured_otherwise(world):
    return [detail["by"] for event, detail in world.events if event == "difficulty measured otherwise"]


# success rate


def test_the_success_rate_is_one_minus_the_share_of_right_samples_with_nothing_shown(bench):
    world = bench(lambda candidate, example: float(seed(candidate) < number(example) % 6), pool=6)
    given = supply(world)
    assert SuccessRate().measure(given, given.shots) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert {candidate["self"].settings.params["temperature"] for candidate, _ in world.executed} == {1.0}
    assert all(not candidate.demos for candidate, _ in world.executed)
    assert len(world.executed) == SuccessRate().cost(6) == 30
    SuccessRate().measure(given, given.shots[:3])
    assert len(world.executed) == 30  # known already


def test_a_graded_metric_counts_by_its_mean(bench):
    world = bench(lambda candidate, example: 0.2 * seed(candidate), pool=2)
    given = supply(world)
    assert SuccessRate(samples=3).measure(given, given.shots) == pytest.approx([0.8, 0.8])


def test_with_less_money_there_are_fewer_samples_and_with_none_length_decides(bench):
    world = bench(lambda candidate, example: float(seed(candidate) < 1), pool=6)
    assert SuccessRate().measure(supply(world, money=13), supply(world).shots) == [0.5] * 6
    assert len(world.executed) == 12
    lengths = SuccessRate().measure(supply(world, money=5), supply(world).shots)
    assert lengths == [8.0] * 6
    assert (len(world.executed), measured_otherwise(world)) == (12, ["Length"])


def test_of_several_predictors_the_program_as_a_whole_is_run(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("label",)))
    world = bench(
        lambda candidate, example: float(number(example) % 2),
        given=given,
        pool=4,
        trace_of=lambda candidate, example: (step("find", example.input_values, {"quote": "q"}, "r"),),
    )
    find = supply_of(world, given, "find", k=2, money=100)
    assert sorted(number(shot.row) for shot in find.shots) == [1, 3]  # shown what the program did where it was right
    assert SuccessRate(2).measure(find, find.shots) == [0.0, 0.0]
    assert seed(world.executed[-1][0], "judge") == seed(world.executed[-1][0], "find") == 1


# label perplexity


def test_the_perplexity_of_the_answer_is_measured_after_the_bare_prompt(bench):
    def logprobs(prompt, reply):
        n = int(re.findall(r"review (\d+)", prompt)[-1])
        assert ("positive" if n % 2 else "negative") in reply
        return [-0.5 * n, -1.5 * n]

    world = bench(lambda candidate, example: 1.0, pool=4, text_logprob_of=logprobs)
    given = supply(world)
    found = LabelLogProbability().measure(given, given.shots)
    assert found == pytest.approx([1.0, math.e, math.e**2, math.e**3])
    assert not world.executed


def test_what_cannot_be_is_infinitely_hard():
    assert perplexity([-math.inf]) == perplexity([-1e9]) == math.inf
    assert perplexity([]) == perplexity([0.0, 0.0]) == 1.0
    assert perplexity([math.log(0.5), math.log(0.125)]) == pytest.approx(4)


def test_without_log_probabilities_or_answers_the_success_rate_stands_in_and_the_log_says_so(bench):
    world = bench(lambda candidate, example: float(number(example) == 1), pool=3)
    given = supply(world)
    assert LabelLogProbability().measure(given, given.shots) == [1.0, 0.0, 1.0]
    assert measured_otherwise(world) == ["SuccessRate"]
    world = bench(lambda candidate, example: 1.0, pool=3, text_logprob_of=lambda prompt, reply: [-1.0])
    given = supply(world)
    bare = [Shot(shot.row, Demo.of(shot.row.input_values)) for shot in given.shots]
    LabelLogProbability(otherwise=Length()).measure(given, bare)
    assert measured_otherwise(world) == ["Length"]
    assert LabelLogProbability().measure(supply(world, money=2), given.shots) == [8.0] * 3


# length


def test_length_counts_characters_of_inputs_and_if_asked_of_outputs(bench):
    world = bench(lambda candidate, example: 1.0, pool=2, columns={"review": lambda n: "x" * (n + 1)})
    given = supply(world)
    assert Length().measure(given, given.shots) == [1.0, 2.0]
    shown = [len(f"Input: {'x' * n}\nOutput: {label}") for n, label in ((1, "negative"), (2, "positive"))]
    assert Length(outputs=True).measure(given, given.shots) == shown


# judge


def rating(prompt, rate):
    """One line for each example of a request, as `rate` has it of the review's number; None leaves the line out."""
    lines = []
    for place, n in re.findall(r"Example (\d+)\nInput: review (\d+)", prompt):
        if rate(int(n)) is not None:
            lines.append(f"{place}: {rate(int(n))}")
    return "<ratings>\n" + "\n".join(lines) + "\n</ratings>"


def test_the_judge_rates_in_mixtures_and_its_ratings_are_averaged(bench):
    draws = iter([1, 1, 3, 3, 5, 5] * 9)  # two batches for each of three repeats

    def reply(prompt, draw):
        turn = next(draws)
        return rating(prompt, lambda n: turn if n < 4 else 2)

    world = bench(lambda candidate, example: 1.0, pool=8, reply_of=reply)
    given = supply(world)
    assert Judge(batch=4).measure(given, given.shots) == [3.0] * 4 + [2.0] * 4
    shown = [re.findall(r"review (\d+)", text) for _, text in world.asked]
    assert [len(one) for one in shown] == [4] * 6
    assert all(sorted(shown[n] + shown[n + 1]) == list("01234567") for n in (0, 2, 4))
    assert len({tuple(one) for one in shown}) == 6  # another mixture every time
    assert "Classify the review." in world.asked[0][1]
    assert "Output: negative" in world.asked[0][1]
    assert "up to" not in world.asked[0][1]
    assert len(world.asked) <= Judge(batch=4).cost(8) == 12


def test_a_shot_without_a_rating_is_asked_for_once_more_and_then_is_middling_and_counted(bench):
    world = bench(
        lambda candidate, example: 1.0,
        pool=6,
        reply_of=lambda prompt, draw: rating(prompt, lambda n: {1: None, 2: 9, 3: "hard"}.get(n, 4)),
    )
    given = supply(world)
    assert Judge(repeats=1).measure(given, given.shots) == [4, 3, 3, 3, 4, 4]
    assert [purpose for purpose, _ in world.asked] == ["difficulty", "difficulty, once more"]
    assert sorted(re.findall(r"review (\d+)", world.asked[1][1])) == ["1", "2", "3"]
    assert ("difficulty not rated", {"predictor": "self", "ratings": 3}) in world.events


@pytest.mark.parametrize("text", ["", "I cannot judge that.", "<ratings></ratings>", "<ratings>1: 0\n99: 3</ratings>"])
def test_replies_that_say_nothing_make_all_equally_hard(bench, text):
    world = bench(lambda candidate, example: 1.0, pool=5, reply_of=lambda prompt, draw: text)
    given = supply(world)
    assert Judge().measure(given, given.shots) == [3.0] * 5
    assert len(world.asked) == Judge().cost(5) == 6


def test_the_judge_reads_lists_fractions_and_thoughts(bench):
    text = "<think>1: 5 2: 5</think><ratings>\n 1. 2\n**2**: 4/5\n3) 1.5\n</ratings>"
    world = bench(lambda candidate, example: 1.0, pool=3, reply_of=lambda prompt, draw: text)
    given = supply(world)
    assert sorted(Judge(repeats=1).measure(given, given.shots)) == [1.5, 2, 4]
    assert len(world.asked) == 1


def test_the_judge_keeps_to_its_money(bench):
    world = bench(lambda candidate, example: 1.0, pool=12, reply_of=lambda prompt, draw: rating(prompt, lambda n: 2))
    assert Judge().measure(supply(world, money=5), supply(world).shots) == [2.0] * 12
    assert len(world.asked) == 4  # two ratings of each, in two batches
    assert Judge().measure(supply(world, money=1), supply(world).shots) != [2.0] * 12
    assert (len(world.asked), measured_otherwise(world)) == (4, ["Length"])


def test_a_meta_prompt_of_ones_own_is_used(bench, tmp_path):
    (tmp_path / "mine.md").write_text("{{instruction}} {{examples}} 1 to {{scale}}", encoding="utf-8")
    judge = Judge(scale=9, repeats=1, metaprompt=str(tmp_path / "mine.md"))
    world = bench(lambda candidate, example: 1.0, pool=1, reply_of=lambda prompt, draw: "1: 9")
    given = supply(world)
    assert judge.measure(given, given.shots) == [9.0]
    assert world.asked[0][1].endswith("1 to 9")
    with pytest.raises(ValueError, match="examples"):
        Judge(metaprompt="How hard? {{scale}}")


# order


def test_equally_hard_shots_take_turns_by_label_and_shorter_ones_come_first(bench):
    columns = {
        "review": lambda n: f"review {n} " + "x" * (9 - n),
        "label": lambda n: "positive" if n < 4 else "negative",
    }
    world = bench(lambda candidate, example: 1.0, pool=8, columns=columns)
    given = supply(world)
    places = easiest_first(given, given.shots, [1.0] * 8)
    assert places == [7, 3, 6, 2, 5, 1, 4, 0]
    places = easiest_first(given, given.shots, [0.5, 0.5, 0.2, 0.2, 0.5, 0.5, 0.2, 0.5])
    assert places == [3, 6, 2, 7, 1, 5, 0, 4]  # two positive ones among the easy: they stand apart


@pytest.mark.parametrize("label", [lambda n: "positive", lambda n: f"answer {n}"], ids=["one class", "free text"])
def test_every_shot_has_a_place_whatever_the_answers_are(bench, label):
    world = bench(lambda candidate, example: 1.0, pool=7, columns={"label": label})
    given = supply(world)
    hardness = [2.0, math.inf, 0.0, 1.0, 1.0, math.inf, -1.0]
    places = easiest_first(given, given.shots, hardness)
    assert sorted(places) == list(range(7))
    assert [hardness[place] for place in places] == sorted(hardness)
    assert easiest_first(given, (), []) == []


@pytest.mark.parametrize("measure", [SuccessRate(), LabelLogProbability(), Length(), Judge()])
def test_no_shots_are_measured_for_nothing(bench, measure):
    world = bench(lambda candidate, example: 1.0)
    assert measure.measure(supply(world), ()) == []
    assert not world.executed
    assert not world.asked


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [(SuccessRate, {"samples": 0}), (Judge, {"scale": 1}), (Judge, {"batch": 0}), (Judge, {"repeats": 0})],
)
def test_settings_that_mean_nothing_are_refused(kind, wrong):
    with pytest.raises(ValueError, match=kind.__name__):
        kind(**wrong)
