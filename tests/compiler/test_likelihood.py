"""What users may rely on: candidates are ranked by how likely they make the labels, where the LM can tell."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from contextlib import contextmanager

import pytest

import burnish as b
from burnish.compiler import likelihood
from burnish.compiler.budget import Budget, Ledger
from burnish.compiler.likelihood import Likelihoods, labels_as_reply
from burnish.compiler.lm import Client, ReplyCache
from burnish.compiler.lm.failures import ContextOverflow
from burnish.signatures.candidate import Part
from burnish.signatures.dspy_bridge import read_program
from burnish.signatures.errors import BudgetSpent, LMError, NoLogprobs, ProgramError
from burnish.signatures.example import Example
from burnish.signatures.examples import check_examples
from burnish.signatures.prompt import Demo, DemoRule
from burnish.testing import ScriptedLM, ScriptedServer, ScriptedStatus


@pytest.fixture
def read(program):
    return read_program(program)


@pytest.fixture
def rows(read, reviews):
    return check_examples(reviews(30), read, role="trainset")


def likely(prompt, continuation):
    return [-0.1 if "care" in prompt else -2.0] * len(continuation.split())


def no_encoder(texts):
    raise AssertionError("nothing here needs an encoder")


@contextmanager
def likelihoods(limit=100, lm=None, **script):
    ledger = Ledger(Budget(calls=limit))
    with Client(ReplyCache(), ledger) as client:
        yield Likelihoods(lm or ScriptedLM(lambda messages, body: "x", **script), client, ledger)


def label_logprobs(candidate, rows, measured):
    return likelihood.label_logprobs(candidate, rows, measured, no_encoder)


def label_distribution(candidate, rows, labels, measured, embed=no_encoder):
    return likelihood.label_distribution(candidate, rows, labels, measured, embed)


def measure(candidate, rows, limit=100, lm=None, **script):
    with likelihoods(limit, lm, **script) as measured:
        return label_logprobs(candidate, rows, measured), measured.ledger


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


LABELS = ["positive", "negative"]


def sure(prompt, continuation):
    """Three tokens whose log-probabilities say which label it is, and how many characters it was asked after."""
    return [-1.0, -0.5 if "positive" in continuation else -3.0, -len(prompt) / 1000]


def test_each_label_after_each_row_is_one_call_with_the_sum_and_the_number_of_its_tokens(read, rows):
    with likelihoods(log_probability=sure) as measured:
        table = label_distribution(read.student, rows[:4], LABELS, measured)
        assert [len(row) for row in table] == [2] * 4
        for positive, negative in table:
            assert positive.total - negative.total == pytest.approx(2.5)
            assert (positive.tokens, positive.mean) == (3, pytest.approx(positive.total / 3))
        assert measured.ledger.spent("search").calls == 8


def test_labels_are_scored_as_the_format_writes_a_reply_in_every_format_and_position(read, rows):
    seen = []
    for name in ("chat", "plain", "xml", "json", "bare"):
        for position in ("system", "answer_begin"):
            prompt = read.student.prompt("self").with_(format=name, position=position)
            candidate = read.student.with_prompt("self", format=name, position=position)
            with likelihoods(log_probability=lambda p, text: seen.append(text) or [-1.0]) as measured:
                label_distribution(candidate, rows[:1], [{"label": "positive"}, "negative"], measured)
            assert [prompt.template.parse(text)["label"] for text in sorted(seen[-2:])] == sorted(LABELS)
            assert not any("Classify" in text for text in seen), "what the prompt has said already is not said again"


def test_demonstrations_that_a_rule_picks_by_vectors_stand_in_the_prompt_that_is_scored(read, rows):
    prompt, asked, seen = read.student.prompt("self"), [], []

    def embed(texts):
        asked.extend(texts)
        return [[1.0, 0.0] if "kind" in text else [0.0, 1.0] for text in texts]

    demos = []
    for review, label in (("A kind one.", "positive"), ("A harsh one.", "negative")):
        vector = embed([review])[0]
        demos.append(Demo.of({"review": review, "label": label}).with_vector(vector))
    rule = DemoRule("vectors", k=1, encoder="fake")
    candidate = read.student.with_part("self", Part(prompt.with_(demos=tuple(demos), rule=rule)))
    row = Example.of({"review": "So kind.", "label": "positive"}, ("review",))
    with likelihoods(log_probability=lambda prompt, text: seen.append(prompt) or [-1.0]) as measured:
        label_distribution(candidate, [row], LABELS, measured, embed)
    assert all("A kind one." in text and "A harsh one." not in text for text in seen)
    assert "So kind." in asked[-1]


def test_what_was_measured_is_not_measured_or_admitted_again(read, rows):
    with likelihoods(limit=17, log_probability=sure) as measured:
        most = int(measured.ledger.left("search").calls)
        first = label_distribution(read.student, rows[: most // 2], LABELS, measured)
        assert label_distribution(read.student, rows[: most // 2], LABELS, measured) == first
        assert measured.ledger.left("search").calls <= 1
        with pytest.raises(BudgetSpent):
            label_distribution(read.student, rows, LABELS, measured)


def test_a_budget_that_ends_keeps_what_was_paid_for_and_a_resumed_run_pays_only_the_rest(read, rows, tmp_path):
    lm = ScriptedLM([], log_probability=sure)
    with likelihoods(limit=20, lm=lm) as measured, pytest.raises(BudgetSpent):
        label_distribution(read.student, rows, LABELS, measured)
    before = len(lm.calls)
    assert 0 < before <= 20
    with likelihoods(lm=lm) as measured:
        label_distribution(read.student, rows, LABELS, measured)
        assert measured.ledger.spent("search").calls == 60, "the budget counts what the cache answers too"
    assert len(lm.calls) == 60


def test_an_lm_that_tells_no_log_probabilities_is_refused_before_anything_is_spent(read, rows):
    silent = ScriptedLM(lambda messages, body: "x")
    with likelihoods(lm=silent) as measured:
        for ask in (
            lambda: label_distribution(read.student, rows, LABELS, measured),
            lambda: measured.of([("a text", "goes on")]),
            lambda: measured.of([(None, "a text")]),
        ):
            with pytest.raises(NoLogprobs, match="source='samples'"):
                ask()
        assert measured.ledger.spent("search").calls == 0
    assert silent.calls == []


def test_what_it_costs_to_find_out_that_a_server_ignores_echo_is_the_same_in_every_run():
    pairs = [("a text", f"goes on {number}") for number in range(40)]
    for _ in range(5):
        with (
            ScriptedServer(lambda messages, body: "ignores it") as server,
            likelihoods(lm=b.LM("m", base_url=server.base_url)) as measured,
        ):
            for _ in range(2):
                with pytest.raises(NoLogprobs, match="source='samples'"):
                    measured.of(pairs)
            assert measured.ledger.spent("search").calls == server.billable == 1


def test_one_text_that_is_not_told_is_found_out_when_all_of_its_block_are_measured():
    """The server is one that tells, so what the others cost is spent and known."""

    def sometimes(messages, body):
        text = body["prompt"]
        given = {"token_logprobs": [None, -1.0], "text_offset": [0, 1 if "odd" not in text else len(text)]}
        return {"choices": [{"text": text, "finish_reason": "length", "logprobs": given}]}

    texts = [(None, "a text"), (None, "odd"), *((None, f"text {number}") for number in range(20))]
    for _ in range(3):
        with (
            ScriptedServer(sometimes) as server,
            likelihoods(lm=b.LM("m", base_url=server.base_url)) as measured,
        ):
            with pytest.raises(NoLogprobs):
                measured.of([texts[0], ("odd", "x"), *texts[2:]])
            assert measured.ledger.spent("search").calls == 22
            assert measured.of([texts[0], *texts[2:]]) == [[-1.0]] * 21
            assert measured.ledger.spent("search").calls == 22


def test_a_server_that_fails_in_the_middle_of_a_block_leaves_nothing_reserved_and_nothing_in_flight():
    def fails(messages, body):
        if "odd" in body["prompt"]:
            raise ScriptedStatus(401, {"error": {"message": "no"}})
        time.sleep(0.01)
        given = {"token_logprobs": [None, -1.0], "text_offset": [0, 1]}
        return {"choices": [{"text": body["prompt"], "finish_reason": "length", "logprobs": given}]}

    with ScriptedServer(fails) as server, likelihoods(lm=b.LM("m", base_url=server.base_url)) as measured:
        before = measured.ledger.left("search").calls
        with pytest.raises(LMError, match="key was refused"):
            measured.of([(None, text) for text in ("a text", "odd", *(f"text {number}" for number in range(30)))])
        spent = measured.ledger.spent("search").calls
        assert measured.ledger.left("search").calls == before - spent
        time.sleep(0.1)
        assert measured.ledger.spent("search").calls == spent == server.billable


def test_an_lm_that_tells_of_plain_texts_only_is_asked_for_those_after_it_refused_messages():
    def echoes(messages, body):
        given = {"token_logprobs": [None, -1.0], "text_offset": [0, 1]}
        return {"choices": [{"text": body["prompt"], "finish_reason": "length", "logprobs": given}]}

    with ScriptedServer(echoes) as server, likelihoods(lm=b.LM("m", base_url=server.base_url)) as measured:
        with pytest.raises(NoLogprobs):
            measured.of([([{"role": "user", "content": "a chat"}], "x")])
        assert measured.of([(None, "a text")]) == [[-1.0]]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["positive", "splendid"], "splendid"),
        ([{"label": "positive"}, {"mood": "good"}], "mood"),
    ],
)
def test_a_label_that_the_program_cannot_give_is_refused(read, rows, labels, said):
    with likelihoods(log_probability=sure) as measured, pytest.raises(ProgramError, match=said):
        label_distribution(read.student, rows, labels, measured)


def test_a_prompt_that_does_not_fit_the_context_makes_every_text_impossible_and_is_not_the_end(read, rows):
    def overflows(prompt, continuation):
        if "number 1 " in prompt:
            raise ContextOverflow("The prompt does not fit.")
        return [-1.0]

    with likelihoods(log_probability=overflows) as measured:
        table = label_distribution(read.student, rows[:3], LABELS, measured)
        assert [[one.total for one in row] for row in table] == [[-1.0] * 2, [-math.inf] * 2, [-1.0] * 2]
        with pytest.raises(LMError, match="does not fit"):
            label_logprobs(read.student, rows[:3], measured)


def test_whole_texts_and_continuations_of_plain_texts_are_measured_too(read):
    def told(prompt, continuation):
        return [-float(len(prompt))] * len(continuation.split())

    with likelihoods(log_probability=told) as measured:
        assert measured.of([(None, "one two three"), ("four", "five six")]) == [[-0.0] * 3, [-4.0] * 2]


def test_the_bench_gives_all_of_them(program, reviews, review_replies, tmp_path):
    """In a compile: budget and cut-off points are the bench's."""
    from burnish.teleprompters.base import Forecast
    from burnish.teleprompters.label_signals import distributions

    found = []

    class Measuring(b.Teleprompter):
        def search(self, bench):
            rows = bench.pool[:3]
            found.append(distributions(bench, bench.student, rows, LABELS))
            found.append(distributions(bench, bench.student, rows, LABELS, "samples", n=4))
            found.append(bench.text_logprobs(["a text"]))
            found.append(bench.continuation_logprobs(["a text"], ["goes on"]))
            yield from ()

        def forecast(self, sizes):
            return Forecast(0, 0, "as the test says")

    def run():
        lm = ScriptedLM(review_replies(lambda prompt: 0.7), log_probability=sure)
        found.clear()
        compiled = b.compile(
            program,
            trainset=reviews(60),
            metric=b.exact_match("label"),
            lm=lm,
            teleprompter=Measuring(),
            budget=b.Budget(calls=300),
            run_dir=tmp_path / "run",
            progress=False,
        )
        return compiled, list(found), lm

    compiled, (scored, drawn, text, further), lm = run()
    assert (scored.source, drawn.source) == ("logprobs", "samples")
    assert scored.probabilities[0][0] == pytest.approx(1 / (1 + math.exp(-2.5)))
    assert {sum(row) for row in drawn.counts} == {4}
    assert sorted({body["seed"] for body in lm.calls if body.get("temperature") == 1}) == [0, 1, 2, 3]
    assert len(text[0]) == len(further[0]) == 3
    assert compiled.evidence["events"]["label distributions"] == 2

    again, found_again, lm = run()
    assert found_again == [scored, drawn, text, further]
    assert lm.calls == [], "a run that is repeated pays nothing"
    assert json.dumps(again.evidence) == json.dumps(compiled.evidence)


@pytest.mark.model
def test_the_embedded_model_prefers_the_right_label_when_it_is_shown_how_and_knows_english(read):
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("needs the extra [local]")
    shown = [("I loved every minute of it.", "positive"), ("A dull and lifeless mess.", "negative")]
    demos = tuple(Demo.of({"review": review, "label": label}) for review, label in shown)
    candidate = read.student.with_prompt("self", format="bare", demos=demos)
    row = Example.of({"review": "Wonderful. I loved it, every minute.", "label": "positive"}, ("review",))
    with likelihoods(lm=b.LM("local/smollm2-135m-instruct")) as measured:
        ((positive, negative),) = label_distribution(candidate, [row], LABELS, measured)
        assert positive.total > negative.total
        assert positive.tokens == len(measured.of([("x", "positive")])[0])
        english, jumbled = measured.of([(None, "The cat sat on the mat."), (None, "mat the on cat The sat.")])
        assert sum(jumbled) / len(jumbled) < sum(english) / len(english) < 0
