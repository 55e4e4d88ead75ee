"""Bench: the Workbench that teleprompters are given. It has the money, the cache, the records and the guard rails."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON, canonical, digest
from ..signatures.errors import BudgetSpent, LMError, SchemaError
from ..signatures.example import Example
from ..teleprompters.asking import MAX_LENGTH
from ..teleprompters.base import Likelihood, Messages, Origin, Outcome, Remaining, Score, Spend
from ..teleprompters.guards import Rejection, check
from ..teleprompters.instruction_search import SIZE_CUT
from .budget import Ledger, TimeUp
from .embedding import Embeddings
from .evaluate import Evaluator, Job
from .execution import check_encoder
from .likelihood import Likelihoods, label_distribution, label_logprobs
from .lm.encoders import encoder_of
from .lm.failures import AttemptFailure
from .lm.request import Reply, Request
from .records import EventLog, Record
from .sampling import Samples

if TYPE_CHECKING:
    from .lm import LM
    from .lm.client import Client

ASK_BLOCK = 64  # requests to the optimizer LM admitted together

NO_RUNNERS = ("optimizer", "judge", "encoder")  # roles of LMs that no program runs on


@dataclass
class Bench:
    """See `teleprompters.base.Workbench` for what each method promises.

    on_record: called with every new Record, in order (the study's mirror, the progress line). on_spent: what a step of
    the search was for and what it has cost.
    preference: what candidates are ranked by. folder: of the run, where `keep` writes; None: nowhere. findings: what
    the search has to say in the compiled file.
    """

    student: Candidate
    pool: tuple[Example, ...]
    dev: tuple[Example, ...]
    evaluator: Evaluator
    optimizer: LM
    client: Client
    ledger: Ledger
    seed: int
    events: EventLog
    on_record: Callable[[Record], None] = lambda record: None
    preference: Callable[[Score], float] = lambda score: score.mean
    folder: Path | None = None
    records: list[Record] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)  # of the search, for the compiled file
    findings: dict[str, JSON] = field(default_factory=dict)
    on_spent: Callable[[str, Spend], None] = lambda purpose, spend: None
    _scores: dict[str, dict[str, tuple[float, bool]]] = field(default_factory=dict)
    _recorded: set[str] = field(default_factory=set)
    _rejected: dict[str, str] = field(default_factory=dict)
    _too_long: set[str] = field(default_factory=set)
    _seen_texts: dict[str, set[str]] = field(default_factory=dict)
    _likelihoods: dict[str, Likelihoods] = field(default_factory=dict)
    _embeddings: Embeddings | None = None
    _chosen: Candidate | None = None
    _lengths: dict[str, int] = field(default_factory=dict)  # of what is ranked, which happens often

    def __post_init__(self) -> None:
        self._samples = Samples(self.optimizer, self._send)

    # what is known

    @property
    def known(self) -> Sequence[Score]:
        return [record.score for record in self.ranking()]

    def ranking(self) -> list[Record]:
        """Records that may become the finalist, best first. Equal ones: the student, then the shorter prompt."""
        whole = [record for record in self.records if record.is_whole and not record.rejected]
        value = {record.number: self.preference(record.score) for record in whole}
        return sorted(whole, key=lambda r: (-value[r.number], r.number != 0, self._length(r.score.candidate), r.number))

    def _length(self, candidate: Candidate) -> int:
        if candidate.digest not in self._lengths:
            shown = canonical([part.prompt.template.to_json() for _, part in candidate.parts])
            self._lengths[candidate.digest] = len(shown)
        return self._lengths[candidate.digest]

    @property
    def remaining(self) -> Remaining:
        left = self.ledger.left("search")
        worst = self.evaluator.worst(Job(self.student, self.dev[0]))
        sure = self.ledger.room("search", worst)
        likely = max(sure, self.ledger.room("search", self._as_before(worst)))
        return Remaining(left.calls, left.tokens, left.usd, sure, likely)

    @property
    def task_lms(self) -> tuple[str, ...]:
        return tuple(role for role in self.evaluator.lms if role not in NO_RUNNERS)

    @property
    def spent(self) -> Spend:
        return self.ledger.spent("search")

    @property
    def score_range(self) -> tuple[float, float]:
        return self.evaluator.metric.range

    def _as_before(self, worst: Spend) -> Spend:
        """An execution at what the search's calls have cost on average."""
        spent = self.ledger.spent("search")
        if not spent.calls:
            return worst
        share = worst.calls / spent.calls
        return Spend(worst.calls, math.ceil(spent.tokens * share), spent.usd * share)

    # asking

    def ask(
        self, requests: Sequence[Messages], n: int = 1, *, temperature: float = 1.0, max_tokens: int = 512, purpose: str
    ) -> list[list[str]]:
        self.events.write("ask", purpose=purpose, requests=len(requests), n=n)
        with self._spending(purpose):
            return self._samples.of(requests, n, temperature=temperature, max_tokens=max_tokens)

    @contextmanager
    def _spending(self, purpose: str) -> Iterator[None]:
        before = self.spent
        try:
            yield
        finally:
            after = self.spent
            spend = Spend(after.calls - before.calls, after.tokens - before.tokens, after.usd - before.usd)
            if spend != Spend():
                self.on_spent(purpose, spend)

    def _send(self, lm: LM, requests: Sequence[Request]) -> list[Reply | AttemptFailure]:
        """Replies in order, admitted in blocks. Raises BudgetSpent where the search account shuts."""
        replies: list[Reply | AttemptFailure] = []
        while rest := requests[len(replies) :]:
            block = rest[:ASK_BLOCK]
            admitted = self.ledger.admit("search", [lm.bound(request) for request in block])
            if not admitted:
                raise BudgetSpent("the search account is shut")
            try:
                replies += self.client.send_many([(lm, request) for request in block[:admitted]])
            except TimeUp as end:
                raise BudgetSpent(str(end)) from end
            finally:
                self.ledger.settle("search")
            self.evaluator.on_block()
        return replies

    # proposing

    def admit(
        self, candidate: Candidate, predictor: str, texts: Sequence[str], *, max_length: int | None = None
    ) -> list[Candidate]:
        seen = self._seen_texts.setdefault(predictor, set())
        most = min(MAX_LENGTH, max_length or MAX_LENGTH)
        admitted = []
        for text in texts:
            rejection = check(
                text, candidate=candidate, predictor=predictor, pool=self.pool, seen=seen, max_length=most
            )
            made = rejection or _with_instruction(candidate, predictor, text)
            if isinstance(made, Rejection):
                self.events.rejected(made.code, made.sentence, predictor=predictor, text=text)
                self.events.counts[f"rejected: {made.code}"] += 1
            else:
                admitted.append(made)
        return admitted

    # scoring

    def predict(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        with self._spending(self._running([candidate])):
            return self._outcomes(candidate, examples, "score")

    def bootstrap(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        with self._spending("running for demonstrations"):
            return self._outcomes(candidate, examples, "bootstrap")

    def _running(self, candidates: Sequence[Candidate]) -> str:
        return "running the student" if set(candidates) == {self.student} else "running candidates"

    def _outcomes(self, candidate: Candidate, examples: Sequence[Example], purpose: str) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for block in self.evaluator.run([Job(candidate, example, purpose) for example in examples], "search"):
            for job, outcome in block:
                if purpose == "score":
                    self._note(job, outcome)
                outcomes.append(outcome)
        return outcomes

    def score(
        self,
        candidates: Sequence[Candidate],
        examples: Sequence[Example] | None = None,
        *,
        origin: Origin | Sequence[Origin] | None = None,
        parents: Sequence[Candidate] = (),
    ) -> list[Score]:
        rows = self.dev if examples is None else tuple(examples)
        origins = [origin] * len(candidates) if origin is None or isinstance(origin, Origin) else list(origin)
        try:
            with self._spending(self._running(candidates)):
                for block in self.evaluator.run(list(self._unscored(candidates, rows)), "search"):
                    for job, outcome in block:
                        self._note(job, outcome)
        finally:
            # Also when the budget ends in the middle: what was scored whole is recorded.
            if examples is None or {e.digest for e in rows} >= {e.digest for e in self.dev}:
                for candidate, source in zip(candidates, origins, strict=True):
                    if self._is_scored(candidate, self.dev):
                        self._record(self._score(candidate, self.dev), source or Origin("unknown", "scored"), parents)
        return [self._score(candidate, rows) for candidate in candidates]

    def record(self, candidate: Candidate, score: Score, *, origin: Origin, parents: Sequence[Candidate] = ()) -> None:
        self._record(score, origin, parents)

    def label_logprobs(self, candidate: Candidate, examples: Sequence[Example]) -> list[float]:
        check_encoder(candidate, encoder_of(self.evaluator.lms))
        return label_logprobs(candidate, examples, self._likelihoods_of(role_of(candidate)), self.embed)

    def label_distribution(
        self, candidate: Candidate, examples: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[Likelihood]]:
        check_encoder(candidate, encoder_of(self.evaluator.lms))
        return label_distribution(candidate, examples, labels, self._likelihoods_of(role_of(candidate)), self.embed)

    def continuation_logprobs(
        self, prompts: Sequence[str | Messages], continuations: Sequence[str]
    ) -> list[list[float]]:
        return self._likelihoods_of("task").of(list(zip(prompts, continuations, strict=True)))

    def text_logprobs(self, texts: Sequence[str]) -> list[list[float]]:
        return self._likelihoods_of("task").of([(None, text) for text in texts])

    @property
    def encoder(self) -> str | None:
        encoder = encoder_of(self.evaluator.lms)
        return None if encoder is None else encoder.name

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self._embeddings is None:
            encoder = encoder_of(self.evaluator.lms)
            if encoder is None:
                raise LMError(
                    "This run has no encoder to embed texts with. Pass compile(..., encoder='text-embedding-3-small'), "
                    "'local/smollm2-135m-instruct', burnish.SentenceTransformer(...) or another one; or compare words "
                    "instead, which needs none: TF-IDF, as in DemoRule('tfidf')."
                )
            self._embeddings = Embeddings(encoder, self._send)
        self.events.write("embed", texts=len(texts))
        with self._spending("embedding texts"):
            return self._embeddings.of(texts)

    def _likelihoods_of(self, role: str) -> Likelihoods:
        return self._likelihoods.setdefault(role, Likelihoods(self.evaluator.lms[role], self.client, self.ledger))

    def _unscored(self, candidates: Sequence[Candidate], rows: Sequence[Example]) -> Iterable[Job]:
        listed: set[tuple[str, str, str]] = set()
        for candidate in candidates:
            known = self._scores.get(candidate.digest, {})
            for example in rows:
                job = Job(candidate, example)
                if example.digest not in known and job.key not in listed:
                    listed.add(job.key)
                    yield job

    def _note(self, job: Job, outcome: Outcome) -> None:
        scores = self._scores.setdefault(job.candidate.digest, {})
        if job.example.digest not in scores and outcome.failure is not None:
            self.failures[outcome.failure] += 1
        scores[job.example.digest] = (outcome.score, outcome.failure is not None)
        if outcome.failure == "overflow":
            self._note_overflow(job, outcome)

    def _note_overflow(self, job: Job, outcome: Outcome) -> None:
        """A candidate that overflows the context where the student does not is rejected; a row that is too long for the
        student as well is a failure of the row."""
        if job.candidate == self.student:
            self._too_long.add(job.example.digest)
            self.events.write("row too long", place=job.example.place, sentence=outcome.reason)
        elif job.example.digest not in self._too_long and job.candidate.digest not in self._rejected:
            self._rejected[job.candidate.digest] = outcome.reason
            self.events.rejected("overflow", outcome.reason)

    def _is_scored(self, candidate: Candidate, rows: Sequence[Example]) -> bool:
        known = self._scores.get(candidate.digest, {})
        return all(example.digest in known for example in rows)

    def _score(self, candidate: Candidate, rows: Sequence[Example]) -> Score:
        known = self._scores[candidate.digest]
        pairs = [known[example.digest] for example in rows]
        return Score(
            candidate,
            tuple(value for value, _ in pairs),
            tuple(example.digest for example in rows),
            sum(failed for _, failed in pairs),
        )

    def _record(self, score: Score, origin: Origin, parents: Sequence[Candidate]) -> None:
        is_whole = set(score.examples) == {example.digest for example in self.dev}
        mark = f"{score.candidate.digest} {is_whole} {len(score.values)}"
        if mark in self._recorded:
            return
        self._recorded.add(mark)
        record = Record(
            len(self.records),
            score,
            origin,
            tuple(parent.digest for parent in parents),
            self.ledger.spent(),
            is_whole,
            self._rejected.get(score.candidate.digest, ""),
        )
        self.records.append(record)
        self.events.recorded(record)
        self.on_record(record)

    def choose(self, candidate: Candidate) -> None:
        if all(record.score.candidate != candidate for record in self.ranking()):
            raise ValueError(f"candidate {candidate.digest[:12]} has no score on all of dev, so it cannot be chosen.")
        self._chosen = candidate

    @property
    def finalist(self) -> Candidate:
        """What the search chose, or the best there is; the student where nothing was scored."""
        ranking = self.ranking()
        best = ranking[0].score.candidate if ranking else self.student
        return best if self._chosen is None else self._chosen

    # the rest

    def rng(self, purpose: str) -> random.Random:
        return random.Random(int.from_bytes(hashlib.sha256(canonical([self.seed, purpose]).encode()).digest(), "big"))

    def log(self, event: str, **detail: JSON) -> None:
        self.events.write(event, **detail)
        if event == SIZE_CUT:
            told = "{search}({size}={wanted}), for {predictor}: the budget pays for {affordable}."
            self.notes.append(told.format(**detail))

    def keep(self, name: str, document: JSON, *, in_file: bool = False) -> None:
        if in_file:
            self.findings[name] = document
        if self.folder is not None:
            written = self.folder / f"{name}.json.new"
            written.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
            written.replace(self.folder / f"{name}.json")


def role_of(candidate: Candidate) -> str:
    """Which LM a candidate runs on; all of its predictors run on the same."""
    return candidate[candidate.predictors[0]].settings.role


def _with_instruction(candidate: Candidate, predictor: str, text: str) -> Candidate | Rejection:
    try:
        made = candidate.with_prompt(predictor, instruction=text)
        made.prompt(predictor).template  # noqa: B018 - rendered here, where a reserved marker can still be rejected
    except SchemaError as error:
        return Rejection("reserved marker", str(error))
    return made


def fingerprint(examples: Sequence[Example]) -> str:
    """One digest for a set of rows, whatever their order."""
    return digest(sorted(example.digest for example in examples))
