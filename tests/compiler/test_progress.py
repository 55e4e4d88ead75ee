from __future__ import annotations

import io

from burnish.compiler.budget import Limit
from burnish.compiler.progress import SECONDS_A_LINE, Progress, amount, duration, spent_share
from burnish.teleprompters.base import Spend


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


CALLS = Limit(200, None, None)


def test_a_log_gets_one_line_a_phase_and_one_every_so_many_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(True, stream, clock)
    for block in range(11):
        progress.update("search", spent=Spend(calls=block), limit=CALLS)
        clock.now += SECONDS_A_LINE / 10
    progress.update("final comparison", spent=Spend(calls=4), limit=CALLS)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert [line.split(" of")[0] for line in lines] == ["search: 0", "search: 10", "final comparison: 4"]
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_rewritten_without_leaving_old_letters() -> None:
    stream = Terminal()
    progress = Progress(True, stream)
    progress.update("search", spent=Spend(calls=100), limit=CALLS, best=0.5)
    progress.update("end", spent=Spend(calls=1), limit=CALLS)
    progress.close()
    first, second = stream.getvalue().rstrip("\n").split("\r")[1:]
    assert len(second) >= len(first.rstrip())
    assert stream.getvalue().count("\n") == 1


def test_a_message_stays_above_the_line_on_a_terminal() -> None:
    stream = Terminal()
    progress = Progress(True, stream)
    progress.update("search", spent=Spend(calls=1), limit=CALLS)
    progress.message("2 duplicate rows were dropped")
    assert "2 duplicate rows were dropped\n" in stream.getvalue()
    assert stream.getvalue().split("\r")[-1].startswith("search:")


def test_the_line_says_what_is_spent_what_was_paid_and_the_best_score() -> None:
    stream = io.StringIO()
    Progress(True, stream).update("search", spent=Spend(calls=50), limit=CALLS, best=0.813, paid=Spend(calls=20))
    assert stream.getvalue() == "search: 50 of 200 calls (25 %), 20 paid, best 81.3\n"


def test_the_time_left_is_measured_from_the_first_paid_call_so_a_replay_does_not_shorten_it() -> None:
    clock, stream = Clock(), Terminal()
    progress = Progress(True, stream, clock)
    progress.update("search", spent=Spend(calls=100), limit=CALLS)  # all from the cache, at once
    progress.update("search", spent=Spend(calls=101), limit=CALLS, paid=Spend(calls=1))
    clock.now += 10
    progress.update("search", spent=Spend(calls=111), limit=CALLS, paid=Spend(calls=11))
    assert "at most 89 s left" in stream.getvalue()


def test_nothing_is_written_when_progress_is_off_and_a_closed_stream_does_not_stop_a_run() -> None:
    stream = io.StringIO()
    off = Progress(False, stream)
    off.update("search", spent=Spend(), limit=CALLS)
    off.message("hello")
    off.close()
    assert stream.getvalue() == ""
    progress = Progress(True, stream)
    stream.close()
    progress.message("hello")
    progress.update("search", spent=Spend(), limit=CALLS)


def test_amounts_name_the_currencies_that_are_limited() -> None:
    assert amount(Spend(3, 40, 0.5), Limit(None, None, None)) == "3 calls"
    assert amount(Spend(3, 40, 0.5), Limit(None, 80, None)) == "40 of 80 tokens (50 %)"
    assert amount(Spend(3, 40, 0.5), Limit(10, None, 10**12)) == "3 of 10 calls and 0.5000 of 1.0000 dollars (50 %)"


def test_the_share_is_that_of_the_nearest_limit() -> None:
    assert spent_share(Spend(1, 90), Limit(10, 100, None)) == 0.9
    assert spent_share(Spend(1, 90), Limit(None, None, None)) is None


def test_durations_read_like_a_person_says_them() -> None:
    assert [duration(s) for s in (4, 89, 200, 7800)] == ["4 s", "89 s", "3 min", "2 h 10 min"]
