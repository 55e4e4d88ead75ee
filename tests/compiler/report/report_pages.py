"""What tests read out of a report: its elements, its text, and the data that its scripts unpack."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser

ALONE = {"meta", "input", "br", "hr", "line", "rect", "circle", "path"}


class Page(HTMLParser):
    """A page that is well formed: every element is closed where it belongs. elements: (name, attributes)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ALONE:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def data(self, name: str):
        (packed,) = re.findall(f'id="{name}-data">([^<]*)<', self.html)
        return json.loads(zlib.decompress(base64.b64decode(packed)))
