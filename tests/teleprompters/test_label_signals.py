"""What selectors may rely on: label probabilities from either source, and statistics that are those of the papers."""

from __future__ import annotations

import math

import pytest

from burnish.signatures.errors import BudgetSpent, NoLogprobs, ProgramError
from burnish.signatures.example import Example
from burnish.teleprompters.label_signals import (
    Cost,
    Distributions,
    as_outputs,
    content_free,
    cost,
    distributions,
    global_entropy,
    is_sample,
    local_entropy,
    misconfidence,
    mutual_information,
    prior_of,
    sampled,
)
from burnish.teleprompters.label_statistics import (
    calibrated,
    closeness,
    entropy,
    entropy_of_counts,
    predicted_shares,
    psi,
    smoothed,
    softmax,
)

LABELS = ["negative", "positive"]
LN2 = math.log(2)


def told(chance):
    """A text's log-probability where p(positive | prompt) is chance(prompt), in two tokens."""

    def text_logprob_of(prompt, text):
        p = chance(prompt)
        return [math.log(p if "positive" in text else 1 - p), -0.25]

    return text_logprob_of


def drawn(chance):
    """Outputs of sampled executions: positive in the first chance(row) of ten draws, one time in ten "unsure"."""

    def outputs_of(candidate, example):
        number = candidate["self"].settings.params.get("seed", 0)
        if number == 9:
            return {"label": "unsure"}
        return {"label": " Positive" if number < 10 * chance(example) else "negative"}

    return outputs_of


def found(*probabilities, other=None):
    return Distributions(probabilities, "logprobs", other or (0.0,) * len(probabilities))


def counted(*counts, n=10):
    rows = tuple(tuple(smoothed(row)) for row in counts)
    return Distributions(rows, "samples", tuple(1 - sum(row) / n for row in counts), n, counts)


# where they come from


def test_log_probabilities_give_the_lms_own_distribution_over_the_labels(bench):
    world = bench(lambda *_: 0.0, text_logprob_of=told(lambda prompt: 0.9 if "review 1" in prompt else 0.3))
    given = distributions(world, world.student, world.pool[:2], LABELS)
    assert given.source == "logprobs"
    assert [list(p) for p in given.probabilities] == [pytest.approx([0.7, 0.3]), pytest.approx([0.1, 0.9])]
    assert given.other == (0.0, 0.0)
    assert world.executed == []
    assert world.events[-1] == ("label distributions", {"source": "logprobs", "rows": 2, "labels": 2})


def test_an_lm_that_tells_nothing_is_sampled_and_the_result_and_the_log_say_so(bench):
    world = bench(lambda *_: 0.0, outputs_of=drawn(lambda example: 0.6))
    given = distributions(world, world.student, world.pool[:3], LABELS, n=10)
    assert (given.source, given.samples) == ("samples", 10)
    assert given.counts == ((3, 6),) * 3
    assert given.other == (pytest.approx(0.1),) * 3
    assert given.probabilities[0] == pytest.approx((3.5 / 10, 6.5 / 10))
    event, detail = world.events[-1]
    assert (event, detail["source"], detail["n"]) == ("label distributions", "samples", 10)
    assert "no log-probabilities" in detail["reason"]


def test_asked_for_log_probabilities_an_lm_without_them_is_refused(bench):
    world = bench(lambda *_: 0.0)
    with pytest.raises(NoLogprobs, match="samples"):
        distributions(world, world.student, world.pool[:1], LABELS, "logprobs")
    assert world.executed == []


def test_both_sources_cost_what_the_forecast_says(bench):
    assert cost(rows=5, labels=2, n=7) == Cost(calls=10, executions=35)
    assert cost(5, 2, 7).most == 35
    world = bench(lambda *_: 0.0, text_logprob_of=told(lambda prompt: 0.5))
    before = world.budget
    distributions(world, world.student, world.pool[:5], LABELS, n=7)
    assert before - world.budget == 10
    distributions(world, world.student, world.pool[:5], LABELS, "samples", n=7)
    assert before - world.budget == 10 + 35
    distributions(world, world.student, world.pool[:5], LABELS, "samples", n=7)
    assert before - world.budget == 10 + 35, "and nothing the second time"


def test_the_end_of_the_budget_passes(bench):
    world = bench(lambda *_: 0.0, budget=12)
    with pytest.raises(BudgetSpent):
        distributions(world, world.student, world.pool[:5], LABELS, n=7)


def test_samples_are_the_candidate_at_temperature_one_each_with_its_seed_and_asked_once(make_student):
    student = make_student()
    one, two = sampled(student, 0), sampled(student, 1)
    assert one["self"].settings.params == {"temperature": 1.0, "top_p": 1.0, "seed": 0}
    assert one["self"].settings.reply_policy == "none"
    assert one["self"].prompt == student["self"].prompt
    assert len({student, one, two}) == 3
    assert [is_sample(candidate) for candidate in (student, one, two)] == [False, True, True]


