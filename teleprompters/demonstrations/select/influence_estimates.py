"""Influences out of scored sets: means with and without a shot, or the weights of a linear model. No LM, no bench."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """A set by the numbers of its shots, and its mean score on some rows of dev."""

    members: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Estimate:
    """A shot's influence in score units, and its standard error; infinite where one cannot be told."""

    value: float
    error: float

    def bound(self, errors: float) -> float:
        return self.value - errors * self.error


def differences(runs: Sequence[Run], shots: int) -> list[Estimate | None]:
    """I(j) = mean score of the runs with shot j - mean of those without; None for a shot that was in all or in none.

    se(j) = sd of the scores x sqrt(1 / n_j + 1 / (R - n_j)).
    Source: Nguyen and Wong 2023, arXiv 2302.11042, section 3; the standard error is ours.
    """
    total, mean = len(runs), math.fsum(run.score for run in runs) / max(1, len(runs))
    spread = math.sqrt(math.fsum((run.score - mean) ** 2 for run in runs) / max(1, total - 1))
    found: list[Estimate | None] = []
    for shot in range(shots):
        having = [run.score for run in runs if shot in run.members]
        lacking = [run.score for run in runs if shot not in run.members]
        if not having or not lacking:
            found.append(None)
            continue
        value = math.fsum(having) / len(having) - math.fsum(lacking) / len(lacking)
        found.append(Estimate(value, spread * math.sqrt(1 / len(having) + 1 / len(lacking))))
    return found


def datamodel(runs: Sequence[Run], shots: int, ridge: float) -> list[Estimate | None]:
    """The weights of a linear model of the score on which shots are shown; None for a shot that was in all or in none.

    ridge: the penalty of the squared weights, in runs; 0: least squares, of the solutions the smallest. Both sides are
    centred, so that the weights of sets of one size say what a shot is worth beside the others.
    Source: Nguyen and Wong 2023, arXiv 2302.11042, section 3, who take the lasso; Ilyas et al. 2022, arXiv 2202.00622.
    """
    import numpy as np

    shown = np.zeros((len(runs), shots))
    for row, run in enumerate(runs):
        shown[row, list(run.members)] = 1.0
    often = shown.sum(axis=0)
    centred = shown - shown.mean(axis=0)
    scores = np.array([run.score for run in runs])
    scores = scores - scores.mean()
    inverse = np.linalg.pinv(centred.T @ centred + ridge * np.eye(shots), hermitian=True)
    weights = inverse @ centred.T @ scores
    hat = centred @ inverse @ centred.T
    free = len(runs) - 1 - float(np.trace(hat))
    noise = float(((scores - centred @ weights) ** 2).sum()) / free if free > 0.5 else math.inf
    spread = np.diag(inverse @ centred.T @ centred @ inverse)
    return [
        Estimate(round(float(weight), 9), round(math.sqrt(noise * max(0.0, float(v))), 9) if v > 0 else math.inf)
        if 0 < n < len(runs)
        else None
        for weight, v, n in zip(weights, spread, often, strict=True)
    ]
