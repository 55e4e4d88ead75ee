"""What users may rely on: callbacks are told what happens, in order, and change nothing."""

from __future__ import annotations

import hashlib
import logging

import pytest

import burnish as b
from burnish.compiler.callbacks import FINAL, SEARCH, Callback, Callbacks, RequestEnded, RoundEnded


class Told(b.Callback):
    """Keeps every event, in the order it came."""

    def __init__(self):
        self.events = []

    def of(self, name):
        return [event for event in self.events if type(event).__name__ == name]

    def names(self):
        return [type(event).__name__ for event in self.events]


def _keeping(method):
    def told(self, event):
        self.events.append(event)

    told.__name__ = method
    return told


for _method in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(Told, _method, _keeping(_method))


@pytest.fixture
def compile_watched(program, reviewer, reviews, tmp_path):
    """compile() with callbacks, a small search; its file's digest and what the server was asked come with it."""

    def run(*callbacks, lm=None, name="run", **changes):
        lm = lm or reviewer(lambda prompt: 0.9 if "care" in prompt else 0.5)
        given = {
            "trainset": reviews(60),
            "metric": b.exact_match("label"),
            "lm": lm,
            "teleprompter": b.OPRO(steps=2, proposals=2),
            "budget": b.Budget(calls=240),
            "run_dir": tmp_path / name,
            "progress": False,
            "callbacks": callbacks,
        }
        compiled = b.compile(program, **{**given, **changes})
        return compiled, hashlib.sha256((tmp_path / name / "program.json").read_bytes()).hexdigest(), len(lm.calls)

    return run


def test_a_compile_tells_its_story_in_order_and_ends_with_what_it_found(compile_watched):
    told = Told()
    compiled, _, asked = compile_watched(told)
    names = told.names()
    assert (names[0], names[-1]) == ("CompileStarted", "CompileEnded")
    assert [event.phase for event in told.of("PhaseStarted")] == [SEARCH, FINAL]
    assert names.index("SearchEnded") < [i for i, name in enumerate(names) if name == "PhaseStarted"][1]
    (started,), (ended,) = told.of("CompileStarted"), told.of("CompileEnded")
    assert (started.teleprompter, dict(started.limits), started.is_resumed) == ("OPRO", {"calls": 240}, False)
    assert started.predictors == ("self",)
    assert ended.verdict == compiled.verdict
    assert (ended.digest, ended.error) == (compiled.digest, None)
    assert ended.paid.calls == asked
    assert {event.run for event in told.events} == {started.run}


def test_candidates_rounds_and_blocks_say_how_far_the_search_is(compile_watched):
    told = Told()
    compiled, _, _ = compile_watched(told)
    scored = told.of("CandidateScored")
    assert [event.number for event in scored] == list(range(len(scored)))
    assert len(scored) == compiled.evidence["candidates"]
    assert scored[0].origin == "student: as given"
    assert scored[0].is_whole
    assert scored[0].mean == pytest.approx(sum(scored[0].scores) / len(scored[0].scores))
    rounds = [event.number for event in told.of("RoundEnded")]
    assert rounds == list(range(1, 1 + compiled.evidence["events"]["round"]))
    blocks = told.of("BlockEnded")
    assert [block.total.calls for block in blocks] == sorted(block.total.calls for block in blocks)
    assert all(block.spent.calls <= block.limits["calls"] for block in blocks)
    best = max(event.mean for event in scored if event.is_whole)
    last = blocks[-1].best
    assert sum(last) / len(last) == pytest.approx(best)


def test_every_request_is_told_once_with_who_answered_it(compile_watched, reviewer):
    cold, warm, resumed = Told(), Told(), Told()
    _, _, asked = compile_watched(cold)
    _, _, again = compile_watched(warm, name="other")
    paid = [event for event in cold.of("RequestEnded") if not event.from_cache]
    assert len(paid) == asked == len({event.request.key for event in paid})
    assert again == 0
    assert {event.from_cache for event in warm.of("RequestEnded")} == {True}
    assert {event.request.key for event in warm.of("RequestEnded")} >= {event.request.key for event in paid}
    first = paid[0]
    assert (first.model, first.phase, first.error) == ("scripted", SEARCH, None)
    assert first.spend.tokens == first.reply.usage.prompt_tokens + first.reply.usage.completion_tokens
    assert first.request.body["messages"]
    assert first.seconds > 0
    compile_watched(resumed)
    assert resumed.of("CompileStarted")[0].is_resumed


def test_callbacks_change_nothing_even_when_they_change_what_they_are_given(compile_watched, monkeypatch, tmp_path):
    class Meddling(b.Callback):
        def on_request_ended(self, event):
            event.request.body["messages"].clear()
            if event.reply is not None:
                event.reply.body["choices"][0]["message"]["content"] = "nonsense"

    digests = set()
    for name, callbacks in (("none", ()), ("watched", (Told(),)), ("meddling", (Meddling(),))):
        monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / f"cache {name}"))
        _, digest, asked = compile_watched(*callbacks, name=name)
        digests.add((digest, asked))
    assert len(digests) == 1


def test_a_callback_that_raises_is_logged_once_and_left_out_and_the_others_go_on(compile_watched, caplog):
    class Broken(b.Callback):
        def on_phase_started(self, event):
            raise ValueError("no")

    told = Told()
    with caplog.at_level(logging.ERROR, "burnish"):
        compiled, _, _ = compile_watched(Broken(), told)
    assert len([record for record in caplog.records if "told nothing more" in record.message]) == 1
    assert told.of("CompileEnded")[0].digest == compiled.digest


def test_a_compile_that_stops_says_why(compile_watched):
    told = Told()
    bad = b.metric(lambda example, prediction, trace=None: 1 / 0)
    with pytest.raises(b.MetricError) as stopped:
        compile_watched(told, metric=bad)
    (ended,) = told.of("CompileEnded")
    assert (ended.verdict, ended.digest) == (None, None)
    assert ended.error is stopped.value


def test_what_is_no_callback_is_refused_before_anything_is_spent(compile_watched, reviewer):
    lm = reviewer(lambda prompt: 0.5)
    with pytest.raises(b.BurnishError, match=r"which is no burnish\.Callback"):
        compile_watched(print, lm=lm)
    assert not lm.calls


def test_an_event_that_nobody_wants_need_not_be_made():
    class Rounds(Callback):
        def on_round_ended(self, event: RoundEnded) -> None: ...

    class Requests(Rounds):
        def on_request_ended(self, event: RequestEnded) -> None: ...

    assert not Callbacks([Rounds()]).wants("on_request_ended")
    assert Callbacks([Rounds(), Requests()]).wants("on_request_ended")
    assert not Callbacks().wants("on_round_ended")
