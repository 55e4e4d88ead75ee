"""Streams: raw text as it comes, the same typed result at the end, and what happens when either fails."""

from __future__ import annotations

import asyncio
import threading

import pytest

from burnish import FrozenError, LMError, ReplyError, SchemaError
from burnish.signatures.reask import reask_messages
from burnish.testing import ScriptedLM


async def read(stream):
    return [piece async for piece in stream], await stream.result()


def both(program, **inputs):
    """What reading in a thread and in an event loop gives: pieces and result."""
    stream = program.stream(**inputs)
    pieces = list(stream)
    apieces, aresult = asyncio.run(read(program.astream(**inputs)))
    assert (apieces, aresult) == (pieces, stream.result())
    return pieces, aresult


# over HTTP


def test_pieces_come_one_by_one_and_the_result_is_typed(server, answers, frozen):
    server.answers = [answers.streamed("pos", "it", "ive")] * 2
    pieces, result = both(frozen(), review="Fine.")
    assert pieces == ["pos", "it", "ive"]
    assert result.label == "positive"


def test_a_stream_asks_what_a_call_asks_and_for_its_tokens(server, answers, frozen):
    program = frozen()
    program(review="Fine.")
    server.answers = [answers.streamed("positive")]
    program.stream(review="Fine.").result()
    called, streamed = server.bodies
    assert streamed == {**called, "stream": True, "stream_options": {"include_usage": True}}


def test_a_piece_is_handed_on_before_the_next_one_exists(server, answers, frozen):
    asked_for_more = threading.Event()
    rest = [answers.event("ive"), answers.event(finish="stop"), answers.DONE]
    server.answers = [answers.events(answers.event("posit"), lambda: asked_for_more.wait(30), *rest)]
    stream = frozen().stream(review="Fine.")
    assert next(stream) == "posit"
    assert stream.text == "posit"
    asked_for_more.set()
    assert list(stream) == ["ive"]
    assert stream.text == "positive"
    assert stream.result().label == "positive"


def test_events_may_be_cut_anywhere_and_hold_any_text(server, answers, frozen):
    content = (
        answers.event("Größe ✓ \u2028", "x") + b": a comment\r\n\r\n" + answers.event("positive", "stop") + answers.DONE
    )
    server.answers = [answers.events(*(content[i : i + 1] for i in range(len(content))))]
    stream = frozen().stream(review="Fine.")
    assert "".join(stream) == "Größe ✓ \u2028positive"


def test_connections_are_used_again_after_a_stream(server, answers, frozen):
    server.answers = [answers.streamed("positive")] * 3
    program = frozen()
    for _ in range(3):
        program.stream(review="Fine.").result()
    program(review="Fine.")
    assert len(server.peers) == 1


def test_a_server_that_does_not_stream_gives_one_piece(server, answers, frozen):
    server.answers = [answers.whole("positive")] * 2
    assert both(frozen(), review="Fine.")[0] == ["positive"]


def test_a_server_that_cannot_count_a_stream_is_asked_without_and_remembered(server, answers, frozen):
    refusal = answers.status(400, '{"error": {"message": "unknown field stream_options"}}')
    server.answers = [refusal, answers.streamed("positive"), answers.streamed("positive")]
    program = frozen()
    for _ in range(2):
        assert program.stream(review="Fine.").result().label == "positive"
    assert ["stream_options" in body for body in server.bodies] == [True, False, False]


def test_a_failure_before_the_first_piece_is_tried_again(server, answers, frozen):
    server.answers = [answers.status(503), answers.status(500), answers.streamed("positive")] * 2
    assert both(frozen(), review="Fine.")[0] == ["positive"]
    assert len(server.bodies) == 6


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ([], "ended the stream before the reply was whole"),
        ([b'data: {"error": {"message": "out of memory"}}\n\n'], "broke off the stream.*out of memory"),
        ([b'error: {"code": 500}\n\n'], "broke off the stream"),
        ([b"data: {nonsense\n\n"], "no JSON"),
        ([b"data: []\n\n"], "broke off the stream"),
    ],
)
def test_a_stream_that_breaks_off_is_an_error_and_is_not_asked_again(ending, message, server, answers, frozen):
    server.answers = [answers.events(answers.event("posit"), *ending)] * 2
    stream = frozen().stream(review="Fine.")
    assert next(stream) == "posit"
    with pytest.raises(LMError, match=message):
        next(stream)
    with pytest.raises(LMError, match=message):
        stream.result()
    assert len(server.bodies) == 1
    with pytest.raises(LMError, match=message):
        asyncio.run(read(frozen().astream(review="Fine.")))