def test_a_program_with_several_predictors_is_sampled(bench, make_student):
    student = make_student(note=(("review",), ("note",)), decide=(("review", "note"), ("label",)))
    world = bench(
        lambda *_: 0.0,
        given=student,
        text_logprob_of=told(lambda prompt: 0.5),
        outputs_of=lambda candidate, example: {"label": "positive"},
    )
    given = distributions(world, student, world.pool[:2], LABELS, n=4)
    assert given.source == "samples"
    assert given.counts == ((0, 4),) * 2
    assert "2 predictors" in world.events[-1][1]["reason"]
    assert all(is_sample(candidate) for candidate, _ in world.executed)


def test_labels_that_leave_an_output_open_are_sampled_and_counted_by_what_they_say(bench, make_student):
    student = make_student(self=(("review",), ("reasoning", "label")))
    world = bench(
        lambda *_: 0.0,
        given=student,
        text_logprob_of=told(lambda prompt: 0.5),
        outputs_of=lambda candidate, example: {"reasoning": "since", "label": "negative"},
    )
    labels = [{"label": "negative"}, {"label": "positive"}]
    assert distributions(world, student, world.pool[:1], labels, n=3).counts == ((3, 0),)
    with pytest.raises(ProgramError, match="reasoning"):
        distributions(world, student, world.pool[:1], labels, "logprobs")
    with pytest.raises(ProgramError, match="does not say which output"):
        distributions(world, student, world.pool[:1], LABELS)


def test_labels_must_be_several_and_different_and_answers_of_the_program(bench):
    world = bench(lambda *_: 0.0, text_logprob_of=told(lambda prompt: 0.5))
    for labels in (["positive"], ["positive", {"label": "positive"}]):
        with pytest.raises(ProgramError, match="at least two"):
            distributions(world, world.student, world.pool, labels)
    with pytest.raises(ProgramError, match="splendid"):
        distributions(world, world.student, world.pool, ["positive", "splendid"])


def test_labels_are_compared_by_token_where_that_is_wanted(bench):
    def text_logprob_of(prompt, text):
        return [-1.0] * (4 if "positive" in text else 2)

    world = bench(lambda *_: 0.0, text_logprob_of=text_logprob_of)
    rows = world.pool[:1]
    by_sum = distributions(world, world.student, rows, LABELS).probabilities[0]
    by_token = distributions(world, world.student, rows, LABELS, per_token=True).probabilities[0]
    assert by_sum == pytest.approx(softmax([-2, -4]))
    assert by_token == pytest.approx((0.5, 0.5))


def test_a_row_that_does_not_fit_the_context_counts_in_no_statistic(bench):
    def text_logprob_of(prompt, text):
        return [-math.inf] if "review 0" in prompt else told(lambda prompt: 0.9)(prompt, text)

    world = bench(lambda *_: 0.0, text_logprob_of=text_logprob_of)
    given = distributions(world, world.student, world.pool[:3], LABELS)
    assert given.reliable == (1, 2)
    assert given.probabilities[0] == (0.5, 0.5)
    assert local_entropy(given) == pytest.approx(entropy([0.1, 0.9]))


# closed forms


def test_entropy_is_that_of_shannon():
    assert entropy([0.25] * 4) == pytest.approx(2 * LN2)
    assert entropy([1.0, 0.0]) == 0
    assert entropy([0.5, 0.25, 0.25]) == pytest.approx(1.5 * LN2)


def test_entropy_from_samples_adds_back_what_few_samples_hide_and_stays_possible():
    assert entropy_of_counts([7, 3]) == pytest.approx(entropy([0.7, 0.3]) + 1 / 20)
    assert entropy_of_counts([5, 5]) == pytest.approx(LN2), "never more than log L"
    assert entropy_of_counts([10, 0]) == 0
    assert entropy_of_counts([0, 0]) == 0


def test_softmax_of_log_scores_keeps_what_floats_cannot_hold():
    assert softmax([-1000.0, -1000.0 + math.log(3)]) == pytest.approx([0.25, 0.75])
    assert softmax([-math.inf, -1.0]) == [0.0, 1.0]
    assert softmax([-math.inf, -math.inf]) == [0.5, 0.5]


def test_smoothing_is_half_a_sample_a_label():
    assert smoothed([10, 0]) == pytest.approx([10.5 / 11, 0.5 / 11])
    assert smoothed([0, 0, 0]) == pytest.approx([1 / 3] * 3)


def test_mutual_information_is_that_of_a_channel():
    assert mutual_information(found((1.0, 0.0), (0.0, 1.0))) == pytest.approx(LN2), "sure, and not always the same"
    assert mutual_information(found((0.5, 0.5), (0.5, 0.5))) == pytest.approx(0), "guessing"
    assert mutual_information(found((1.0, 0.0), (1.0, 0.0))) == pytest.approx(0), "always the same"
    flip = 0.1  # a binary symmetric channel with uniform input has the capacity log 2 - H(flip)
    noisy = mutual_information(found((1 - flip, flip), (flip, 1 - flip)))
    assert noisy == pytest.approx(LN2 - entropy([flip, 1 - flip]))


