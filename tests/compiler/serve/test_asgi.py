"""The app: inputs are checked by the file's own schemas, failures have a status and a kind, no words leak."""

from __future__ import annotations

import asyncio
import json
import logging
import threading

import pytest

import burnish
from burnish import BurnishError, LMError, ReplyError
from burnish.compiler.serve.problems import KINDS
from burnish.testing import ScriptedLM

JSON = {"Content-Type": "application/json"}


def always(text):
    return lambda messages, params: text


def error(response, status):
    assert response.status_code == status, response.text
    return response.json()["error"]


@pytest.fixture
def classify(client, compiled_program):
    def build(lm=always("positive"), **options):
        return client(compiled_program(format="plain"), lm, **options)

    return build


# requests


def test_a_post_gives_the_outputs_as_an_object(classify):
    response = classify().post("/run", json={"review": "Fine."})
    assert (response.status_code, response.json()) == (200, {"label": "positive"})
    assert response.headers["content-type"] == "application/json"


def test_a_pipeline_gives_the_outputs_of_all_steps(client, compiled_pipeline):
    replies = iter(
        ["[[ ## prices ## ]]\n[1, 2.5]\n\n[[ ## completed ## ]]", "[[ ## total ## ]]\n3.5\n\n[[ ## completed ## ]]"]
    )
    served = client(compiled_pipeline(), lambda messages, params: next(replies))
    response = served.post("/run", json={"text": "1 and 2.5"})
    assert response.json() == {"prices": [1, 2.5], "total": 3.5}
    assert list(served.get("/openapi.json").json()["components"]["schemas"]["Outputs"]["properties"]) == [
        "prices",
        "total",
    ]


def test_the_model_that_is_told_is_the_one_that_answers(client, compiled_program):
    served = client(compiled_program(), ScriptedLM([], model="another"))
    assert served.get("/readyz").json()["model"] == "another"
    assert "answered by `another`" in served.get("/openapi.json").json()["info"]["description"]


def test_the_model_is_asked_what_load_asks(client, shop_program):
    served, loaded = ScriptedLM(['{"order_again": {"lines": []}, "label": "x"}'] * 2, model="small"), []
    compiled = shop_program()
    inputs = {"order": {"lines": [{"name": "Öl", "price": 2}]}, "note": None, "day": "2024-01-31"}
    assert client(compiled, served).post("/run", json=inputs).status_code == 200
    loaded = compiled.to_messages(**{**inputs, "order": {**inputs["order"], "kind": "a"}})  # as rows are filled in
    assert served.calls[0]["messages"] == loaded


@pytest.mark.parametrize(
    ("inputs", "field", "message"),
    [
        ({}, "order", "The input 'order' is missing"),
        ({"order": {"lines": []}, "film": 1}, "film", "There is no input 'film'; the program takes 'order', 'note'"),
        ({"order": "none"}, "order", "'order' must be an object; got 'none'"),
        ({"order": {"lines": [{"name": "x", "price": "3"}]}}, "order", "'order.lines[0].price' must be a number"),
        ({"order": {"lines": [{"name": "x", "price": -1}]}}, "order", "must be at least 0"),
        ({"order": {"lines": [], "kind": "A"}}, "order", "'order.kind' must be one of 'a', 'b'; got 'A'"),
        ({"order": {"lines": []}, "copies": "3"}, "copies", "'copies' must be an integer; got '3'"),
        ({"order": {"lines": []}, "copies": None}, "copies", "'copies' must be an integer; got null"),
        ({"order": {"lines": []}, "day": "31.1.2024"}, "day", "'day' must be"),
    ],
)
def test_wrong_inputs_are_a_422_that_names_the_field_and_cost_no_call(client, shop_program, inputs, field, message):
    lm = ScriptedLM([], model="small")
    told = error(client(shop_program(), lm).post("/run", json=inputs), 422)
    assert (told["kind"], told["field"]) == ("invalid", field)
    assert message in told["message"]
    assert lm.calls == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"review": NaN}',
        b'{"review": 1e999}',
        b"[" * 100_000,
        b'{"review": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_not_json_is_a_400(classify, body):
    assert error(classify().post("/run", content=body, headers=JSON), 400)["kind"] == "not_json"


