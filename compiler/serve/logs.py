"""Logs as JSON, one object a line, for `burnish serve`. An app that is mounted logs as the app around it sets it up."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import TextIO

_ENCODER = json.JSONEncoder(default=str)


class JSONLines(logging.Formatter):
    """Time in UTC, level, event, and what else the record's extras have under `burnish`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": f"{moment[:-6]}Z", "level": record.levelname.lower()}
        fields = getattr(record, "burnish", None)
        if fields is None:
            line |= {"event": "message", "logger": record.name, "message": record.getMessage()}
            if record.exc_info:
                line["traceback"] = self.formatException(record.exc_info)
        else:
            line |= fields
        return _ENCODER.encode(line)


def log_as_json(stream: TextIO = sys.stderr) -> None:
    """Everything that this process logs goes to `stream`, from "info" on where it is ours or uvicorn's."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for name in ("burnish", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
