"""AttemptLog: every attempt at a paid request is written down before it is sent, so that a kill hides nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..teleprompters.base import Spend


class AttemptLog:
    """An append-only file: one line when an attempt is about to be sent, one when it has ended.

    path: in the run folder. answered: whether the reply cache holds a whole reply for a request key; an attempt that
    was sent, never ended and has no reply was in flight at a kill and may have been billed.
    unanswered: the worst case of each such attempt, and of each that ended as "maybe", of all earlier processes.
    paid: keys of the requests that earlier processes of this run paid for.
    """

    def __init__(self, path: Path, answered: Callable[[str], bool]) -> None:
        self.unanswered, self.paid = _earlier(path, answered)
        # O_APPEND and one write a line: what the kernel has taken survives a kill of this process.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if path.stat().st_size:
            os.write(self._file, b"\n")  # a line torn by a full disk must not swallow the next one

    def begin(self, key: str, bound: Spend) -> None:
        self._write(["begin", key, bound.calls, bound.tokens, bound.usd])

    def end(self, key: str, how: Literal["reply", "unbilled", "maybe"]) -> None:
        self._write([how, key])

    def close(self) -> None:
        os.close(self._file)

    def _write(self, row: list[object]) -> None:
        os.write(self._file, json.dumps(row).encode() + b"\n")


def _earlier(path: Path, answered: Callable[[str], bool]) -> tuple[tuple[Spend, ...], frozenset[str]]:
    open_attempts: dict[str, Spend] = {}
    lost: list[Spend] = []
    paid: set[str] = set()
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            kind, key, *cost = json.loads(line)
        except ValueError:
            continue
        if kind == "begin":
            if key in open_attempts:  # sent again after a kill: the attempt before it may have been billed all the same
                lost.append(open_attempts[key])
            open_attempts[key] = Spend(*cost)
        elif key in open_attempts:
            bound = open_attempts.pop(key)
            if kind == "maybe":
                lost.append(bound)
            elif kind == "reply":
                paid.add(key)
    for key, bound in open_attempts.items():
        if answered(key):
            paid.add(key)
        else:
            lost.append(bound)
    return tuple(lost), frozenset(paid)