@pytest.mark.parametrize("body", [b"3", b"[]", b"null", b'"review"'])
def test_a_body_that_is_no_object_is_a_422(classify, body):
    told = error(classify().post("/run", content=body, headers=JSON), 422)
    assert told["message"] == "The body must be an object with 'review', 'hint'."


def test_half_a_character_is_a_422_that_names_the_field(classify):
    body = b'{"review": "fine", "hint": "\\ud83d"}'
    assert error(classify().post("/run", content=body, headers=JSON), 422)["field"] == "hint"
    assert error(classify().post("/run", content=b'{"\\ud83d": 1}', headers=JSON), 422)["kind"] == "invalid"


def test_another_content_type_is_a_415(classify):
    body = b'{"review": "Fine."}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert error(classify().post("/run", content=body, headers={"Content-Type": kind}), 415)["kind"] == "media_type"
    for kind in ("application/json; charset=utf-8", "application/vnd.api+json"):
        assert classify().post("/run", content=body, headers={"Content-Type": kind}).status_code == 200


def test_a_body_over_the_limit_is_a_413_whether_its_length_is_told_or_not(classify):
    served = classify(max_bytes=100)
    told = error(served.post("/run", json={"review": "x" * 100}), 413)
    assert told["kind"] == "too_large"
    assert told["message"] == "The body is larger than 100 bytes, the most this server takes."
    assert error(served.post("/run", content=iter([b"x" * 60, b"x" * 60]), headers=JSON), 413)["kind"] == "too_large"
    assert served.post("/run", json={"review": "x" * 50}).status_code == 200


def test_another_method_is_a_405_that_names_the_right_one_and_another_path_a_404(classify):
    response = classify().get("/run")
    assert error(response, 405)["kind"] == "method_not_allowed"
    assert response.headers["allow"] == "POST"
    assert error(classify().delete("/healthz"), 405)["kind"] == "method_not_allowed"
    assert error(classify().post("/run/", json={}), 404)["kind"] == "not_found"


# failures of the model


def test_a_reply_that_does_not_parse_is_a_502_without_the_words_of_the_model(classify):
    response = classify(always("neither of both")).post("/run", json={"review": "Fine."})
    assert error(response, 502)["kind"] == "unparsed"
    assert "neither" not in response.text


def test_a_reply_that_was_cut_is_told_apart(client, compiled_program):
    lm = ScriptedLM(["well I think that it is"], model="small")
    response = client(compiled_program(format="plain", max_tokens=2), lm).post("/run", json={"review": "Fine."})
    assert error(response, 502)["kind"] == "truncated"


def test_a_program_that_raises_is_a_500_without_a_traceback(classify, caplog):
    def broken(messages, params):
        raise KeyError("secret in an error")

    response = classify(broken).post("/run", json={"review": "Fine."})
    assert error(response, 500)["kind"] == "internal"
    assert "secret" not in response.text
    assert "Traceback" not in response.text


# limits


def test_a_program_that_takes_too_long_is_a_504_in_time_and_its_call_is_given_up(classify):
    ended = []

    async def slow(messages, params):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    served = classify(slow, seconds=0.2)
    assert error(served.post("/run", json={"review": "Fine."}), 504)["kind"] == "timeout"
    assert ended == ["cancelled"]
    assert "burnish_requests_in_flight 0.0" in served.get("/metrics").text


