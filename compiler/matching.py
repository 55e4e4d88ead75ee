"""How a value is compared with what it should be: the rules behind the built-in metrics, each a score from 0 to 1."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..signatures.canonical import JSON, canonical
from ..signatures.errors import MetricError, SchemaError
from ..signatures.loose_json import loads, structures
from ..signatures.values import to_json

VERSION = 1  # part of the metrics' identity: raised with every change of a rule, so that old scores are not reused

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.])[-−])?[$€£¥₹]?(?P<sign_after_currency>(?<=[$€£¥₹])[-−])?"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\d)\.\d+)(?P<power>[eE][-+]?\d+)?"
)


def exact(value: Any, truth: Any) -> float:
    """Equal in JSON form; texts without surrounding space; a text equals a value of another type that it spells."""
    value, truth = _plain(value), _plain(truth)
    if isinstance(value, str) and isinstance(truth, str):
        return float(value.strip() == truth.strip())
    if isinstance(value, str):
        return float(_spells(value.strip(), truth))
    if isinstance(truth, str):
        return float(_spells(truth.strip(), value))
    return float(canonical(value) == canonical(truth))


def normalized(value: Any, truth: Any) -> float:
    """Equal texts after SQuAD's normalisation; any of several truths counts."""
    return _best(truth, lambda one: float(normalize(_text(_plain(value))) == normalize(one)))


def token_overlap(value: Any, truth: Any) -> float:
    """F1 of the words after SQuAD's normalisation; the best of several truths counts."""
    words = normalize(_text(_plain(value))).split()
    return _best(truth, lambda one: _f1(words, normalize(one).split()))


def holds(value: Any, truth: Any) -> float:
    """The value's text holds the truth, or one of several, whatever case and space."""
    text = _folded(_text(_plain(value)))
    # Every text holds the empty one, so an empty truth is only matched by an empty value.
    return _best(truth, lambda one: float(_folded(one) in text if _folded(one) else not text))


def numeric(value: Any, truth: Any, tolerance: float) -> float:
    """The last numbers of both are equal within the tolerance. Raises MetricError when the truth holds none."""
    expected = last_number(truth)
    if expected is None:
        raise MetricError(f"numeric_match needs a number in the label, and {truth!r} holds none. Give it one.")
    found = last_number(value)
    return float(found is not None and math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance))


def json_equal(value: Any, truth: Any) -> float:
    """The same JSON; texts are parsed. A value that is no JSON does not match."""
    return float(canonical(_parsed(value)) == canonical(_parsed(truth)))


def json_share(value: Any, truth: Any) -> float:
    """Equal leaves as a share of the leaves of both, by path."""
    found, expected = _leaves(_parsed(value)), _leaves(_parsed(truth))
    return len(found.items() & expected.items()) / len(found.keys() | expected.keys())


def normalize(text: str) -> str:
    """Lower case, without punctuation, articles and extra space. Source: SQuAD's evaluation script."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def last_number(value: Any) -> float | None:
    """The last number in a text, or the number itself; None where there is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    numbers = list(_NUMBER.finditer(_text(_plain(value))))
    if not numbers:
        return None
    last = numbers[-1]
    number = float(last["digits"].replace(",", "") + (last["power"] or ""))
    negative = last["sign"] or last["sign_after_currency"]
    return (-number if negative else number) if math.isfinite(number) else None


def _spells(text: str, value: JSON) -> bool:
    """Whether a text is how a person or a table would write the value, which is not itself a text."""
    if value is None or isinstance(value, bool):
        return text.casefold() in (canonical(value), str(value).casefold())
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return bool(json_equal(text, value))


def _leaves(value: JSON, path: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        pairs = [(f"{path}/{canonical(key)}", item) for key, item in value.items()]
    elif isinstance(value, list) and value:
        pairs = [(f"{path}/{index}", item) for index, item in enumerate(value)]
    else:
        return {path: canonical(value)}
    return {inner: leaf for key, item in pairs for inner, leaf in _leaves(item, key).items()}


def _parsed(value: Any) -> JSON:
    plain = _plain(value)
    if not isinstance(plain, str):
        return plain
    try:
        return loads(plain)
    except ValueError:
        return next(structures(plain), plain)


def _f1(words: list[str], truth: list[str]) -> float:
    if not words or not truth:
        return float(words == truth)
    shared = sum((Counter(words) & Counter(truth)).values())
    return 2 * shared / (len(words) + len(truth))


def _best(truth: Any, score: Callable[[str], float]) -> float:
    plain = _plain(truth)
    truths = plain if isinstance(plain, list) else [plain]
    if not truths:
        raise MetricError("the label is an empty list of answers, which nothing can match. Give at least one answer.")
    return max(score(_text(one)) for one in truths)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _text(plain: JSON) -> str:
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else canonical(plain)


def _plain(value: Any) -> JSON:
    """JSON form; a value that has none is compared by its text."""
    try:
        return to_json(value)
    except SchemaError:
        return str(value)
