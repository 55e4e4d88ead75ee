"""What a search may rely on when it embeds: batches of a fixed size, paid like any call, kept like any reply."""

from __future__ import annotations

import importlib.metadata

import pytest

import burnish as b
from burnish.compiler.embedding import BATCH, BATCH_BYTES, MOST_TOKENS, batches
from burnish.compiler.lm.failures import ContextOverflow
from burnish.signatures.prompt import Demo, DemoRule
from burnish.teleprompters.base import Forecast, Origin, Round
from burnish.testing import ScriptedLM, check_teleprompter


def length(text):
    return [float(len(text)), 1.0]


def encoder(embed=length, **options):
    return ScriptedLM([], model="some-encoder", embed=embed, **options)


class Searching(b.Teleprompter):
    """Runs a function of the bench; its outcome is in `given`."""

    def __init__(self, search):
        self._search = search
        self._given = []

    def settings(self):
        return {"name": "Searching"}

    def search(self, bench):
        self._given.append(self._search(bench))
        yield Round("once")

    def forecast(self, sizes):
        return Forecast(0, 0, "as the test says")

    @property
    def given(self):
        return self._given[0]


@pytest.fixture
def on_bench(compile_apart, program, reviewer):
    """Runs a function of a real bench inside a compile; gives what ran and what the function gave."""

    def run(search, name="run", **arguments):
        searching = Searching(search)
        given = {"lm": reviewer(lambda prompt: 0.7), "budget": b.Budget(calls=400), **arguments}
        ran = compile_apart(name, program, teleprompter=searching, **given)
        return ran, searching.given if searching._given else None

    return run


def texts(count):
    return [f"text {n}" for n in range(count)]


def test_a_batch_is_one_call_and_what_is_known_costs_nothing(on_bench):
    lm = encoder()

    def search(bench):
        before = bench.ledger.spent().calls
        vectors = bench.embed([*texts(150), "text 7"])
        again = bench.embed(texts(10))
        return vectors, again, bench.ledger.spent().calls - before, bench.encoder

    _, (vectors, again, spent, name) = on_bench(search, encoder=lm)
    assert vectors == [length(text) for text in [*texts(150), "text 7"]]
    assert again == vectors[:10]
    assert [len(call["input"]) for call in lm.calls] == [BATCH, BATCH, 150 - 2 * BATCH]
    assert (spent, name) == (3, "some-encoder")


