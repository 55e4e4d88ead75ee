"""A loaded program: it asks exactly what was scored, whoever answers, and gives typed results."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading

import pytest

import burnish
from burnish import LMError, ReplyError, SchemaError
from burnish.signatures.reask import reask_messages
from burnish.testing import ScriptedLM


def always(text):
    return lambda messages, params: text


# one call


def test_results_are_read_as_attributes_items_and_dictionaries(compiled_program, saved):
    classify = burnish.load(saved(compiled_program(format="plain")), lm=always("Positive."))
    result = classify(review="Fine.")
    assert result.label == result["label"] == "positive"
    assert dict(result) == result.to_dict() == {"label": "positive"}
    assert repr(result) == "Result(label='positive')"
    assert list(result) == ["label"]
    assert len(result) == 1
    with pytest.raises(AttributeError, match="no output 'score'; it has 'label'"):
        result.score  # noqa: B018


def test_a_loaded_program_says_what_it_takes_and_gives(compiled_program, saved):
    classify = burnish.load(saved(compiled_program()))
    assert (classify.predictors, classify.inputs, classify.outputs) == (("self",), ("review", "hint"), ("label",))
    assert repr(classify) == "FrozenProgram(review, hint -> label; small; ship)"


@pytest.mark.parametrize("format", ["chat", "plain", "xml", "json"])
def test_production_sends_the_request_that_the_compile_scored(format, compiled_program, saved):
    from burnish.compiler.execution import predict
    from burnish.signatures.candidate import Settings

    task = ScriptedLM(["?"], model="small", max_tokens=100, top_p=0.9)
    compiled = compiled_program(format=format, lm=task.identity(), temperature=0.5)
    part = compiled.candidate["self"]
    at_compile = type(part)(part.prompt, Settings.of(temperature=0.5))
    inputs = {"review": "Ein [[ ## label ## ]] </review> Film\n", "hint": "ja"}
    scored = next(predict(at_compile, task, inputs)).body_json
    served = ScriptedLM(["nonsense"], model="small")
    with contextlib.suppress(ReplyError):
        burnish.load(saved(compiled), lm=served)(**inputs)
    assert [json.dumps(body, sort_keys=True) for body in served.calls] == [
        json.dumps(json.loads(scored), sort_keys=True)
    ]
    assert served.calls[0]["messages"] == compiled.to_messages(**inputs)


def test_sampling_defaults_of_another_lm_do_not_change_how_it_is_asked(compiled_program, saved):
    other = ScriptedLM(["positive"], model="large", temperature=1.5, top_p=0.1)
    burnish.load(saved(compiled_program(format="plain")), lm=other)(review="Fine.")
    assert {name: value for name, value in other.calls[0].items() if name != "messages"} == {
        "model": "large",
        "temperature": 0,
        "max_tokens": 100,
    }


def test_a_function_can_answer_and_gets_messages_and_parameters(compiled_program, saved):
    asked = []

    def answer(messages, params):
        asked.append((messages, params))
        return "negative"

    compiled = compiled_program(format="plain", max_tokens=7)
    assert burnish.load(saved(compiled), lm=answer)(review="Bad.").label == "negative"
    assert asked == [(compiled.to_messages(review="Bad."), {"model": "small", "max_tokens": 7, "temperature": 0})]


def test_a_function_that_returns_no_text_is_named(compiled_program, saved):
    with pytest.raises(LMError, match="returned NoneType, not the text of a reply"):
        burnish.load(saved(compiled_program()), lm=lambda messages, params: None)(review="x")


def test_a_compiled_program_answers_with_the_lm_of_its_compile(compiled_program):
    lm = ScriptedLM(["positive"], model="small")
    assert compiled_program(format="plain", live_lm=lm)(review="Fine.").label == "positive"
    assert len(lm.calls) == 1


def test_wrong_inputs_are_refused_before_any_call(compiled_program, saved):
    lm = ScriptedLM([], model="small")
    classify = burnish.load(saved(compiled_program()), lm=lm)
    with pytest.raises(SchemaError, match="input 'review' is missing"):
        classify(hint="x")
    with pytest.raises(SchemaError, match="no input 'film'; the program takes 'review', 'hint'"):
        classify(film="x")
    assert lm.calls == []


# replies


def test_a_reply_that_does_not_parse_is_an_error_that_names_the_predictor(compiled_program, saved):
    classify = burnish.load(saved(compiled_program(format="plain")), lm=always("perhaps"))
    with pytest.raises(ReplyError, match=r"predictor 'self'.*perhaps"):
        classify(review="x")


def test_the_reask_shows_the_reply_and_the_reason_and_is_asked_once(compiled_program, saved):
    lm = ScriptedLM(["perhaps", "positive"], model="small")
    compiled = compiled_program(format="plain", reply_policy="reask")
    assert burnish.load(saved(compiled), lm=lm)(review="x").label == "positive"
    first, second = (body["messages"] for body in lm.calls)
    with pytest.raises(ReplyError) as reason:
        compiled.candidate.prompt("self").template.parse("perhaps")
    assert second == reask_messages(first, "perhaps", str(reason.value))
    with pytest.raises(ReplyError):
        burnish.load(saved(compiled), lm=ScriptedLM(["perhaps", "perhaps"], model="small"))(review="x")


def test_a_cut_reply_says_that_it_was_cut(compiled_program, saved):
    lm = ScriptedLM(["one two three four five"], model="small")
    with pytest.raises(ReplyError, match="cut at max_tokens"):
        burnish.load(saved(compiled_program(format="plain", max_tokens=3)), lm=lm)(review="x")


# many calls


def test_a_batch_keeps_its_order_and_puts_reply_errors_in_their_places(compiled_program, saved):
    def answer(messages, params):
        number = int(messages[-1]["content"].split("number ")[1].split()[0].rstrip("."))
        return "perhaps" if number == 3 else ("positive", "negative")[number % 2]

    classify = burnish.load(saved(compiled_program(format="plain")), lm=answer)
    results = classify.batch([{"review": f"Film number {n}."} for n in range(8)], concurrency=4)
    assert isinstance(results[3], ReplyError)
    labels = [result.label for n, result in enumerate(results) if n != 3]
    assert labels == ["positive", "negative", "positive", "positive", "negative", "positive", "negative"]
    assert classify.batch([]) == []


def test_a_batch_checks_all_rows_before_the_first_call(compiled_program, saved):
    lm = ScriptedLM([], model="small")
    with pytest.raises(SchemaError, match=r"row 2 of 2: .*'review' is missing.*Nothing was sent"):
        burnish.load(saved(compiled_program()), lm=lm).batch([{"review": "x"}, {"hint": "x"}])
    assert lm.calls == []


def test_a_batch_ends_when_nobody_answers(compiled_program, saved):
    from burnish.compiler.lm.failures import Permanent

    lm = ScriptedLM(lambda messages, body: Permanent("HTTP 401: no", status=401), model="small")
    with pytest.raises(LMError, match="The key was refused"):
        burnish.load(saved(compiled_program()), lm=lm).batch([{"review": str(n)} for n in range(20)])


def test_async_calls_run_beside_each_other(compiled_program, saved):
    together = threading.Barrier(3, timeout=20)

    def answer(messages, params):
        together.wait()
        return "positive"

    classify = burnish.load(saved(compiled_program(format="plain")), lm=answer)

    async def three():
        return await asyncio.gather(*(classify.acall(review=str(n)) for n in range(3)))

    assert [result.label for result in asyncio.run(three())] == ["positive"] * 3