def test_a_connection_that_breaks_in_a_stream_is_an_error(server, answers, frozen):
    server.answers = [answers.events(answers.event("posit"), ends=False)]
    with pytest.raises(LMError, match="broke"):
        frozen().stream(review="Fine.").result()


def test_silence_within_a_stream_ends_it(server, answers, frozen):
    released = threading.Event()
    server.answers = [answers.events(answers.event("posit"), lambda: released.wait(30))]
    stream = frozen(load={"timeout": 0.2}).stream(review="Fine.")
    assert next(stream) == "posit"
    with pytest.raises(LMError, match=r"no reply within 0\.2 seconds"):
        next(stream)
    released.set()


def test_a_closed_stream_hangs_up_and_has_no_result(server, answers, frozen):
    def endless(handler, body):
        handler.begin_events()
        handler.chunk(answers.event("posit"))
        handler.wait_for_hang_up()

    server.answers = [endless, endless]
    with frozen().stream(review="Fine.") as stream:
        assert next(stream) == "posit"
    assert server.hung_up.wait(20)
    with pytest.raises(ReplyError, match="closed before its reply was whole"):
        stream.result()
    server.hung_up.clear()

    async def leave():
        async with frozen().astream(review="Fine.") as stream:
            async for piece in stream:
                return piece

    assert asyncio.run(leave()) == "posit"
    assert server.hung_up.wait(20)


def test_cancelling_a_task_that_waits_for_a_piece_hangs_up(server, answers, frozen):
    begun = threading.Event()

    def endless(handler, body):
        handler.begin_events()
        handler.chunk(answers.event("posit"))
        begun.set()
        handler.wait_for_hang_up()

    server.answers = [endless]

    async def cancel():
        task = asyncio.ensure_future(read(frozen().astream(review="Fine.")))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert server.hung_up.wait(20)


# the reply policy


def test_a_streamed_reply_that_does_not_parse_is_asked_again_whole(server, answers, frozen):
    server.answers = [answers.streamed("per", "haps"), answers.whole("positive")] * 2
    program = frozen(reply_policy="reask")
    stream = program.stream(review="Fine.")
    assert list(stream) == ["per", "haps"]
    assert stream.was_reasked
    assert stream.result().label == "positive"
    first, second = server.bodies
    reason = second["messages"][-1]["content"].split("could not be used: ")[1].split("\n")[0]
    assert second["messages"] == reask_messages(first["messages"], "perhaps", reason)
    assert "stream" not in second
    assert asyncio.run(read(program.astream(review="Fine.")))[1].label == "positive"


def test_a_reply_that_parses_nowhere_is_raised_by_the_result_and_not_by_the_pieces(server, answers, frozen):
    server.answers = [answers.streamed("perhaps")] * 2
    stream = frozen().stream(review="Fine.")
    assert list(stream) == ["perhaps"]
    with pytest.raises(ReplyError, match=r"predictor 'self'.*perhaps"):
        stream.result()
    with pytest.raises(ReplyError):
        asyncio.run(read(frozen().astream(review="Fine.")))


def test_a_cut_stream_says_that_it_was_cut(server, answers, frozen):
    server.answers = [answers.events(answers.event("perhaps"), answers.event(finish="length"), answers.DONE)]
    with pytest.raises(ReplyError, match="cut at max_tokens"):
        frozen().stream(review="Fine.").result()


def test_a_refused_stream_is_the_programs_failure(server, answers, frozen):
    server.answers = [answers.status(400, '{"error": {"code": "content_filter"}}')] * 2
    stream = frozen().stream(review="Fine.")
    assert list(stream) == []
    with pytest.raises(ReplyError, match="content filter refused"):
        stream.result()
    with pytest.raises(ReplyError, match="content filter refused"):
        asyncio.run(read(frozen().astream(review="Fine.")))


# whoever answers


def test_an_iterator_of_texts_is_streamed_and_a_call_takes_it_whole(frozen):
    def answer(messages, settings):
        yield from ("pos", "itive")

    program = frozen(load={"lm": answer})
    assert both(program, review="Fine.")[0] == ["pos", "itive"]
    assert program(review="Fine.").label == "positive"
    assert asyncio.run(program.acall(review="Fine.")).label == "positive"


def test_asynchronous_functions_are_streamed_from_threads_and_loops(frozen):
    async def pieces(messages, settings):
        for text in ("pos", "itive"):
            await asyncio.sleep(0)
            yield text

    async def text(messages, settings):
        return "positive"

    assert both(frozen(load={"lm": pieces}), review="Fine.")[0] == ["pos", "itive"]
    assert both(frozen(load={"lm": text}), review="Fine.")[0] == ["positive"]
    assert frozen(load={"lm": pieces})(review="Fine.").label == "positive"