def test_batches_are_cut_by_texts_and_bytes_alone():
    assert [len(batch) for batch in batches(texts(2 * BATCH + 1))] == [BATCH, BATCH, 1]
    half = "ä" * (BATCH_BYTES // 4)
    assert [len(batch) for batch in batches([half, half, half, "x" * 2 * BATCH_BYTES, "y"])] == [2, 1, 1, 1]
    assert list(batches([])) == []


def test_without_an_encoder_the_error_names_the_remedy_and_the_substitute(on_bench):
    def search(bench):
        assert bench.encoder is None
        with pytest.raises(b.LMError, match=r"encoder='text-embedding-3-small'.*TF-IDF"):
            bench.embed(["x"])
        return True

    assert on_bench(search)[1]


def test_embeddings_end_with_the_budget_and_never_pass_it(on_bench):
    lm = encoder()
    ran, given = on_bench(lambda bench: bench.embed(texts(100 * BATCH)), encoder=lm, budget=b.Budget(calls=120))
    assert given is None
    assert 0 < len(lm.calls) < 120
    assert ran.calls <= 120
    assert ran.compiled.evidence["spent"]["search"]["calls"] <= 120


def test_embeddings_count_against_a_budget_in_tokens(on_bench):
    lm = encoder()

    def search(bench):
        before = bench.ledger.spent().tokens
        bench.embed(["one two three", "four"])
        return bench.ledger.spent().tokens - before

    ran, spent = on_bench(search, encoder=lm, budget=b.Budget(tokens=400_000))
    assert spent == 4
    assert ran.tokens <= 400_000


def test_an_encoder_needs_a_price_where_the_budget_is_in_dollars(on_bench, reviewer):
    priced = reviewer(lambda prompt: 0.7, price=b.Price(1, 1))
    with pytest.raises(b.BudgetError, match="needs a price for 'some-encoder'"):
        on_bench(lambda bench: None, lm=priced, encoder=encoder(), budget=b.Budget(usd=2.0))

    def search(bench):
        before = bench.ledger.spent().usd
        bench.embed(["one two"])
        return bench.ledger.spent().usd - before

    paid = encoder(price=b.Price(0.5, 0))
    assert on_bench(search, lm=priced, encoder=paid, budget=b.Budget(usd=2.0))[1] == pytest.approx(2 * 0.5e-6)


def test_a_resumed_run_embeds_nothing_again_and_ends_with_the_same_file(on_bench, reviewer):
    lm = encoder()
    whole, _ = on_bench(lambda bench: bench.embed(texts(200)), name="whole", encoder=lm)

    def interrupted(bench):
        bench.embed(texts(200)[:BATCH])
        raise KeyboardInterrupt

    first, second = encoder(), encoder()
    with pytest.raises(KeyboardInterrupt):
        on_bench(interrupted, name="resumed", encoder=first)
    # The first 64 texts of the two calls are one batch: the same request.
    resumed, _ = on_bench(lambda bench: bench.embed(texts(200)), name="resumed", encoder=second)
    assert resumed.file == whole.file
    assert len(first.calls) == 1
    assert len(first.calls) + len(second.calls) == len(lm.calls)


def test_a_text_that_the_encoder_does_not_take_stops_the_search_and_is_shown(on_bench):
    def refuse(text):
        raise ContextOverflow("The server answered HTTP 500: 'too large to process'.")

    with pytest.raises(b.LMError, match=r"some-encoder does not embed.*longest of 2 texts has 5 characters.*'words'"):
        on_bench(lambda bench: bench.embed(["a", "words"]), encoder=encoder(refuse))


def test_the_encoder_is_part_of_the_runs_identity_and_provenance(on_bench, program, reviews, reviewer, tmp_path):
    ran, _ = on_bench(lambda bench: None, name="with", encoder=encoder())
    without, _ = on_bench(lambda bench: None, name="without")
    assert ran.compiled.provenance["models"]["encoder"] == {"model": "some-encoder"}
    assert "encoder" not in without.compiled.provenance["models"]
    with pytest.raises(b.RunError):
        on_bench(lambda bench: None, name="with", encoder=ScriptedLM([], model="another-encoder", embed=length))
    versions = ran.compiled.provenance["versions"]
    assert versions["numpy"] == importlib.metadata.version("numpy")
    assert "sentence-transformers" not in versions
    package = ScriptedLM([], model="sentence-transformers:m", embed=length)
    by_package, _ = on_bench(lambda bench: None, name="package", encoder=package)
    assert "sentence-transformers" in by_package.compiled.provenance["versions"]


def test_the_plan_names_the_encoder_and_allows_for_its_calls(program, reviews, reviewer):
    given = {
        "trainset": reviews(60),
        "metric": b.exact_match("label"),
        "lm": reviewer(lambda prompt: 0.7),
        "budget": b.Budget(calls=300),
    }
    lm = encoder()
    plain, with_encoder = b.plan(program, **given), b.plan(program, **given, encoder=lm)
    assert lm.calls == []
    assert any("some-encoder" in note for note in with_encoder.notes)
    assert with_encoder.total.calls == plain.total.calls == 300
    assert with_encoder.total.tokens >= 300 * MOST_TOKENS


# rules that compare vectors, while a compile runs


class Nearest(b.Teleprompter):
    """Scores a rule that picks by vectors out of the whole pool, for the last predictor."""

    def search(self, bench):
        path = bench.student.predictors[-1]
        prompt = bench.student.prompt(path)
        vectors = bench.embed([prompt.question(row.values) for row in bench.pool])
        demos = [Demo.of(row.values).with_vector(vector) for row, vector in zip(bench.pool, vectors, strict=True)]
        rule = DemoRule("vectors", 2, encoder=bench.encoder)
        candidate = bench.student.with_prompt(path, demos=tuple(demos), rule=rule, format="plain")
        bench.score([candidate], origin=Origin("Nearest", "vectors"))
        yield Round("vectors", (candidate,), bench.known[0])

    def forecast(self, sizes):
        return Forecast(0, min(sizes.dev, sizes.executions), "one rule")


def by_number(text):
    """Reviews are near to those of neighbouring numbers."""
    number = int("".join(char for char in text if char.isdigit()) or 0)
    return [1.0, number / 100]


@pytest.fixture
def helped(reviewer):
    """An LM that needs demonstrations."""
    return lambda: reviewer(lambda prompt: 0.95 if prompt.count("Review number") > 1 else 0.3, max_tokens=20)


def test_a_rule_that_compares_vectors_is_scored_with_two_calls_a_row_which_are_counted(compile_apart, program, helped):
    task, lm = helped(), encoder(by_number)
    ran = compile_apart("rule", program, task, encoder=lm, teleprompter=Nearest(), budget=b.Budget(calls=600))
    assert ran.compiled.verdict.decision == "ship"
    assert ran.calls == len(task.calls) + len(lm.calls) <= 600
    spent = ran.evidence["spent"]
    assert spent["search"]["calls"] + spent["final"]["calls"] == ran.calls
    single = [call["input"] for call in lm.calls if len(call["input"]) == 1]
    dev, holdout = (ran.evidence["rows"][name] for name in ("dev", "holdout"))
    assert len(single) == dev + holdout
    assert spent["final"]["calls"] == 3 * holdout  # the student asks once, the finalist twice


@pytest.mark.parametrize("limit", [40, 61, 75, 90])
@pytest.mark.parametrize("currency", ["calls", "tokens"])
def test_no_budget_is_passed_by_a_rule_that_compares_vectors(compile_apart, program, helped, limit, currency):
    task, lm = helped(), encoder(by_number)
    budget = b.Budget(calls=limit) if currency == "calls" else b.Budget(tokens=700 * limit)
    ran = compile_apart("cut", program, task, encoder=lm, teleprompter=Nearest(), budget=budget)
    assert ran.calls <= limit if currency == "calls" else ran.tokens <= 700 * limit


def test_a_rule_that_compares_vectors_gives_the_same_file_at_any_concurrency_and_on_resume(
    compile_apart, program, helped
):
    given = {"teleprompter": Nearest(), "budget": b.Budget(calls=600)}
    first = compile_apart("one", program, helped(), encoder=encoder(by_number), concurrency=1, **given)
    many = compile_apart("many", program, helped(), encoder=encoder(by_number), concurrency=16, **given)
    assert many.file == first.file
    task, lm = helped(), encoder(by_number)
    again = compile_apart("many", program, task, encoder=lm, concurrency=16, **given)
    assert again.file == first.file
    assert task.calls == lm.calls == []


def test_what_was_compiled_with_vectors_is_asked_for_in_production(compile_apart, program, helped, tmp_path):
    task, lm = helped(), encoder(by_number)
    compile_apart("made", program, task, encoder=lm, teleprompter=Nearest(), budget=b.Budget(calls=600))
    served, vectors = helped(), encoder(by_number)
    classify = b.load(tmp_path / "made.json", lm=served, encoder=vectors)
    for n in range(60):
        classify(review=f"Review number {n} of a film.")
    scored = [call["messages"] for call in task.calls]
    assert sum(call["messages"] in scored for call in served.calls) >= 30, "rows of dev and holdout were asked the same"


@pytest.mark.slow
def test_a_search_that_embeds_passes_the_conformance_suite():
    check_teleprompter(Nearest(), limits=(7, 70), embed=by_number)


def test_a_rule_in_a_program_with_code_of_its_own_counts_its_calls_beside_those_declared(compile_apart, helped):
    class Twice(b.Module):
        def __init__(self):
            super().__init__()
            self.judge = b.Predict("review -> label")

        def forward(self, review):
            self.judge(review=review)
            return self.judge(review=review)

    class Inside(Nearest):
        def search(self, bench):
            path = bench.student.predictors[0]
            demos = tuple(Demo.of(row.values).with_vector(by_number(row.values["review"])) for row in bench.pool)
            rule = DemoRule("vectors", 2, encoder=bench.encoder)
            bench.score([bench.student.with_prompt(path, demos=demos, rule=rule)], origin=Origin("Inside", "vectors"))
            yield Round("vectors", (), bench.known[0])

    task, lm = helped(), encoder(by_number)
    budget = b.Budget(calls=900, calls_per_example=2)
    ran = compile_apart("twice", Twice(), task, encoder=lm, teleprompter=Inside(), budget=budget)
    assert ran.evidence["candidates"] == 2
    assert ran.calls == len(task.calls) + len(lm.calls) <= 900
    # The same text twice in one execution has one vector, and is one request.
    assert len({str(call) for call in lm.calls}) == len(lm.calls)
    assert not any("seed" in call for call in lm.calls)


def test_a_rule_of_another_encoder_is_refused_by_name(on_bench):
    def search(bench):
        demos = (Demo.of(bench.pool[0].values).with_vector([1.0, 2.0]),)
        stray = bench.student.with_prompt("self", demos=demos, rule=DemoRule("vectors", 1, encoder="another"))
        bench.score([stray])

    with pytest.raises(b.LMError, match="by vectors of another, and the encoder is some-encoder"):
        on_bench(search, name="one", encoder=encoder())
    with pytest.raises(b.LMError, match="by vectors of another, and there is no encoder"):
        on_bench(search, name="two")


def test_as_dspy_takes_an_encoder_and_gives_a_module_that_embeds(program, reviews, helped, tmp_path):
    import dspy

    task, lm = helped(), encoder(by_number)
    search = b.as_dspy(
        Nearest(), metric=b.exact_match("label"), budget=b.Budget(calls=600), lm=task, encoder=lm, progress=False
    )
    rows = [dspy.Example(**row).with_inputs("review") for row in reviews(60)]
    module = search.compile(program, trainset=rows, run_dir=tmp_path / "run")
    assert module.burnish_compiled.verdict.decision == "ship"
    before = len(lm.calls)
    assert module(review="Review number 7000 of a film.").label in ("positive", "negative")
    assert len(lm.calls) == before + 1


# labels after a prompt whose demonstrations a rule picks


def ruled(bench, encoder):
    """The student with a rule that compares vectors of the run's encoder, under this encoder's name."""
    prompt = bench.student.prompt("self")
    vectors = bench.embed([prompt.question(row.values) for row in bench.pool])
    demos = [Demo.of(row.values).with_vector(vector) for row, vector in zip(bench.pool, vectors, strict=True)]
    return bench.student.with_prompt("self", demos=tuple(demos), rule=DemoRule("vectors", 2, encoder=encoder))


def test_labels_are_scored_after_the_demonstrations_that_are_near_each_row(on_bench):
    seen = []

    def log_probability(prompt, continuation):
        seen.append(prompt)
        return [-1.0 if "positive" in continuation else -2.0]

    lm, task = encoder(by_number), ScriptedLM(lambda messages, body: "positive", log_probability=log_probability)

    def search(bench):
        rows = bench.dev[:3]
        found = bench.label_distribution(ruled(bench, bench.encoder), rows, ["positive", "negative"])
        mean = bench.label_logprobs(ruled(bench, bench.encoder), rows)
        return rows, [[one.total for one in row] for row in found], mean

    _, (rows, found, means) = on_bench(search, lm=task, encoder=lm, budget=b.Budget(calls=900))
    assert [row[0] > row[1] for row in found] == [True] * 3
    assert means == [-1.0 if row.values["label"] == "positive" else -2.0 for row in rows]
    assert all(prompt.count("Review number") == 3 for prompt in seen)  # two demonstrations and the question


@pytest.mark.parametrize("method", ["label_distribution", "label_logprobs"])
def test_labels_after_vectors_of_another_encoder_are_refused_before_any_call(on_bench, method):
    task = ScriptedLM(lambda messages, body: "positive", log_probability=lambda prompt, text: [-1.0])

    def search(bench):
        candidate, before = ruled(bench, "another-encoder"), len(task.calls)
        arguments = (["positive", "negative"],) if method == "label_distribution" else ()
        with pytest.raises(b.LMError, match="vectors of another-encoder, and the encoder is some-encoder"):
            getattr(bench, method)(candidate, bench.dev[:3], *arguments)
        return len(task.calls) - before

    _, calls = on_bench(search, lm=task, encoder=encoder(by_number), budget=b.Budget(calls=900))
    assert calls == 0


def test_a_rule_without_any_encoder_in_the_run_is_refused_for_labels_too(on_bench):
    task = ScriptedLM(lambda messages, body: "positive", log_probability=lambda prompt, text: [-1.0])

    def search(bench):
        demos = tuple(Demo.of(row.values).with_vector([1.0, 0.0]) for row in bench.pool)
        candidate = bench.student.with_prompt("self", demos=demos, rule=DemoRule("vectors", 2, encoder="some-encoder"))
        with pytest.raises(b.LMError, match="vectors of some-encoder, and there is no encoder"):
            bench.label_distribution(candidate, bench.dev[:3], ["positive", "negative"])

    on_bench(search, lm=task, budget=b.Budget(calls=900))
