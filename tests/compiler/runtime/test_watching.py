"""What callbacks are told of a frozen program at work."""

from __future__ import annotations

import asyncio

import pytest

import burnish
from burnish import LMError, ReplyError, SchemaError
from burnish.compiler.callbacks import Callback


class Recorder(Callback):
    def __init__(self):
        self.events = []

    def on_run_started(self, event):
        self.events.append(event)

    on_run_ended = on_call_started = on_call_ended = on_run_started

    @property
    def kinds(self):
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def recorder():
    return Recorder()


ONE_CALL = ["RunStarted", "CallStarted", "CallEnded", "RunEnded"]


def test_a_run_and_its_calls_are_told_with_what_the_server_says(server, frozen, recorder):
    program = frozen(load={"callbacks": [recorder]}, max_tokens=7)
    program(review="Fine.")
    started, call, ended, done = recorder.events
    assert recorder.kinds == ONE_CALL
    assert started.inputs == {"review": "Fine."}
    assert (call.predictor, call.model, call.ask) == ("self", "small", 0)
    assert call.messages == program.to_messages(review="Fine.")
    assert call.params == {"max_tokens": 7, "temperature": 0}
    assert ended.started is call
    assert (ended.text, ended.finish_reason, ended.parsed, ended.error) == ("positive", "stop", True, None)
    assert (ended.prompt_tokens, ended.completion_tokens) == (7, 2)
    assert (done.outputs, done.error) == ({"label": "positive"}, None)
    assert 0 <= ended.seconds <= done.seconds
    assert {event.run for event in (started, call, done)} == {started.run}


def test_a_stream_and_a_call_in_a_loop_are_told_alike(server, answers, frozen, recorder):
    program = frozen(load={"callbacks": [recorder]})
    asyncio.run(program.acall(review="Fine."))
    server.answers = [answers.streamed("pos", "itive")] * 2
    program.stream(review="Fine.").result()
    asyncio.run(program.astream(review="Fine.").result())
    assert recorder.kinds == ONE_CALL * 3
    ends = recorder.events[2::4]
    assert [(e.text, e.finish_reason, e.prompt_tokens, e.completion_tokens) for e in ends] == [
        ("positive", "stop", 7, 2)
    ] * 3
    assert len({event.run for event in recorder.events[::4]}) == 3


def test_a_reask_is_a_call_of_its_own_and_says_so(server, answers, frozen, recorder):
    server.answers = [answers.whole("perhaps"), answers.whole("positive")]
    frozen(load={"callbacks": [recorder]}, reply_policy="reask")(review="Fine.")
    assert recorder.kinds == ["RunStarted", *["CallStarted", "CallEnded"] * 2, "RunEnded"]
    first, second = recorder.events[2], recorder.events[4]
    assert [(end.started.ask, end.parsed, end.error) for end in (first, second)] == [(0, False, None), (1, True, None)]


def test_failures_are_told_by_what_they_are(server, answers, frozen, recorder):
    program = frozen(load={"callbacks": [recorder]})
    server.answers = [answers.whole("perhaps"), answers.status(401)]
    with pytest.raises(ReplyError):
        program(review="x")
    with pytest.raises(LMError):
        program(review="x")
    assert recorder.kinds == ONE_CALL * 2
    unparsed, dead = recorder.events[2], recorder.events[6]
    assert (unparsed.text, unparsed.parsed, type(unparsed.error)) == ("perhaps", False, ReplyError)
    assert (dead.text, dead.parsed, type(dead.error)) == (None, False, LMError)
    assert [type(event.error) for event in (recorder.events[3], recorder.events[7])] == [ReplyError, LMError]
    assert recorder.events[3].outputs is None


def test_a_refused_call_is_told_without_a_text(server, answers, frozen, recorder):
    server.answers = [answers.status(400, '{"error": {"code": "content_filter"}}')]
    with pytest.raises(ReplyError):
        frozen(load={"callbacks": [recorder]})(review="x")
    assert (recorder.events[2].text, recorder.events[2].finish_reason) == (None, None)


def test_inputs_that_do_not_fit_begin_no_run(frozen, recorder):
    with pytest.raises(SchemaError):
        frozen(load={"callbacks": [recorder]})(film="x")
    assert recorder.events == []


def test_a_stream_that_is_closed_early_ends_its_run(server, answers, frozen, recorder):
    server.answers = [answers.streamed("pos", "itive")]
    with frozen(load={"callbacks": [recorder]}).stream(review="x") as stream:
        next(stream)
    assert recorder.kinds == ONE_CALL
    assert "given up" in str(recorder.events[3].error)


def test_a_cancelled_call_ends_its_run(frozen, recorder):
    async def never(messages, settings):
        await asyncio.Event().wait()

    async def limited():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(frozen(load={"lm": never, "callbacks": [recorder]}).acall(review="x"), 0.05)

    asyncio.run(limited())
    assert recorder.kinds == ONE_CALL
    assert "given up" in str(recorder.events[2].error)


def test_each_step_of_a_pipeline_is_a_call_of_one_run(compiled_pipeline, tmp_path, recorder):
    def answer(messages, settings):
        return "[[ ## total ## ]]\n3" if "Add them" in messages[0]["content"] else "[[ ## prices ## ]]\n[1, 2]"

    path = compiled_pipeline().save(tmp_path / "pipeline.json")
    burnish.load(path, lm=answer, callbacks=[recorder])(text="One and two.")
    calls = [event for event in recorder.events if type(event).__name__ == "CallStarted"]
    assert [call.predictor for call in calls] == ["extract", "add"]
    assert recorder.events[-1].outputs == {"prices": [1, 2], "total": 3}


def test_calls_in_threads_of_a_module_belong_to_its_run(tmp_path, recorder):
    import dspy

    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    class Three(dspy.Module):
        def __init__(self):
            super().__init__()
            self.step = dspy.Predict("a -> b")

        def forward(self, a):
            pairs = [(self.step, dspy.Example(a=f"{a}{n}").with_inputs("a")) for n in range(3)]
            return dspy.Prediction(
                b="".join(p.b for p in dspy.Parallel(num_threads=3, disable_progress_bar=True)(pairs))
            )

    read, nothing = read_program(Three()), {"evidence": {}, "provenance": {}}
    compiled = freeze(read, read.student, lm={"model": "small"}, verdict={"decision": "keep"}, **nothing)
    path = compiled.save(tmp_path / "three.json")
    answer = "[[ ## b ## ]]\nx"
    program = burnish.load(path, lm=lambda *_: answer, program=Three(), callbacks=[recorder])
    assert program(a="x").b == "xxx"
    run = recorder.events[0].run
    assert [event.run for event in recorder.events if hasattr(event, "run")] == [run] * 5
    assert recorder.kinds.count("CallEnded") == 3


def test_a_view_is_watched_by_its_own_callbacks_too(server, frozen, recorder):
    other = Recorder()
    program = frozen(load={"callbacks": [recorder]})
    program.with_options(callbacks=[other])(review="x")
    program(review="x")
    assert (recorder.kinds, other.kinds) == (ONE_CALL * 2, ONE_CALL)


def test_a_callback_that_raises_loses_no_answer(frozen, recorder, caplog):
    class Broken(Callback):
        def on_call_started(self, event):
            raise RuntimeError("broken")

    program = frozen(load={"lm": lambda *_: "positive", "callbacks": [Broken(), recorder]})
    assert program(review="x").label == "positive"
    assert recorder.kinds == ONE_CALL
    assert "broken" in caplog.text
