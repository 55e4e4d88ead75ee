"""What users may rely on: candidates are ranked by how likely they make the labels, where the LM can tell."""

from __future__ import annotations

import pytest

import burnish as b
from burnish.compiler.budget import Budget, Ledger
from burnish.compiler.likelihood import label_logprobs, labels_as_reply
from burnish.compiler.lm import Client, ReplyCache
from burnish.signatures.dspy_bridge import read_program
from burnish.signatures.errors import BudgetSpent
from burnish.signatures.examples import check_examples
from burnish.testing import ScriptedLM, ScriptedServer


@pytest.fixture
def read(program):
    return read_program(program)


@pytest.fixture
def rows(read, reviews):
    return check_examples(reviews(30), read, role="trainset")


def likely(prompt, continuation):
    return [-0.1 if "care" in prompt else -2.0] * len(continuation.split())


def measure(candidate, rows, limit=100, lm=None, **script):
    lm = lm or ScriptedLM(lambda messages, body: "x", **script)
    ledger = Ledger(Budget(calls=limit))
    with Client(ReplyCache(), ledger) as client:
        return label_logprobs(candidate, rows, lm=lm, client=client, ledger=ledger), ledger


def test_the_instruction_that_makes_the_labels_likelier_has_the_higher_likelihood(read, rows):
    careful = read.student.with_prompt("self", instruction="Judge with care.")
    (plain_values, _), (careful_values, _) = (
        measure(candidate, rows, log_probability=likely) for candidate in (read.student, careful)
    )
    assert plain_values == [-2.0] * 30
    assert careful_values == pytest.approx([-0.1] * 30)


def test_likelihoods_are_paid_from_the_search_account_and_stop_with_it(read, rows):
    _, ledger = measure(read.student, rows, log_probability=likely)
    assert ledger.spent("search").calls == 30
    with pytest.raises(BudgetSpent):
        measure(read.student, rows, limit=10, log_probability=likely)


def test_an_lm_without_log_probabilities_names_the_substitute(read, rows):
    with (
        ScriptedServer(lambda messages, body: "x") as server,
        pytest.raises(b.LMError, match="execution accuracy"),
    ):
        measure(read.student, rows, lm=b.LM("scripted", base_url=server.base_url))


def test_the_label_is_written_as_the_format_writes_a_reply(read, rows):
    prompt = read.student.prompt("self")
    row = rows[0]
    for name in ("chat", "plain", "xml", "json"):
        formed = prompt.with_(format=name)
        assert formed.template.parse(labels_as_reply(formed, row)) == {"label": row.values["label"]}
