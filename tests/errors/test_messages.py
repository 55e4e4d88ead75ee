"""Every error says what happened, where, and what to do: each class as a user meets it."""

from __future__ import annotations

import pytest

import burnish as b

from .cases import CASES, INTERNAL, message_of
from .page import PAGE, page
from .places import error_classes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_message_says_what_and_where_and_what_to_do(case):
    message = message_of(case)
    for name in (*case.names, case.remedy):
        assert name in message, message
    assert message[0] not in " \n"
    assert message[-1] in ".)'"
    assert len(message) < 700


def test_every_class_is_provoked_here_or_never_reaches_a_user():
    provoked = {case.error.__name__ for case in CASES} | {"BudgetSpent"}
    assert set(error_classes()) - provoked == set(INTERNAL)


def test_a_spent_budget_passes_through_code_that_catches_every_exception():
    assert not issubclass(b.BudgetSpent, Exception)


def test_the_command_line_says_an_error_in_one_message_and_returns_1(capsys):
    from burnish.compiler.cli import main

    assert main(["show", "none.json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    reason = "none.json cannot be read: No such file or directory."
    assert said.err == f"burnish: {reason} Give a file that `burnish compile -o FILE` wrote.\n"


def test_the_page_of_errors_lists_every_class_with_messages_as_they_are():
    written = PAGE.read_text(encoding="utf-8")
    assert [name for name in error_classes() if name not in INTERNAL and f"\n## {name}\n" not in written] == []
    assert written == page(), "run `python -m tests.errors.page`"
