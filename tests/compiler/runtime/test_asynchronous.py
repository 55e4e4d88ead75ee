"""Calls in an event loop: who waits where, how many at once, and what cancelling does."""

from __future__ import annotations

import asyncio
import threading

import pytest

from burnish import LMError, ReplyError, SchemaError
from burnish.compiler.runtime.threads import THREADS


def test_an_asynchronous_function_runs_in_the_callers_loop_without_threads(frozen):
    seen = set()

    async def answer(messages, settings):
        seen.add((threading.get_ident(), id(asyncio.get_running_loop())))
        await asyncio.sleep(0)
        return "positive"

    async def many():
        program, mine = frozen(load={"lm": answer}), (threading.get_ident(), id(asyncio.get_running_loop()))
        before = threading.active_count()
        results = await asyncio.gather(*(program.acall(review=str(n)) for n in range(200)))
        assert threading.active_count() == before
        assert seen == {mine}
        return results

    assert [result.label for result in asyncio.run(many())] == ["positive"] * 200


def test_an_asynchronous_function_also_answers_synchronous_calls(frozen):
    async def answer(messages, settings):
        return "positive"

    program = frozen(load={"lm": answer})
    assert program(review="Fine.").label == "positive"
    assert [result.label for result in program.batch([{"review": "a"}, {"review": "b"}])] == ["positive"] * 2


@pytest.mark.parametrize("own_http_client", [False, True])
def test_an_asynchronous_openai_client_takes_no_thread_a_call(own_http_client, server, frozen):
    openai = pytest.importorskip("openai")

    async def many():
        options = {"http_client": openai.DefaultAsyncHttpxClient()} if own_http_client else {}
        async with openai.AsyncOpenAI(api_key="sk-x", base_url=server.url, **options) as client:
            program = frozen(load={"lm": client})
            await program.acall(review="first")  # may start the one loop that all programs share
            before = {thread.name for thread in threading.enumerate() if thread.name.startswith("burnish")}
            results = await asyncio.gather(*(program.acall(review=str(n)) for n in range(20)))
            assert {thread.name for thread in threading.enumerate() if thread.name.startswith("burnish")} == before
            return results

    assert [result.label for result in asyncio.run(many())] == ["positive"] * 20
    assert {body["model"] for body in server.bodies} == {"small"}


def test_an_asynchronous_client_survives_the_end_of_a_loop(server, frozen):
    openai = pytest.importorskip("openai")
    program = frozen(load={"lm": openai.AsyncOpenAI(api_key="sk-x", base_url=server.url)})
    for _ in range(3):
        assert asyncio.run(program.acall(review="Fine.")).label == "positive"
    assert program(review="Fine.").label == "positive"


def test_http_calls_in_a_loop_share_a_bounded_number_of_threads(server, answers, frozen):
    together, lock = [0, 0], threading.Lock()
    enough = threading.Event()

    def answer(handler, body):
        with lock:
            together[0] += 1
            together[1] = max(together)
            if together[0] == THREADS:
                enough.set()
        enough.wait(30)
        with lock:
            together[0] -= 1
        answers.whole("positive")(handler, body)

    server.default = answer
    program = frozen()

    async def many():
        return await asyncio.gather(*(program.acall(review=str(n)) for n in range(THREADS + 20)))

    assert len(asyncio.run(many())) == THREADS + 20
    assert together[1] == THREADS


def test_cancelling_a_call_hangs_up_and_frees_its_thread(server, frozen):
    begun = threading.Event()

    def never(handler, body):
        begun.set()
        handler.wait_for_hang_up()

    server.answers = [never]
    program = frozen()

    async def cancel():
        task = asyncio.ensure_future(program.acall(review="Fine."))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await program.acall(review="next")

    assert asyncio.run(cancel()).label == "positive"
    assert server.hung_up.wait(20)
    assert len(server.bodies) == 2  # the one that was given up is not tried again


