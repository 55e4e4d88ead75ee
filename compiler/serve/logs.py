"""Logs as JSON, one object a line, for `burnish serve`. An app that is mounted logs as the app around it sets it up."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TextIO

_ENCODER = json.JSONEncoder(default=str)
_OURS = ("burnish", "uvicorn")  # loggers whose messages hold nothing of a request
_RAISED = "_burnish_raised"  # attribute of a record whose words are withheld: what is said in their place
_WITHHELD = "what this logger says is shown with --log-inputs only, as it may repeat inputs"

_log = logging.getLogger("burnish.serve")


class JSONLines(logging.Formatter):
    """Time in UTC, level, event, and what else the record's extras have under `burnish`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": f"{moment[:-6]}Z", "level": record.levelname.lower()}
        fields = getattr(record, "burnish", None)
        if fields is None:
            line |= {"event": "message", "logger": record.name, "message": record.getMessage()}
            line |= getattr(record, _RAISED, {})
            if isinstance(record.exc_info, tuple):
                line["traceback"] = self.formatException(record.exc_info)
        else:
            line |= fields
        return _ENCODER.encode(line)


def log_as_json(stream: TextIO = sys.stderr, *, with_inputs: bool = False) -> None:
    """Everything that this process logs goes to `stream`, from "info" on where it is ours or uvicorn's.

    with_inputs: whether words are logged that may repeat those of a request: of other loggers (libraries print messages
    and keys), of exceptions and of warnings. Without, it is said who had something to say, and where. This holds for
    the whole process and whatever handlers others add later.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    _hand_over()
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    warnings.showwarning = _warned  # these three write to stderr by themselves
    threading.excepthook = sys.unraisablehook = _raised
    if with_inputs:
        logging.captureWarnings(True)
    else:
        handler.addFilter(_without_words)  # for records that reach it through no logger of this process
        logging.Logger.handle = _first_without_words(logging.Logger.handle)  # type: ignore[method-assign]


def _hand_over() -> None:
    """Loggers that write lines of their own, as dspy's does, leave that to the handler of the root."""
    for logger in logging.root.manager.loggerDict.values():
        own = [one for one in getattr(logger, "handlers", ()) if type(one) is logging.StreamHandler]
        if own and isinstance(logger, logging.Logger):
            logger.handlers[:] = [one for one in logger.handlers if one not in own]
            logger.propagate = True


def _first_without_words(handle: Callable[[logging.Logger, logging.LogRecord], None]) -> Any:
    """In place of a logger's `handle`, through which all its records go, whoever made them and however."""

    def handled(logger: logging.Logger, record: logging.LogRecord) -> None:
        _without_words(record)
        handle(logger, record)

    return handled


def _without_words(record: logging.LogRecord) -> bool:
    """Takes the words out of a record, once. Returns that it may pass, as filters do."""
    if hasattr(record, _RAISED):
        return True
    if (record.name or "").partition(".")[0] not in _OURS:
        record.msg, record.args, record.stack_info = _WITHHELD, None, None
        setattr(record, _RAISED, {"raised_at": [f"{record.pathname}:{record.lineno} {record.funcName}"]})
    # A record that was made by hand may have the True of a logger's argument there.
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None:
        setattr(record, _RAISED, {"error": type(error).__name__, "raised_at": places(error)})
    record.exc_info = record.exc_text = None
    return True


def places(error: BaseException) -> list[str]:
    """Where an error was raised, without its words."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _log.warning("A warning (%s) at %s:%d.", category.__name__, filename, lineno)


def _raised(told: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    error = told.exc_value or told.exc_type()
    if not isinstance(error, SystemExit):
        _log.error("An exception that nobody could be told of.", exc_info=(told.exc_type, error, told.exc_traceback))
