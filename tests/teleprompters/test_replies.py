from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.teleprompters.replies import instruction, tagged


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Sure!\n<instruction>\nName the colour.\n</instruction>\nHope it helps.", "Name the colour."),
        ("< Instruction >Name the colour.</ INSTRUCTION >", "Name the colour."),
        ("<instruction>Name the colour.", "Name the colour."),
        ("Name the colour.</instruction> Bye.", "Name the colour."),
        ("</instruction>Name the colour.<instruction>", "Name the colour."),
        ("<instruction><instruction>Name the colour.</instruction></instruction>", "Name the colour."),
        ("<instruction>Guess.</instruction>\nBetter:\n<instruction>Name the colour.</instruction>", "Name the colour."),
        ("<instruction>Name the colour.</instruction><instruction></instruction>", "Name the colour."),
        (
            "<think><instruction>No.</instruction></think><instruction>Name the colour.</instruction>",
            "Name the colour.",
        ),
    ],
)
def test_a_tagged_block_is_found_however_its_tags_are_mangled(reply, expected):
    assert instruction(reply) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Name the colour.", "Name the colour."),
        ('Instruction: "Name the colour."', "Name the colour."),
        ("**Instruction:** Name the colour.", "Name the colour."),
        ("The instruction was: Name the colour.", "Name the colour."),
        ("Here is the improved prompt:\n\nName the colour.", "Name the colour."),
        ("```text\nName the colour.\n```", "Name the colour."),
        ("<instruction>\n```\n“Name the colour.”\n```\n</instruction>", "Name the colour."),
        ("1. Name the colour.", "Name the colour."),
        ("'Name the cat's colour'", "Name the cat's colour"),
        ("<think>hm</think>Name the colour.", "Name the colour."),
    ],
)
def test_what_stands_around_an_instruction_is_taken_off(reply, expected):
    assert instruction(reply) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"positive" or "negative"',
        "Answer the question: is it a colour?",
        "Here is a review: name its mood.",
        "1. Read the text.\n2. Name the colour.",
        "Use `yes` or `no`",
        "'Tis the season; don't say 'never'",
    ],
)
def test_what_belongs_to_an_instruction_stays(text):
    assert instruction(text) == text


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " \n",
        "<instruction></instruction>",
        "I cannot. <instruction> </instruction>",
        '""',
        "Instruction:",
        "```\n```",
    ],
)
def test_a_reply_without_an_instruction_never_becomes_an_empty_one(reply):
    assert instruction(reply) is None


def test_another_tag_can_be_asked_for():
    assert tagged("<reason>a</reason><plan>b</plan>", "plan") == "b"
    assert tagged("no tags at all", "plan") is None


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            ["<instruction>", "</instruction>", "<think>", "</think>", "```", '"', "Instruction:", " a ", "\n", "- "]
        )
    )
)
def test_any_reply_gives_a_filled_instruction_or_none(pieces):
    found = instruction("".join(pieces))
    assert found is None or (found == found.strip() and found)
