"""Compiled programs with awkward texts, and awkward texts, for the tests of every export."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st

# What some tool, shell or language between here and the model might take for its own.
PIECES = (
    *("{{review}}", "{{ review }}", "{{{review}}}", "{review}", "{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "%s"),
    *("{% raw %}", "{% endraw %}", "{{ '{' }}", "$HOME", "$(id)", "`id`", "${x}", "$", "`", "```", "~~~", "'", '"'),
    *("\\", "\\n", "\\u0041", "'; id; '", "&", "&&", "!", "|", "<b>", "\n", "\r", "\t", "\x07", "\x1f", "\x7f", "\x85"),
    *(
        "- a",
        "# b",
        ": ",
        "é",
        "e\u0301",
        "数据",
        "🦊",
        "\u2028",
        "\u200b",
        "\u202e",
        "\ufeff",
        "*",
        "  ",
        "null",
        "1e3",
    ),
)


@pytest.fixture(scope="session")
def texts():
    """Texts made of such pieces and of any characters, without the marks of a format."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0[:")
    return st.lists(st.sampled_from(PIECES) | st.text(letters, max_size=3), max_size=8).map("".join)


@dataclass
class Declared:
    kind: str = "predictor"
    spec: dict = field(default_factory=dict)
    module: object = None


@pytest.fixture(scope="session")
def awkward():
    """A program of one predictor, "self": review, and what else `inputs` has -> label."""
    from burnish.compiler.evidence import compare, decide
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.candidate import Candidate, Part, Settings
    from burnish.signatures.prompt import Demo, Prompt
    from burnish.signatures.schema import Field, Schema

    def build(
        instruction="Classify.", demo="Fine.", inputs=(), rule=None, paths=("self",), note=None, params=None, **prompt
    ):
        label = Field("label", '{"enum":["good","bad"],"type":"string"}', type_name="Literal['good', 'bad']")
        schema = Schema((Field("review"), *inputs), (label,))
        shown = Demo.of({"review": demo, **{one.name: None for one in inputs}, "label": "good"}, note)
        part = Part(
            Prompt(schema, instruction, (shown,), rule=rule, **prompt),
            Settings.of(**{"stop": ["'#"], **(params or {})}),
        )
        return freeze(
            Declared("predictor" if len(paths) == 1 else "module"),
            Candidate.of(dict.fromkeys(paths, part)),
            lm={"model": "small", "params": {"temperature": 0.5, "max_tokens": 100}},
            verdict=decide(compare([0, 1] * 20, [0, 1] * 20)).to_json(),
            evidence={},
            provenance={},
        )

    return build


@pytest.fixture(scope="session")
def tags():
    """An input that is a list of texts."""
    from burnish.signatures.schema import Field

    return Field("tags", '{"items":{"type":"string"},"type":"array"}', type_name="list[str]")


@pytest.fixture(scope="session")
def hint():
    """An input that may be left out."""
    from burnish.signatures.schema import Field

    return Field("hint", required=False)


@pytest.fixture
def sent():
    """(program, inputs) -> the body that a call of the loaded program sends to a server; and that server."""
    import burnish
    from burnish.testing import ScriptedServer

    def respond(messages, body):
        replies = {"[[ ##": "[[ ## label ## ]]\ngood", "<label>": "<label>good</label>", "{": '{"label": "good"}'}
        return next(reply for sign, reply in replies.items() if sign in messages[-1]["content"])

    with ScriptedServer(respond) as server:

        def body(path, **inputs):
            burnish.load(path, lm=burnish.LM("small", base_url=server.base_url, api_key="no-key"))(**inputs)
            return server.bodies.pop()

        body.server = server
        yield body
