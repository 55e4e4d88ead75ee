"""A loaded program: it asks exactly what was scored, whoever answers, and gives typed results."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import http.server
import json
import threading
from typing import Literal

import pytest

import burnish
from burnish import FrozenError, LMError, ReplyError, SchemaError
from burnish.signatures.reask import reask_messages
from burnish.testing import ScriptedLM


@pytest.fixture
def saved(tmp_path):
    def save(compiled):
        return compiled.save(tmp_path / "program.json")

    return save


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


# pipelines


def test_a_pipeline_runs_whole_and_gives_the_outputs_of_all_steps(compiled_pipeline, saved):
    lm = ScriptedLM(
        {"Add them": "[[ ## total ## ]]\n3\n[[ ## completed ## ]]", "List": "[[ ## prices ## ]]\n[1, 2]\n"},
        model="small",
    )
    add = burnish.load(saved(compiled_pipeline()), lm=lm)
    result = add(text="One and two.")
    assert (add.inputs, add.outputs) == (("text",), ("prices", "total"))
    assert result.to_dict() == {"prices": [1, 2], "total": 3}
    assert len(lm.calls) == 2


def test_messages_of_a_pipeline_are_those_of_a_step(compiled_pipeline):
    compiled = compiled_pipeline()
    with pytest.raises(FrozenError, match=r"name one, to_messages.*'extract', 'add'"):
        compiled.to_messages(text="x")
    with pytest.raises(FrozenError, match="no predictor 'sum'"):
        compiled.to_messages("sum", text="x")
    assert "Add them up." in compiled.to_messages("add", text="x", prices=[1.0])[0]["content"]


@pytest.fixture
def shopping():
    """A pipeline that hands over nested values, and replies that spell them in an order of their own."""
    import dspy
    from pydantic import create_model

    Item = create_model("Item", name=str, price=(float, 1.0), since=(datetime.date | None, None))  # noqa: N806
    taken, given = burnish.InputField, burnish.OutputField
    extract = dspy.Signature({"text": (str, taken()), "items": (list[Item], given())}, "List what is sold.")
    add = dspy.Signature({"items": (list[Item], taken()), "total": (float, given())}, "Add the prices.")
    replies = {
        "Add the prices": "[[ ## total ## ]]\n3\n\n[[ ## completed ## ]]",
        "List what": '[[ ## reasoning ## ]]\nSo.\n\n[[ ## items ## ]]\n[{"price": 2, "name": "é", '
        '"since": "2024-02-29"}, {"name": "tea", "more": 1}]\n\n[[ ## completed ## ]]',
    }
    return burnish.Pipeline(extract=burnish.ChainOfThought(extract), add=add), replies, Item


def test_a_frozen_pipeline_asks_what_was_scored(shopping, saved):
    program, replies, _ = shopping
    scored = ScriptedLM(replies, model="small")
    rows = burnish.load_examples([{"text": f"Tea, é and {n}.", "total": 3.0} for n in range(40)], inputs=["text"])
    compiled = burnish.compile(
        program,
        trainset=rows,
        metric=burnish.numeric_match("total"),
        lm=scored,
        teleprompter=burnish.RandomDemos(formats=("chat",), sets=1),
        budget=burnish.Budget(calls=400),
        progress=False,
    )
    assert compiled.document["holds"] == "student"
    frozen = ScriptedLM(replies, model="small")
    result = burnish.load(saved(compiled), lm=frozen)(text="Tea, é and 7.")
    assert result.total == 3.0
    assert len(frozen.calls) == 2
    assert all(body in scored.calls for body in frozen.calls)


def test_a_pipeline_gives_plain_records_or_the_types_of_the_program_it_is_given(shopping, saved):
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    program, replies, item = shopping
    read, verdict = read_program(program), {"decision": "keep"}
    path = saved(freeze(read, read.student, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}))
    bound, frozen = ScriptedLM(replies, model="small"), ScriptedLM(replies, model="small")
    with_types = burnish.load(path, lm=bound, program=program)(text="x")
    without = burnish.load(path, lm=frozen)(text="x")
    assert bound.calls == frozen.calls
    assert type(with_types["items"][0]) is item
    assert without["items"][0].since == with_types["items"][0].since == datetime.date(2024, 2, 29)
    assert without["items"][1].price == 1.0
    assert without.to_dict() == with_types.to_dict()


# programs with control flow of their own


@pytest.fixture
def voting(tmp_path):
    import dspy

    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    def module(kind=Literal["positive", "negative"], name="label", step="classify", extra=False):
        class Voting(dspy.Module):
            def __init__(self):
                super().__init__()
                fields = {"review": (str, dspy.InputField()), name: (kind, dspy.OutputField())}
                setattr(self, step, dspy.Predict(dspy.Signature(fields, "Classify.")))
                if extra:
                    self.more = dspy.Predict("a -> b")

            def forward(self, review):
                votes = [self.classify(review=review + "!" * n).label for n in range(3)]
                return dspy.Prediction(label=max(votes, key=votes.count), votes=votes)

        return Voting()

    read = read_program(module())
    verdict = {"decision": "keep"}
    compiled = freeze(read, read.student, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={})
    return compiled.save(tmp_path / "voting.json"), module


def test_a_module_runs_its_own_code_on_the_frozen_prompts(voting):
    path, module = voting
    lm = ScriptedLM([f"[[ ## label ## ]]\n{label}" for label in ("negative", "positive", "negative")], model="small")
    result = burnish.load(path, lm=lm, program=module())(review="Well")
    assert (result.label, result.votes) == ("negative", ["negative", "positive", "negative"])
    assert len(lm.calls) == 3


def test_a_module_that_asks_the_same_again_gets_another_sample_as_at_compile_time(voting):
    path, module = voting

    class Thrice(type(module())):
        def forward(self, review):
            votes = [self.classify(review=review) for _ in range(3)]
            return votes[-1]

    lm = ScriptedLM(lambda messages, body: "[[ ## label ## ]]\npositive", model="small")
    program = burnish.load(path, lm=lm, program=Thrice())
    program(review="x")
    program(review="x")
    seeds = [body.get("seed") for body in lm.calls]
    assert seeds[0] is None
    assert len(set(seeds)) == 3
    assert seeds[:3] == seeds[3:]


def test_messages_of_a_module_need_no_program(voting):
    assert "Classify." in burnish.CompiledProgram.load(voting[0]).to_messages(review="x")[0]["content"]


def test_a_module_without_its_program_says_what_to_pass(voting):
    with pytest.raises(FrozenError, match=r"'classify' of a module.*load\(path, program=YourModule\(\)\)"):
        burnish.load(voting[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": str}, "The output 'label' of predictor 'classify' was .* and is str now"),
        ({"name": "verdict"}, "Predictor 'classify' no longer has the output 'label'"),
        ({"step": "decide"}, "has a predictor 'decide' that the compiled one had not"),
        ({"extra": True}, "has a predictor 'more' that the compiled one had not"),
    ],
)
def test_a_program_that_drifted_from_its_file_is_refused_naming_path_and_field(voting, changes, message):
    path, module = voting
    with pytest.raises(FrozenError, match=message):
        burnish.load(path, program=module(**changes))


# the model that the file names


class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.seen.append((self.path, dict(self.headers), body))
        server.peers.add(self.client_address)
        status, headers, content = server.answers.pop(0) if server.answers else (200, {}, reply("positive"))
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Tests print nothing."""


