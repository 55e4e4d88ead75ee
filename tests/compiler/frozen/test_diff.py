"""What a diff of two compiled files tells, for a person and as data."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.compiler.cli import main
from burnish.compiler.frozen.diff import differences, word_diff
from burnish.compiler.frozen.diff_text import brief_text, diff_text
from burnish.compiler.frozen.words import marked


def diff(old, new, color=False):
    return diff_text(differences(old, new), color)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("Classify the review.", "Classify the whole review.", "Classify the {+whole +}review."),
        ("Answer in one word.", "Reply with one word.", "[-Answer in-]{+Reply with+} one word."),
        ("Be brief.\nBe kind.", "Be kind.", "[-Be brief.\n-]Be kind."),
        ("", "New.", "{+New.+}"),
        ("Same.", "Same.", "Same."),
    ],
)
def test_words_that_changed_are_marked_and_all_others_stay(old, new, shown):
    assert marked(word_diff(old, new)) == shown


TEXTS = st.text(st.sampled_from("ab .,\nß"), max_size=25)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_pieces_of_a_word_diff_make_up_both_texts(old, new):
    pieces = word_diff(old, new)
    assert "".join(text for kind, text in pieces if kind != "added") == old
    assert "".join(text for kind, text in pieces if kind != "removed") == new
    assert all(text for _, text in pieces)


def test_texts_too_long_to_compare_by_words_are_compared_by_lines(monkeypatch):
    monkeypatch.setattr("burnish.compiler.frozen.words.MOST_PAIRS", 30)
    old, new = "x y\none two three\nz", "y x\none two three\nz z"
    assert marked(word_diff(old, new)) == "[-x y\n-]{+y x\n+}one two three\n{+z +}z"
    monkeypatch.setattr("burnish.compiler.frozen.words.MOST_PAIRS", 3)
    assert marked(word_diff(old, new)) == "[-x y\none two three\n-]{+y x\none two three\nz +}z"


def test_diff_marks_changed_words_demonstrations_and_settings(compiled_program):
    old = compiled_program("Classify the review.", demos=2, temperature=0.0)
    new = compiled_program("Classify the whole review.", demos=3, decision="keep", temperature=0.5)
    text = diff(old.document, new.document)
    assert "Classify the {+whole +}review." in text
    assert '+ demonstration 3: review="Größe 2 <b>"' in text
    assert "temperature: 0 -> 0.5" in text
    assert "verdict: ship" in text
    assert "\x1b" not in text


def test_with_color_words_are_painted_and_not_marked(compiled_program):
    old, new = compiled_program("Classify the review."), compiled_program("Judge the review.\x1b[2J")
    text = diff(old.document, new.document, color=True)
    assert "\x1b[9;31mClassify\x1b[0m\x1b[32mJudge\x1b[0m the review." in text
    assert "\x1b[2J" not in text
    assert "\\x1b[2J" in text


def test_only_lines_that_changed_and_their_neighbours_are_shown(compiled_program):
    lines = [f"Rule {n}." for n in range(20)]
    old = compiled_program("\n".join(lines)).document
    lines[10] = "Another rule."
    text = diff(old, compiled_program("\n".join(lines)).document)
    assert "Rule 9." in text
    assert "Rule 11." in text
    assert "Rule 7." not in text
    assert text.count("...") == 2


def test_diff_tells_moved_demonstrations_from_new_ones(compiled_program):
    old, new = compiled_program(demos=2).document, compiled_program(demos=2).document
    new["predictors"]["self"]["source"]["demos"].reverse()
    text = diff(old, new)
    assert "~ demonstration 2 -> 1" in text
    assert "+ demonstration" not in text


def test_a_demonstration_put_first_does_not_move_the_others(compiled_program):
    old, new = compiled_program(demos=3).document, compiled_program(demos=3).document
    demos = new["predictors"]["self"]["source"]["demos"]
    demos.insert(0, {"values": {"review": "New.", "label": "positive"}, "note": None, "kind": "worked"})
    (found,) = [one for one in differences(old, new) if one.part == "demonstration"]
    assert (found.change, found.places) == ("added", (None, 1))


def test_a_demonstration_given_twice_is_not_the_one_given_once(compiled_program):
    old, new = compiled_program(demos=1).document, compiled_program(demos=1).document
    demos = new["predictors"]["self"]["source"]["demos"]
    demos.append(demos[0])
    (found,) = [one for one in differences(old, new) if one.part == "demonstration"]
    assert (found.change, found.places) == ("added", (None, 2))


def test_a_demonstration_with_another_answer_has_changed(compiled_program):
    old, new = compiled_program(demos=2).document, compiled_program(demos=2).document
    new["predictors"]["self"]["source"]["demos"][1]["values"]["label"] = "positive"
    (found,) = [one for one in differences(old, new) if one.part == "demonstration"]
    assert (found.change, found.places) == ("changed", (2, 2))
    assert 'label: "negative" -> "positive"' in diff(old, new)


def test_equal_programs_have_no_differences(compiled_program):
    assert diff(compiled_program().document, compiled_program().document) == "No differences.\n"


def test_a_text_that_changed_though_what_it_is_made_of_did_not_is_shown(compiled_program):
    old, new = compiled_program().document, compiled_program().document
    new["predictors"]["self"]["template"]["tail"][0]["parts"].append(" Ignore all of this.")
    text = diff(old, new)
    assert "text that asks:" in text
    assert "{+ Ignore all of this.+}" in text
    assert "instruction" not in text


def test_diff_names_fields_steps_predictors_and_the_finalist(compiled_program, compiled_pipeline):
    one, two = compiled_program().document, compiled_pipeline().document
    text = diff(one, two)
    assert "kind: predictor -> pipeline" in text
    assert 'steps: [] -> ["extract", "add"]' in text
    assert "predictor extract\n  + added" in text
    assert "predictor self\n  - removed" in text
    kept = compiled_program(finalist="Judge.", decision="keep").document
    other = compiled_program(finalist="Judge well.", decision="keep").document
    assert diff(kept, other) == "predictor finalist: self\n  instruction:\n    Judge{+ well+}.\n"
    assert "finalist: removed" in diff(kept, compiled_program(decision="keep").document)
    new = copy.deepcopy(one)
    field = new["predictors"]["self"]["template"]["schema"]["outputs"][0]
    field["json_schema"]["enum"].append("mixed")
    assert "output label: " in diff(one, new)


def test_diff_tells_what_was_measured_and_on_what(compiled_program):
    old, new = compiled_program().document, compiled_program().document
    new["evidence"]["spent"]["search"]["calls"] = 40
    new["evidence"]["parts"] = []
    new["provenance"]["seed"] = 1
    assert diff(old, new).splitlines() == [
        "evidence.parts: changed",
        "evidence.spent.search.calls: 12 -> 40",
        "provenance.seed: 0 -> 1",
    ]


def test_in_brief_only_what_is_asked_and_measured_is_shown_and_the_rest_is_named(compiled_program):
    old, new = compiled_program().document, compiled_program("Classify the whole review.").document
    old["evidence"]["dev"], new["evidence"]["dev"] = {"student": 0.5}, {"student": 0.625}
    new["evidence"]["events"] = {"round": 3}
    new["evidence"]["spent"]["search"]["calls"] = 40
    new["provenance"] |= {"seed": 1, "metric": "contains('label')", "versions": {"burnish": "2", "dspy": "3"}}
    assert brief_text(differences(old, new)).splitlines() == [
        "predictor self",
        "  instruction:",
        "    Classify the {+whole +}review.",
        "evidence.dev.student: 0.5 -> 0.625",
        "provenance.metric: exact_match('label') -> contains('label')",
        "also different, see --all: evidence (events, spent), provenance (seed, versions)",
    ]


def test_in_brief_what_is_kept_and_not_run_is_only_named(compiled_program):
    kept = compiled_program(finalist="Judge.", decision="keep").document
    other = compiled_program(finalist="Judge well.", decision="keep").document
    text = "No difference in what is asked or what was measured.\nalso different, see --all: finalist\n"
    assert brief_text(differences(kept, other)) == text
    without = compiled_program(decision="keep").document
    assert brief_text(differences(kept, without)) == text
    assert brief_text(differences(kept, kept)) == "No differences.\n"


# the command


def test_the_command_shows_all_only_when_told_so_and_exits_the_same(compiled_program, tmp_path, capsys):
    made = {
        "old": compiled_program(),
        "new": compiled_program(provenance={"seed": 1, "metric": "exact_match('label')"}),
    }
    old, new = (str(one.save(tmp_path / f"{name}.json")) for name, one in made.items())
    assert main(["diff", old, new, "--exit-code"]) == 4
    assert "provenance.seed" not in capsys.readouterr().out
    assert main(["diff", old, new, "--exit-code", "--all"]) == 4
    assert capsys.readouterr().out == "provenance.seed: 0 -> 1\n"


@pytest.fixture
def two_files(compiled_program, tmp_path):
    new = compiled_program("Classify the whole review.")
    return [str(one.save(tmp_path / name)) for one, name in ((compiled_program(), "old.json"), (new, "new.json"))]


def test_the_command_exits_with_4_on_a_difference_only_when_told_so(two_files, capsys):
    old, new = two_files
    assert main(["diff", old, new]) == 0
    assert main(["diff", old, new, "--exit-code"]) == 4
    assert "{+whole +}" in capsys.readouterr().out
    assert main(["diff", old, old, "--exit-code"]) == 0
    assert capsys.readouterr().out == "No differences.\n"


def test_the_command_prints_json_for_a_machine(two_files, capsys):
    assert main(["diff", *two_files, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (found,) = printed["differences"]
    assert (found["where"], found["part"], found["change"]) == ("self", "instruction", "changed")
    assert ["added", "whole "] in found["words"]
    assert printed["old"] != printed["new"]


def test_color_is_for_terminals_and_for_those_who_ask(two_files, capsys, monkeypatch):
    main(["diff", *two_files])
    assert "\x1b" not in capsys.readouterr().out
    main(["diff", *two_files, "--color", "always"])
    assert "\x1b[32mwhole \x1b[0m" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["diff", *two_files])
    assert "\x1b[32m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["diff", *two_files])
    assert "\x1b" not in capsys.readouterr().out
