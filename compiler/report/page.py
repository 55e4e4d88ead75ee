"""The report as one HTML file: its sections, its style and its scripts, and nothing that is fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from ...teleprompters.base import Spend
from .columns import columns, packed
from .evidence_section import evidence_section, outcome, rows_said
from .examples_section import examples_section
from .html import Html, tag
from .lineage_section import lineage_section
from .material import Material
from .money_section import accounts, money_section
from .numbers import dollars, duration, many
from .prompts_section import prompts_section
from .provenance_section import provenance_section
from .rejected_section import rejected_section
from .search_section import search_section

SCRIPTS = ("uPlot.iife.min.js", "data.js", "charts.js", "candidates.js", "examples.js")
STYLES = ("uPlot.min.css", "report.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_NAVIGATION = {
    "verdict": "Verdict",
    "program": "Program",
    "search": "Search",
    "lineage": "Lineage",
    "examples": "Examples",
    "money": "Money",
    "rejected": "Rejected",
    "reproduce": "Reproduce",
}


def page(material: Material) -> str:
    """The whole report. Text of the run is escaped; the browser is told to load nothing and to run no other script."""
    data = columns(material)
    sections = (
        evidence_section(material),
        prompts_section(material),
        search_section(material),
        lineage_section(material),
        examples_section(material, data),
        money_section(material),
        rejected_section(material),
        provenance_section(material),
    )
    links = tag("div", [tag("a", title, href=f"#{name}") for name, title in _NAVIGATION.items()], class_="links")
    theme = tag("button", "Dark", type_="button", id_="theme", class_="only-script", aria_pressed="false")
    name = material.program.replace(" -> ", " \N{RIGHTWARDS ARROW} ") or material.name
    by = " \N{MIDDLE DOT} ".join(part for part in (material.teleprompter, outcome(material)) if part)
    head = tag("header", tag("p", "Burnish report", class_="quiet"), tag("h1", name), tag("p", by), _subtitle(material))
    without = tag("noscript", tag("p", "The chart and the lists of candidates and examples need JavaScript."))
    body = (
        tag("a", "Skip to the verdict", href="#verdict", class_="skip"),
        tag("nav", tag("div", links, theme), aria_label="Sections"),
        tag("main", head, without, *sections),
        Html(f'<script type="text/plain" id="index-data">{packed(data.index)}</script>'),
        Html(f'<script type="text/plain" id="texts-data">{packed(data.texts)}</script>'),
    )
    script = "\n".join(_asset(name) for name in SCRIPTS)
    style = "\n".join(_asset(name) for name in STYLES)
    mark = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"{_POLICY}; script-src 'sha256-{mark}'"
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            tag("title", " \N{MIDDLE DOT} ".join(part for part in (name, by, "Burnish report") if part)),
            f"\n<style>{style}</style>\n</head>\n<body>\n",
            *(f"{part}\n" for part in body),
            f"<script>{script}</script>\n</body>\n</html>\n",
        )
    )


def _subtitle(material: Material) -> Html:
    """The run, its rows, what it has cost."""
    said = [f"run {material.name}", rows_said(material)]
    if spent := accounts(material):
        total = sum(spent.values(), Spend())
        said += [many(total.calls, "call"), f"{dollars(total.usd)} dollars" if total.usd else ""]
    said.append("" if material.seconds is None else duration(material.seconds))
    return tag("p", " \N{MIDDLE DOT} ".join(part for part in said if part), class_="quiet")


def _asset(name: str) -> str:
    text = (files(__name__.rpartition(".")[0]) / "assets" / name).read_text(encoding="utf-8")
    assert "</script" not in text.lower(), name  # it would end the element that it stands in
    assert "</style" not in text.lower(), name
    return text.strip()
