"""promptfoo: a promptfooconfig.yaml: the prompt as chat JSON, the model with its parameters, a test to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from .outline import Input, Outline, SlottedMessage, outline
from .text import comment, json_text

_NO_NAMES = ("true", "false", "none", "null")  # Nunjucks reads these as values
_SIGN = re.compile(r"\{(?=[{%#]|\Z)|#(?=\})")  # of Nunjucks; a lone "#}" is an error there, unlike in Jinja2
_ADDED = {"temperature": 0, "max_tokens": 1024}  # what promptfoo sends where the prompt says nothing


def to_promptfoo(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> str:
    (path,) = paths
    shape = outline(document, path, leave_out)
    for one in shape.inputs:
        if one.name in _NO_NAMES:
            raise FrozenError(
                f"Predictor {path!r} cannot be exported to promptfoo: Nunjucks, its template language, reads the input "
                f"name {one.name!r} as a value. Rename the field and compile again, or take --to openai."
            )
    messages = [{"role": message.role, "content": _content(message)} for message in shape.messages]
    prompt = "".join(f"      {line}\n" for line in json_text(messages, indent=2).split("\n"))
    values = "".join(f"      {json_text(one.name)}: {json_text(f'a {one.field.type_name}')}\n" for one in shape.inputs)
    return (
        f"{_about(shape)}"
        "prompts:\n"
        f"  - label: {json_text(path)}\n"
        f"    raw: |-\n{prompt}"
        "providers:\n"
        f"  - id: {json_text(f'openai:chat:{shape.model}')}\n"
        "    config:\n"
        f"      passthrough: {json_text(shape.params)}\n"
        "tests:\n"
        f"  - vars:{' {}' if not values else ''}\n{values}"
    )


def _content(message: SlottedMessage) -> str:
    """The Nunjucks template of one message; promptfoo renders each text of a JSON prompt by itself."""
    content = "".join(_slot(part) if isinstance(part, Input) else _literal(part) for part in message.parts)
    # A call drops the blanks at the ends of a message.
    return f"{{% filter trim %}}{content}{{% endfilter %}}" if message.on_edge else content


def _slot(one: Input) -> str:
    return f"{{{{ {one.name}{' | dump' if one.is_quoted else ''} }}}}"


def _literal(text: str) -> str:
    return _SIGN.sub(r"{{ '\g<0>' }}", text)


def _about(shape: Outline) -> str:
    lines = [
        f"{shape.title}, for promptfoo: npx promptfoo eval -c FILE",
        "OPENAI_BASE_URL and OPENAI_API_KEY say which server is asked.",
        "",
        "Give each value under `vars` as text, in quotes:",
        *(f"  {one.name}: {one.writing}" for one in shape.inputs),
        "",
        *(f"- {note}" for note in (*shape.notes, *_own_notes(shape))),
    ]
    return comment(lines)


def _own_notes(shape: Outline) -> Iterator[str]:
    yield (
        "promptfoo drops a line break at the end of a value, puts other variables where a value says {{name}}, and "
        "reads files where one begins with file://."
    )
    for name, value in _ADDED.items():
        if name not in shape.params:
            yield f"promptfoo adds {name}: {value} for models that it does not know as reasoning models."
