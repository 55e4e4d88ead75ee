"""What users may rely on: progress is a few honest lines wherever it goes, and none where it is not wanted."""

from __future__ import annotations

import builtins
import io
import re
import sys
from pathlib import Path

import pytest

from burnish.compiler.callbacks import (
    FINAL,
    SEARCH,
    BlockEnded,
    CandidateScored,
    CompileEnded,
    CompileStarted,
    PhaseStarted,
    RequestEnded,
    RoundEnded,
)
from burnish.compiler.evidence import no_comparison
from burnish.compiler.lm.request import Reply, Request
from burnish.compiler.progress import Progress, view_on
from burnish.compiler.progress.cell import CellView
from burnish.compiler.progress.plain import SECONDS_A_LINE
from burnish.compiler.progress.standing import Standing, amount, duration, interval_of, spent_share
from burnish.teleprompters.base import Spend

CALLS = {"calls": 200}
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _a_real_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("burnish.compiler.progress.live")]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name.startswith("rich"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)


def started(
    stream: io.StringIO, clock: Clock | None = None, phase: str = SEARCH, limits: dict[str, float] | None = None
) -> Progress:
    progress = Progress(stream, clock or Clock())
    progress.on_compile_started(CompileStarted("run", ("self",), "OPRO", {}, limits or CALLS, False))
    progress.on_phase_started(PhaseStarted("run", phase, {} if "seconds" in (limits or {}) else CALLS))
    return progress


def block(
    progress: Progress,
    calls: int,
    paid: int = 0,
    best: tuple[float, ...] = (),
    phase: str = SEARCH,
    limits: dict[str, float] | None = None,
    total: int | None = None,
) -> None:
    whole = Spend(calls if total is None else total)
    progress.on_block_ended(BlockEnded("run", phase, Spend(calls), limits or CALLS, whole, Spend(paid), best))


def reply(progress: Progress, error: Exception | None = None, from_cache: bool = False) -> None:
    came = None if error else Reply("{}")
    request = Request("chat", "here", "{}")
    progress.on_request_ended(RequestEnded("run", SEARCH, "small", request, came, Spend(1), from_cache, 0.5, error))


def test_scores_of_any_range_are_shown_in_points_of_100() -> None:
    stream = io.StringIO()
    progress = Progress(stream, Clock())
    progress.on_compile_started(CompileStarted("run", ("self",), "OPRO", {}, CALLS, False, (0, 10)))
    progress.on_phase_started(PhaseStarted("run", SEARCH, CALLS))
    block(progress, 4, best=(8.0, 6.0, 8.0, 6.0))
    assert progress.standing().best is not None
    assert str(progress.standing().best).startswith("best 70.0 (51.")


def test_a_log_gets_one_line_a_phase_and_one_every_so_many_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = started(stream, clock)
    for done in range(11):
        reply(progress)
        block(progress, done, paid=done)
        clock.now += SECONDS_A_LINE / 10
    progress.on_phase_started(PhaseStarted("run", FINAL, CALLS))
    block(progress, 4, paid=15, phase=FINAL, total=15)
    lines = stream.getvalue().splitlines()
    assert [line.split(" of")[0] for line in lines] == ["search: 0", "search: 10", "final comparison: 4"]
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_the_line_says_what_is_spent_what_was_paid_and_the_best_score_with_its_interval() -> None:
    stream = io.StringIO()
    block(started(stream), 50, paid=20, best=(1.0,) * 13 + (0.0,) * 3)
    assert stream.getvalue() == "search: 50 of 200 calls (25 %), 20 paid, best 81.2 (54.4 to 96.0)\n"


def test_the_time_left_is_measured_from_the_first_paid_call_so_a_replay_does_not_shorten_it() -> None:
    clock = Clock()
    progress = started(io.StringIO(), clock)
    block(progress, 100)  # all from the cache, at once
    assert progress.standing().seconds_left is None
    block(progress, 101, paid=1)
    clock.now += 10
    block(progress, 111, paid=11)
    assert progress.standing().seconds_left == pytest.approx(89)


def test_a_limit_in_seconds_says_what_is_left_of_it() -> None:
    clock = Clock()
    progress = started(io.StringIO(), clock, limits={"seconds": 60})
    clock.now += 20
    assert progress.standing().seconds_left == pytest.approx(40)


def test_replies_count_as_they_come_and_not_twice_when_their_block_is_done() -> None:
    clock = Clock()
    progress = started(io.StringIO(), clock)
    block(progress, 10, paid=10)
    for _ in range(20):
        clock.now += 0.5
        reply(progress)
    reply(progress, from_cache=True)
    standing = progress.standing()
    assert (standing.spent.calls, standing.paid) == (30, 30)
    assert standing.pace == pytest.approx(2, rel=0.1)
    block(progress, 30, paid=30)
    assert progress.standing().spent.calls == 30
    assert progress.standing().answered == 0


def test_the_last_event_is_told_in_words() -> None:
    progress = started(io.StringIO())
    progress.on_candidate_scored(CandidateScored("run", 3, "abc", (1.0, 0.0), 0.5, True, "OPRO: step 1"))
    progress.on_round_ended(RoundEnded("run", 1, "step 1", ["abc"]))
    assert progress.standing().last == "candidate 3 scored 50.0"
    assert str(progress.standing().best) == "best 50.0 (1.3 to 98.7)"
    assert progress.standing().where == "search · OPRO, round 2"
    reply(progress, error=RuntimeError("the server says 429"))
    assert progress.standing().last == "no reply: the server says 429"


