"""The client retries within limits."""

from __future__ import annotations

import pytest

from burnish.compiler.lm import ContentRefused, ContextOverflow
from burnish.compiler.lm.failures import MaybeBilled, Permanent, Unbilled
from burnish.signatures.errors import LMError
from burnish.testing import ScriptedLM

from .client_world import ask, failing


def test_retries_keep_every_parameter(client):
    lm = failing(MaybeBilled("broken"), Unbilled("busy", status=429))
    request = lm.chat([{"role": "user", "content": "x"}], temperature=0.3, top_p=0.5, stop=["a"], seed=7, index=2)
    client.send(lm, request)
    assert lm.calls == [request.wire] * 3


def test_waits_grow_with_jitter_up_to_a_cap(client, naps):
    lm = failing(*[Unbilled("busy", status=429)] * 12)
    client.send(*ask(lm))
    caps = [min(20.0, 0.5 * 2**n) for n in range(12)]
    assert all(0 <= nap <= cap for nap, cap in zip(naps.seconds, caps, strict=True))
    assert len(set(naps.seconds)) == 12
    assert max(naps.seconds) > 5


def test_the_wait_a_server_asks_for_is_honoured_up_to_a_minute(client, naps):
    client.send(*ask(failing(Unbilled("busy", 42.0, 429))))
    assert naps.seconds[0] >= 42
    with pytest.raises(LMError, match=r"wait 61 seconds.*run again later"):
        client.send(*ask(failing(Unbilled("busy", 61.0, 429)), "other"))


def test_attempts_that_may_have_been_billed_are_made_eight_times_at_most(client, meter):
    lm = ScriptedLM({"": MaybeBilled("broken")})
    with pytest.raises(LMError, match="attempt 8"):
        client.send(*ask(lm))
    assert len(lm.calls) == 8
    assert meter.attempts.count("maybe") == 8


def test_a_server_that_is_not_there_is_tried_eight_times(client):
    lm = ScriptedLM({"": Unbilled("refused")})
    with pytest.raises(LMError, match="base_url="):
        client.send(*ask(lm))
    assert len(lm.calls) == 8


def test_a_busy_server_is_waited_for_five_minutes_in_all(client, naps):
    lm = ScriptedLM({"": Unbilled("Loading model", status=503)})
    with pytest.raises(LMError, match="refused work"):
        client.send(*ask(lm))
    assert 300 <= sum(naps.seconds) < 320
    assert len(lm.calls) > 20


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "OPENAI_API_KEY"), (404, "base_url="), (400, "no such parameter")]
)
def test_an_error_that_trying_again_cannot_mend_surfaces_at_once_with_what_to_do(client, meter, status, remedy):
    lm = ScriptedLM({"": Permanent("no such parameter", status=status)})
    with pytest.raises(LMError, match=remedy):
        client.send(*ask(lm))
    assert len(lm.calls) == 1
    assert meter.attempts == ["begin", "unbilled"]


def test_a_refused_or_too_long_request_fails_alone(client):
    lm = ScriptedLM({"long": ContextOverflow("too long"), "bad": ContentRefused("refused"), "": "ok"})
    long, good, bad = client.send_many([ask(lm, "long"), ask(lm, "good"), ask(lm, "bad")])
    assert isinstance(long, ContextOverflow)
    assert good.text == "ok"
    assert isinstance(bad, ContentRefused)
    with pytest.raises(ContextOverflow):
        client.send(*ask(lm, "long"))
