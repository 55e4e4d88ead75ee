"""The fast version of `benchmarks/peers.py`: dspy's optimizers under our budget, with a scripted model."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dspy
import pytest

import burnish as b
from burnish.compiler.budget import FAULT_SHARE, Ledger
from burnish.compiler.lm import Client, ReplyCache
from burnish.signatures.canonical import canonical, digest
from burnish.signatures.dspy_bridge import read_program
from burnish.testing import ScriptedLM

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "dspy_peers.py"
PEERS = ("BootstrapFewShotWithRandomSearch", "MIPROv2", "COPRO", "SIMBA", "GEPA")


@pytest.fixture(scope="module")
def peers() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("dspy_peers", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dspy_peers"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["dspy_peers"]


class Sentiment(b.Signature):
    """Classify the review."""

    review: str = b.InputField()
    label: str = b.OutputField()


def fraction(*parts: object) -> float:
    """A number from 0 to 1 that depends on the parts alone."""
    return int(digest(list(parts))[:12], 16) / 16**12


def label(number: int) -> str:
    return "positive" if fraction("label", number) < 0.5 else "negative"


def rows(count: int, start: int = 0) -> list[dspy.Example]:
    return [
        dspy.Example(review=f"Review number {n} of a film.", label=label(n)).with_inputs("review")
        for n in range(start, start + count)
    ]


def scripted(written: str | None = None) -> ScriptedLM:
    """Answers reviews as well as the instruction is lucky, and writes the fields that it is asked to write in JSON.

    written: what it writes instead.
    """

    def respond(messages, body):
        if "response_format" not in body:
            number = int(re.findall(r"Review number (\d+)", messages[-1]["content"])[-1])
            knows = fraction("answer", messages) < 0.3 + 0.6 * fraction("skill", messages[0]["content"])
            return label(number) if knows else "unknown"
        if written is not None:
            return written
        schema = body["response_format"].get("json_schema", {}).get("schema", {"properties": {}})
        text = f"Judge the film with care {int(1000 * fraction('text', messages, body.get('seed')))}."
        advice = {} if schema["properties"] else {"discussion": text, "module_advice": {"answer": text}}
        return json.dumps({**dict.fromkeys(schema["properties"], text), **advice})

    return ScriptedLM(respond, max_tokens=16)


def task(peers: ModuleType, lm: ScriptedLM) -> object:
    return peers.Task(Sentiment, rows(4, 100), rows(100), b.normalized_match("label"), "label", lm, lm)


def found(peers: ModuleType, name: str, calls: int, cache: Path, lm: ScriptedLM | None = None):
    """What a peer found, the requests that reached the model, and what the ledger counted."""
    lm, replies, ledger = lm or scripted(), ReplyCache(cache), Ledger(b.Budget(calls=calls))
    with Client(replies, ledger) as client:
        ended = peers.search(name, task(peers, lm), client, ledger, 0)
    replies.close()
    return ended, lm.calls, ledger.spent().calls


@pytest.mark.parametrize("calls", [1, 50, 200])
@pytest.mark.parametrize("name", PEERS)
def test_no_peer_makes_a_call_beyond_the_budget_and_a_program_always_comes_back(
    peers: ModuleType, name: str, calls: int, tmp_path: Path
) -> None:
    ended, sent, spent = found(peers, name, calls, tmp_path)
    most = calls - int(FAULT_SHARE * calls)
    assert len(sent) == spent <= most
    assert isinstance(ended.program, dspy.Module)
    if ended.ended == "cut":
        assert spent == most
    else:
        assert ended.ended == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_every_peer_finishes_within_800_calls_and_makes_most_of_them(
    peers: ModuleType, name: str, tmp_path: Path
) -> None:
    ended, sent, spent = found(peers, name, 800, tmp_path)
    assert (ended.ended, ended.why) == ("finished", "")
    assert 570 <= spent <= 720
    assert max(Counter(map(canonical, sent)).values()) == 1  # no request twice


@pytest.mark.parametrize("name", PEERS)
def test_a_replay_finds_the_same_and_counts_the_same_without_a_call(
    peers: ModuleType, name: str, tmp_path: Path
) -> None:
    first, _, spent = found(peers, name, 100, tmp_path)
    again, sent, counted = found(peers, name, 100, tmp_path)
    assert sent == []
    assert counted == spent
    assert again.ended == first.ended
    assert said(again.program) == said(first.program)


@pytest.mark.parametrize("text", ["{", '{"proposed_instruction": "Judge the'])
@pytest.mark.parametrize("name", PEERS)
def test_texts_that_are_cut_do_not_end_a_search(peers: ModuleType, name: str, text: str, tmp_path: Path) -> None:
    ended, _, spent = found(peers, name, 150, tmp_path, lm=scripted(text))
    assert (ended.ended, ended.why) in (("cut", ""), ("finished", ""))
    assert spent > 80


def said(program: dspy.Module) -> object:
    return program.answer.signature.instructions, [demo.toDict() for demo in program.answer.demos]


def test_what_breaks_a_call_stops_the_search_and_is_no_score(peers: ModuleType, tmp_path: Path) -> None:
    lm, ledger = ScriptedLM([]), Ledger(b.Budget(calls=100))
    with Client(ReplyCache(tmp_path), ledger, offline=True) as client, pytest.raises(b.CacheError, match="no reply"):
        peers.search("COPRO", task(peers, lm), client, ledger, 0)


def test_a_peer_shows_what_our_plain_program_shows(peers: ModuleType, tmp_path: Path) -> None:
    lm = scripted()
    given = task(peers, lm)
    predictor = b.Predict(Sentiment, format="plain")
    predictor.demos = list(given.shown)
    with Client(ReplyCache(tmp_path)) as client:
        peers.scores(given.start, given, rows(1), client)
    ours = read_program(predictor).student["self"].prompt.template.render({"review": rows(1)[0].review})
    assert [body["messages"] for body in lm.calls] == [ours]
    assert len(ours) == 2 * len(given.shown) + 2


def test_equal_requests_are_one_and_samples_of_a_rollout_or_a_seed_are_their_own(
    peers: ModuleType, tmp_path: Path
) -> None:
    lm, ledger = ScriptedLM(lambda messages, body: str(body.get("seed"))), Ledger(b.Budget(calls=50))
    with Client(ReplyCache(tmp_path), ledger) as client:
        purse = peers.Purse(client, ledger)
        metered, other = (peers.MeteredLM(lm, purse, seed) for seed in (0, 1))
        assert metered("Hello") == other("Hello") == metered.copy(rollout_id=7)("Hello") == ["None"]
        assert ledger.spent().calls == 1
        warm = metered.copy(temperature=1.0)
        assert warm("Hello") == warm("Hello")
        assert ledger.spent().calls == 2
        drawn = [*warm("Hello", n=3), *warm.copy(rollout_id=7)("Hello"), *other("Hello", temperature=1.0)]
    assert len(set(drawn)) == 5
    assert ledger.spent().calls == len(lm.calls) == 6


def test_a_reply_that_does_not_parse_scores_zero(peers: ModuleType, tmp_path: Path) -> None:
    lm = ScriptedLM(lambda messages, body: "")
    with Client(ReplyCache(tmp_path)) as client:
        given = task(peers, lm)
        assert peers.scores(given.start, given, rows(3), client) == (0.0, 0.0, 0.0)
