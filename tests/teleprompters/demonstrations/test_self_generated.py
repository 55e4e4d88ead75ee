from __future__ import annotations

import re
from collections import Counter

import pytest

from burnish.signatures.example import Example
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.select.self_generated import SelfGenerated, overlap
from burnish.teleprompters.demonstrations.supply import supply_of

OWN = "Task: {{instruction}}\nLike: {{input}}\nAnswer: {{label}}\nForm: {{form}}"


def supply(world, k=4, money=10_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def label_in(prompt):
    return re.search(r"<answer>\n(.*)\n</answer>", prompt)[1]


def writing(prompt, draw):
    return f"<review>\nfresh {label_in(prompt)} words number{draw} here{draw}\n</review>"


def understood(candidate, example):
    """The program reads the label off what was written."""
    return {"label": "positive" if "positive" in example.values["review"] else "negative"}


def world_of(bench, reply_of=writing, outputs_of=understood, **options):
    return bench(lambda c, e: 0.5, reply_of=reply_of, outputs_of=outputs_of, **options)


def test_every_label_gets_an_equal_number_of_new_inputs_that_are_shown_with_it(bench):
    world = world_of(bench)
    sets = list(SelfGenerated(sets=2).select(supply(world)))
    assert len(sets) == 2
    asked = Counter(label_in(prompt) for _, prompt in world.asked)
    assert asked == {"negative": 8, "positive": 8}  # twice as many as are shown
    for chosen in sets:
        assert Counter(shot.demo.values["label"] for shot in chosen.shots) == {"negative": 2, "positive": 2}
        for shot, why in zip(chosen.shots, chosen.reasons, strict=True):
            label = shot.demo.values["label"]
            assert shot.demo.values["review"].startswith(f"fresh {label} words")
            assert re.fullmatch(rf"generated for '{label}' in the manner of row \d+; the program answers it so", why)
            assert shot.row not in {*world.pool, *world.dev}
            assert shot.row.values == shot.demo.values
    shown = [shot.row for chosen in sets for shot in chosen.shots]
    assert len(set(shown)) == 8


def test_the_writer_sees_the_instruction_a_pool_input_without_its_label_and_the_form(bench):
    world = world_of(bench)
    list(SelfGenerated(sets=1).select(supply(world)))
    for _, prompt in world.asked:
        assert "<task>\nClassify the review.\n</task>" in prompt
        assert re.search(r"<review>\nreview \d+\n</review>", prompt)
        assert prompt.endswith("<review>\n...\n</review>")
        assert "1000" not in prompt  # dev
    manners = [re.search(r"review (\d+)", prompt)[1] for _, prompt in world.asked]
    assert len(set(manners)) == len(manners) == 8


def test_copies_are_dropped_and_counted_whether_of_pool_dev_or_each_other(bench):
    replies = [
        "a long review of the pool with number 3 in it and then still more words",
        "a long review of the dev with number 1003 in it and then still more words",
        "something entirely different",
        "Something, entirely DIFFERENT!",
    ]
    columns = {
        "review": lambda n: (
            f"a long review of the {'dev' if n > 999 else 'pool'} with number {n} in it and then more words"
        )
    }
    world = world_of(
        bench,
        lambda prompt, draw: f"<review>{replies[(draw - 1) % 4]}</review>",
        lambda c, e: {"label": "negative"},
        columns=columns,
    )
    sets = list(SelfGenerated(sets=1).select(supply(world)))
    dropped = Counter(detail["reason"] for event, detail in world.events if event == "generated demonstration dropped")
    assert dropped["copied"] == 7
    assert [[shot.demo.values["review"] for shot in chosen.shots] for chosen in sets] == [
        ["something entirely different"]
    ]


def test_what_the_program_answers_otherwise_is_dropped(bench):
    world = world_of(bench, outputs_of=lambda c, e: {"label": "positive"})
    (chosen,) = SelfGenerated(sets=1).select(supply(world))
    assert [shot.demo.values["label"] for shot in chosen.shots] == ["positive"] * 4
    dropped = [detail for event, detail in world.events if event == "generated demonstration dropped"]
    assert [(one["reason"], one["label"]) for one in dropped] == [("not confirmed", "negative")] * 4


def test_nothing_is_yielded_where_nothing_is_left(bench):
    unreadable = world_of(bench, lambda prompt, draw: "I would rather not.")
    assert list(SelfGenerated().select(supply(unreadable))) == []
    assert "reply dropped" in dict(unreadable.events)
    echoed = world_of(bench, lambda prompt, draw: "<review>...</review>")
    assert list(SelfGenerated().select(supply(echoed))) == []


def test_other_columns_stay_those_of_the_row_in_whose_manner_it_is(bench):
    world = world_of(bench, columns={"topic": lambda n: f"topic {n}"})
    chosen = next(SelfGenerated().select(supply(world)))
    for shot, why in zip(chosen.shots, chosen.reasons, strict=True):
        assert shot.row.values["topic"] == "topic " + re.search(r"row (\d+)", why)[1]


def test_inputs_that_are_no_texts_are_read_as_what_they_are(bench, make_student, make_rows):
    def typed(rows):
        return tuple(
            Example.of(
                {"review": row.values["review"], "stars": n, "label": row.values["label"]},
                ("review", "stars"),
                row.place,
            )
            for n, row in enumerate(rows)
        )

    def write(prompt, draw):
        stars = "three" if draw == 1 else str(draw)
        return writing(prompt, draw) + f"\n<stars>{stars}</stars>"

    world = world_of(bench, write, given=make_student(self=(("review", "stars"), ("label",))))
    world.pool, world.dev = typed(world.pool), typed(world.dev)
    chosen = next(SelfGenerated(sets=1).select(supply(world)))
    assert all(isinstance(shot.demo.values["stars"], int) for shot in chosen.shots)
    assert not any("number1 " in shot.demo.values["review"] for shot in chosen.shots)


def test_a_predictor_inside_is_shown_what_it_did_on_the_new_input(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": f"quote of {example.values['review']}"}, "r"),)

    world = bench(lambda c, e: 1.0, reply_of=writing, outputs_of=understood, given=given, trace_of=trace)
    chosen = next(SelfGenerated(sets=1).select(supply(world, predictor="find")))
    for shot in chosen.shots:
        assert shot.demo.values["quote"] == f"quote of {shot.demo.values['review']}"
        assert shot.demo.values["review"].startswith("fresh")


def test_one_label_alone_will_do_and_free_text_will_not(bench):
    world = world_of(bench, outputs_of=lambda c, e: {"label": "positive"}, columns={"label": lambda n: "positive"})
    (chosen,) = SelfGenerated(sets=1).select(supply(world))
    assert len(chosen.shots) == 4
    world = world_of(bench, columns={"label": lambda n: f"text {n}"})
    (chosen,) = SelfGenerated().select(supply(world))
    assert set(chosen.reasons) == {"drawn at random"}
    assert world.asked == []
    assert "needs classes: demonstrations drawn at random" in [event for event, _ in world.events]


def test_it_spends_no_more_than_it_is_given(bench):
    for money in (0, 5, 20, 50, 500):
        world = world_of(bench, lambda prompt, draw: writing(prompt, draw) if draw % 2 else "no")
        list(SelfGenerated().select(supply(world, money=money)))
        assert 10**6 - world.budget <= money
    assert 10**6 - world.budget <= SelfGenerated().cost(20, 4, 10)


def test_a_users_own_metaprompt_is_sent(bench):
    world = world_of(bench, lambda prompt, draw: f"<review>new {draw}</review>", lambda c, e: {"label": "positive"})
    list(SelfGenerated(metaprompt=OWN).select(supply(world)))
    assert all(prompt.startswith("Task: Classify the review.\nLike: <review>") for _, prompt in world.asked)
    with pytest.raises(ValueError, match="form"):
        SelfGenerated(metaprompt="Write {{input}}")


def test_the_best_generated_set_is_what_the_search_ends_with(bench):
    world = bench(
        lambda c, e: float(any("fresh" in d.values["review"] for d in c.demos)), reply_of=writing, outputs_of=understood
    )
    best = list(Demonstrations(select=SelfGenerated(), k=2).search(world))[-1].best
    assert best.mean == 1.0
    origin = next(origin for score, origin, _ in world.recorded if score.candidate == best.candidate)
    assert all("generated for" in why for why in origin.detail["rows"].values())


def test_overlap_counts_words_in_common():
    one, other = Counter(["a", "b", "c", "d"]), Counter(["a", "b", "c", "x"])
    assert overlap(one, one) == 1.0
    assert overlap(one, other) == 0.75
    assert overlap(one, Counter()) == 0.0


@pytest.mark.parametrize("wrong", [{"sets": 0}, {"max_tokens": 0}, {"temperature": -0.1}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SelfGenerated(**wrong)
