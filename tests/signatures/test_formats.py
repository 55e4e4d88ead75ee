"""Formats: what a prompt looks like in each, where the instruction stands, and which replies are understood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import ReplyError, SchemaError
from burnish.signatures.formats import FORMATS, get_format
from burnish.signatures.prompt import POSITIONS, Demo, DemoRule, Prompt, Template
from burnish.signatures.schema import Field, Schema

LABEL = Field(
    "label",
    canonical({"enum": ["positive", "negative"], "type": "string"}),
    type_name="Literal['positive', 'negative']",
)
SENTIMENT = Schema((Field("review"),), (LABEL,))
REASONED = Schema((Field("review"),), (Field("reasoning"), LABEL))
TWO_INPUTS = Schema((Field("topic", required=False), Field("film_review")), (Field("answer"),))
DEMO = Demo.of({"review": "So good.", "label": "positive"})
NAMED = tuple(name for name in FORMATS if name != "bare")  # those that name fields, and so may show several
TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Choice": {"enum": ["yes", "no", 'it\'s "so"'], "type": "string"},
    "list": {"type": "array", "items": {"type": "string"}},
    "Model": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}},
    "date": {"type": "string", "format": "date"},
}
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT.map(str.strip).filter(bool),
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "Choice": st.sampled_from(TYPES["Choice"]["enum"]),
    "list": st.lists(TEXT, max_size=3),
    "Model": st.fixed_dictionaries({"name": TEXT, "size": st.integers()}),
    "date": st.dates().map(str),
}


def template(schema: Schema, instruction: str = "Judge it.", *demos: Demo, **parts: Any) -> Template:
    return Prompt(schema, instruction, demos, **parts).template


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


@st.composite
def answers(draw: Any) -> tuple[Schema, dict[str, Any]]:
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=3))
    fields = tuple(Field(f"out_{i}", canonical(TYPES[kind]), type_name=kind) for i, kind in enumerate(kinds))
    return Schema((Field("review"),), fields), {f"out_{i}": draw(VALUES[kind]) for i, kind in enumerate(kinds)}


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=40)
@given(answers(), st.sampled_from(POSITIONS))
def test_the_answer_of_a_demonstration_is_read_back_whole(name: str, answer: Any, position: Any) -> None:
    schema, values = answer
    if name == "bare":
        schema, values = Schema(schema.inputs, schema.outputs[:1]), {"out_0": values["out_0"]}
    made = template(schema, "Judge it.", Demo.of({"review": "x", **values}), format=name, position=position)
    reply = made.demos[0][1].parts[0]
    assert isinstance(reply, str)
    assert made.parse(reply) == values


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("chat", "Sure.\n[[ ## reasoning ## ]]\nIt is.\n\n[[ ## label ## ]]\nPositive.\n"),
        ("chat", "[[ ## reasoning ## ]] It is.\n  [[ ## label ## ]] positive\n[[ ## label ## ]]\nnegative"),
        ("plain", "It is.\nLabel: positive"),
        ("plain", "Reasoning: It is.\n\nLABEL : Positive\nReview: And another one\nLabel: negative"),
        ("plain", "\nreasoning: It is.\nlabel: 'positive'\nBecause of that."),
        ("xml", "<reasoning>It is.</reasoning>\n<label>positive</label>"),
        ("xml", "Well: <reasoning>It is.</reasoning> so <label> positive"),
        ("xml", "<reasoning>It is.\n<label>positive</label>"),
        ("json", '{"reasoning": "It is.", "label": "positive"}'),
        ("json", 'Like {this}: ```json\n{"label": "Positive", "reasoning": "It is."}\n```'),
        ("json", "{'reasoning': 'It is.', 'label': 'positive', 'more': 1,}"),
    ],
)
def test_replies_that_are_a_little_off_are_understood(name: str, reply: str) -> None:
    assert template(REASONED, format=name).parse(reply) == {"reasoning": "It is.", "label": "positive"}


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("positive", "positive"),
        ("Positive.\nThe review says so.", "positive"),
        ("\n Label: negative\n", "negative"),
        ("negative\n\nReview: Great film.\nLabel: positive", "negative"),
    ],
)
def test_plain_reads_a_single_output_with_and_without_its_label(reply: str, label: str) -> None:
    assert template(SENTIMENT, format="plain").parse(reply) == {"label": label}


@pytest.mark.parametrize(
    "reply",
    ["positive", " Positive. ", '"positive"', "\n\npositive\nThe review says so.", "POSITIVE\n\nAwful.\nnegative"],
)
def test_bare_reads_a_value_from_the_whole_reply_or_from_its_first_line(reply: str) -> None:
    assert template(SENTIMENT, format="bare").parse(reply) == {"label": "positive"}


@pytest.mark.parametrize("name", ["bare", "plain"])
def test_the_whole_reply_is_read_into_a_single_text_output(name: str) -> None:
    made = template(Schema((Field("review"),), (Field("answer"),)), format=name)
    assert made.parse("  Two\n\nparagraphs: yes. ") == {"answer": "Two\n\nparagraphs: yes."}


def test_bare_reads_a_reply_that_looks_like_another_formats_as_the_text_it_is() -> None:
    made = template(Schema((Field("review"),), (Field("answer"),)), format="bare")
    for reply in ("Answer: yes", "[[ ## answer ## ]]\nyes", "<answer>yes</answer>", '{"answer": "yes"}'):
        assert made.parse(reply) == {"answer": reply}


@pytest.mark.parametrize("name", ["bare", "plain"])
def test_what_is_wrong_with_an_object_of_several_lines_is_said_of_the_whole_of_it(name: str) -> None:
    form = canonical({"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]})
    made = template(Schema((Field("review"),), (Field("shoe", form, type_name="Shoe"),)), format=name)
    with pytest.raises(ReplyError, match=r"'shoe.size' must be an integer; got 'big'"):
        made.parse('{\n "size": "big"\n}')


@pytest.mark.parametrize(
    ("name", "reply", "reason"),
    [
        ("chat", "positive", "the reply has no field 'reasoning': write the line [[ ## reasoning ## ]]"),
        (
            "chat",
            "[[ ## reasoning ## ]]\nx\n[[ ## label ## ]]\ngood",
            "field 'label' must be one of 'positive', 'negative'",
        ),
        ("plain", "It is so.", "the reply has no line that begins with 'Label:'"),
        ("plain", "x\nLabel: good", "field 'label' must be one of 'positive', 'negative'; got 'good'"),
        ("xml", "<reasoning>x</reasoning>", "the reply has no field 'label': write <label>"),
        ("json", "positive", "the reply holds no JSON object"),
        ("json", '{"reasoning": "x"}', "the JSON object of the reply has no key 'label'"),
        ("json", '{"reasoning": "x", "label": 1}', "field 'label' must be one of 'positive', 'negative'; got 1"),
    ],
)
def test_a_reply_that_cannot_be_used_gives_a_reason_to_act_on(name: str, reply: str, reason: str) -> None:
    with pytest.raises(ReplyError) as caught:
        template(REASONED, format=name).parse(reply)
    assert reason in str(caught.value)


def test_half_a_surrogate_pair_in_a_reply_is_refused_for_no_request_could_hold_it() -> None:
    for name, reply in (
        ("json", '{"reasoning": "\\ud800", "label": "positive"}'),
        ("plain", "\ud800\nLabel: positive"),
    ):
        with pytest.raises(ReplyError, match="surrogate"):
            template(REASONED, format=name).parse(reply)


@pytest.mark.parametrize("name", FORMATS)
def test_a_reply_that_repeats_the_beginning_written_for_it_is_understood(name: str) -> None:
    made = template(SENTIMENT, "The label is as follows.", DEMO, format=name, position="answer_begin")
    reply = str(made.demos[0][1].parts[0])
    assert made.parse(reply) == made.parse(reply.removeprefix("The label is as follows.")) == {"label": "positive"}


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_reply_cannot_be_used(name: str) -> None:
    for reply in ("", " \n"):
        with pytest.raises(ReplyError):
            template(SENTIMENT, format=name).parse(reply)


@pytest.mark.parametrize("name", NAMED)
def test_an_output_that_is_optional_may_be_missing(name: str) -> None:
    maybe = Field("remark", '{"anyOf":[{"type":"string"},{"type":"null"}]}', required=False)
    score = Field("score", '{"type":"integer"}', required=False, default_json="7")
    made = template(Schema((Field("review"),), (LABEL, maybe, score)), format=name)
    reply = str(template(SENTIMENT, "x", DEMO, format=name).demos[0][1].parts[0])
    assert made.parse(reply) == {"label": "positive", "remark": None, "score": 7}


def test_an_empty_bare_reply_stands_for_an_optional_output() -> None:
    for field, value in (
        (Field("remark", '{"anyOf":[{"type":"string"},{"type":"null"}]}', required=False), None),
        (Field("score", '{"type":"integer"}', required=False, default_json="7"), 7),
    ):
        made = template(Schema((Field("review"),), (field,)), format="bare")
        assert made.parse(" \n") == {field.name: value}
        assert made.parse("12")[field.name] in (12, "12")


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