def reply(text):
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()


@pytest.fixture
def stub(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.seen, server.answers, server.peers = [], [], set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1")
    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_model_of_the_file_is_reached_as_the_environment_says(stub, compiled_program, saved, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    compiled = compiled_program(format="plain")
    assert burnish.load(saved(compiled))(review="Größe").label == "positive"
    path, headers, body = stub.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-test"
    messages = compiled.to_messages(review="Größe")
    assert body == {"model": "small", "messages": messages, "temperature": 0, "max_tokens": 100}


def test_calls_share_a_connection(stub, compiled_program, saved):
    classify = burnish.load(saved(compiled_program(format="plain")))
    for _ in range(5):
        classify(review="x")
    assert len(stub.peers) == 1


def test_a_connection_that_the_server_closed_is_replaced(stub, compiled_program, saved):
    stub.answers = [(200, {"Connection": "close"}, reply("positive")), (None, {}, b""), (200, {}, reply("negative"))]
    classify = burnish.load(saved(compiled_program(format="plain")))
    assert [classify(review="x").label for _ in range(2)] == ["positive", "negative"]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_a_busy_or_failing_server_is_asked_twice_more(status, stub, compiled_program, saved):
    stub.answers = [(status, {"Retry-After": "0"}, b"busy"), (status, {}, b"busy"), (200, {}, reply("negative"))]
    assert burnish.load(saved(compiled_program(format="plain")))(review="x").label == "negative"
    assert len({json.dumps(body) for _, _, body in stub.seen}) == 1
    stub.answers = [(status, {}, b"busy")] * 3
    with pytest.raises(LMError, match=f"HTTP {status}: .*busy.* That was attempt 3"):
        burnish.load(saved(compiled_program(format="plain")))(review="x")


def test_a_server_that_asks_for_a_long_wait_is_not_waited_for(stub, compiled_program, saved):
    stub.answers = [(429, {"Retry-After": "60"}, b"later")]
    with pytest.raises(LMError, match="asks to wait 60 seconds"):
        burnish.load(saved(compiled_program(format="plain")))(review="x")
    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    ("status", "content", "error", "message"),
    [
        (401, b"bad key", LMError, "check OPENAI_API_KEY"),
        (404, b"no model", LMError, "check the model's name and base_url"),
        (400, b'{"error": {"code": "context_length_exceeded"}}', ReplyError, "does not fit the model's context"),
        (400, b'{"error": {"code": "content_filter"}}', ReplyError, "content filter refused"),
        (400, b"temperature?", LMError, "HTTP 400: 'temperature"),
    ],
)
def test_what_trying_again_cannot_mend_is_said_at_once(status, content, error, message, stub, compiled_program, saved):
    stub.answers = [(status, {}, content)]
    with pytest.raises(error, match=message):
        burnish.load(saved(compiled_program(format="plain")))(review="x")
    assert len(stub.seen) == 1


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"\xff"])
def test_a_broken_reply_is_never_an_answer(content, stub, compiled_program, saved):
    stub.answers = [(200, {}, content)] * 2 + [(200, {}, reply("negative"))]
    assert burnish.load(saved(compiled_program(format="plain")))(review="x").label == "negative"


