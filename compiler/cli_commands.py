"""What each command does. Results go to standard output, everything about the work to standard error."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..signatures.canonical import JSON
from ..signatures.errors import BurnishError, ExampleError, ReplyError
from .cli_arguments import budget_of, lm_of, metric_named, named_object, rows_of, teleprompter_named

if TYPE_CHECKING:
    from .cli_evaluation import Scored

STREAM_BLOCK = 64  # rows of standard input that are sent together
SHIP_REFUSED = 3


def plan(parsed: argparse.Namespace) -> int:
    from .compile import plan as plan_compile

    planned = plan_compile(named_object(parsed.program, "program"), **_compile_arguments(parsed))
    _print_json(planned.to_json()) if parsed.json else print(planned)
    return 0


def compile_program(parsed: argparse.Namespace) -> int:
    from .compile import compile as compile_it

    _check_folder(parsed.output)  # before anything is paid for
    arguments = _compile_arguments(parsed)
    compiled = compile_it(named_object(parsed.program, "program"), progress=not parsed.quiet, **arguments)
    compiled.save(parsed.output)
    verdict = compiled.verdict
    if parsed.json:
        _print_json({"file": parsed.output, "digest": compiled.digest, "verdict": verdict.to_json()})
    else:
        for line in compiled.report_lines:
            print(line)
        print(f"wrote {parsed.output}")
    return SHIP_REFUSED if parsed.fail_unless_ship and verdict.decision != "ship" else 0


def _compile_arguments(parsed: argparse.Namespace) -> dict[str, Any]:
    return {
        "trainset": rows_of(parsed.train, parsed.inputs),
        "valset": rows_of(parsed.val, parsed.inputs),
        "holdout": rows_of(parsed.holdout, parsed.inputs),
        "metric": metric_named(parsed.metric),
        "report_metrics": [metric_named(name) for name in parsed.report_metric],
        "lm": lm_of(parsed.lm, parsed.base_url, parsed.param, parsed.price),
        "optimizer_lm": lm_of(parsed.optimizer_lm, parsed.optimizer_lm and parsed.base_url, []),
        "judge_lm": lm_of(parsed.judge_lm, parsed.judge_lm and parsed.base_url, []),
        "encoder": lm_of(parsed.encoder, parsed.encoder and parsed.base_url, []),
        "teleprompter": teleprompter_named(parsed.teleprompter),
        "budget": budget_of(parsed.budget),
        "seed": parsed.seed,
        "concurrency": parsed.concurrency,
        "run_dir": parsed.run_dir,
        "min_gain": parsed.min_gain,
    }


def evaluate(parsed: argparse.Namespace) -> int:
    from .cli_evaluation import default_metric, score_file
    from .evidence import compare

    metric = metric_named(parsed.metric) if parsed.metric else default_metric(parsed.file)
    rows = rows_of(parsed.data, parsed.inputs)
    assert rows is not None
    lm = lm_of(parsed.lm, parsed.base_url, parsed.param, parsed.price)
    encoder = lm_of(parsed.encoder, parsed.encoder and parsed.base_url, [])
    program = named_object(parsed.program, "--program") if parsed.program else None
    scored = {
        path: score_file(path, rows, metric, lm, program, parsed.concurrency, encoder)
        for path in dict.fromkeys([parsed.file, *([parsed.against] if parsed.against else [])])
    }
    comparison = None
    if parsed.against:
        if len(rows) < 2:
            raise ExampleError(f"{parsed.data} has one row; a comparison needs at least two.")
        old, new = scored[parsed.against], scored[parsed.file]
        comparison = compare(old.scores, new.scores, score_range=metric.range)
    if parsed.json:
        _print_json(
            {
                "metric": metric.name,
                "files": {path: one.to_json() for path, one in scored.items()},
                "comparison": None if comparison is None else comparison.to_json(),
            }
        )
    else:
        _print_scores(scored)
        if comparison is not None:
            print(f"{parsed.against} -> {parsed.file}: {comparison}")
    return 0


def _print_scores(scored: dict[str, Scored]) -> None:
    for path, one in scored.items():
        failed = f" ({one.failed} replies did not parse)" if one.failed else ""
        print(f"{path}: {100 * one.mean:.1f} on {len(one.scores)} examples{failed}")


def run(parsed: argparse.Namespace) -> int:
    from .runtime import load

    program = named_object(parsed.program, "--program") if parsed.program else None
    encoder = lm_of(parsed.encoder, parsed.encoder and parsed.base_url, [])
    lm = lm_of(parsed.lm, parsed.base_url, parsed.param)
    frozen = load(parsed.file, lm=lm, program=program, encoder=encoder)
    if parsed.inputs is not None:
        print(_line(frozen(**_inputs(parsed.inputs, "the argument"))))
        return 0
    failures = 0
    for block in _blocks(sys.stdin):
        for result in frozen.batch(block, concurrency=parsed.concurrency):
            failures += isinstance(result, ReplyError)
            print(_line(result), flush=True)
    if failures:
        print(f"burnish: {failures} replies did not parse; their lines hold the reason under 'error'.", file=sys.stderr)
    return 1 if failures else 0


def _blocks(lines: Any) -> Iterator[list[dict[str, JSON]]]:
    block: list[dict[str, JSON]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            block.append(_inputs(line, f"line {number}"))
        if len(block) == STREAM_BLOCK:
            yield block
            block = []
    if block:
        yield block


def _inputs(text: str, where: str) -> dict[str, JSON]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ExampleError(f"{where} is not JSON ({error}): {text.strip():.80}") from None
    if not isinstance(value, dict):
        raise ExampleError(f"{where} is not a JSON object with the input fields: {text.strip():.80}")
    return value


def _line(result: Any) -> str:
    from ..signatures.values import to_json

    values = {"error": str(result)} if isinstance(result, ReplyError) else to_json(result.to_dict())
    return json.dumps(values, ensure_ascii=False)


def show(parsed: argparse.Namespace) -> int:
    from .frozen import CompiledProgram

    compiled = CompiledProgram.load(parsed.file)
    _print_json(compiled.document) if parsed.json else print(compiled.show(), end="")
    return 0


def diff(parsed: argparse.Namespace) -> int:
    from .frozen import CompiledProgram
    from .show import diff as difference

    print(difference(CompiledProgram.load(parsed.old).document, CompiledProgram.load(parsed.new).document), end="")
    return 0


def cache(parsed: argparse.Namespace) -> int:
    from .lm import ReplyCache

    replies = ReplyCache()
    try:
        if parsed.action == "clear":
            return _clear(replies, parsed.yes)
        held = replies.stats()
    finally:
        replies.close()
    models = [{name: getattr(model, name) for name in _CACHE_COLUMNS} for model in held.models]
    if parsed.json:
        _print_json({"folder": str(held.folder), "entries": held.entries, "bytes": held.bytes, "models": models})
        return 0
    print(f"{held.entries} replies, {held.bytes / 1e6:.1f} MB in {held.folder}")
    for model in held.models:
        worth = "no list price" if model.usd is None else f"{model.usd:.4f} dollars"
        tokens = model.prompt_tokens + model.completion_tokens
        print(f"  {model.model} at {model.endpoint}: {model.calls} calls, {tokens} tokens, {worth}")
    return 0


_CACHE_COLUMNS = ("endpoint", "model", "calls", "prompt_tokens", "completion_tokens", "usd")


def _clear(replies: Any, agreed: bool) -> int:
    if not agreed:
        if not sys.stdin.isatty():
            raise BurnishError("`burnish cache clear` removes replies that were paid for. Add --yes to do it.")
        if input(f"Remove every reply in {replies.folder}? They were paid for. [y/N] ").strip().lower() != "y":
            return 1
    print(f"removed {replies.clear()} replies")
    return 0


def models(parsed: argparse.Namespace) -> int:
    from .lm import local

    if parsed.action == "list":
        known = local.list_models()
        _print_json([vars(model) for model in known]) if parsed.json else print("\n".join(map(str, known)))
        return 0
    if parsed.name is None:
        raise BurnishError(f"burnish models {parsed.action} needs a NAME; `burnish models list` shows them.")
    place = local.pull(parsed.name, progress=True) if parsed.action == "pull" else local.path(parsed.name)
    _print_json({"name": parsed.name, "path": str(place)}) if parsed.json else print(place)
    return 0


def _check_folder(output: str) -> None:
    folder = Path(output).parent
    if not folder.is_dir():
        raise BurnishError(f"-o {output}: there is no folder {str(folder)!r}. Create it first. Nothing was spent.")


def _print_json(value: JSON) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
