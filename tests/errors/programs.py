"""Programs, rows, files and servers with which the cases provoke errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import burnish as b
from burnish.testing import ScriptedLM, ScriptedServer, ScriptedStatus


class Review(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


class Gist(b.Signature):
    """Say it in a few words."""

    review: str = b.InputField()
    gist: str = b.OutputField()


class Counted(b.Signature):
    """Count."""

    gist: int = b.InputField()
    label: str = b.OutputField()


class Nothing(b.Signature):
    """Say nothing."""

    review: str = b.InputField()


class Empty(b.Module):
    def forward(self, review):
        return b.Predict(Review)(review=review)


class Text(b.Module):
    """Returns the text of an answer where dspy wants a prediction."""

    def __init__(self):
        super().__init__()
        self.classify = b.Predict(Review, format="plain")

    def forward(self, review):
        return self.classify(review=review).label


class Twice(b.Module):
    """Asks a second time about some reviews, which no budget was told of."""

    def __init__(self):
        super().__init__()
        self.classify = b.Predict(Review, format="plain")

    def forward(self, review):
        for again in range(5 if review[-2] in "13579" else 0):
            self.classify(review=f"{review} {again}")
        return self.classify(review=review)


ROWS = [{"review": f"Review {n}.", "label": ("positive", "negative")[n % 2]} for n in range(60)]
LABEL = b.exact_match("label")


def lm(**options) -> ScriptedLM:
    return ScriptedLM(lambda messages, body: "positive", **options)


def compile_(program=None, rows=ROWS, metric=LABEL, **changed):
    given = {"lm": lm(), "teleprompter": b.RandomDemos(), "budget": b.Budget(calls=200), "progress": False, **changed}
    rows = b.load_examples(rows, inputs=["review"]) if isinstance(rows, list) else rows
    return b.compile(program or b.Predict(Review, format="plain"), trainset=rows, metric=metric, **given)


def file(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def saved(**changed) -> str:
    return str(compile_(**changed).save("sentiment.json"))


def damaged(change: Callable[[dict], object]) -> str:
    """A file in which something was changed by hand."""
    document = json.loads(Path(saved()).read_text("utf-8"))
    change(document)
    return file("sentiment.json", json.dumps(document))


def refused(status: int, message: str):
    """Compiles against a server that answers nothing else."""
    answer = ScriptedStatus(status, {"error": {"message": message}})
    with ScriptedServer(lambda messages, body: answer) as server:
        model = b.LM("my-model", base_url=server.base_url, api_key="k")
        return compile_(lm=model)


def offline():
    os.environ["BURNISH_OFFLINE"] = "1"
    try:
        compile_(lm=lm(model="never-asked"))
    finally:
        os.environ["BURNISH_OFFLINE"] = ""


def with_cache_in(place: str):
    kept = os.environ["BURNISH_CACHE_DIR"]
    os.environ["BURNISH_CACHE_DIR"] = place
    try:
        compile_()
    finally:
        os.environ["BURNISH_CACHE_DIR"] = kept


def in_folder_of_another_run():
    compile_(run_dir="run")
    compile_(run_dir="run", seed=5)


def without_logprobs():
    """A server that knows chat alone."""
    from burnish.teleprompters.demonstrations import Perplexity

    with ScriptedServer(lambda messages, body: "positive") as server:
        model = b.LM("my-model", base_url=server.base_url, api_key="k")
        return compile_(lm=model, teleprompter=b.Demonstrations(select=Perplexity()))


def own_lm():
    import dspy

    program = b.Predict(Review)
    program.lm = dspy.LM("openai/gpt-4o-mini", api_key="k")
    return compile_(program)


def broken(example, prediction, trace=None):
    return example.stars > 3


def seven(example, prediction, trace=None):
    return 7


def half(example):
    return 1


def picture():
    import dspy

    class Picture(b.Signature):
        """Classify the picture."""

        review: dspy.Image = b.InputField()
        label: str = b.OutputField()

    return b.Predict(Picture)


def nearest():
    from burnish.teleprompters.demonstrations import Nearest

    return compile_(teleprompter=b.Demonstrations(select=Nearest("encoder")))