def test_a_proxy_that_the_environment_names_is_used(stub, compiled_program, saved, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://user:pass%21@127.0.0.1:{stub.server_address[1]}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.invalid/v1")
    assert burnish.load(saved(compiled_program(format="plain")))(review="x").label == "positive"
    path, headers, _ = stub.seen[0]
    assert path == "http://models.invalid/v1/chat/completions"
    assert headers["Proxy-Authorization"] == "Basic dXNlcjpwYXNzIQ=="
    assert headers["Host"] == "models.invalid"


def test_a_model_that_calls_its_limit_otherwise_is_asked_its_way(stub, compiled_program, saved):
    refusal = b'{"error": {"message": "Use max_completion_tokens instead of max_tokens."}}'
    stub.answers = [(400, {}, refusal)]
    classify = burnish.load(saved(compiled_program(format="plain")))
    assert [classify(review="x").label for _ in range(2)] == ["positive"] * 2
    limits = [[name for name in body if name.startswith("max_")] for _, _, body in stub.seen]
    assert limits == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]


def test_a_server_that_is_not_there_is_named(compiled_program, saved, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))
    with pytest.raises(LMError, match=r"small: http://127\.0\.0\.1:9/v1 cannot be reached"):
        burnish.load(saved(compiled_program()))(review="x")


def test_another_model_file_of_the_same_name_is_not_taken_for_the_compiled_one(compiled_program, saved, monkeypatch):
    served = ScriptedLM(["positive"], model="local/small")
    monkeypatch.setattr(served.script, "identity", lambda: {"local": {"sha256": "22"}})
    monkeypatch.setattr("burnish.compiler.runtime.answering.LM", lambda *_, **options: served)
    lm = {"model": "local/small", "local": {"sha256": "11"}}
    with pytest.raises(FrozenError, match="with the sha256 11, and the one here has 22"):
        burnish.load(saved(compiled_program(lm=lm)))(review="x")
    assert served.calls == []


def test_loading_and_rendering_need_no_key_and_calling_says_that_one_is_missing(compiled_program, saved):
    classify = burnish.load(saved(compiled_program()))
    assert classify.to_messages(review="x")
    with pytest.raises(LMError, match="Set OPENAI_API_KEY"):
        classify(review="x")


def test_an_openai_client_can_answer(stub, compiled_program, saved):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="sk-client", base_url=f"http://127.0.0.1:{stub.server_address[1]}/v1")
    assert burnish.load(saved(compiled_program(format="plain")), lm=client)(review="x").label == "positive"
    assert stub.seen[0][1]["Authorization"] == "Bearer sk-client"
    assert stub.seen[0][2]["model"] == "small"
    client.close()


def test_what_is_no_language_model_is_refused_when_loading(compiled_program, saved):
    with pytest.raises(LMError, match="42 is not a language model"):
        burnish.load(saved(compiled_program()), lm=42)
