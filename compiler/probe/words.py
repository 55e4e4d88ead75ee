"""A probe's report for a person: the table and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence import LEVEL, Comparison
from .findings import MARGIN, Finding, Found, state_of
from .plan import title_of

MOSTLY = 0.9  # an output given on this share of the rows is worth a word
NAMED = 3  # findings named in one sentence
_NUMBERS = (1, 2, 3)  # columns of the table that are set to the right
_INVARIANT = {"order": "the order of its demonstrations", "format": "format", "wording": "wording"}


def table(report: Found) -> str:
    """One line a finding, then the verdict and what was left out."""
    lines = [("probe", "score", "change", "interval", "unparsed", "")]
    lines.append(("as it is", _points(report.as_is), "", "", _points(report.as_is_unparsed), ""))
    if report.majority is not None:
        score = report.majority.score
        always = f"always {report.majority.label}"
        lines.append((always, _points(score.finalist_mean), _signed(score.gain), _interval(score), "", ""))
    for one in report.findings:
        score, unparsed = one.score, one.unparsed
        low, high = unparsed.interval
        more = f" ({_signed(unparsed.gain)}, {_interval(unparsed)})" if low > 0 or high < 0 else ""
        lines.append(
            (
                f"{one.family}: {one.title}",
                _points(score.finalist_mean),
                _signed(score.gain),
                _interval(score),
                _points(unparsed.finalist_mean) + more,
                one.state,
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = ["  ".join(_laid(line, widths)).rstrip() for line in lines]
    head = f"{report.file}: {report.rows} rows, {report.metric}, {report.model}"
    together = (
        f"Points of 100. The {report.comparisons} intervals hold together with {100 * LEVEL:g} % (Bonferroni). held: a "
        f"drop of {100 * MARGIN:g} points is ruled out."
    )
    wordings = [f"{one.title}: {' '.join((one.instruction or '').split())}" for one in report.of("wording")]
    left = [f"{title_of(one)}: {one.reason}" for one in report.omitted]
    parts = [
        [head, *report.notes],
        shown,
        [together],
        list(verdict(report)),
        ["Wordings:", *wordings] if wordings else [],
        ["Not done:", *left] if left else [],
        [f"{report.calls} calls were paid for, of at most {report.planned}."],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _laid(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    padded = zip(line, widths, strict=True)
    return [cell.rjust(width) if place in _NUMBERS else cell.ljust(width) for place, (cell, width) in enumerate(padded)]


def verdict(report: Found) -> tuple[str, ...]:
    """Three to six sentences: how good it is, then what moves it and what does not."""
    sentences = [_how_good(report)]
    sentences += [_labels(report), _inputs(report)]
    sentences += [_invariant(report.of(family), what) for family, what in _INVARIANT.items()]
    return tuple(sentence for sentence in sentences if sentence)


def _how_good(report: Found) -> str:
    said = f"As it is the program scores {_points(report.as_is)}"
    if report.majority is not None:
        score = report.majority.score
        beaten = f"always answering {report.majority.label} ({_points(score.finalist_mean)})"
        better = "better than" if state_of(score) == "worse" else "not shown to be better than"
        said += f", {better} {beaten}"
    if report.given is not None and report.given[1] >= MOSTLY:
        said += f"; it answers {report.given[0]} on {_points(report.given[1])} % of the rows"
    if report.as_is_unparsed:
        said += f"; {_points(report.as_is_unparsed)} % of its replies give no outputs"
    return said + "."


def _labels(report: Found) -> str:
    """Whether the labels shown are used, by what flipping them does; by random ones where none were flipped."""
    every = report.of("labels")
    flipped = [one for one in every if one.name == "flipped"] or list(every)
    if not flipped:
        return ""
    worst = min(flipped, key=lambda one: (one.score.interval[1], one.score.gain))
    change = f"{_change(worst.score)} with {worst.title} ones"
    if worst.state == "worse":
        return f"It follows the labels of its demonstrations, so that wrong ones cost: {change}."
    without = [one.state for one in report.of("demonstrations") if one.predictor == worst.predictor]
    if worst.state == "better":
        return f"It does better with wrong labels than with those shown ({change}): check the demonstrations."
    if worst.state == "undecided":
        return f"Whether it follows the labels of its demonstrations is undecided: {change}."
    ignored = "; without any it holds too, so it hardly uses them" if set(without) == {"held"} else ""
    return f"It does not follow the labels of its demonstrations: {change}{ignored}."


def _inputs(report: Found) -> str:
    found = report.of("inputs")
    needed = [one for one in found if one.state == "worse"]
    idle = [one for one in found if one.state in ("held", "better")]
    unsure = [one for one in found if one.state == "undecided"]
    said = []
    if needed:
        said.append(f"It needs its question: {_named(needed, 'with')}")
    if idle:
        alone = "its answer comes from the prompt alone" if not needed and not unsure else "it does without"
        said.append(f"{alone}: {_named(idle, 'with')}")
    if unsure:
        said.append(f"whether it needs its question is undecided: {_named(unsure, 'with')}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _invariant(found: Sequence[Finding], what: str) -> str:
    """What ought to leave the score as it is, and whether it does."""
    if not found:
        return ""
    worse = [one for one in found if one.state == "worse"]
    better = [one for one in found if one.state == "better"]
    lowest = min(found, key=lambda one: one.score.interval[0])
    if worse:
        said = f"Fragile to {what}: {_named(worse, 'in')}"
    elif any(one.state == "undecided" for one in found):
        said = f"Undecided about {what}: {_change(lowest.score)} in {lowest.title}; more rows would tell"
    else:
        least = -100 * lowest.score.interval[0]
        said = f"Not fragile to {what}: a drop of more than {least:.0f} points is ruled out"
    if better:
        said += f"; better in {_named(better, 'in')}"
    if len(found) > 1:
        means = [one.score.finalist_mean for one in found]
        said += f"; mean {_points(sum(means) / len(means))} and worst {_points(min(means))} of {len(found)}"
    unread = [one for one in found if one.unparsed.interval[0] > 0]
    if unread:
        shares = ", ".join(_unparsed(one) for one in unread[:NAMED])
        said += f"; replies that do not parse: {shares}"
    return said + "."


def _unparsed(one: Finding) -> str:
    cut = ", most of them cut at max_tokens" if 2 * one.cut > one.unparsed.finalist_mean * one.unparsed.n else ""
    return f"{_points(one.unparsed.finalist_mean)} % in {one.title}{cut}"


def _named(found: Sequence[Finding], word: str) -> str:
    """The largest changes first, by name; how many more there are. word: that stands before a name."""
    ordered = sorted(found, key=lambda one: (one.score.gain, one.title))
    if ordered[0].score.gain > 0:
        ordered.reverse()
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(f"{_change(one.score)} {word} {one.title}" for one in ordered[:NAMED]) + more


def _change(score: Comparison) -> str:
    return f"{_signed(score.gain)} ({_interval(score)})"


def _interval(score: Comparison) -> str:
    low, high = score.interval
    return f"{100 * low:+.0f}..{100 * high:+.0f}"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"
