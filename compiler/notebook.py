"""What a notebook shows of a verdict, a plan, a compiled program and a compile at work: compact HTML.

Self-contained, without scripts. It takes the notebook's own colours, so it reads on light and on dark pages. All text
is escaped: prompts and demonstrations may hold anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..signatures.candidate import Candidate, Part

LINE = "1px solid rgba(128,128,128,.4)"
CELL = f"padding:.15em .8em .15em 0;border-bottom:{LINE};text-align:left;vertical-align:top"
COLOURS = {"ship": "#2e9e5b", "keep": "#808080", "inconclusive": "#b8860b"}  # on white and on black


class Html:
    """A piece of HTML that a notebook shows, and the text that stands for it elsewhere."""

    def __init__(self, html: str, text: str) -> None:
        self._html = html
        self._text = text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def verdict_html(decision: str, said: str, reason: str, measured: Sequence[Sequence[str]] = ()) -> str:
    """said: the sentence after the decision. measured: a line for each further metric."""
    mark = f'<strong style="color:{COLOURS[decision]}">{escape(decision)}</strong>'
    parts = [f"<p style='margin:.2em 0'>{mark}: {escape(said)}</p>"]
    if reason != said:
        parts.append(f"<p style='margin:.2em 0;opacity:.75'>{escape(reason)}</p>")
    if measured:
        parts.append(_table(["also measured", "student", "finalist", "gain", "95 %"], measured))
    return _block(parts)


def plan_html(title: str, cells: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """cells: the table, its head first."""
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return _block(
        [
            f"<p style='margin:.2em 0'>{escape(title)}</p>",
            _table(cells[0], cells[1:]),
            f"<ul style='margin:.3em 0;padding-left:1.2em'>{listed}</ul>",
        ]
    )


def compiled_html(verdict: str, candidate: Candidate, about: str) -> str:
    """verdict: as HTML. about: what the file is, in a line."""
    predictors = [_predictor(path, part) for path, part in candidate.parts]
    return _block([verdict, *predictors, f"<p style='margin:.2em 0;opacity:.75'>{escape(about)}</p>"])


def progress_html(lines: Sequence[str], share: float) -> str:
    """lines: the first stands above the bar. share: of the budget, 0 to 1."""
    filled = f"width:{100 * share:.1f}%;height:100%;background:#4a7ebb;border-radius:3px"
    bar = f"<div style='height:.5em;border:{LINE};border-radius:3px'><div style='{filled}'></div></div>"
    said = [f"<div style='white-space:pre-wrap'>{escape(line)}</div>" for line in lines if line]
    return _block([said[0], bar, *said[1:]])


def _predictor(path: str, part: Part) -> str:
    prompt = part.prompt
    count = len(prompt.demos)
    shown = f"{count} demonstration{'' if count == 1 else 's'}" + (" to pick from" if prompt.rule is not None else "")
    summary = f"<code>{escape(path)}</code> · {escape(prompt.format)} · {shown}"
    text = f"<pre style='white-space:pre-wrap;margin:.3em 0 .3em 1em'>{escape(prompt.instruction)}</pre>"
    return f"<details><summary>{summary}</summary>{text}</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th scope='col' style='{CELL}'>{escape(cell)}</th>" for cell in head)
    lines = ["".join(f"<td style='{CELL}'>{escape(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table style='border-collapse:collapse'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _block(parts: Sequence[str]) -> str:
    return f"<div style='max-width:60em;line-height:1.4'>{''.join(parts)}</div>"
