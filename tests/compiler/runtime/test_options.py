"""Options of one call, time-outs, and results in the user's own types."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Literal

import pytest

import burnish
from burnish import FrozenError, LMError
from burnish.testing import ScriptedLM

# options


def test_another_model_at_the_same_server_shares_its_connections(server, frozen):
    program = frozen()
    program(review="Fine.")
    view = program.with_options(model="large")
    assert view(review="Fine.").label == "positive"
    program(review="Fine.")
    assert [body["model"] for body in server.bodies] == ["small", "large", "small"]
    assert len(server.peers) == 1
    first, second, _ = ({k: v for k, v in body.items() if k != "model"} for body in server.bodies)
    assert first == second
    assert "large" in repr(view)


def test_options_can_be_named_like_inputs_without_a_clash(tmp_path, server):
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    program = burnish.Predict("model, timeout, lm -> label")
    read, nothing = read_program(program), {"evidence": {}, "provenance": {}}
    compiled = freeze(read, read.student, lm={"model": "small"}, verdict={"decision": "keep"}, **nothing)
    asked = []

    def answer(messages, settings):
        asked.append((messages[-1]["content"], settings["model"]))
        return "[[ ## label ## ]]\nok"

    loaded = burnish.load(compiled.save(tmp_path / "names.json"), lm=answer)
    loaded.with_options(model="large")(model="T-800", timeout="soon", lm="none")
    assert asked[0][1] == "large"
    assert all(text in asked[0][0] for text in ("T-800", "soon", "none"))


def test_another_lm_answers_a_view_and_the_program_keeps_its_own(frozen):
    program = frozen(load={"lm": lambda *_: "positive"})
    view = program.with_options(lm=lambda *_: "negative")
    assert (view(review="x").label, program(review="x").label) == ("negative", "positive")
    assert view.with_options(model="other")(review="x").label == "negative"


def test_a_client_is_asked_for_another_model(server, frozen):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="sk-x", base_url=server.url) as client:
        frozen(load={"lm": client}).with_options(model="large")(review="x")
    assert server.bodies[0]["model"] == "large"


def test_what_has_one_model_cannot_be_asked_for_another(frozen):
    with pytest.raises(LMError, match="cannot be asked for 'large'"):
        frozen(load={"lm": ScriptedLM([], model="small")}).with_options(model="large")


def test_a_view_of_a_module_asks_in_its_own_way(tmp_path):
    import dspy

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
    asked = []

    def answer(messages, settings):
        asked.append(settings["model"])
        return "[[ ## b ## ]]\nx"

    program = burnish.load(compiled.save(tmp_path / "twice.json"), lm=answer, program=Twice())
    assert program.with_options(model="large")(a="x").b == "x"
    assert asyncio.run(program.acall(a="x")).b == "x"
    assert asked == ["large", "large", "small", "small"]


# time-outs


def test_a_timeout_limits_one_attempt(server, answers, frozen):
    released = threading.Event()

    def slow(handler, body):
        released.wait(30)
        handler.close_connection = True

    server.answers = [slow] * 3
    program = frozen()
    with pytest.raises(LMError, match=r"no reply within 0\.1 seconds\. That was attempt 3"):
        program.with_options(timeout=0.1)(review="x")
    server.answers = [slow] * 3
    with pytest.raises(LMError, match=r"no reply within 0\.1 seconds"):
        asyncio.run(frozen(load={"timeout": 0.1}).acall(review="x"))
    assert program(review="x").label == "positive"
    released.set()


def test_a_server_that_trickles_does_not_outlive_the_timeout(server, frozen):
    stopped = threading.Event()

    def trickle(handler, body):
        handler.begin_events()
        while not stopped.wait(0.02):
            handler.chunk(b" ")

    server.answers = [trickle] * 3
    with pytest.raises(LMError, match=r"no reply within 0\.3 seconds"):
        frozen(load={"timeout": 0.3})(review="x")
    stopped.set()


def test_a_timeout_ends_an_asynchronous_function(frozen):
    async def never(messages, settings):
        await asyncio.Event().wait()

    program = frozen(load={"lm": never, "timeout": 0.05})
    for ask in (program, lambda **inputs: asyncio.run(program.acall(**inputs))):
        with pytest.raises(LMError, match=r"function given as lm= gave no reply within 0\.05 seconds"):
            ask(review="x")


def test_a_timeout_of_the_functions_own_passes_as_it_is(frozen):
    async def own(messages, settings):
        raise asyncio.TimeoutError("my own")

    with pytest.raises(asyncio.TimeoutError, match="my own"):
        frozen(load={"lm": own})(review="x")


def test_a_timeout_ends_any_other_lm(frozen):
    async def never(messages, body):
        await asyncio.Event().wait()

    program = frozen(load={"lm": ScriptedLM(never, model="small"), "timeout": 0.05})
    import burnish.compiler.runtime.answering as module

    module.WAITS, before = (0.0, 0.0), module.WAITS
    try:
        with pytest.raises(LMError, match=r"no reply within 0\.05 seconds"):
            program(review="x")
    finally:
        module.WAITS = before


def test_a_timeout_that_could_not_be_kept_is_refused(frozen):
    program = frozen(load={"lm": lambda *_: "positive"})
    with pytest.raises(LMError, match="plain function, which keeps its own time"):
        program.with_options(timeout=5)
    limited = frozen(load={"timeout": 5}).with_options(lm=lambda *_: "positive")  # the limit was the server's
    assert limited(review="x").label == "positive"
    with pytest.raises(LMError, match="timeout=0 is no time"):
        frozen().with_options(timeout=0)


# forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_worker_opens_connections_and_threads_of_its_own(server, frozen):
    program = frozen()
    asyncio.run(program.acall(review="x"))
    child = os.fork()
    if child == 0:
        fine = False
        try:
            fine = program(review="x").label == "positive" == asyncio.run(program.acall(review="x")).label
        finally:
            os._exit(0 if fine else 1)  # whatever happens, the child must not go on with the tests
    assert os.waitpid(child, 0)[1] == 0
    assert program(review="x").label == "positive"
    assert len(server.peers) == 2


# types


@pytest.fixture
def orders(tmp_path):
    """A file whose outputs are a model of the user's, its signature, and a function that answers."""
    import dspy
    from pydantic import create_model

    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    item = create_model("Item", name=str, price=(float, 1.0))

    def signature(kind=list[item], name="items"):
        fields = {"text": (str, dspy.InputField()), name: (kind, dspy.OutputField())}
        return dspy.Signature(fields, "List what is sold.")

    def saved(program, kind="predictor"):
        read, nothing = read_program(program), {"evidence": {}, "provenance": {}}
        compiled = freeze(read, read.student, lm={"model": "small"}, verdict={"decision": "keep"}, **nothing)
        return compiled.save(tmp_path / f"{kind}.json")

    def answer(messages, settings):
        return (
            '[[ ## reasoning ## ]]\nSo.\n\n[[ ## items ## ]]\n[{"name": "tea", "price": 2}]\n\n[[ ## label ## ]]\ngood'
        )

    return item, signature, saved, answer


