from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.teleprompters.replies import all_instructions, blocks, bracketed, instruction, passages, tagged


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


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<reason>One.</reason>\nand\n<reason>Two.</reason>", ["One.", "Two."]),
        ("<reason>One.</reason><reason>Two.</reason><reason>One.</reason>", ["One.", "Two."]),
        ("<REASON> One. </ reason ><reason>\n</reason>", ["One."]),
        ("<reason>One.<reason>Two.", ["One.", "Two."]),
        ("<reason><reason>One.</reason></reason>", ["One."]),
        ("</reason>One.<reason>", ["One."]),
        ("One.</reason> Bye.", ["One."]),
        ("One.</reason><reason>Two.</reason>", ["Two."]),
        ("<think><reason>No.</reason></think><reason>One.</reason>", ["One."]),
        ("<reason></reason>", []),
        ("</reason>", []),
        ("One.", []),
        ("", []),
    ],
)
def test_blocks_are_every_filled_text_in_tags_in_order_and_once(reply, expected):
    assert blocks(reply, "reason") == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<reason>One.</reason><reason>Two.</reason>", ["One.", "Two."]),
        ("The labels are not named.\n\nNor is the form.", ["The labels are not named.\n\nNor is the form."]),
        ("<think>hm</think> No tags.", ["No tags."]),
        ("I see nothing. <reason> </reason>", None),
        ("<think>only this</think>", None),
        (" \n", None),
    ],
)
def test_passages_are_the_blocks_or_the_whole_reply_where_it_has_no_tags(reply, expected):
    assert passages(reply, "reason") == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('<instruction>"Name it."</instruction><instruction>1. Say it.</instruction>', ["Name it.", "Say it."]),
        ("<instruction>Name it.</instruction><instruction>'Name it.'</instruction>", ["Name it."]),
        ("<instruction>Instruction:</instruction><instruction>Say it.</instruction>", ["Say it."]),
        ("Here is the new prompt: Name it.", ["Name it."]),
        ("<instruction>``````</instruction>", ["``````"]),
        ('<instruction>""</instruction>', None),
        ("No. <instruction></instruction>", None),
        ("", None),
    ],
)
def test_all_instructions_are_cleaned_one_by_one_and_none_is_empty(reply, expected):
    assert all_instructions(reply) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Sure: [Name the colour.]", "Name the colour."),
        ("As in [1] and [2, 3]: [Name it.] or [Name the colour.]", "Name the colour."),
        ("[[Name the colour.]]", "Name the colour."),
        ('["Name the colour."]', "Name the colour."),
        ("[Instruction: Name\nthe colour.]", "Name\nthe colour."),
        ("<think>[Not this longer one.]</think>[Name it.]", "Name it."),
        ("Name the colour [1].", "Name the colour [1]."),
        ("<instruction>Name the colour.</instruction>", "Name the colour."),
        ("[Name the colour.", "[Name the colour."),
        ("][", "]["),
        ("[Instruction:]", None),
        ("", None),
    ],
)
def test_an_instruction_in_square_brackets_is_found_among_references(reply, expected):
    assert bracketed(reply) == expected


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


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "<instruction>",
                "</instruction>",
                "<think>",
                "</think>",
                "```",
                '"',
                "Prompt:",
                " ab ",
                "\n",
                "[",
                "]",
                "1.",
            ]
        )
    )
)
def test_whatever_the_reply_nothing_that_is_read_in_it_is_empty(pieces):
    reply = "".join(pieces)
    found = [*blocks(reply, "instruction"), *(passages(reply, "instruction") or [])]
    found += [*(all_instructions(reply) or []), *filter(lambda text: text is not None, [bracketed(reply)])]
    assert all(text and text == text.strip() for text in found)
    for several in (passages(reply, "instruction"), all_instructions(reply)):
        assert several is None or len(several) == len(set(several)) > 0
