"""What the library says, in the words of the command line: a remedy names the option, not an argument of Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

# Arguments of Python: the option that stands for each, and what it takes.
OPTIONS = {
    "lm": ("--lm", "MODEL"),
    "optimizer_lm": ("--optimizer-lm", "MODEL"),
    "judge_lm": ("--judge-lm", "MODEL"),
    "encoder": ("--encoder", "MODEL"),
    "base_url": ("--base-url", "URL"),
    "program": ("--program", "PROGRAM"),
    "teleprompter": ("--teleprompter", "NAME"),
    "trainset": ("--train", "FILE"),
    "valset": ("--val", "FILE"),
    "holdout": ("--holdout", "FILE"),
    "inputs": ("--inputs", "A,B"),
    "budget": ("--budget", "LIMITS"),
    "concurrency": ("--concurrency", "N"),
    "seed": ("--seed", "N"),
    "min_gain": ("--min-gain", "GAIN"),
    "margin": ("--margin", "SHARE"),
    "run_dir": ("--run-dir", "FOLDER"),
}

_Given: TypeAlias = Mapping[str, object]  # what a command takes, with what was given
_Found: TypeAlias = "re.Match[str]"
_Said: TypeAlias = Callable[[_Given, _Found], str]


def in_options(message: str, given: Mapping[str, object]) -> str:
    """The message with Python's calls and arguments as options; what the command has no option for stays as it is, and
    so do quoted text, what was typed on the command line, and arguments in calls that no rule is for.

    given: what the command takes, as argparse names it.
    """
    typed = " ".join(map(str, given.values()))
    for pattern, said in _RULES:
        message = re.sub(f"{pattern}|{_KEPT}", partial(_unless_kept, said, given, typed), message)
    return message


def _unless_kept(said: _Said, given: _Given, typed: str, found: _Found) -> str:
    return found[0] if found["kept"] is not None or found[0] in typed else said(given, found)


def _takes(given: _Given, option: str) -> bool:
    return option.removeprefix("--").replace("-", "_") in given


def _argument(given: _Given, found: _Found) -> str:
    """`compile(..., lm=burnish.LM('model-name'))`, `load(path, encoder=...)`: the option with a value."""
    option, metavar = OPTIONS.get(found["name"], ("", ""))
    if not option or not _takes(given, option):
        return found[0]
    text = re.fullmatch(r"'([^']*)'", found["value"])
    return f"{option} {text[1] if text else metavar}"


def _named(given: _Given, found: _Found) -> str:
    """`valset=`, `seed='x'` outside any call."""
    option, _ = OPTIONS[found["name"]]
    if not _takes(given, option):
        return found[0]
    return f"{option} {found['value']}".rstrip()


def _budget(given: _Given, found: _Found) -> str:
    if not _takes(given, "--budget"):
        return found[0]
    return f"--budget {found['limits'].replace(', ', ',')}".rstrip()


def _price(given: _Given, found: _Found) -> str:
    """Only --lm has a price on the command line."""
    if not _takes(given, "--price") or given.get("lm") != found["model"]:
        return found[0]
    return f"--price {found['dollars_in']},{found['dollars_out']}"


def _parameter(given: _Given, found: _Found) -> str:
    return f"--param {found['name']}=..." if _takes(given, "--param") else found[0]


def _body(given: _Given, found: _Found) -> str:
    return f"""--param 'extra_body={{"{found["name"]}": ...}}'""" if _takes(given, "--param") else found[0]


def _always(text: str) -> _Said:
    return lambda _, found: found.expand(text)


# Quoted text and calls. Tried where a rule does not match, so that no rule begins inside. What follows a letter is an
# apostrophe and opens no quote.
_KEPT = (
    r"""(?P<kept>(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|(?<!\w)"(?:[^"\\]|\\.)*"(?!\w)"""
    r"""|\w\((?:[^()]|\([^()]*\))*\))"""
)

# One after the other: the whole phrases first, then what is left of Python between other words.
_RULES: tuple[tuple[str, _Said], ...] = (
    # What no option says, but another remedy beside it does.
    (r"pass LM\(\.\.\., api_key=\.\.\.\), or ", _always("pass ")),
    (r", or mark each row: example\.with_inputs\(\.\.\.\)", _always("")),
    (r", or pass label=\.\.\. with the column's name", _always("")),
    (r"the LM to compile\(lm=\.\.\.\)", _always("the LM with --lm")),
    (
        r"load\(path, encoder=\.\.\.\) with that encoder: burnish\.LM\('(?P<model>[^']*)'.*?texts to vectors",
        _always(r"--encoder \g<model> with the --base-url of its server"),
    ),
    (r"the path that compiled\.save\(path\) wrote", _always("a file that `burnish compile -o FILE` wrote")),
    # A search with settings has no spelling on a command line but its name in a file.
    (
        r"teleprompter=(?P<search>\w+\((?:[^()]|\([^()]*\))*\))",
        _always(r"--teleprompter app.py:search, where app.py has search = burnish.\g<search>"),
    ),
    (
        r"\b(?:compile|load|load_examples)\((?:(?:\.\.\.|path), )?(?P<name>\w+)=(?P<value>(?:[^(),]|\([^()]*\))*)\)",
        _argument,
    ),
    (r"\b(?:burnish\.)?Budget\((?P<limits>|(?:\.\.\.|\w+=[^(),]+)(?:, \w+=[^(),]+)*)\)", _budget),
    (
        r"\bLM\('(?P<model>[^']*)', price=Price\(input=(?P<dollars_in>[\d.]+), output=(?P<dollars_out>[\d.]+)\)\)",
        _price,
    ),
    (r"\bLM\((?P<name>\w+)=\.\.\.\)", _parameter),
    (r"\bLM\(\.\.\., extra_body=\{'(?P<name>\w+)': \.\.\.\}\)", _body),
    (r"(?<=use )(?:burnish\.)?LM\('(?P<model>[^']*)'\)", _always(r"--lm \g<model>")),
    (r"^LM\((?P<model>'[^']*')\)", _always(r"The model \g<model>")),
    (
        rf"(?<!\S)(?P<name>{'|'.join(OPTIONS)})=(?P<value>-?\d+(?:\.\d+)?|'[^']*'|)(?=[.,;:]?(?:\s|$))",
        _named,
    ),
)
