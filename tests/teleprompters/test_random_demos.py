from __future__ import annotations

import pytest

from burnish.signatures.errors import BudgetSpent, SchemaError
from burnish.teleprompters import RandomDemos, Sizes


def drain(search):
    rounds = []
    try:
        rounds.extend(iter(search))
    except BudgetSpent:
        rounds.append(None)
    return rounds


def formats(candidate):
    return {candidate.prompt(path).format for path in candidate.predictors}


def sets_of(world):
    return [(score.candidate, origin) for score, origin, _ in world.recorded if origin.move == "demonstrations"]


def test_the_formats_are_scored_bare_first_and_then_sets_in_each_format(bench):
    world = bench(lambda candidate, example: 0.5)
    rounds = list(RandomDemos(demos=3, sets=2).search(world))
    moves = [(origin.move, origin.detail["format"]) for _, origin, _ in world.recorded]
    assert moves == [
        ("format", "chat"),
        ("format", "plain"),
        ("demonstrations", "chat"),
        ("demonstrations", "plain"),
        ("demonstrations", "chat"),
        ("demonstrations", "plain"),
    ]
    assert [done.name for done in rounds] == ["formats", "set 1", "set 2"]
    assert world.recorded[0][0].candidate == world.student
    (first, plain_first) = sets_of(world)[:2]
    assert first[1].detail["rows"] == plain_first[1].detail["rows"]  # the same rows in each format: a fair comparison
    parents = [parents for *_, parents in world.recorded]
    assert parents[3] == (world.recorded[1][0].candidate,)


def test_a_set_shows_rows_of_the_pool_as_drawn_and_no_row_twice(bench):
    world = bench(lambda candidate, example: 0.5)
    list(RandomDemos(demos=4, sets=5).search(world))
    by_digest = {row.digest: row for row in world.pool}
    for candidate, origin in sets_of(world):
        drawn = [by_digest[digest] for digest in origin.detail["rows"]]
        assert len(set(drawn)) == 4
        assert [demo.values for demo in candidate.demos] == [row.values for row in drawn]


def test_no_set_is_drawn_twice_and_the_search_ends_when_there_are_no_more(bench):
    world = bench(lambda candidate, example: 0.5, pool=4)
    list(RandomDemos(demos=2, formats=("plain",), sets=50).search(world))
    drawn = [frozenset(origin.detail["rows"]) for _, origin in sets_of(world)]
    assert len(drawn) == len(set(drawn)) == 6  # 4 choose 2


def test_a_small_pool_gives_smaller_sets(bench):
    world = bench(lambda candidate, example: 0.5, pool=3)
    list(RandomDemos(demos=8, sets=2).search(world))
    assert {len(candidate.demos) for candidate, _ in sets_of(world)} == {3}


def test_the_number_of_sets_follows_the_budget(bench):
    world = bench(lambda candidate, example: 0.5, dev=10, budget=95)
    rounds = drain(RandomDemos().search(world))
    assert len(sets_of(world)) == 7  # 2 bare formats, then 7 scores of 10 rows; the eighth does not fit
    assert rounds[-1] is None  # cut in the middle of the last round
    world = bench(lambda candidate, example: 0.5, dev=10, budget=85)
    assert drain(RandomDemos().search(world))[-1] is not None  # a round that does not fit is not begun


def test_a_format_in_which_nothing_works_bare_or_on_a_few_rows_with_demonstrations_is_left_out(bench):
    world = bench(lambda candidate, example: 0.0 if formats(candidate) == {"chat"} else 0.5, dev=30)
    list(RandomDemos(sets=3).search(world))
    assert [origin.detail["format"] for _, origin in sets_of(world)] == ["plain", "plain", "plain"]
    probed = [example for candidate, example in world.executed if candidate.demos and formats(candidate) == {"chat"}]
    assert len(probed) == 12
    assert "format left out" in [event for event, _ in world.events]


def test_a_format_that_needs_demonstrations_to_work_stays_in(bench):
    world = bench(lambda candidate, example: 0.5 if candidate.demos or formats(candidate) == {"plain"} else 0.0, dev=30)
    list(RandomDemos(sets=2).search(world))
    assert [origin.detail["format"] for _, origin in sets_of(world)] == ["chat", "plain"] * 2


def test_when_nothing_works_in_any_format_all_stay_in(bench):
    world = bench(lambda candidate, example: 0.0)
    list(RandomDemos(sets=2).search(world))
    assert [origin.detail["format"] for _, origin in sets_of(world)] == ["chat", "plain"] * 2


def test_the_best_is_the_highest_full_score_and_the_student_when_nothing_is_better(bench):
    best_row = None

    def score(candidate, example):
        return 1.0 if any(demo.values["review"] == best_row for demo in candidate.demos) else 0.5

    world = bench(score)
    assert list(RandomDemos(sets=3).search(world))[-1].best.candidate == world.student
    best_row = "review 7"
    world = bench(score, pool=8)
    best = list(RandomDemos(sets=6).search(world))[-1].best
    assert best.mean == 1.0
    assert "review 7" in [demo.values["review"] for demo in best.candidate.demos]


def test_bootstrapped_sets_show_what_the_program_said_on_rows_it_got_right(bench, step):
    def trace(candidate, example):
        values = example.values
        return (step("self", {"review": values["review"]}, {"label": values["label"]}, "reply"),)

    right = lambda candidate, example: float(example.values["label"] == "positive")  # noqa: E731
    world = bench(right, trace_of=trace)
    list(RandomDemos(demos=3, sets=4, source="bootstrapped").search(world))
    assert world.bootstrapped
    assert {demo.values["label"] for candidate, _ in sets_of(world) for demo in candidate.demos} == {"positive"}
    assert {origin.detail["source"] for _, origin in sets_of(world)} == {"bootstrapped"}


