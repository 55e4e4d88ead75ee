"""Which rows are searched on, selected on and reported on: disjoint, and decided by the rows and the seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..signatures.canonical import digest
from ..signatures.errors import ExampleError
from ..signatures.example import Example

LEAST_ROWS = 20  # in all; fewer cannot fill three splits
LEAST_HOLDOUT = 12  # rows, when the holdout is split off: fewer pairs are not compared
LEAST_LEFT = 4  # rows of a set that another is split off, where a holdout that can be compared is wanted
SHARES = {"pool": 0.3, "dev": 0.3, "holdout": 0.4}
MOST = {"dev": 400, "holdout": 1000}  # rows, when split off; the rest is pool
LEAST_DEV = 20  # rows that a budget never cuts dev below
CANDIDATES = 10  # that a budget should be able to score on all of dev

_TITLES = {"pool": "trainset", "dev": "valset", "holdout": "holdout"}


@dataclass(frozen=True)
class Splits:
    """pool: induced and sampled from. dev: selected on. holdout: reported on, once. No input is in two of them.

    The rows of each stand in an order that depends on their contents and the seed alone, so that the first rows of a
    split are a random sample of it. notes: what was split off, what was left out for being there twice or in two sets,
    and which labels are missing.
    """

    pool: tuple[Example, ...]
    dev: tuple[Example, ...]
    holdout: tuple[Example, ...]
    notes: tuple[str, ...] = ()


def split(
    train: Sequence[Example],
    valset: Sequence[Example] | None = None,
    holdout: Sequence[Example] | None = None,
    *,
    seed: int,
) -> Splits:
    """Pool, dev and holdout. What is given is used as given; what is not is split off the larger of the others.

    Rows with equal inputs always stay together, whatever their labels: what is reported on was never seen with another
    label either. Inputs that are in two given sets are left out of the less important one (holdout before dev before
    pool). Raises ExampleError when fewer than LEAST_ROWS rows are left, or none for one of the three.
    """
    given = {"pool": train, "dev": valset, "holdout": holdout}
    groups = {name: _groups(rows, seed) for name, rows in given.items() if rows is not None}
    notes = _drop_overlaps(groups)
    total = sum(len(_rows(one)) for one in groups.values())
    if total < LEAST_ROWS:
        raise ExampleError(
            f"A compile needs at least {LEAST_ROWS} rows to induce from, select on and report on; there are {total}. "
            "Add rows to trainset. Nothing was spent."
        )
    if len(groups) == 1:
        target = max(LEAST_HOLDOUT, min(MOST["holdout"], round(SHARES["holdout"] * total)))
        groups["holdout"], rest = _take(groups["pool"], target)
        dev_share = SHARES["dev"] / (SHARES["dev"] + SHARES["pool"])
        groups["dev"], groups["pool"] = _take(rest, min(MOST["dev"], round(dev_share * (total - target))))
    elif len(groups) == 2:
        notes.append(_split_off(groups))
    for name, title in _TITLES.items():
        if not groups[name]:
            raise ExampleError(
                f"No rows are left for the {name}: rows with equal inputs are kept together, and "
                + (f"all inputs of {title} are in a more important set too." if given[name] else "too few differ.")
                + " Add rows with other inputs. Nothing was spent."
            )
    pool, dev, held = (_rows(groups[name]) for name in ("pool", "dev", "holdout"))
    return Splits(pool, dev, held, tuple(notes))


def dev_cap(dev: Sequence[Example], executions: int) -> tuple[Example, ...]:
    """The first rows of dev: as many as allow CANDIDATES whole scores with so many executions, LEAST_DEV at least."""
    return tuple(dev[: max(LEAST_DEV, executions // CANDIDATES)])


_Groups = dict[str, list[Example]]  # rows by the digest of their inputs, in seeded order


def _groups(rows: Iterable[Example], seed: int) -> _Groups:
    by_inputs: _Groups = {}
    for row in rows:
        by_inputs.setdefault(digest(row.input_values), []).append(row)
    order = sorted(by_inputs, key=lambda key: _place(seed, key))
    return {key: sorted(by_inputs[key], key=lambda row: row.digest) for key in order}


def _place(seed: int, key: str) -> str:
    return hashlib.sha256(f"split {seed} {key}".encode()).hexdigest()


def _rows(groups: _Groups) -> tuple[Example, ...]:
    return tuple(row for rows in groups.values() for row in rows)


def _drop_overlaps(groups: dict[str, _Groups]) -> list[str]:
    notes = []
    for less, mores in (("pool", ("dev", "holdout")), ("dev", ("holdout",))):
        for more in mores:
            if less not in groups or more not in groups:
                continue
            both = [key for key in groups[less] if key in groups[more]]
            dropped = sum(len(groups[less].pop(key)) for key in both)
            if dropped:
                notes.append(
                    f"{dropped} rows of {_TITLES[less]} have inputs that are also in {_TITLES[more]}; "
                    f"they were left out of {_TITLES[less]}."
                )
    return notes


def _split_off(groups: dict[str, _Groups]) -> str:
    """Fills the one set that was not given from the larger of the two that were, and says so."""
    (missing,) = SHARES.keys() - groups.keys()
    sizes = {name: len(_rows(one)) for name, one in groups.items()}
    source = max(sorted(sizes), key=lambda name: sizes[name])
    target = round(sizes[source] * SHARES[missing] / (SHARES[missing] + SHARES[source]))
    if missing == "holdout" and sizes[source] >= LEAST_HOLDOUT + LEAST_LEFT:
        target = max(target, LEAST_HOLDOUT)
    if source == "holdout":
        target = min(target, max(LEAST_LEFT, sizes[source] - LEAST_HOLDOUT))
    groups[missing], groups[source] = _take(groups[source], min(MOST[missing], target))
    return f"{missing}: {len(_rows(groups[missing]))} of {sizes[source]} rows of {_TITLES[source]} were set aside."


def _take(groups: _Groups, target: int) -> tuple[_Groups, _Groups]:
    """The groups, first come first served, that together hold at most `target` rows; and the rest."""
    taken: _Groups = {}
    rest: _Groups = {}
    room = target
    for key, rows in groups.items():
        fits = len(rows) <= room
        (taken if fits else rest)[key] = rows
        room -= len(rows) if fits else 0
    return taken, rest
