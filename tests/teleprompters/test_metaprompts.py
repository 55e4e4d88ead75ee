from __future__ import annotations

from importlib.resources import files

import pytest

from burnish.signatures.schema import Field, Schema
from burnish.teleprompters import metaprompts
from burnish.teleprompters.induction import written
from burnish.teleprompters.metaprompts import MetaPrompt, load, own

FORMS = {  # what a reply is asked to look like, where it is no instruction in tags
    "abo_demonstration": "<demonstration>",
    "abo_locate": '"step"',
    "abo_refine": "<steps>",
    "abo_steps": "<steps>",
    "abo_update": "<demonstration>",
    "apo_gradient": "<reason>",
    "difficulty": "<ratings>",
    "opro_continue": "{{next}}",
    "opro_instruct": "[like this]",
    "prompt_agent_ascend_feedback": "",
    "prompt_agent_feedback": "",
    "self_generated": "{{form}}",
    "self_instruct_input_first": "JSON list",
    "self_instruct_output_first": "JSON list",
    "self_refine_feedback": "<feedback>",
    "self_refine_rewrite": "<reasoning>",
    "schedule": "<order>",
}


def test_every_text_that_comes_with_the_package_loads_and_says_how_to_reply():
    names = [path.name[:-3] for path in files(metaprompts).iterdir() if path.name.endswith(".md")]
    assert set(FORMS) <= set(names)
    for name in names:
        text = load(name)
        assert text.slots
        assert FORMS.get(name, "<instruction>") in text.text


def test_a_slot_is_filled_once_and_never_from_inside_a_value():
    assert MetaPrompt("{{a}} and {{ b }} and {c}").fill(a="{{b}}", b=r"\1") == r"{{b}} and \1 and {c}"
    with pytest.raises(KeyError):
        MetaPrompt("{{a}}").fill(b="x")


def test_a_text_of_ones_own_needs_exactly_the_slots(tmp_path):
    assert own("See {{examples}}.", {"examples"}) == "See {{examples}}."
    (tmp_path / "own.md").write_text("From a file: {{examples}}\n", encoding="utf-8")
    for place in (tmp_path / "own.md", str(tmp_path / "own.md")):
        assert own(place, {"examples"}) == "From a file: {{examples}}"
    for wrong in ("{{examples}} {{score}}", "{{other}}", "absent.md"):
        with pytest.raises(ValueError, match=r"\{\{examples\}\}"):
            own(wrong, {"examples"})


def test_examples_are_written_with_names_only_where_there_are_several_fields():
    one = Schema((Field("review"),), (Field("label"),))
    assert written(one, {"review": "Good.", "label": "yes"}) == "Input: Good.\nOutput: yes"
    two = Schema((Field("text"), Field("tags")), (Field("why"), Field("label")))
    shown = written(two, {"text": "Good.", "tags": ["a", "é"], "label": True})
    assert shown == 'Input:\ntext: Good.\ntags: ["a", "é"]\nOutput: label: true'
