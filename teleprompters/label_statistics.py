"""What can be computed from how likely each label is: pure functions of probabilities and counts, in nats.

A distribution is one number a label, summing to 1. What asks an LM for them is `label_signals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SMOOTHING = 0.5
IMPOSSIBLE = float("-inf")


def softmax(log_scores: Sequence[float]) -> list[float]:
    """Log-scores normalised over the labels: p(y) = exp s(y) / sum over y' of exp s(y'). Uniform where all are -inf.

    Source: Zhao et al. 2021 (the released code), section 3; the probability that the LM leaves to other texts is lost.
    """
    highest = max(log_scores)
    if highest == IMPOSSIBLE:
        return [1 / len(log_scores)] * len(log_scores)
    weights = [math.exp(score - highest) for score in log_scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def smoothed(counts: Sequence[int], a: float = SMOOTHING) -> list[float]:
    """Label probabilities from samples: p(y) = (c_y + a) / (n' + a L), n' the samples that named one of L labels.

    a: 0.5 is the Jeffreys prior. The standard error is at most 0.5 / sqrt(n'): 0.16 at 10 samples, 0.11 at 20.
    """
    total = sum(counts) + a * len(counts)
    return [(count + a) / total for count in counts]


def mean_distribution(distributions: Sequence[Sequence[float]]) -> list[float]:
    """The average of distributions over the same labels."""
    return [math.fsum(column) / len(distributions) for column in zip(*distributions, strict=True)]


def entropy(distribution: Sequence[float]) -> float:
    """H(p) = -sum p log p, with 0 log 0 = 0."""
    return -math.fsum(p * math.log(p) for p in distribution if p > 0) or 0.0


def entropy_of_counts(counts: Sequence[int]) -> float:
    """Entropy from samples, corrected for their number: H(c / n) + (K - 1) / (2 n), K the labels seen; at most log L.

    The plain estimate is too low by about the correction. Source: Miller 1955. 0 without any sample.
    """
    n = sum(counts)
    if not n:
        return 0.0
    seen = sum(count > 0 for count in counts)
    return min(entropy([count / n for count in counts]) + (seen - 1) / (2 * n), math.log(len(counts)))


def closeness(distribution: Sequence[float], prior: Sequence[float]) -> float:
    """-KL(p || prior): 0 for the prior itself, negative for all else. For a uniform prior this is H(p) - log L.

    -inf where p gives weight to a label that the prior excludes.
    """
    if any(p > 0 and q <= 0 for p, q in zip(distribution, prior, strict=True)):
        return IMPOSSIBLE
    return -math.fsum(p * math.log(p / q) for p, q in zip(distribution, prior, strict=True) if p > 0) or 0.0


def predicted_shares(distributions: Sequence[Sequence[float]]) -> list[float]:
    """The share of rows whose likeliest label is each label. Labels that are equally likely divide their row."""
    shares = [0.0] * len(distributions[0])
    for distribution in distributions:
        highest = max(distribution)
        winners = [place for place, p in enumerate(distribution) if p == highest]
        for place in winners:
            shares[place] += 1 / (len(winners) * len(distributions))
    return shares


def psi(distribution: Sequence[float], right: int, floor: float = 0.0) -> float:
    """Misconfidence: psi = max over y != y* of p(y) / p(y*). Above 1 exactly where the answer is wrong.

    floor: the least that p(y*) counts as; 1 / (2 n) for n samples. Source: Xu and Zhang 2024, arXiv 2401.06301.
    """
    others = [p for place, p in enumerate(distribution) if place != right]
    truth = max(distribution[right], floor)
    return max(others) / truth if truth > 0 else math.inf


def calibrated(distribution: Sequence[float], prior: Sequence[float]) -> list[float]:
    """Contextual calibration: q = W p with W = diag(prior)^-1, normalised to sum to 1.

    prior: the distribution on inputs without content, or (batch calibration) the mean over unlabelled rows; what is
    below 1 / (10 L) counts as that. Source: Zhao et al. 2021, arXiv 2102.09690, section 5; the floor is ours.
    """
    weighted = [p / q for p, q in zip(distribution, floored(prior), strict=True)]
    total = sum(weighted)
    return [weight / total for weight in weighted]


def floored(prior: Sequence[float]) -> list[float]:
    """A prior that can be divided by: none of it below 1 / (10 L)."""
    return [max(p, 1 / (10 * len(prior))) for p in prior]