def test_the_end_is_the_verdict_and_the_bill() -> None:
    stream = io.StringIO()
    progress = started(stream)
    verdict, unusable = no_comparison("no rows"), {"the search": 3}
    progress.on_compile_ended(CompileEnded("run", 1.0, verdict, "d", Spend(90), Spend(60), unusable, None))
    assert stream.getvalue().splitlines() == [
        "inconclusive: no rows",
        "paid calls: 60; 30 of 90 were answered by earlier runs",
        "replies that could not be used, which score 0: 3 (the search)",
    ]


def test_a_terminal_gets_three_lines_that_are_redrawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    progress = started(stream)
    block(progress, 50, paid=20, best=(1.0, 0.0) * 20)
    progress.on_candidate_scored(CandidateScored("run", 3, "abc", (1.0, 0.0), 0.5, True, "x" * 300))
    progress.on_compile_ended(CompileEnded("run", 1.0, no_comparison("over"), "d", Spend(50), Spend(20), {}, None))
    shown = [line.rstrip() for line in ANSI.sub("", stream.getvalue()).replace("\r", "\n").splitlines() if line.strip()]
    assert max(map(len, shown)) <= 80
    last = shown.index("inconclusive: over")
    head, middle, news = shown[last - 3 : last]
    assert head.startswith("search · OPRO, round 1 · 30 cached")
    assert middle.endswith("50 of 200 calls (25 %)")
    assert news == "best 50.0 (33.8 to 66.2) · candidate 3 scored 50.0"


def test_a_terminal_that_cannot_redraw_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    block(started(stream), 50)
    assert stream.getvalue() == "search: 50 of 200 calls (25 %), 0 paid\n"


@pytest.mark.usefixtures("without_rich")
def test_a_terminal_without_rich_gets_one_line_that_is_rewritten_without_leaving_old_letters() -> None:
    stream = Terminal()
    with started(stream) as progress:
        block(progress, 100, best=(0.5, 0.25))
        block(progress, 1)
    first, second = stream.getvalue().rstrip("\n").split("\r")[1:]
    assert len(second) >= len(first.rstrip())
    assert stream.getvalue().count("\n") == 1


@pytest.mark.usefixtures("without_rich")
def test_a_message_stays_above_the_line_on_a_terminal_without_rich() -> None:
    stream = Terminal()
    view = view_on(stream, lambda: Standing(phase="search"), Clock())
    view.block_done()
    view.message("resuming")
    assert "resuming\n" in stream.getvalue()
    assert stream.getvalue().split("\r")[-1].startswith("search:")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_closed_stream_does_not_stop_a_run(stream: type[io.StringIO]) -> None:
    where = stream()
    progress = started(where)
    where.close()
    block(progress, 1)
    progress.on_compile_ended(CompileEnded("run", 1.0, no_comparison("over"), "d", Spend(), Spend(), {}, None))


def test_a_notebook_gets_one_block_that_is_updated_and_escaped() -> None:
    shown: list[object] = []

    class Handle:
        def update(self, html: object) -> None:
            shown[-1] = html

    def display(html: object, display_id: bool) -> Handle:
        shown.append(html)
        return Handle()

    clock = Clock()
    view = CellView(lambda: Standing("search", "<b>OPRO</b>", Spend(50), {"calls": 200}), clock, display)
    view.block_done()
    clock.now += 1
    view.message("ship: <script>")
    view.close()
    (last,) = shown
    html = last._repr_html_()  # type: ignore[attr-defined]
    assert "&lt;b&gt;OPRO&lt;/b&gt;" in html
    assert "ship: &lt;script&gt;" in html
    assert "width:25.0%" in html
    assert repr(last) == "search: 50 of 200 calls (25 %)\nship: <script>"


def test_amounts_name_the_currencies_that_are_limited() -> None:
    assert amount(Spend(3, 40, 0.5), {}) == "3 calls"
    assert amount(Spend(3, 40, 0.5), {"tokens": 80}) == "40 of 80 tokens (50 %)"
    assert amount(Spend(3, 40, 0.5), {"calls": 10, "usd": 1.0}) == "3 of 10 calls and 0.5000 of 1.0000 dollars (50 %)"


def test_the_share_is_that_of_the_nearest_limit() -> None:
    assert spent_share(Spend(1, 90), {"calls": 10, "tokens": 100}) == 0.9
    assert spent_share(Spend(1, 90), {}) is None


def test_intervals_are_exact_for_zeros_and_ones_and_never_a_point() -> None:
    assert interval_of([1.0] * 10) == (pytest.approx(0.6915, abs=1e-3), 1.0)
    low, high = interval_of([0.2, 0.4, 0.6]) or (0, 0)
    assert (low, high) == (pytest.approx(0.4 - 0.4968, abs=1e-3), pytest.approx(0.4 + 0.4968, abs=1e-3))
    assert interval_of([0.5] * 10) is None
    assert interval_of([1.0]) is None


def test_durations_read_like_a_person_says_them() -> None:
    assert [duration(s) for s in (4, 89, 200, 7800)] == ["4 s", "89 s", "3 min", "2 h 10 min"]


def test_a_compile_without_progress_writes_nothing(program, reviews, reviewer, capsys, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import burnish as b

    arguments = {"trainset": reviews(60), "metric": b.exact_match("label"), "budget": b.Budget(calls=60)}
    lm = reviewer(lambda prompt: 0.7)
    b.compile(program, lm=lm, progress=False, run_dir=tmp_path / "quiet", **arguments)
    assert capsys.readouterr() == ("", "")
    b.compile(program, lm=lm, run_dir=tmp_path / "shown", **arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("search: ")
    assert "answered by earlier runs" in err
