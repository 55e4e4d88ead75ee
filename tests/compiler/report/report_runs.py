"""Compiles with real small models, one for each kind of search, on replies that were recorded.

    python tests/compiler/report/report_runs.py   asks the embedded model for all that the joint search needs and writes
                                                 report_joint.jsonl.xz: some minutes

The other searches are replayed from what the benchmarks have recorded.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import burnish as b

HERE = Path(__file__).resolve().parent
BENCHMARKS = HERE.parents[2] / "benchmarks"
JOINT = HERE / "report_joint.jsonl.xz"


def benchmark(name: str):
    if str(BENCHMARKS) not in sys.path:
        sys.path.insert(0, str(BENCHMARKS))
    return importlib.import_module(name)


def fill(cache: Path) -> None:
    """Puts every recorded reply that the runs need into a cache."""
    recordings = benchmark("recordings")
    for recorded in (JOINT, *(recordings.Recording(name).replies for name in ("optimizers", "demonstrations"))):
        recordings.play(recorded, cache)


def by_instruction(search: str, task: str) -> Callable[[Path], b.CompiledProgram]:
    """A search over instructions, as the benchmark of optimizers runs it."""

    def run(folder: Path) -> b.CompiledProgram:
        optimizers = benchmark("optimizers")
        (found,) = [one for one in optimizers.TASKS if one.name == task]
        rows, inputs = found.rows, [found.input]
        ends = [0, optimizers.POOL, optimizers.POOL + optimizers.DEV]
        ends.append(ends[-1] + optimizers.HOLDOUT)
        pool, dev, held = (b.load_examples(rows[a:z], inputs) for a, z in pairwise(ends))
        return b.compile(
            found.program,
            trainset=pool,
            valset=dev,
            holdout=held,
            metric=b.normalized_match(found.output),
            lm=b.LM(optimizers.TASK_LM, max_tokens=16, timeout=1200),
            optimizer_lm=b.LM(optimizers.WRITER_LM, timeout=1200),
            teleprompter=optimizers.searches()[search],
            budget=b.Budget(calls=optimizers.BUDGET),
            run_dir=folder,
            progress=False,
        )

    return run


def curriculum(folder: Path) -> b.CompiledProgram:
    demonstrations = benchmark("demonstrations")
    (task,) = [one for one in demonstrations.TASKS if one.name == "larger animal"]
    pool, dev = demonstrations.POOL, demonstrations.DEV
    return b.compile(
        task.program,
        trainset=task.rows(0, pool),
        valset=task.rows(pool, dev),
        holdout=task.rows(pool + dev, demonstrations.HOLDOUT),
        metric=b.normalized_match(task.output),
        lm=task.lm,
        teleprompter=demonstrations.pairs(task)["CurriculumICL"],
        budget=b.Budget(calls=task.calls),
        run_dir=folder,
        progress=False,
    )


def joint(folder: Path) -> b.CompiledProgram:
    """The default search, as the benchmark of peers runs it."""
    peers = benchmark("peers")
    (task,) = [one for one in peers.TASKS if one.name == "larger animal"]
    return b.compile(
        task.program,
        trainset=b.load_examples(task.train(0), [task.input]),
        metric=task.metric,
        lm=task.lm,
        optimizer_lm=task.writer,
        teleprompter=b.Joint(),
        budget=b.Budget(calls=peers.BUDGET),
        run_dir=folder,
        progress=False,
    )


RUNS: dict[str, Callable[[Path], b.CompiledProgram]] = {
    "APE": by_instruction("APE", "sentiment"),
    "OPRO": by_instruction("OPRO", "larger animal"),
    "APO": by_instruction("APO", "plural"),
    "PromptAgent": by_instruction("PromptAgent", "sentiment"),
    "ABO": by_instruction("ABO", "plural"),
    "CurriculumICL": curriculum,
    "Joint": joint,
}


def record_joint() -> None:
    # The models lie beside the replies, and are found again through a link.
    models = Path(os.environ.get("BURNISH_CACHE_DIR", "~/.cache/burnish")).expanduser() / "models"
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        cache.mkdir()
        (cache / "models").symlink_to(models)
        os.environ["BURNISH_CACHE_DIR"] = str(cache)
        print(joint(Path(folder) / "run").verdict)
        print(f"{benchmark('recordings').record(cache, JOINT)} replies recorded in {JOINT.name}")


if __name__ == "__main__":
    record_joint()
