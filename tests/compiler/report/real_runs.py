"""Compiles with real small models, one for each kind of search, on replies that were recorded.

    python tests/compiler/report/real_runs.py    asks the embedded model for what the joint search needs and has no
                                                 reply to, and writes joint_replies.jsonl.xz: some minutes

The other searches are replayed from what the benchmarks have recorded.
"""

from __future__ import annotations

import importlib
import json
import lzma
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import burnish as b

HERE = Path(__file__).resolve().parent
BENCHMARKS = HERE.parents[2] / "benchmarks"
DATA = BENCHMARKS.parent / "examples" / "data"
JOINT = HERE / "joint_replies.jsonl.xz"


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
        pool, dev, held = (b.load_examples(rows[a:z], inputs) for a, z in zip(ends, ends[1:], strict=False))
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


class Larger(b.Signature):
    """Name the larger animal."""

    animals: str = b.InputField()
    larger: str = b.OutputField()


def joint(folder: Path) -> b.CompiledProgram:
    rows = [json.loads(line) for line in (DATA / "larger_animal.jsonl").read_text("utf-8").splitlines()]
    program = b.Predict(Larger, format="plain")
    program.demos = rows[:4]
    return b.compile(
        program,
        trainset=b.load_examples(rows[4:104], ["animals"]),
        metric=b.normalized_match("larger"),
        lm=b.LM("local/smollm2-135m-instruct", max_tokens=16, timeout=1200),
        teleprompter=b.Joint(),
        budget=b.Budget(calls=400),
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
    import os

    from burnish.compiler.lm.store import JSONStore

    # The models lie beside the replies, and are found again through a link.
    models = Path(os.environ.get("BURNISH_CACHE_DIR", "~/.cache/burnish")).expanduser() / "models"
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        cache.mkdir()
        (cache / "models").symlink_to(models)
        os.environ["BURNISH_CACHE_DIR"] = str(cache)
        print(joint(Path(folder) / "run").verdict)
        store = JSONStore(cache)
        rows = [store.get(key) for key in sorted(store.keys())]
        store.close()
    with lzma.open(JOINT, "wt", encoding="utf-8", preset=9) as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    print(f"{len(rows)} replies recorded in {JOINT.name}")


if __name__ == "__main__":
    record_joint()
