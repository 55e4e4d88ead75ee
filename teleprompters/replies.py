"""Instructions out of free text: what a writing LM means, without its tags, labels, quotes and fences."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```[^\n`]*\n(?P<inside>.*?)\n?[ \t]*```\s*\Z", re.DOTALL)
_NOUN = r"(?:instruction|prompt|variation|variant|version|rewrite|answer)s?"
_LABEL = re.compile(
    rf"\A[\s>*_#]*(?:(?:here(?:'s| is| are)|this is)\b[^\n:]{{0,60}}\b{_NOUN}\b[^\n:]{{0,60}}|"
    rf"(?:(?:the|my|your|new|final|improved|revised|missing|complete|full) )*{_NOUN}(?: is| was| reads)?)"
    r"[ \t]*[*_]*:[*_]*[ \t]*\n*",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\A\s*(?:[-*•]|\d{1,2}[.)])\s+(?=\S)")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}


def tagged(reply: str, tag: str) -> str | None:
    """What stands between `<tag>` and `</tag>`, stripped; None when there is no such block or nothing in it.

    Of nested blocks the innermost text counts; of several blocks the last that holds something, for models think aloud
    before they settle. A block that is never closed runs to the end; one that is never opened starts at the start; when
    closing and opening tag have changed places, the text between them counts. Case and spaces in tags do not matter,
    and what reasoning models put into `<think>` is not looked at.
    """
    found = blocks(reply, tag)
    return found[-1] if found else None


def blocks(reply: str, tag: str) -> list[str]:
    """Every text that stands in a block of that tag, by the rules of `tagged`, in order and without repetitions."""
    pieces = _tags(tag).split(_THOUGHT.sub("", reply))  # text, "" or "/", text, "" or "/", ..., text
    texts, closing = [text.strip() for text in pieces[::2]], [mark == "/" for mark in pieces[1::2]]
    filled = [text for text, closes in zip(texts[1:], closing, strict=True) if text and not closes]
    if not filled and closing and closing[0]:  # never opened before it was closed
        filled = [texts[0] or (texts[1] if len(closing) > 1 else "")]
    return [text for text in dict.fromkeys(filled) if text]


def passages(reply: str, tag: str) -> list[str] | None:
    """The texts in the blocks of that tag, or the whole reply where it has no such tag; None when there is no text."""
    if _tags(tag).search(reply):
        return blocks(reply, tag) or None
    return [text] if (text := _THOUGHT.sub("", reply).strip()) else None


def instruction(reply: str, tag: str = "instruction") -> str | None:
    """The instruction that a reply proposes, or None when it proposes nothing.

    Takes the tagged block where there is one, else the whole reply; then takes off a Markdown fence, a leading label
    ("Instruction:", "Here is the new prompt:"), one bullet, and quotation marks around the whole.
    A reply with an empty block proposes nothing: what stands around the block was not meant as the instruction.
    """
    text = tagged(reply, tag)
    if text is None:
        if _tags(tag).search(reply):
            return None
        text = _THOUGHT.sub("", reply)
    return _bare(text) or None


def all_instructions(reply: str, tag: str = "instruction") -> list[str] | None:
    """Every instruction that a reply proposes, each cleaned as `instruction` does; None when it proposes nothing."""
    found = [text for passage in passages(reply, tag) or () if (text := _bare(passage))]
    return list(dict.fromkeys(found)) or None


def bracketed(reply: str) -> str | None:
    """The instruction in square brackets: the longest group that holds words, for numbers in brackets are references.

    A reply without such a group is read as `instruction` reads it.
    """
    groups = [group.strip() for group in _BRACKETS.findall(_THOUGHT.sub("", reply))]
    worded = [group for group in groups if re.search(r"[^\W\d_]{2}", group)]
    return _bare(max(worded, key=len)) or None if worded else instruction(reply)


def _tags(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<\s*(/?)\s*{re.escape(tag)}\s*>", re.IGNORECASE)


def _bare(text: str) -> str:
    text = text.strip()
    while True:
        before = text
        fenced = _FENCE.match(text)
        text = (fenced["inside"] if fenced else text).strip()
        text = _LABEL.sub("", text, count=1).strip()
        if "\n" not in text:
            text = _BULLET.sub("", text, count=1).strip()
        text = _unquoted(text).strip()
        if text == before:
            return text


def _unquoted(text: str) -> str:
    """Without the quotation marks around the whole text; marks that open and close inside it are left alone."""
    for emphasis in ("**", "__"):
        if len(text) > 4 and text.startswith(emphasis) and text.endswith(emphasis) and emphasis not in text[2:-2]:
            return text[2:-2]
    close = _QUOTES.get(text[:1])
    if close is None or len(text) < 2 or not text.endswith(close):
        return text
    # An apostrophe between letters quotes nothing.
    inside = re.sub(r"(?<=\w)'(?=\w)", "", text[1:-1])
    return text if close in inside or text[0] in inside else text[1:-1]