def test_labelled_and_bootstrapped_sets_take_turns_when_both_are_wanted(bench, step):
    def trace(candidate, example):
        return (step("self", example.input_values, example.labels, "reply"),)

    world = bench(lambda candidate, example: 1.0, trace_of=trace)
    list(RandomDemos(sets=4, source="both", formats=("plain",)).search(world))
    assert [origin.detail["source"] for _, origin in sets_of(world)] == ["labelled", "bootstrapped"] * 2


def test_without_a_single_correct_trace_the_labelled_predictors_are_shown_labels(bench, step):
    world = bench(lambda candidate, example: 0.0)
    list(RandomDemos(sets=1, source="bootstrapped").search(world))
    assert {origin.detail["source"] for _, origin in sets_of(world)} == {"labelled"}
    assert "no correct trace" in [event for event, _ in world.events]


def test_with_several_predictors_all_show_the_same_rows_by_label_or_by_trace(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("label",)))

    def trace(candidate, example):
        review = example.values["review"]
        return (
            step("find", {"review": review}, {"quote": "first try"}, "r"),
            step("find", {"review": review}, {"quote": f"from {review}"}, "r"),
            step("judge", {"review": review}, {"label": "wrong on the way"}, "r"),
        )

    world = bench(lambda candidate, example: 1.0, given=given, trace_of=trace)
    list(RandomDemos(demos=2, sets=2).search(world))
    for candidate, origin in sets_of(world):
        shown = [demo.values for demo in candidate.prompt("find").demos]
        judged = [demo.values for demo in candidate.prompt("judge").demos]
        assert [values["review"] for values in shown] == [values["review"] for values in judged]
        assert all(values["quote"] == f"from {values['review']}" for values in shown)  # the last call of the predictor
        assert {values["label"] for values in judged} <= {"positive", "negative"}  # the row's own label
        assert len(origin.detail["rows"]) == 2


def test_traces_take_at_most_a_quarter_of_what_is_left(bench):
    world = bench(lambda candidate, example: 0.0, pool=100, dev=10, budget=60)
    list(drain(RandomDemos(demos=2, sets=1, source="bootstrapped").search(world)))
    assert sum(len(rows) for _, rows in world.bootstrapped) == 10  # (60 - 2 formats of 10) / 4


def test_rows_without_a_label_are_not_shown(bench):
    world = bench(lambda candidate, example: 0.5)
    without = tuple(row for row in world.pool if row.values["label"] == "positive")
    world.pool = tuple(
        row if row in without else type(row).of({**row.values, "label": None}, row.inputs) for row in world.pool
    )
    list(RandomDemos(sets=5).search(world))
    assert {demo.values["label"] for candidate, _ in sets_of(world) for demo in candidate.demos} == {"positive"}


def test_a_format_that_cannot_hold_the_students_instruction_is_left_out_unless_it_was_asked_for(bench, make_student):
    given = make_student("Answer in <label> tags.")
    world = bench(lambda candidate, example: 0.5, given=given)
    with pytest.raises(SchemaError):
        list(RandomDemos(sets=1, formats=("chat", "xml")).search(world))
    assert not world.executed


def test_sets_may_be_shown_in_bare_where_there_is_one_input_and_one_output(bench):
    world = bench(lambda candidate, example: float(formats(candidate) == {"bare"}))
    search = RandomDemos(demos=2, sets=2, formats=("plain", "bare"))
    assert search.refusal(world.student) == ""
    best = list(search.search(world))[-1].best.candidate
    assert formats(best) == {"bare"}
    shown = next(candidate for candidate, _ in sets_of(world) if formats(candidate) == {"bare"})
    assert [text for demo in shown.prompt("self").template.demos for message in demo for text in message.parts] == [
        demo.values[name] for demo in shown.demos for name in ("review", "label")
    ]


@pytest.mark.parametrize("order", [("plain", "bare"), ("bare",)])
def test_a_format_that_cannot_show_a_predictor_is_refused_by_name_before_anything_is_run(bench, make_student, order):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))
    world = bench(lambda candidate, example: 0.5, given=given)
    search = RandomDemos(sets=1, formats=order)
    assert "cannot show predictor 'judge' in 'bare': format 'bare' shows values" in search.refusal(given)
    with pytest.raises(SchemaError, match="here are 'review', 'quote' and 'label'"):
        list(search.search(world))
    assert not world.executed
    assert not world.bootstrapped


def test_the_forecast_is_what_the_search_does(bench):
    for budget, settings in ((300, {}), (10**6, {"sets": 3}), (10**6, {"formats": ("plain",), "sets": 70})):
        world = bench(lambda candidate, example: 0.5, budget=budget)
        forecast = RandomDemos(**settings).forecast(Sizes(pool=20, dev=10, predictors=1, executions=budget))
        drain(RandomDemos(**settings).search(world))
        done = len(world.executed) + (10 if settings.get("formats") else 0)  # the student is not scored by the search
        assert forecast.asks == 0
        assert abs(forecast.executions - done) <= 10


@pytest.mark.parametrize(
    "wrong", [{"demos": 0}, {"sets": 0}, {"source": "guessed"}, {"formats": ()}, {"formats": "plain"}]
)
def test_settings_that_name_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="RandomDemos"):
        RandomDemos(**wrong)
