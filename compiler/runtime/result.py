"""Result: what a call of a frozen program gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...signatures.canonical import JSON


class Result:
    """What a call gave: outputs as attributes (`result.label`) and as items (`result["label"]`)."""

    __slots__ = ("_plain", "_values")

    def __init__(self, values: Mapping[str, Any], plain: Mapping[str, JSON]) -> None:
        self._values = dict(values)
        self._plain = dict(plain)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in self.__slots__:
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(repr(key) for key in self._values)
            raise AttributeError(f"the result has no output {name!r}; it has {known}") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and self._plain == other._plain

    __hash__ = None  # type: ignore[assignment]

    def keys(self) -> Iterable[str]:
        """The names of the outputs, so that `dict(result)` works."""
        return self._values.keys()

    def to_dict(self) -> dict[str, JSON]:
        """The outputs in JSON form."""
        return dict(self._plain)

    def __repr__(self) -> str:
        return f"Result({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"
