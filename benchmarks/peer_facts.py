"""What docs/peers.md says of other libraries, measured on those that are installed: dspy and the gepa that it brings.

    python benchmarks/peer_facts.py

No model is needed: a stub answers. Each line is one question, and what dspy and Burnish do.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import io
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # dspy would look for a newer price list on the network
os.environ["DSPY_CACHEDIR"] = tempfile.mkdtemp()  # dspy keeps replies of earlier runs

import dspy

import burnish as b
from burnish.compiler.lm import Client, ReplyCache
from burnish.testing import Faults, ScriptedServer

AT_ONCE = 32
MESSAGES = [{"role": "user", "content": "Is it any good?"}]


def equal_calls_at_once() -> tuple[int, int]:
    """How many of 32 equal calls, made at once, reach the server: of dspy, of Burnish."""
    counts = []
    for call in (_dspy_call, _burnish_call):
        with (
            ScriptedServer(lambda messages, body: "yes", faults=Faults(latency=0.2)) as server,
            ThreadPoolExecutor(AT_ONCE) as threads,
        ):
            one = call(server.base_url)
            list(threads.map(lambda _, one=one: one(), range(AT_ONCE)))
            counts.append(server.requests)
    return counts[0], counts[1]


def _dspy_call(url: str, model: str = "one"):
    lm = dspy.LM(f"openai/{model}", api_base=url, api_key="k", temperature=0)
    return lambda: lm(messages=MESSAGES)


def _burnish_call(url: str, model: str = "one"):
    lm, client = b.LM(model, base_url=url, api_key="k"), Client(ReplyCache())
    return lambda: client.send(lm, lm.chat(MESSAGES))


def answers_of_two_servers() -> tuple[str, str]:
    """What the second of two servers that serve a model of one name is heard to say: through dspy, through Burnish."""
    said = []
    for ask in (lambda url: _dspy_call(url, "two")()[0], lambda url: _burnish_call(url, "two")().texts[0]):
        with ScriptedServer(lambda *_: "first") as one, ScriptedServer(lambda *_: "second") as two:
            ask(one.base_url)
            said.append(str(ask(two.base_url)))
    return said[0], said[1]


class Sentiment(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


def saved_state() -> bool:
    """Whether the file that dspy saves names the types of the fields."""
    path = Path("state.json")
    dspy.Predict(Sentiment).save(path)
    return "Literal" in path.read_text("utf-8") or "enum" in json.dumps(json.loads(path.read_text("utf-8")))


def gepa_overshoot(limit: int = 50, rows: int = 40) -> int:
    """How often the metric is measured when GEPA is given a limit of metric calls."""
    measured = []

    def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        measured.append(1)
        return dspy.Prediction(score=float(len(measured) % 3 == 0), feedback="Look again.")

    def respond(messages, body):
        writes = "new_instruction" in json.dumps(messages)
        field, value = ("new_instruction", f"Judge it, {len(measured)}.") if writes else ("label", "positive")
        return f"[[ ## {field} ## ]]\n{value}\n\n[[ ## completed ## ]]"

    with ScriptedServer(respond) as server:
        lm = dspy.LM("openai/stub", api_base=server.base_url, api_key="k", cache=False)
        examples = [dspy.Example(review=f"{n}", label="positive").with_inputs("review") for n in range(rows)]
        with dspy.context(lm=lm):
            search = dspy.GEPA(metric=metric, max_metric_calls=limit, reflection_lm=lm, num_threads=1)
            with contextlib.redirect_stdout(io.StringIO()):
                search.compile(dspy.Predict(Sentiment), trainset=examples, valset=examples)
    return len(measured)


def forecasts() -> bool:
    """Whether MIPROv2 still says what it will cost before it spends: `_estimate_lm_calls` is called somewhere."""
    from dspy.teleprompt import mipro_optimizer_v2 as module

    return inspect.getsource(module).count("_estimate_lm_calls(") > 1


def main() -> None:
    versions = {name: importlib.metadata.version(name) for name in ("dspy", "gepa")}
    print(f"dspy {versions['dspy']}, gepa {versions['gepa']}, burnish {b.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BURNISH_CACHE_DIR"] = folder
        os.chdir(folder)
        theirs, ours = equal_calls_at_once()
        print(f"of {AT_ONCE} equal calls at once the server sees: dspy {theirs}, burnish {ours}")
        theirs, ours = answers_of_two_servers()
        print(f"the second of two servers with a model of one name says: dspy {theirs!r}, burnish {ours!r}")
        print(f"a saved dspy program names the types of its fields: {saved_state()}")
        print(f"MIPROv2 forecasts its calls: {forecasts()}")
        print(f"dspy.GEPA(max_metric_calls=50) on 40 rows measures: {gepa_overshoot()} times")


if __name__ == "__main__":
    main()
