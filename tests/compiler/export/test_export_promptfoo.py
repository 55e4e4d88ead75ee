"""promptfoo exports: their YAML through PyYAML, their Nunjucks through Jinja2, and, where it is installed, promptfoo.

Nunjucks is Jinja2's twin for what the exports use. The last test runs promptfoo itself, where it is on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import string
import subprocess

import jinja2
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish import FrozenError

ENGINE = jinja2.Environment(keep_trailing_newline=True)
ENGINE.filters["dump"] = lambda value: json.dumps(value, ensure_ascii=False)
FORMATS = ["chat", "xml", "json", "plain"]
PROMPTFOO = shutil.which("promptfoo")


def rendered(program, **values):
    """The messages as promptfoo makes them: the JSON prompt is parsed and each text in it rendered."""
    config = yaml.safe_load(program.export("promptfoo"))
    prompt = json.loads(config["prompts"][0]["raw"])
    return [{**message, "content": ENGINE.from_string(message["content"]).render(values)} for message in prompt]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(FORMATS))
def test_the_prompt_gives_the_messages_of_a_call(awkward, texts, tags, data, form):
    # Jinja2 makes every line end of a template "\n", Nunjucks does not.
    instruction, demo = (data.draw(texts).replace("\r", "") for _ in range(2))
    program = awkward(instruction, demo, (tags,), format=form)
    review, listed = data.draw(texts), data.draw(st.lists(texts, max_size=2))
    messages = rendered(program, review=review, tags=json.dumps(listed, ensure_ascii=False))
    assert messages == program.to_messages(review=review, tags=listed)


def test_the_parameters_and_the_reply_schema_go_to_the_model(awkward):
    program = awkward(format="json", params={"top_k": 3})
    (provider,) = yaml.safe_load(program.export("promptfoo"))["providers"]
    assert provider["id"] == "openai:chat:small"
    sent = provider["config"]["passthrough"]
    assert sent["response_format"]["json_schema"]["schema"]["required"] == ["label"]
    assert {**sent, "response_format": 0} == {
        "temperature": 0.5,
        "max_tokens": 100,
        "stop": ["'#"],
        "top_k": 3,
        "response_format": 0,
    }


def test_there_is_a_test_to_fill_in(awkward, tags):
    assert yaml.safe_load(awkward(inputs=(tags,)).export("promptfoo"))["tests"] == [
        {"vars": {"review": "a str", "tags": "a list[str]"}}
    ]


def test_an_input_that_nunjucks_takes_for_a_value_is_refused(awkward):
    from burnish.signatures.schema import Field

    with pytest.raises(FrozenError, match=r"'self'.*'null'.*Rename"):
        awkward(inputs=(Field("null"),)).export("promptfoo")


def test_a_parameter_that_promptfoo_adds_is_named(awkward):
    assert "promptfoo adds max_tokens: 1024" in awkward(params={"max_tokens": None}).export("promptfoo")
    assert "promptfoo adds" not in awkward().export("promptfoo")


def test_what_nunjucks_takes_for_the_end_of_a_comment_is_no_error_there(awkward):
    program = awkward("Write #} and {#.")
    assert "Write {{ '#' }}} and {{ '{' }}#." in program.export("promptfoo")
    assert rendered(program, review="x") == program.to_messages(review="x")


@pytest.mark.slow
@pytest.mark.skipif(PROMPTFOO is None, reason="promptfoo is not on the PATH (npm install -g promptfoo)")
@pytest.mark.parametrize("form", FORMATS)
def test_promptfoo_sends_exactly_what_a_call_of_the_file_sends(awkward, sent, tmp_path, form):
    pieces = string.printable.replace("\r", "").replace("[", "").replace(":", "")
    instruction = f"{{{{review}}}} {{% raw %}} {{# x #}} {{ '{{' }} {pieces} é数据🦊"
    program = awkward(instruction, instruction, format=form)
    review = f"{{x}} {{% if %}} {pieces.strip()} \u2028🦊."
    messages = program.to_messages(review=review)
    config = yaml.safe_load(program.export("promptfoo"))
    config["tests"] = [{"vars": {"review": review}}]
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(tmp_path)}
    where = {"OPENAI_BASE_URL": sent.server.base_url, "OPENAI_API_KEY": "no-key"}
    command = [str(PROMPTFOO), "eval", "-c", str(file), "--no-cache", "--no-write", "--no-table"]
    subprocess.run(command, env={**os.environ, **quiet, **where}, check=False, capture_output=True, timeout=240)
    (body,) = sent.server.bodies
    assert body["messages"] == messages
    assert {**body, "messages": 0} == {
        "model": "small",
        "messages": 0,
        **config["providers"][0]["config"]["passthrough"],
    }
