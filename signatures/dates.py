"""Dates, times, durations and identifiers as JSON texts write them, read alike by every supported Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID

_DATE = r"(\d{4})-(\d\d)-(\d\d)"
_TIME = r"(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d\d:?\d\d)?"
_DATE_ONLY = re.compile(_DATE, re.ASCII)
_TIME_ONLY = re.compile(_TIME, re.ASCII)
_BOTH = re.compile(rf"{_DATE}(?:[Tt _]{_TIME})?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AMOUNT = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(
    rf"([+-]?)P(?=[\dT])(?:{_AMOUNT}Y)?(?:{_AMOUNT}M)?(?:{_AMOUNT}W)?(?:{_AMOUNT}D)?"
    rf"(?:T(?=\d)(?:{_AMOUNT}H)?(?:{_AMOUNT}M)?(?:{_AMOUNT}S)?)?",
    re.ASCII,
)


def read_date(text: str) -> date:
    """A date from "2024-01-31". Raises ValueError on anything else."""
    return date(*map(int, _match(_DATE_ONLY, text)))


def read_time(text: str) -> time:
    """A time from "13:05", "13:05:09.25" or "13:05:09Z". Raises ValueError on anything else."""
    return _time(_match(_TIME_ONLY, text))


def read_datetime(text: str) -> datetime:
    """A date and time from "2024-01-31T13:05:09Z"; a date alone is its midnight. Raises ValueError on anything else."""
    groups = _match(_BOTH, text)
    day = date(*map(int, groups[:3]))
    return datetime.combine(day, time() if groups[3] is None else _time(groups[3:]))


def read_duration(text: str) -> timedelta:
    """A duration from ISO 8601 ("P1DT2H", "-PT5S"), with 365 days to a year and 30 to a month.

    Raises ValueError on anything else.
    """
    sign, *amounts = _match(_DURATION, text)
    years, months, weeks, days, hours, minutes, seconds = (float(amount or 0) for amount in amounts)
    try:
        whole = timedelta(days=years * 365 + months * 30 + days, weeks=weeks, hours=hours, minutes=minutes)
        length = whole + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError(text) from error
    return -length if sign == "-" else length


def read_uuid(text: str) -> UUID:
    """An identifier from its 36 characters. Raises ValueError on anything else."""
    _match(_UUID, text)
    return UUID(text)


# JSON Schema `format` -> what it is called in messages, and its reader. Other formats only annotate a string.
FORMATS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "date": ("a date like 2024-01-31", read_date),
    "date-time": ("a date and time like 2024-01-31T13:05:00", read_datetime),
    "time": ("a time like 13:05:00", read_time),
    "duration": ("a duration like P1DT2H", read_duration),
    "uuid": ("a UUID", read_uuid),
}


def to_iso(value: date | time) -> str:
    """The text of a date, a datetime or a time in JSON: ISO 8601, with Z for UTC."""
    text = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _match(pattern: re.Pattern[str], text: str) -> tuple[Any, ...]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found.groups()


def _time(groups: tuple[Any, ...]) -> time:
    hour, minute, second, fraction, zone = groups
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    return time(int(hour), int(minute), int(second or 0), microsecond, tzinfo=_zone(zone))


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return timezone.utc
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