@pytest.mark.parametrize("maker", ["Predict", "ChainOfThought"])
def test_a_signature_gives_results_its_own_types_without_the_module(maker, orders):
    item, signature, saved, answer = orders
    path = saved(getattr(burnish, maker)(signature()))
    typed = burnish.load(path, lm=answer, signature=signature())(text="x")
    assert [type(one) for one in typed["items"]] == [item]
    assert typed["items"][0].price == 2.0
    assert typed == burnish.load(path, lm=answer)(text="x")
    assert burnish.load(path, lm=answer, signature=signature()).stream(text="x").result() == typed


def test_signatures_of_a_pipeline_are_given_by_path(orders):
    import dspy

    item, signature, saved, answer = orders
    rate = dspy.Signature(
        {"items": (list[item], dspy.InputField()), "label": (Literal["good", "bad"], dspy.OutputField())}, "Rate."
    )
    path = saved(burnish.Pipeline(extract=burnish.ChainOfThought(signature()), rate=rate), "pipeline")
    result = burnish.load(path, lm=answer, signature={"extract.predict": signature()})(text="x")
    assert (type(result["items"][0]), result.label) == (item, "good")
    with pytest.raises(FrozenError, match=r"several predictors.*'extract.predict', 'rate'"):
        burnish.load(path, signature=signature())
    with pytest.raises(FrozenError, match="names a predictor 'extract' that the file has not"):
        burnish.load(path, signature={"extract": signature()})


def test_a_signature_that_drifted_is_refused_naming_the_field(orders):
    _, signature, saved, _ = orders
    path = saved(burnish.Predict(signature()))
    with pytest.raises(FrozenError, match=r"The output 'items' of predictor 'self' was .* and is str now"):
        burnish.load(path, signature=signature(str))
    with pytest.raises(FrozenError, match="no longer has the output 'items'"):
        burnish.load(path, signature=signature(name="things"))
    with pytest.raises(FrozenError, match=r"takes a dspy\.Signature class"):
        burnish.load(path, signature="text -> items")
    with pytest.raises(FrozenError, match="not both"):
        burnish.load(path, signature=signature(), program=burnish.Predict(signature()))
