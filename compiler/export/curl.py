"""curl: a POSIX shell script that sends the request. It needs curl and awk, and takes its values as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from .outline import Input, Outline, outline
from .text import comment, json_text

_BREAK, _END = ",\n", "\n]"  # between messages and after the last: JSON does not mind, and readers do
_SCRIPT = """\
#!/bin/sh
{about}
set -eu

usage() {{
  printf '%s\\n' {usage} >&2
  exit 2
}}

for given in "$@"; do
  case $given in
{cases}    *) usage ;;
  esac
done
{required}
# Text as the inside of a JSON string.
json() {{
  text=$1 LC_ALL=C awk 'BEGIN {{
    for (i = 1; i < 32; i++) code[sprintf("%c", i)] = sprintf("\\\\u%04x", i)
    code["\\b"] = "\\\\b"; code["\\f"] = "\\\\f"; code["\\n"] = "\\\\n"; code["\\r"] = "\\\\r"; code["\\t"] = "\\\\t"
    code["\\""] = "\\\\\\""; code["\\\\"] = "\\\\\\\\"
    text = ENVIRON["text"]; size = length(text)
    for (i = 1; i <= size; i++) {{ c = substr(text, i, 1); printf "%s", (c in code) ? code[c] : c }}
  }}'
}}

body() {{
{body}}}

if [ "${{DRY_RUN:-}}" ]; then
  body
else
  body | curl --silent --show-error --fail-with-body \\
    "${{OPENAI_BASE_URL:-https://api.openai.com/v1}}/chat/completions" \\
    -H "Authorization: Bearer ${{OPENAI_API_KEY:?set OPENAI_API_KEY to your key}}" \\
    -H 'Content-Type: application/json' --data-binary @-
fi
"""


def to_curl(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> str:
    (path,) = paths
    shape = outline(document, path, leave_out)
    variables = {one.name: f"input_{one.name}" for one in shape.inputs}
    for name in variables:
        if not name.isascii():
            raise FrozenError(
                f"Predictor {path!r} cannot be exported to curl: a shell has no variable for its input {name!r}, which "
                "is not ASCII. Rename the field and compile again, or take --to openai."
            )
    return _SCRIPT.format(
        about=_about(shape).rstrip("\n"),
        usage=_quoted(_usage(shape)),
        cases="".join(f"    {name}=*) {variable}=${{given#*=}} ;;\n" for name, variable in variables.items()),
        required="".join(f'[ "${{{variable}+given}}" ] || usage\n' for variable in variables.values()),
        body="".join(f"  {line}\n" for line in _body(shape, variables)),
    )


def _usage(shape: Outline) -> str:
    return " ".join(["usage: sh SCRIPT", *(f"{one.name}=VALUE" for one in shape.inputs)])


def _about(shape: Outline) -> str:
    lines = [
        f"{shape.title}, asked with curl.",
        "",
        f"  OPENAI_API_KEY=... {_usage(shape).removeprefix('usage: ')}",
        "",
        "OPENAI_BASE_URL says which server is asked. DRY_RUN=1 prints the body of the request and sends nothing.",
        "",
        *(f"{one.name}: {one.writing}" for one in shape.inputs),
        "",
        *(f"- {note}" for note in (*shape.notes, *shape.trimming_note)),
    ]
    return comment(lines)


def _body(shape: Outline, variables: Mapping[str, str]) -> list[str]:
    """Shell commands that print the body: literal JSON text in single quotes, and the values."""
    literal = f'{{"model": {json_text(shape.model)}, "messages": [\n'
    commands: list[str] = []
    for number, message in enumerate(shape.messages):
        literal += f'{_BREAK if number else ""}{{"role": {json_text(message.role)}, "content": "'
        for part in message.parts:
            if isinstance(part, str):
                literal += json_text(part)[1:-1]
                continue
            commands += [f"printf '%s' {_quoted(literal)}", _value(part, variables[part.name])]
            literal = ""
        literal += '"}'
    params = "".join(f", {json_text(name)}: {json_text(value)}" for name, value in shape.params.items())
    return [*commands, f"printf '%s' {_quoted(f'{literal}{_END}{params}}}')}"]


def _value(one: Input, variable: str) -> str:
    if one.is_quoted:  # JSON that stands inside of a JSON string
        return f"printf '%s' '\\\"'; json \"$(json \"${variable}\")\"; printf '%s' '\\\"'"
    return f'json "${variable}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