def test_mutual_information_from_samples_uses_corrected_entropies():
    assert mutual_information(counted((10, 0), (0, 10))) == pytest.approx(LN2)
    expected = min(LN2, entropy([0.5, 0.5]) + 1 / 40) - (entropy([0.8, 0.2]) + 1 / 20)
    assert mutual_information(counted((8, 2), (2, 8))) == pytest.approx(expected)


def test_global_entropy_is_of_predictions_and_local_entropy_of_distributions():
    given = found((0.9, 0.1), (0.6, 0.4), (0.2, 0.8), (0.3, 0.7))
    assert global_entropy(given) == pytest.approx(LN2)
    assert local_entropy(given) == pytest.approx(sum(entropy(p) for p in given.probabilities) / 4)
    assert global_entropy(found((0.9, 0.1), (0.6, 0.4))) == 0


def test_a_known_prior_takes_the_place_of_balance():
    given = found((0.9, 0.1), (0.6, 0.4), (0.7, 0.3), (0.3, 0.7))
    assert global_entropy(given, prior=[0.75, 0.25]) == pytest.approx(0), "predictions as the prior says"
    assert global_entropy(given, prior=[0.5, 0.5]) == pytest.approx(global_entropy(given) - LN2)
    assert local_entropy(given, prior=[0.5, 0.5]) == pytest.approx(local_entropy(given) - LN2)
    assert closeness([1.0, 0.0], [0.25, 0.75]) == pytest.approx(-2 * LN2)
    assert closeness([0.5, 0.5], [1.0, 0.0]) == -math.inf


def test_labels_that_are_equally_likely_divide_their_row():
    assert predicted_shares([(0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]) == pytest.approx([0.75, 0.25, 0.0])


def test_rows_whose_samples_name_no_label_count_in_no_statistic_and_none_at_all_is_never_chosen():
    given = counted((1, 1), (10, 0), (0, 10))
    assert given.reliable == (1, 2)
    assert mutual_information(given) == pytest.approx(LN2)
    nothing = counted((1, 1), (0, 2))
    for statistic in (mutual_information, global_entropy, local_entropy):
        assert statistic(nothing) == -math.inf
    assert prior_of(nothing) == [0.5, 0.5]


def test_misconfidence_is_above_one_exactly_where_the_answer_is_wrong(make_student, make_rows):
    assert psi([0.2, 0.5, 0.3], 1) == pytest.approx(0.6)
    assert psi([0.2, 0.5, 0.3], 2) == pytest.approx(5 / 3)
    assert psi([1.0, 0.0], 1) == math.inf
    rows = make_rows(2)  # negative, positive
    unknown = Example.of({"review": "x", "label": "mixed"}, ("review",))
    given = found((0.8, 0.2), (0.8, 0.2), (0.5, 0.5))
    values = misconfidence(given, make_student(), [*rows, unknown], LABELS)
    assert values == [pytest.approx(0.25), pytest.approx(4.0), None]


def test_misconfidence_from_samples_never_divides_by_less_than_half_a_sample(make_student, make_rows):
    (row,) = make_rows(1)
    (value,) = misconfidence(counted((0, 100), n=100), make_student(), [row], LABELS)
    assert value == pytest.approx((100.5 / 101) / max(0.5 / 101, 1 / 200))


# calibration


def test_calibration_divides_by_what_the_prompt_says_to_nothing():
    assert calibrated([0.6, 0.4], [0.75, 0.25]) == pytest.approx([0.8 / 2.4, 1.6 / 2.4])
    assert calibrated([0.6, 0.4], [0.5, 0.5]) == pytest.approx([0.6, 0.4])
    assert calibrated([0.5, 0.5], [1.0, 0.0]) == pytest.approx([1 / 21, 20 / 21]), "p_cf is at least 1 / (10 L)"


def test_rows_without_content_keep_their_labels_and_what_is_no_text():
    row = Example.of({"review": "Good.", "stars": 4, "label": "positive"}, ("review", "stars"))
    made = content_free(row)
    assert [one.values["review"] for one in made] == ["N/A", "[MASK]", ""]
    assert all(one.values["stars"] == 4 and one.labels == row.labels for one in made)
    with pytest.raises(ProgramError, match="batch"):
        content_free(Example.of({"stars": 4, "label": "positive"}, ("stars",)))


def test_a_mapping_is_a_label_of_its_outputs_and_any_other_value_is_of_the_only_one(make_student):
    assert as_outputs(make_student(), ["negative", {"label": "positive"}]) == [
        {"label": "negative"},
        {"label": "positive"},
    ]
    assert as_outputs(make_student(), [{"a": 1}, {"a": 2}]) == [{"label": {"a": 1}}, {"label": {"a": 2}}]