def test_a_function_is_told_when_its_stream_is_left(frozen):
    ended = []

    async def pieces(messages, settings):
        try:
            yield "pos"
            yield "itive"
        finally:
            ended.append(True)

    with frozen(load={"lm": pieces}).stream(review="Fine.") as stream:
        assert next(stream) == "pos"
    assert ended == [True]

    async def leave():
        async with frozen(load={"lm": pieces}).astream(review="Fine.") as stream:
            async for _ in stream:
                return

    asyncio.run(leave())
    assert ended == [True] * 2


def test_a_function_that_gives_no_texts_is_named(frozen):
    with pytest.raises(LMError, match="returned int, not the text of a reply"):
        frozen(load={"lm": lambda messages, settings: iter([1])}).stream(review="Fine.").result()


def test_other_lms_give_one_piece(frozen):
    lm = ScriptedLM(["positive", "positive"], model="small")
    assert both(frozen(load={"lm": lm}), review="Fine.")[0] == ["positive"]


def test_an_openai_client_is_streamed_through(server, answers, frozen):
    openai = pytest.importorskip("openai")
    server.answers = [answers.streamed("pos", "itive")] * 2
    with openai.OpenAI(api_key="sk-x", base_url=server.url) as client:
        pieces, result = both(frozen(load={"lm": client}), review="Fine.")
    assert (pieces, result.label) == (["pos", "itive"], "positive")
    assert server.bodies[0]["stream_options"] == {"include_usage": True}


def test_an_asynchronous_openai_client_is_streamed_through(server, answers, frozen):
    openai = pytest.importorskip("openai")
    server.answers = [answers.streamed("pos", "itive")] * 2
    client = openai.AsyncOpenAI(api_key="sk-x", base_url=server.url)
    assert both(frozen(load={"lm": client}), review="Fine.")[0] == ["pos", "itive"]
    asyncio.run(client.close())


def test_a_client_learns_what_the_server_refuses_and_says_what_failed(server, answers, frozen):
    openai = pytest.importorskip("openai")
    limit = answers.status(400, '{"error": {"message": "Use max_completion_tokens instead of max_tokens."}}')
    count = answers.status(400, '{"error": {"message": "unknown field stream_options"}}')
    server.answers = [limit, count, answers.streamed("positive"), answers.status(401)]
    with openai.OpenAI(api_key="sk-x", base_url=server.url) as client:
        program = frozen(load={"lm": client})
        assert program.stream(review="Fine.").result().label == "positive"
        assert "max_completion_tokens" in server.bodies[-1]
        with pytest.raises(LMError, match="The key was refused"):
            program.stream(review="Fine.").result()
        server.answers = [answers.events(answers.event("posit"), ends=False)]
        with pytest.raises(LMError, match="broke"):
            program.stream(review="Fine.").result()


# what is streamed


def test_of_a_pipeline_the_last_step_is_streamed(compiled_pipeline, tmp_path):
    import burnish

    def answer(messages, settings):
        text = "[[ ## total ## ]]\n3" if "Add them" in messages[0]["content"] else "[[ ## prices ## ]]\n[1, 2]"
        yield from text.splitlines(keepends=True)

    add = burnish.load(compiled_pipeline().save(tmp_path / "pipeline.json"), lm=answer)
    pieces, result = both(add, text="One and two.")
    assert pieces == ["[[ ## total ## ]]\n", "3"]
    assert result.to_dict() == {"prices": [1, 2], "total": 3}


def test_wrong_inputs_are_refused_when_the_stream_is_made(frozen):
    with pytest.raises(SchemaError, match="'review' is missing"):
        frozen().stream(hint="x")


def test_a_module_is_not_streamed(tmp_path):
    import dspy

    import burnish
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    class Twice(dspy.Module):
        def __init__(self):
            super().__init__()
            self.step = dspy.Predict("a -> b")

        def forward(self, a):
            return self.step(a=self.step(a=a).b)

    read, nothing = read_program(Twice()), {"evidence": {}, "provenance": {}}
    compiled = freeze(read, read.student, lm={"model": "small"}, verdict={"decision": "keep"}, **nothing)
    program = burnish.load(compiled.save(tmp_path / "twice.json"), lm=lambda *_: "", program=Twice())
    with pytest.raises(FrozenError, match="A module cannot be streamed"):
        program.stream(a="x")
