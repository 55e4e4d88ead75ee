from __future__ import annotations

import json
import re

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FORMATS = ["chat", "xml", "json"]


def filled(exported, **values):
    """The request, filled as docs/export.md says."""
    by_slot = {one["slot"]: values[name] for name, one in exported["slots"].items()}
    slots = re.compile("|".join(map(re.escape, by_slot)))
    request = exported["request"]
    messages = [
        {**message, "content": slots.sub(lambda match: by_slot[match[0]], message["content"])}
        for message in request["messages"]
    ]
    return {**request, "messages": messages}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(FORMATS))
def test_a_filled_request_has_the_messages_of_a_call(awkward, texts, tags, data, form):
    program = awkward(data.draw(texts), data.draw(texts), (tags,), format=form)
    review, listed = data.draw(texts), data.draw(st.lists(texts, max_size=2))
    as_json = json.dumps(listed, ensure_ascii=False)
    text = json.dumps(review, ensure_ascii=False) if form == "json" else review
    request = filled(json.loads(program.export("openai")), review=text, tags=as_json)
    assert request["messages"] == program.to_messages(review=review, tags=listed)


@pytest.mark.parametrize("form", FORMATS)
def test_the_sdk_sends_exactly_what_a_call_of_the_file_sends(awkward, sent, tmp_path, form):
    program = awkward(format=form, params={"top_p": 0.5, "seed": 7})
    expected = sent(program.save(tmp_path / "p.json"), review="Größe {x}")
    text = '"Größe {x}"' if form == "json" else "Größe {x}"
    request = filled(json.loads(program.export("openai")), review=text)
    client = openai.OpenAI(base_url=sent.server.base_url, api_key="no-key")
    assert client.chat.completions.create(**request).choices[0].message.content
    assert sent.server.bodies.pop() == expected


def test_parameters_that_only_some_servers_know_go_through_extra_body(awkward, sent, tmp_path):
    program = awkward(params={"top_k": 4, "min_p": 0.1})
    expected = sent(program.save(tmp_path / "p.json"), review="x")
    request = filled(json.loads(program.export("openai")), review="x")
    client = openai.OpenAI(base_url=sent.server.base_url, api_key="no-key")
    model, messages = request.pop("model"), request.pop("messages")
    client.chat.completions.create(model=model, messages=messages, extra_body=request)
    assert sent.server.bodies.pop() == expected


def test_a_prompt_that_says_a_slot_itself_gets_slots_with_more_braces(awkward):
    exported = json.loads(awkward("Write {{review}}.").export("openai"))
    assert exported["slots"]["review"]["slot"] == "{{{review}}}"
    assert "Write {{review}}." in filled(exported, review="x")["messages"][0]["content"]


def test_the_export_says_how_each_value_is_written(awkward, tags):
    exported = json.loads(awkward(inputs=(tags,)).export("openai"))
    assert exported["slots"]["review"]["write"] == "text"
    assert "json.dumps(value, ensure_ascii=False)" in exported["slots"]["tags"]["write"]


def test_the_export_says_what_differs_from_a_call(awkward, hint):
    notes = " ".join(json.loads(awkward(inputs=(hint,), format="plain").export("openai"))["notes"])
    assert "with a backslash" in notes
    assert "--leave-out hint" in notes
    assert "'hint' stands at the edge of a message" in notes
