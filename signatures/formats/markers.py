"""Markers: how a format's own signs are kept out of data, reversibly.

One backslash goes into each marker that data holds, and one more where backslashes already stand there. So no two
texts become the same one, and `unescape(escape(text)) == text` for every text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Everything at which some reader of a message may see a new line begin: what `str.splitlines` splits at. Patterns for
# line starts begin with one of them and are searched in "\n" + text: a lookbehind takes five times as long.
BREAKS = r"\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
LINE_START = f"[{BREAKS}]"

_NO_FLAGS = re.RegexFlag(0)


@dataclass(frozen=True)
class Marker:
    """One family of markers: `before` and `after` are the patterns on either side of where a backslash goes.

    hint: a text without which there is no such marker; searched first, for it is far quicker than a pattern.
    """

    raw: re.Pattern[str]
    escaped: re.Pattern[str]
    hint: str

    @classmethod
    def of(cls, before: str, after: str, hint: str, flags: re.RegexFlag = _NO_FLAGS) -> Marker:
        return cls(
            re.compile(rf"({before})(\\*)({after})", flags), re.compile(rf"({before})\\(\\*)({after})", flags), hint
        )


# What dspy turns into images and files when it stands in a user message.
CUSTOM_TYPE = Marker.of("<", "<CUSTOM-TYPE-(?:START|END)-IDENTIFIER>>", "-IDENTIFIER>>")


@dataclass(frozen=True)
class Markers:
    """All markers of a format for the fields of one schema."""

    kinds: tuple[Marker, ...]

    def escape(self, text: str) -> str:
        for kind in self.kinds:
            if kind.hint in text:
                text = kind.raw.sub(r"\1\\\2\3", "\n" + text)[1:]
        return text

    def unescape(self, text: str) -> str:
        for kind in reversed(self.kinds):
            if kind.hint in text:
                text = kind.escaped.sub(r"\1\2\3", "\n" + text)[1:]
        return text

    def count(self, text: str) -> int:
        """How many markers `escape` would put a backslash into."""
        return sum(1 for kind in self.kinds if kind.hint in text for _ in kind.raw.finditer("\n" + text))

    def first(self, text: str) -> str | None:
        """The first marker in a text that no backslash disarms."""
        found = (match for kind in self.kinds if kind.hint in text for match in kind.raw.finditer("\n" + text))
        return next((match[0].strip() for match in found if not match[2]), None)
