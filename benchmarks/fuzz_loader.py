"""Fuzzes the loader of compiled files: whatever a file holds, it loads and renders, or gives one FrozenError.

    python benchmarks/fuzz_loader.py [--cases 20000] [--seed 0] [--slice 10000]

Each case is an honest file that is changed by one to four mutations. Half are changes of bytes: bits, cuts, parts
of other files. The others change the parsed document and seal it with a digest that fits, as an attacker would; half
of those also get golden requests that fit, so that they load and are rendered, shown, compared and asked.

Stops with exit code 1 and writes the file when a case raises anything but FrozenError (or another documented error of
the call), takes longer than --seconds, opens a file, a socket or a process, or imports a module: an audit hook watches.
The cases of a slice depend on the seed and its number only, so a slice can be run again alone: --first N.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import unicodedata  # noqa: F401 (a pattern may name a character, which `re` looks up here)
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from file_mutations import Mutator, forged, sealed

from burnish.compiler.evidence import compare, decide
from burnish.compiler.frozen.compiled import CompiledProgram, freeze
from burnish.compiler.frozen.diff import differences
from burnish.compiler.frozen.diff_text import diff_text
from burnish.compiler.frozen.document import document_text, parse_document
from burnish.compiler.runtime.program import FrozenProgram
from burnish.signatures.candidate import Candidate, Part, Settings
from burnish.signatures.errors import BurnishError, FrozenError
from burnish.signatures.prompt import Demo, DemoRule, Prompt
from burnish.signatures.schema import Field, Schema

WATCHED = ("open", "import", "exec", "compile", "socket.", "subprocess.", "os.", "ctypes.", "shutil.", "pickle.")
HARMLESS = ("os.putenv", "object.__getattr__")


class Declared:
    """What `freeze` needs of a program."""

    def __init__(self, kind: str = "predictor", spec: dict[str, Any] | None = None) -> None:
        self.kind, self.spec = kind, spec or {}


# honest files


def honest() -> list[dict[str, Any]]:
    """Small programs of every format, with and without rules, vectors, nested types, several steps and a finalist."""
    label = Field("label", '{"enum":["positive","negative"],"type":"string"}', type_name="Literal")
    nested = json.dumps(
        {
            "$defs": {"Line": {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}},
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "string", "pattern": "^[a-z]+$"}, {"type": "null"}]},
        }
    )
    small = Schema((Field("review"), Field("hint", required=False)), (label,))
    rich = Schema((Field("text"), Field("lines", nested)), (Field("total", '{"type":"number"}'), Field("rest", nested)))
    rows = [Demo.of({"review": f"Größe {n} <b>", "label": ("positive", "negative")[n % 2]}) for n in range(2)]
    vectors = [row.with_vector([1.0, n / 3, -0.5]) for n, row in enumerate(rows)]
    made = [_frozen({"self": Prompt(small, "Classify the review.", tuple(rows), format=f)}) for f in ("chat", "json")]
    made += [_frozen({"self": Prompt(rich, "Add up.\nMind the rest.", format=f)}) for f in ("plain", "xml")]
    made += [_frozen({"self": Prompt(small, "Classify.", tuple(rows), rule=DemoRule(k=2))})]
    made += [_frozen({"self": Prompt(small, "C.", tuple(vectors), rule=DemoRule("vectors", 1, encoder="e"))})]
    steps = [
        {"name": name, "path": name, "inputs": [f.name for f in s.inputs], "outputs": [f.name for f in s.outputs]}
        for name, s in (("one", small), ("two", rich))
    ]
    prompts = {"one": Prompt(small, "First."), "two": Prompt(rich, "Second.")}
    made += [_frozen(prompts, kind="pipeline", spec={"steps": steps}), _frozen(prompts, kind="module")]
    made += [_frozen({"self": Prompt(small, "Classify.")}, finalist=Prompt(small, "Judge."))]
    return [one.document for one in made]


def _frozen(
    prompts: dict[str, Prompt], kind: str = "predictor", spec: dict[str, Any] | None = None, finalist: Any = None
) -> CompiledProgram:
    candidate = Candidate.of({path: Part(prompt, Settings.of(temperature=0)) for path, prompt in prompts.items()})
    outcome = ([0, 1] * 10, [0, 1] * 10) if finalist else ([0] * 10 + [1] * 10, [1] * 20)
    return freeze(
        Declared(kind, spec),  # type: ignore[arg-type]
        candidate,
        lm={"model": "small", "params": {"max_tokens": 100}},
        verdict=decide(compare(*outcome)).to_json(),
        evidence={"parts": [{"part": "student", "dev": 0.5}, {"part": "format", "dev": 0.6}], "rows": {"dev": 20}},
        provenance={"seed": 0, "metric": "exact_match('label')"},
        finalist=candidate.with_part("self", Part(finalist, Settings.of(temperature=0))) if finalist else None,
    )


# one case

REPLIES = (
    "",
    "positive",
    "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]",
    '{"label": "positive"}',
    "<label>x</label>",
)


def use(document: dict[str, Any], other: dict[str, Any], rng: random.Random) -> None:
    """All that is done with a file that has loaded."""
    compiled = CompiledProgram(document)
    compiled.show()
    diff_text(differences(other, document))
    for golden in document["goldens"]:
        template = compiled.candidate[golden["predictor"]].prompt.template
        template.render(golden["inputs"], golden.get("vector"))
        with_failure(lambda template=template: template.parse(REPLIES[int(len(REPLIES) * rng.random())]))
    if document["kind"] != "module" and not compiled.candidate.encoders:
        reply = REPLIES[int(len(REPLIES) * rng.random())]
        frozen = FrozenProgram(document, lm=lambda messages, params: reply)
        with_failure(lambda: frozen(**dict.fromkeys(frozen.inputs, "x")))


def with_failure(call: Callable[[], object]) -> None:
    with suppress(BurnishError):
        call()


class Watch:
    """Notes every event of the interpreter that a loader has no business with."""

    def __init__(self) -> None:
        self.armed = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.armed and event.startswith(WATCHED) and event not in HARMLESS:
            self.seen.append(f"{event} {arguments!r:.200}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=20_000)
    options.add_argument("--slice", type=int, default=10_000, help="cases of a slice")
    options.add_argument("--first", type=int, default=0, help="number of the first slice")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--seconds", type=float, default=5.0, help="processor time that one case may take")
    given = options.parse_args()
    documents = honest()
    for document in documents:  # what is imported on first use is imported now
        use(parse_document(document_text(document).encode(), "honest.json"), documents[0], random.Random(0))
    watch, counts, slowest, started = Watch(), Counter[str](), 0.0, time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(given.cases):
        if number % given.slice == 0:
            place = given.first + number // given.slice
            mutator = Mutator(documents, random.Random(f"{given.seed} {place}"))
            # A pattern may make `re` warn. As an error, as in many test suites, it must not pass through either.
            warnings.simplefilter("error" if place % 2 else "ignore")
        content = _content(mutator)
        clock = time.process_time()
        watch.armed = True
        try:
            outcome, problem = _outcome(content, mutator), ""
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is the finding)
            outcome, problem = "broken", f"{type(error).__name__}: {error}"
        watch.armed = False
        spent = time.process_time() - clock
        slowest = max(slowest, spent)
        counts[outcome] += 1
        if watch.seen:
            problem = f"it touched what it must not: {watch.seen[0]}"
        if spent > given.seconds:
            problem = f"it took {spent:.1f} seconds"
        if problem:
            place = Path(tempfile.gettempdir()) / f"fuzzed-{given.seed}-{given.first}-{number}.json"
            place.write_bytes(content)
            print(f"case {number}: {problem}\nthe file: {place}")
            return 1
        if (number + 1) % given.slice == 0:
            print(f"{number + 1} cases, {(number + 1) / (time.perf_counter() - started):.0f} a second", flush=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    print(f"{given.cases} cases: {told}; slowest {1000 * slowest:.0f} ms; memory grew by {grown} MB at its peak")
    return 0


def _content(mutator: Mutator) -> bytes:
    wish = mutator.rng.random()
    if wish < 0.5:
        return mutator.bytes()
    try:
        document = mutator.document()
    except RecursionError:  # nested by one mutation, too deep for the next
        return mutator.bytes()
    return sealed(forged(document) if wish < 0.75 else document, duplicate=wish > 0.99)


def _outcome(content: bytes, mutator: Mutator) -> str:
    try:
        document = parse_document(content, "fuzzed.json")
    except FrozenError:
        return "refused"
    try:
        use(document, mutator.documents[0], mutator.rng)
    except FrozenError:
        return "loaded, then refused"
    return "loaded"


if __name__ == "__main__":
    sys.exit(main())