def test_giving_up_a_call_that_is_over_leaves_its_connection_to_others(server, frozen):
    from burnish.compiler.lm import LM
    from burnish.compiler.runtime.http_sender import HTTPSender, Line

    lm, line = LM("small", base_url=server.url), Line()
    sender, request = HTTPSender(lm.connection), lm.chat([{"role": "user", "content": "x"}])
    sender.attempt(request, line=line)
    line.hang_up()
    assert sender.attempt(request).text == "positive"
    assert len(server.peers) == 1
    sender.close()


def test_cancelling_reaches_an_asynchronous_function(frozen):
    ended = []

    async def answer(messages, settings):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def limited():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(frozen(load={"lm": answer}).acall(review="Fine."), 0.05)

    asyncio.run(limited())
    assert ended == [True]


def test_the_reply_policy_holds_in_a_loop(server, answers, frozen):
    server.answers = [answers.whole("perhaps"), answers.whole("positive"), answers.whole("perhaps")] * 2
    program = frozen(reply_policy="reask")
    assert asyncio.run(program.acall(review="Fine.")).label == "positive"
    server.answers = [answers.whole("perhaps")] * 2
    with pytest.raises(ReplyError, match="perhaps"):
        asyncio.run(program.acall(review="Fine."))


def test_failures_are_tried_again_in_a_loop(server, answers, frozen):
    server.answers = [answers.status(503), answers.status(500)]
    assert asyncio.run(frozen().acall(review="Fine.")).label == "positive"
    server.answers = [answers.status(401)]
    with pytest.raises(LMError, match="The key was refused"):
        asyncio.run(frozen().acall(review="Fine."))


def test_an_asynchronous_batch_keeps_order_and_concurrency_and_puts_failures_in_their_places(frozen):
    running = [0, 0]

    async def answer(messages, settings):
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(0)
        running[0] -= 1
        number = int(messages[-1]["content"].split("number ")[1].split()[0].rstrip("."))
        return "perhaps" if number == 3 else ("positive", "negative")[number % 2]

    program = frozen(load={"lm": answer})
    rows = [{"review": f"Film number {n}."} for n in range(30)]
    results = asyncio.run(program.abatch(rows, concurrency=4))
    assert running[1] == 4
    assert isinstance(results[3], ReplyError)
    assert [r.label for n, r in enumerate(results) if n != 3] == [
        ("positive", "negative")[n % 2] for n in range(30) if n != 3
    ]
    assert asyncio.run(program.abatch([])) == []


def test_an_asynchronous_batch_checks_rows_first_and_ends_with_the_first_error(frozen):
    asked = []

    async def answer(messages, settings):
        asked.append(messages)
        await asyncio.sleep(0)
        raise RuntimeError("no model")

    program = frozen(load={"lm": answer})
    with pytest.raises(SchemaError, match="row 2 of 2"):
        asyncio.run(program.abatch([{"review": "x"}, {"hint": "x"}]))
    assert asked == []
    with pytest.raises(RuntimeError, match="no model"):
        asyncio.run(program.abatch([{"review": str(n)} for n in range(50)], concurrency=2))
    assert len(asked) <= 4


def test_plain_functions_run_beside_each_other_and_see_the_callers_context(frozen):
    from contextvars import ContextVar

    user = ContextVar("user")
    together = threading.Barrier(3, timeout=20)

    def answer(messages, settings):
        together.wait()
        return {"ada": "positive"}[user.get()]

    program = frozen(load={"lm": answer})

    async def three():
        user.set("ada")
        return await asyncio.gather(*(program.acall(review=str(n)) for n in range(3)))

    assert [result.label for result in asyncio.run(three())] == ["positive"] * 3


def test_a_pipeline_runs_in_a_loop(compiled_pipeline, tmp_path):
    import burnish

    async def answer(messages, settings):
        return "[[ ## total ## ]]\n3" if "Add them" in messages[0]["content"] else "[[ ## prices ## ]]\n[1, 2]"

    add = burnish.load(compiled_pipeline().save(tmp_path / "pipeline.json"), lm=answer)
    assert asyncio.run(add.acall(text="One and two.")).to_dict() == {"prices": [1, 2], "total": 3}
