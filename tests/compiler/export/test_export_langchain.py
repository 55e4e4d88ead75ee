from __future__ import annotations

import json
import warnings

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.load import loads
from langchain_core.messages import convert_to_openai_messages
from langchain_core.prompts import ChatPromptTemplate


def loaded(program, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # langchain says that `loads` is in beta
        template = loads(program.export("langchain", **options), allowed_objects="core")
    assert isinstance(template, ChatPromptTemplate)
    return template


def spoken(template, **values):
    return convert_to_openai_messages(template.invoke(values).to_messages())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(["chat", "xml", "json"]))
def test_the_loaded_template_gives_the_messages_of_a_call(awkward, texts, tags, data, form):
    program = awkward(data.draw(texts), data.draw(texts), (tags,), format=form)
    review, listed = data.draw(texts), data.draw(st.lists(texts, max_size=2))
    text = json.dumps(review, ensure_ascii=False) if form == "json" else review
    messages = spoken(loaded(program), review=text, tags=json.dumps(listed, ensure_ascii=False))
    assert messages == program.to_messages(review=review, tags=listed)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(["system", "before_question", "question_begin", "question_end", "answer_begin"]))
def test_it_does_so_wherever_the_instruction_stands(awkward, texts, data, position):
    program = awkward(data.draw(texts), position=position)
    review = data.draw(texts)
    assert spoken(loaded(program), review=review) == program.to_messages(review=review)


def test_an_input_that_is_left_out_is_no_variable(awkward, hint):
    program = awkward(inputs=(hint,))
    assert set(loaded(program).input_variables) == {"review", "hint"}
    template = loaded(program, leave_out=["hint"])
    assert template.input_variables == ["review"]
    assert spoken(template, review="x") == program.to_messages(review="x")


def test_model_and_parameters_come_along_as_metadata(awkward):
    about = loaded(awkward()).metadata["burnish"]
    assert about["request"] == {"model": "small", "temperature": 0.5, "max_tokens": 100, "stop": ["'#"]}
    assert about["inputs"] == {"review": "text"}
