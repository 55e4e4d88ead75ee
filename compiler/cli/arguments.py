"""From the words on a command line to programs, metrics, LMs, budgets and rows."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...signatures.canonical import JSON
from ...signatures.errors import BudgetError, BurnishError, LMError, MetricError, ProgramError

if TYPE_CHECKING:
    from ...signatures.examples import Examples
    from ...teleprompters.base import Teleprompter
    from ..budget import Budget
    from ..lm import LM
    from ..metrics import Metric

TELEPROMPTERS = (
    *("random_demos", "ape", "iterative_ape", "opro", "apo", "prompt_agent", "abo", "demonstrations", "curriculum_icl"),
    *("joint", "step_by_step", "label_noise"),
)


def named_object(name: str, what: str) -> Any:
    """The object that `module:attribute` or `file.py:attribute` names. Raises ProgramError, saying what is missing."""
    source, separator, attribute = name.rpartition(":")
    if not separator or not source or not attribute:
        raise ProgramError(f"{what} {name!r} names nothing: give module:attribute, or file.py:attribute.")
    module = _module(source, what)
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            there = ", ".join(sorted(n for n in vars(module) if not n.startswith("_"))) or "nothing"
            raise ProgramError(f"{what} {name!r}: {source} has no {attribute!r}. It has: {there}.")
        value = getattr(value, part)
    return value


def _module(source: str, what: str) -> object:
    path = Path(source)
    if source.endswith(".py"):
        if not path.is_file():
            raise ProgramError(f"{what}: there is no file {source!r}. Give its path from the folder you are in.")
        if path.stem in sys.modules and getattr(sys.modules[path.stem], "__file__", None) == str(path.resolve()):
            return sys.modules[path.stem]
        folder = str(path.resolve().parent)
    else:
        folder = str(Path.cwd())  # a console script does not look into the current folder by itself
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return _from_file(path) if source.endswith(".py") else importlib.import_module(source)
    except ModuleNotFoundError as error:
        raise ProgramError(
            f"{what}: {source} cannot be imported: {error}. Looked in {folder!r} first. Install what is missing, or "
            "give a file instead of a module: path/to/file.py:attribute."
        ) from error
    except Exception as error:
        raise ProgramError(
            f"{what}: importing {source} raised {type(error).__name__}: {error}. Mend it so that it can be imported."
        ) from error


def _from_file(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # so that classes of the file can be found again by their module's name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def metric_named(name: str) -> Metric:
    """A built-in metric with its field (`exact_match:label`), or a function of the user's."""
    from .. import metrics

    source, _, field = name.partition(":")
    if source in metrics.BUILT_IN:
        if not field:
            raise MetricError(f"--metric {name!r} needs the field it reads, such as {source}:label.")
        return metrics.metric_by_name(source, field)
    if ":" in name:
        try:
            return metrics.as_metric(named_object(name, "--metric"))
        except ProgramError as error:
            missing = error.__cause__
            if not (isinstance(missing, ModuleNotFoundError) and missing.name == source.partition(".")[0]):
                raise
    raise MetricError(
        f"--metric {name!r} is unknown.{_did_you_mean(source, metrics.BUILT_IN)} Give a built-in with its field "
        f"({', '.join(metrics.BUILT_IN)}, as in exact_match:label), or module:function of a module that can be "
        "imported from here."
    )


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def teleprompter_named(name: str | None) -> Teleprompter | None:
    """`random_demos`, `ape`, ... by class name, in any spelling; or an instance of the user's by module:attribute."""
    if name is None:
        return None
    teleprompters = importlib.import_module("...teleprompters", __package__)
    if ":" in name:
        value = named_object(name, "--teleprompter")
        chosen: Teleprompter = value() if isinstance(value, type) else value
        return chosen
    spelt = name.replace("_", "").replace("-", "").lower()
    if spelt not in [known.replace("_", "") for known in TELEPROMPTERS]:
        known = ", ".join(TELEPROMPTERS)
        meant = _did_you_mean(name, TELEPROMPTERS)
        raise BurnishError(f"--teleprompter {name!r} is unknown.{meant} Known: {known}, or module:attribute.")
    (named,) = [known for known in teleprompters.__all__ if known.lower() == spelt]
    built: Teleprompter = getattr(teleprompters, named)()
    return built


def budget_of(text: str | None) -> Budget | None:
    """`calls=1500,usd=2`: a Budget. Raises BudgetError that names the part that is wrong."""
    from ..budget import Budget

    if text is None:
        return None
    if text.strip().isdecimal():
        raise BudgetError(f"--budget {text!r} does not say of what. Give calls={text.strip()}, for example.")
    limits = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        limits[name.strip()] = _value(value.strip())
    known = ("calls", "tokens", "usd", "seconds", "calls_per_example")
    for name in limits:
        if name not in known:
            raise BudgetError(
                f"--budget {text!r}: {name!r} is unknown. Known: {', '.join(known)}, as in calls=1500,usd=2."
            )
    return Budget(**limits)


def lm_of(model: str | None, base_url: str | None, params: list[str], price: str | None = None) -> LM | None:
    """The LM of --lm, --base-url, --param and --price; None when no model is named."""
    from ..lm import LM

    if model is None:
        if base_url or params or price:
            given = [
                name for name, value in (("--base-url", base_url), ("--param", params), ("--price", price)) if value
            ]
            raise LMError(
                f"{' and '.join(given)} without --lm: add --lm MODEL, the name that the server has for the model."
            )
        return None
    settings = {}
    for text in params:
        name, separator, value = text.partition("=")
        if not separator:
            raise LMError(f"--param {text!r} is not of the form name=value, such as max_tokens=64.")
        settings[name] = _value(value)
    return LM(model, base_url=base_url, price=_price(price), **settings)


def lm_of_file(parsed: argparse.Namespace, path: str) -> LM | None:
    """The LM of --lm; without it the one that a frozen file names, at --base-url; None where that is not given, or is
    the server of --encoder beside a file whose own model runs in this process."""
    model = parsed.lm
    if model is None and parsed.base_url:
        from ..frozen.document import read_document

        model = read_document(path)["lm"]["model"]
        if model.startswith("local/"):
            if parsed.encoder:
                return None
            raise LMError(
                f"--base-url {parsed.base_url}: the model of {path}, {model}, runs in this process and has no "
                "server. Name the server's model with --lm MODEL or --encoder MODEL, or leave --base-url out."
            )
    return lm_of(model, parsed.base_url, [])


def _price(text: str | None) -> Any:
    from ..lm import Price

    if text is None:
        return None
    try:
        dollars_in, dollars_out = (float(part) for part in text.split(","))
    except ValueError:
        raise LMError(f"--price {text!r} is not two numbers, such as 0.15,0.60 dollars per million tokens.") from None
    return Price(input=dollars_in, output=dollars_out)


def rows_of(path: str | None, inputs: str | None) -> Examples | None:
    """The rows in a file; inputs: names of the input columns, separated by commas."""
    from ...signatures.examples import load_examples

    if path is None:
        return None
    return load_examples(path, None if inputs is None else [name.strip() for name in inputs.split(",")])


def _value(text: str) -> JSON:
    """A number, true, false, null or quoted text as JSON; anything else is text as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text