def test_a_body_that_does_not_come_is_a_408(classify):
    app = classify(seconds=0.05).app
    sent = []

    async def never():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/run", "headers": [(b"content-type", b"application/json")]}
    asyncio.run(app({**scope, "query_string": b"", "root_path": ""}, never, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"]["kind"] == "slow_body"


def test_more_runs_than_the_limit_are_a_429_with_retry_after_and_slots_come_back(classify):
    inside, go_on = threading.Event(), threading.Event()

    def slow(messages, params):
        inside.set()
        assert go_on.wait(30)
        return "positive"

    first = []
    with classify(slow, concurrency=1) as served:
        running = threading.Thread(target=lambda: first.append(served.post("/run", json={"review": "1"})))
        running.start()
        assert inside.wait(30)
        refused = served.post("/run", json={"review": "2"})
        assert error(refused, 429)["kind"] == "busy"
        assert refused.headers["retry-after"] == "1"
        assert "burnish_requests_in_flight 1.0" in served.get("/metrics").text
        go_on.set()
        running.join()
        assert first[0].status_code == 200
        assert served.post("/run", json={"review": "3"}).status_code == 200


# tokens


def test_without_the_token_nothing_but_the_probes_answers(classify):
    served = classify(token=["first", "sécond"])
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic first"},
        {"Authorization": "first"},
    ):
        response = served.post("/run", json={"review": "Fine."}, headers=headers)
        assert error(response, 401)["kind"] == "unauthorized"
        assert response.headers["www-authenticate"] == "Bearer"
        for path in ("/metrics", "/openapi.json", "/docs", "/elsewhere"):
            assert served.get(path, headers=headers).status_code == 401
    for path in ("/healthz", "/readyz"):
        assert served.get(path).status_code == 200
    for token in ("first", "sécond"):
        headers = {"Authorization": f"bearer {token}".encode()}
        assert served.post("/run", json={"review": "Fine."}, headers=headers).status_code == 200
    assert "401" in served.get("/openapi.json", headers=headers).json()["paths"]["/run"]["post"]["responses"]


def test_an_empty_token_is_refused(classify):
    with pytest.raises(BurnishError, match="an empty token"):
        classify(token="")


# the log


def logged(caplog):
    return [record.burnish for record in caplog.records if record.name == "burnish.serve"]


def test_a_request_is_one_line_in_the_log_without_inputs_outputs_or_words_of_errors(classify, caplog):
    caplog.set_level(logging.INFO)
    lm = ScriptedLM(["positive", "unusable secret"], model="small")
    served = classify(lm)
    served.post("/run", json={"review": "private words"}, headers={"X-Request-ID": "mine-1"})
    served.post("/run", json={"review": "private words"})
    served.get("/healthz")
    one, two = logged(caplog)
    seconds = one.pop("seconds")
    assert 0 < seconds < 60
    assert one == {
        "event": "request", "request_id": "mine-1", "method": "POST", "path": "/run", "status": 200,
        "calls": 1, "prompt_tokens": one["prompt_tokens"], "completion_tokens": one["completion_tokens"],
    }  # fmt: skip
    assert (two["status"], two["kind"], two["calls"]) == (502, "unparsed", 1)
    assert "private" not in str(logged(caplog)) + caplog.text
    assert "secret" not in str(logged(caplog)) + caplog.text


def test_inputs_outputs_and_errors_are_logged_when_asked(classify, caplog):
    caplog.set_level(logging.INFO)
    served = classify(ScriptedLM(["positive", "unusable"], model="small"), log_inputs=True)
    served.post("/run", json={"review": "words"})
    served.post("/run", json={"review": "words"})
    one, two = logged(caplog)
    assert (one["inputs"], one["outputs"]) == ({"review": "words"}, {"label": "positive"})
    assert "unusable" in two["error"]


def test_the_reason_of_a_failure_is_in_the_log_under_the_id_that_the_client_got(classify, caplog):
    caplog.set_level(logging.INFO)

    def broken(messages, params):
        raise RuntimeError("why")

    response = classify(broken).post("/run", json={"review": "Fine."}, headers={"X-Request-ID": "not\tone"})
    (line,) = logged(caplog)
    assert line["request_id"] == error(response, 500)["request_id"] == response.headers["x-request-id"]
    assert "RuntimeError" in line["error"]
    assert any("test_asgi.py" in frame for frame in line["raised_at"])


# metrics, probes, documents


def test_requests_tokens_and_parse_failures_are_counted(client, compiled_program):
    lm = ScriptedLM(["what", "positive", "positive", "what", "what"], model="small")
    served = client(compiled_program(format="plain", reply_policy="reask"), lm)
    statuses = [served.post("/run", json={"review": str(n)}).status_code for n in range(3)]
    assert statuses == [200, 200, 502]
    counted = dict(line.rsplit(" ", 1) for line in served.get("/metrics").text.splitlines() if line[0] != "#")
    assert counted['burnish_requests_total{status="200"}'] == "2.0"
    assert counted['burnish_requests_total{status="502"}'] == "1.0"
    assert counted["burnish_request_seconds_count"] == "3.0"
    assert counted['burnish_model_seconds_count{predictor="self"}'] == "5.0"
    assert counted['burnish_parse_failures_total{predictor="self"}'] == "3.0"
    assert float(counted['burnish_tokens_total{kind="prompt"}']) > 0
    assert float(counted['burnish_tokens_total{kind="completion"}']) > 0


def test_the_document_has_the_schemas_of_the_file_as_they_are(client, shop_program):
    schemas = client(shop_program(), always("")).get("/openapi.json").json()["components"]["schemas"]
    line = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "price": {"minimum": 0, "type": "number"}},
        "required": ["name", "price"],
    }
    order = {
        "type": "object",
        "properties": {
            "kind": {"default": "a", "enum": ["a", "b"], "type": "string"},
            "lines": {"items": {"$ref": "#/components/schemas/Line"}, "type": "array"},
        },
        "required": ["lines"],
    }
    assert schemas["Line"] == line
    assert schemas["Inputs"] == {
        "type": "object",
        "properties": {
            "order": {**order, "description": "What was bought"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "copies": {"type": "integer", "default": 3},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["order"],
        "additionalProperties": False,
    }
    label = {"anyOf": [{"enum": ["x", "y"], "type": "string"}, {"type": "null"}]}
    assert schemas["Outputs"]["properties"] == {"order_again": order, "label": label}
    assert schemas["Outputs"]["required"] == ["order_again", "label"]
    assert schemas["Error"]["properties"]["error"]["properties"]["kind"]["enum"] == list(KINDS)


def test_two_definitions_of_one_name_stay_apart():
    from burnish.compiler.serve.contract import Contract
    from burnish.compiler.serve.openapi import components
    from burnish.signatures.schema import Field

    def field(name, kind):
        return Field(
            name, json.dumps({"$defs": {"A": {"type": kind}}, "items": {"$ref": "#/$defs/A"}, "type": "array"})
        )

    fields = {name: field(name, kind) for name, kind in (("a", "string"), ("b", "integer"), ("c", "string"))}
    schemas = components(Contract(fields, {}), with_token=False)["schemas"]
    assert (schemas["A"], schemas["b.A"]) == ({"type": "string"}, {"type": "integer"})
    refs = [item["items"]["$ref"].rpartition("/")[2] for item in schemas["Inputs"]["properties"].values()]
    assert refs == ["A", "b.A", "A"]


def test_a_mounted_app_answers_and_describes_itself_under_its_path(classify):
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    outer = FastAPI()
    outer.mount("/sentiment", classify(token="t").app)
    served = TestClient(outer, headers={"Authorization": "Bearer t"})
    assert served.post("/sentiment/run", json={"review": "Fine."}).json() == {"label": "positive"}
    assert served.get("/sentiment/openapi.json").json()["servers"] == [{"url": "/sentiment"}]
    assert 'requests_total{status="200"} 1.0' in served.get("/sentiment/metrics").text
    assert TestClient(outer).get("/sentiment/healthz").json() == {"healthy": True}


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    import burnish.compiler.serve.app as app_module

    monkeypatch.setattr(app_module, "find_spec", lambda name: None)
    with pytest.raises(
        BurnishError, match=r"needs fastapi, prometheus_client. Install it with: pip install 'burnish\[s"
    ):
        burnish.asgi("program.json")


def test_every_error_of_a_program_has_a_kind():
    from burnish.compiler.lm.failures import MaybeBilled, Permanent, Unbilled
    from burnish.compiler.serve.problems import problem_of

    def raised(error, failure):
        try:
            try:
                raise failure
            except type(failure):
                raise error from None
        except type(error) as caught:
            return problem_of(caught)

    cases = {
        "model_unreachable": Unbilled("x", retry_after=7, status=429),
        "model_timeout": MaybeBilled("x", timed_out=True),
        "model_failed": Permanent("x", status=401),
    }
    for kind, failure in cases.items():
        assert raised(LMError("y"), failure).kind == kind
    assert raised(LMError("y"), cases["model_unreachable"]).headers == {"Retry-After": "7"}
    assert raised(LMError("y"), MaybeBilled("x", status=500)).kind == "model_failed"
    assert problem_of(LMError("no key")).kind == "model_failed"
    assert problem_of(ReplyError("x")).kind == "unparsed"
    assert problem_of(ValueError("x")).kind == "internal"
