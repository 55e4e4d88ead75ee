"""What a teleprompter may rely on when it asks for texts: draws that differ, and calls that give several at once."""

from __future__ import annotations

from burnish.compiler.lm.failures import ContentRefused, Permanent
from burnish.testing import ScriptedLM

QUESTION = [{"role": "user", "content": "Write an instruction."}]


def numbered():
    """An LM that answers every request differently by its seed, and says how often it was asked."""
    return ScriptedLM(lambda messages, body: f"sample {body.get('seed')}", model="writer")


def test_eight_draws_of_one_request_are_eight_requests_and_eight_others_next_time(on_bench):
    writer = numbered()
    _, (first, second) = on_bench(
        lambda bench: (bench.ask([QUESTION] * 8, purpose="test"), bench.ask([QUESTION] * 8, purpose="test")),
        optimizer_lm=writer,
    )
    texts = [text for replies in (*first, *second) for text in replies]
    assert len(set(texts)) == 16
    assert len(writer.calls) == 16


def test_a_server_that_answers_n_is_asked_once_and_one_that_does_not_is_asked_n_times(on_bench):
    able = ScriptedLM(lambda messages, body: [f"{i}" for i in range(body.get("n") or 1)], model="able")
    _, (drawn,) = on_bench(lambda bench: bench.ask([QUESTION], n=5, purpose="test"), optimizer_lm=able)
    assert (drawn, len(able.calls)) == (["0", "1", "2", "3", "4"], 1)
    unable = ScriptedLM(lambda messages, body: [f"sample {body.get('seed')}"], model="unable")
    _, (drawn,) = on_bench(lambda bench: bench.ask([QUESTION], n=5, purpose="test"), optimizer_lm=unable)
    assert len(set(drawn)) == 5
    assert len(unable.calls) == 5, "one call found out, four more made up for it"


def test_a_run_on_a_server_that_refuses_n_can_be_repeated_offline(on_bench, monkeypatch):
    def refusing(messages, body):
        return Permanent("n is not supported") if (body.get("n") or 1) > 1 else f"sample {body.get('seed')}"

    writer = ScriptedLM(refusing, model="refusing")
    asked = on_bench(lambda bench: bench.ask([QUESTION], n=3, purpose="test"), optimizer_lm=writer)[1]
    monkeypatch.setenv("BURNISH_OFFLINE", "1")
    assert on_bench(lambda bench: bench.ask([QUESTION], n=3, purpose="test"), optimizer_lm=writer)[1] == asked


def test_a_server_that_gives_four_samples_at_once_gives_five_in_two_calls_and_not_an_error(on_bench):
    def four(messages, body):
        n = body.get("n") or 1
        return Permanent("n must be at most 4") if n > 4 else [f"{body.get('seed')} {i}" for i in range(n)]

    writer = ScriptedLM(four, model="four")
    _, drawn = on_bench(
        lambda bench: [bench.ask([QUESTION], n=n, purpose="test")[0] for n in (3, 5, 4)], optimizer_lm=writer
    )
    assert [len(set(texts)) for texts in drawn] == [3, 5, 4]
    assert [call.get("n", 1) for call in writer.calls] == [3, 5, 3, 2, 4]


def test_a_refused_request_to_the_optimizer_gives_an_empty_text_and_not_an_end(on_bench):
    writer = ScriptedLM(lambda messages, body: ContentRefused("filtered"), model="writer")
    _, drawn = on_bench(lambda bench: bench.ask([QUESTION], purpose="test"), optimizer_lm=writer)
    assert drawn == [[""]]
