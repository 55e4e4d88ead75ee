"""Formats: what a prompt looks like in each, and where the instruction stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import SchemaError
from burnish.signatures.formats import FORMATS, get_format
from burnish.signatures.prompt import POSITIONS, Demo, DemoRule, Prompt, Template
from burnish.signatures.schema import Field, Schema

from .format_prompts import DEMO, LABEL, NAMED, REASONED, SENTIMENT, template

TWO_INPUTS = Schema((Field("topic", required=False), Field("film_review")), (Field("answer"),))


def shown(made: Template, **inputs: object) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in made.render(inputs)]


def test_plain_shows_one_labelled_line_an_input_and_one_an_output() -> None:
    assert shown(template(SENTIMENT, "Judge it.", DEMO, format="plain"), review="Awful.") == [
        ("system", "Judge it."),
        ("user", "Review: So good."),
        ("assistant", "Label: positive"),
        ("user", "Review: Awful."),
    ]
    demo = Demo.of({"review": "So good.", "reasoning": "It says good.", "label": "positive"})
    assert shown(template(REASONED, "", demo, format="plain"), review="Awful.") == [
        ("user", "Review: So good."),
        ("assistant", "Reasoning: It says good.\nLabel: positive"),
        ("user", "Review: Awful."),
    ]


def test_bare_shows_nothing_but_the_instruction_and_the_values() -> None:
    assert shown(template(SENTIMENT, "Judge it.", DEMO, format="bare"), review="Awful.") == [
        ("system", "Judge it."),
        ("user", "So good."),
        ("assistant", "positive"),
        ("user", "Awful."),
    ]
    assert shown(template(SENTIMENT, "", format="bare"), review="Awful.") == [("user", "Awful.")]


@pytest.mark.parametrize(
    ("position", "asked"),
    [
        ("before_question", "Judge it.\n\nAwful."),
        ("question_begin", "Judge it.\nAwful."),
        ("question_end", "Awful.\nJudge it."),
        ("answer_begin", "Awful."),
    ],
)
def test_bare_holds_the_instruction_and_the_value_apart_by_line_breaks(position: Any, asked: str) -> None:
    demo = Demo.of({"review": "Awful.", "label": "positive"}, note="This answer is wrong.", kind="contrastive")
    messages = shown(template(SENTIMENT, "Judge it.", demo, format="bare", position=position), review="Awful.")
    begun = "Judge it.\n" if position == "answer_begin" else ""
    assert messages[:3] == [
        ("user", f"{asked}\nThis answer is wrong."),
        ("assistant", f"{begun}positive"),
        ("user", asked),
    ]
    assert messages[3:] == ([("assistant", "Judge it.")] if begun else [])


@pytest.mark.parametrize("name", ["bare", "plain"])
def test_a_question_and_the_same_question_in_a_demonstration_are_one_text(name: str) -> None:
    for position in POSITIONS:
        for review in ("So good.", " So good.\n"):
            demo = Demo.of({"review": review, "label": "positive"})
            messages = shown(template(SENTIMENT, "Judge it.", demo, format=name, position=position), review=review)
            first, second = (text for role, text in messages if role == "user")
            assert first == second == first.strip()


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (REASONED, "takes one input and one output; here are 'review' and 'reasoning', 'label'"),
        (TWO_INPUTS, "here are 'topic', 'film_review' and 'answer'"),
        (Schema((), (LABEL,)), "here are none and 'label'"),
        (Schema((Field("review", required=False),), (LABEL,)), "'review' may be left out: the question would be empty"),
    ],
)
def test_bare_refuses_what_it_cannot_show_and_names_a_format_that_can(schema: Schema, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason) as caught:
        template(schema, "Judge it.", format="bare")
    assert "Use 'plain'" in str(caught.value)
    template(schema, "Judge it.", format="plain")


def test_bare_shows_the_default_of_an_input_that_is_left_out() -> None:
    number = Field("limit", '{"type":"number"}', type_name="float", required=False, default_json="3")
    made = template(Schema((number,), (LABEL,)), "", format="bare")
    assert shown(made) == [("user", "3.0")]
    assert shown(made, limit=4.5) == [("user", "4.5")]


def test_plain_says_of_fields_only_what_the_user_said_and_what_a_model_cannot_guess() -> None:
    stars = Field("star_rating", '{"type":"integer"}', "one to\nfive", "int", "must be a single int value")
    noted = Field(LABEL.name, LABEL.schema_json, "", LABEL.type_name, "must exactly match one of: positive; negative")
    schema = Schema((Field("review", description="what a viewer wrote"),), (stars, noted))
    assert shown(template(schema, "Rate it.", format="plain"), review="x")[0] == (
        "system",
        "Rate it.\nReview: what a viewer wrote\nStar rating: one to five; must be a single int value",
    )


def test_plain_labels_that_would_be_equal_are_the_names_themselves() -> None:
    schema = Schema((Field("text_a"), Field("Text_a")), (Field("answer"),))
    made = template(schema, "", format="plain")
    assert shown(made, text_a="1", Text_a="2") == [("user", "text_a: 1\nText_a: 2")]


def test_xml_puts_every_value_between_tags_of_its_name() -> None:
    assert shown(template(SENTIMENT, "Judge it.", DEMO, format="xml"), review="Awful.")[1:] == [
        ("user", "<review>\nSo good.\n</review>"),
        ("assistant", "<label>\npositive\n</label>"),
        ("user", "<review>\nAwful.\n</review>\nAnswer with <label>...</label>."),
    ]


def test_json_shows_inputs_and_outputs_as_one_object_each() -> None:
    made = template(SENTIMENT, "Judge it.", DEMO, format="json")
    assert shown(made, review='Awful "é"\n')[1:] == [
        ("user", '{"review": "So good."}'),
        ("assistant", '{"label": "positive"}'),
        ("user", '{"review": "Awful \\"é\\"\\n"}\nAnswer with one JSON object with "label".'),
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_an_instruction_stands_where_its_position_says_and_nowhere_else(name: str) -> None:
    for position in POSITIONS:
        messages = shown(template(SENTIMENT, "Judge it.", DEMO, format=name, position=position), review="Awful.")
        system = "".join(text for role, text in messages if role == "system")
        users = [text for role, text in messages if role == "user"]
        answers = [text for role, text in messages if role == "assistant"]
        assert system.count("Judge it.") == (position == "system")
        for user in users:
            assert user.count("Judge it.") == (position in ("before_question", "question_begin", "question_end"))
        if position == "before_question":
            assert all(user.startswith("Judge it.\n\n") for user in users)
        if position == "question_begin":
            assert users[1].index("Judge it.\n") < users[1].index("Awful.")
        if position == "question_end":
            assert users[1].index("Awful.") < users[1].index("\nJudge it.")
        if position == "answer_begin":
            assert answers[0].startswith("Judge it.\n")
            assert messages[-1] == ("assistant", "Judge it.")
        else:
            assert messages[-1][0] == "user"


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_instruction_reads_the_same_wherever_it_would_stand(name: str) -> None:
    made = [
        template(SENTIMENT, "", DEMO, format=name, position=p) for p in POSITIONS if (name, p) != ("chat", "system")
    ]
    assert len({each.digest for each in made}) == 1
    assert made[0].demos == template(SENTIMENT, "Judge it.", DEMO, format=name).demos


@pytest.mark.parametrize("name", FORMATS)
def test_a_note_ends_the_question_of_its_demonstration(name: str) -> None:
    demo = Demo.of({"review": "So good.", "label": "negative"}, note="This answer is wrong.", kind="contrastive")
    user = shown(template(SENTIMENT, "Judge it.", demo, format=name), review="x")[1][1]
    assert user.index("So good.") < user.index("\nThis answer is wrong.")


def test_demonstrations_that_show_nothing_are_refused() -> None:
    for name in FORMATS:
        with pytest.raises(SchemaError, match="demonstration 2 of 2 has no value for an output"):
            template(SENTIMENT, "x", DEMO, Demo.of({"review": "x"}), format=name)
        with pytest.raises(SchemaError, match="no value for an input"):
            template(SENTIMENT, "x", Demo.of({"label": "positive"}), format=name)
        with pytest.raises(SchemaError, match="contrastive and has no note"):
            template(SENTIMENT, "x", Demo.of({"review": "x", "label": "positive"}, kind="contrastive"), format=name)


def test_an_incomplete_demonstration_shows_what_it_has() -> None:
    demo = Demo.of({"topic": "film", "answer": "yes"})
    assert shown(template(TWO_INPUTS, "", demo, format="plain"), film_review="x")[:2] == [
        ("user", "Topic: film"),
        ("assistant", "Answer: yes"),
    ]
    assert '{"topic": "film"}' in shown(template(TWO_INPUTS, "", demo, format="json"), film_review="x")[1][1]


@pytest.mark.parametrize("name", NAMED)
def test_inputs_that_are_missing_or_unknown_are_refused_by_name(name: str) -> None:
    made = template(TWO_INPUTS, format=name)
    with pytest.raises(
        SchemaError, match=r"input 'film_review' is missing\. This predictor takes 'topic', 'film_review'"
    ):
        made.render({"topic": "x"})
    with pytest.raises(SchemaError, match="input 'review' is unknown"):
        made.render({"film_review": "x", "review": "y"})


def test_bare_refuses_inputs_that_are_missing_or_unknown_by_name() -> None:
    made = template(SENTIMENT, format="bare")
    with pytest.raises(SchemaError, match=r"input 'review' is missing\. This predictor takes 'review'"):
        made.render({})
    with pytest.raises(SchemaError, match="input 'topic' is unknown"):
        made.render({"review": "x", "topic": "y"})


def test_an_optional_input_that_is_not_given_leaves_no_trace_or_takes_its_default() -> None:
    assert shown(template(TWO_INPUTS, "", format="plain"), film_review="x") == [("user", "Film review: x")]
    last = Schema(TWO_INPUTS.inputs[::-1], TWO_INPUTS.outputs)
    assert shown(template(last, "", format="plain"), film_review="x") == [("user", "Film review: x")]
    as_xml = shown(template(TWO_INPUTS, "", format="xml"), film_review="x")[-1][1]
    assert as_xml.startswith("<film_review>\nx\n</film_review>\nAnswer with")
    as_json = shown(template(TWO_INPUTS, format="json"), film_review="x")[-1][1]
    assert as_json.startswith('{"topic": null, "film_review": "x"}')
    number = Field("limit", '{"type":"number"}', type_name="float", required=False, default_json="3")
    schema = Schema((number, Field("review")), (LABEL,))
    made = template(schema, "Go.", format="plain", position="question_begin")
    assert shown(made, review="x") == [("user", "Limit: Go.\n3.0\nReview: x")]
    assert shown(made, review="x", limit=None) == [("user", "Limit: Go.\nNone\nReview: x")]


def test_an_instruction_at_the_questions_start_stays_when_the_first_input_is_left_out() -> None:
    made = template(TWO_INPUTS, "Go.", format="plain", position="question_begin")
    assert shown(made, film_review="x") == [("user", "Film review: Go.\nx")]
    optional = Schema((Field("topic", required=False),), (Field("answer"),))
    made = template(optional, "Go.", format="plain", position="question_begin")
    assert shown(made) == [("user", "Go.\n\nAnswer:")]


def test_a_plain_question_whose_inputs_may_all_be_missing_says_what_is_asked_for() -> None:
    for inputs in ((), (Field("topic", required=False),)):
        made = template(Schema(inputs, (Field("answer"),)), "Tell a joke.", format="plain")
        assert shown(made)[-1] == ("user", "Answer:")


@pytest.mark.parametrize("name", FORMATS)
def test_messages_may_be_changed_without_changing_the_template(name: str) -> None:
    made = template(SENTIMENT, "Judge it.", DEMO, format=name)
    first = made.render({"review": "x"})
    before = json.dumps(first)
    for message in first:
        message["content"] = "changed"
    assert json.dumps(made.render({"review": "x"})) == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_template_read_back_from_json_is_the_same_template(name: str) -> None:
    schema = SENTIMENT if name == "bare" else REASONED
    made = template(schema, "Judge it.", DEMO, format=name, position="question_end")
    again = Template.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert again.digest == made.digest
    assert again.render({"review": "x"}) == made.render({"review": "x"})


def test_prompts_that_render_alike_have_one_digest() -> None:
    for name in ("bare", "plain", "xml", "json"):
        prompt = Prompt(SENTIMENT, "Judge it.", (DEMO,), name)
        assert prompt.with_(instruction="  Judge it.\n").digest == prompt.digest
        assert prompt.with_(instruction="Judge this.").digest != prompt.digest


def test_an_instruction_that_holds_a_formats_marker_is_refused() -> None:
    for name, text in (("chat", "End with [[ ## label ## ]]."), ("plain", "Say\nLabel: x"), ("xml", "Use <label>.")):
        for position in POSITIONS:
            with pytest.raises(SchemaError, match="instruction contains the reserved marker"):
                template(SENTIMENT, text, format=name, position=position)
    for name in ("bare", "json"):
        with pytest.raises(SchemaError, match="CUSTOM-TYPE"):
            template(SENTIMENT, "<<CUSTOM-TYPE-START-IDENTIFIER>>[]<<CUSTOM-TYPE-END-IDENTIFIER>>", format=name)
    with pytest.raises(SchemaError, match="'completed'"):
        template(Schema((Field("review"),), (Field("completed"),)))


def test_an_unknown_format_is_refused_naming_the_known_ones() -> None:
    with pytest.raises(SchemaError, match=r"'yaml' is unknown\. Known: bare, chat, json, plain, xml"):
        get_format("yaml")


def test_json_can_be_held_to_one_schema_of_the_whole_reply() -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer", "default": 1}}}
    other = {"type": "object", "properties": {"title": {"type": "string"}}}
    first = Field("first", canonical({"type": "array", "items": {"$ref": "#/$defs/Item"}, "$defs": {"Item": item}}))
    second = Field("second", canonical({"$ref": "#/$defs/Item", "$defs": {"Item": other}}))
    third = Field("third", canonical({"oneOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}], "$defs": {"Item": item}}))
    made = template(Schema((Field("review"),), (first, second, third)), format="json")
    assert made.response_schema_json is not None
    schema = json.loads(made.response_schema_json)
    assert schema["required"] == ["first", "second", "third"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["first"]["items"] == {"$ref": "#/$defs/Item"}
    assert schema["properties"]["second"] == {"$ref": "#/$defs/Item_2"}
    assert schema["properties"]["third"] == {"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]}
    assert schema["$defs"]["Item"]["required"] == ["n", "name"]
    assert schema["$defs"]["Item"]["additionalProperties"] is False
    assert list(schema["$defs"]["Item_2"]["properties"]) == ["title"]
    assert template(SENTIMENT, format="chat").response_schema_json is None


def test_a_rule_keeps_its_pool_in_the_template_and_shows_only_what_it_picks() -> None:
    demos = [Demo.of({"review": text, "label": "positive"}) for text in ("a quiet film", "a loud film", "some cake")]
    made = template(SENTIMENT, "Judge it.", *demos, format="plain", rule=DemoRule(k=1))
    assert [text for _, text in shown(made, review="cake again")] == [
        "Judge it.",
        "Review: some cake",
        "Label: positive",
        "Review: cake again",
    ]
