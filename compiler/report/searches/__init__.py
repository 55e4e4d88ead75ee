"""How each search found what it found, drawn from what it kept in the run folder. One file a kind of search."""

from __future__ import annotations

from collections.abc import Iterator

from ..html import Html
from ..material import Material
from . import abo, apo, curriculum, joint, opro, prompt_agent

# Each draws what it knows of, and nothing where a run has nothing of the kind.
PICTURES = (joint.pictures, prompt_agent.pictures, apo.pictures, opro.pictures, abo.pictures, curriculum.pictures)


def pictures(material: Material) -> Iterator[Html]:
    for draw in PICTURES:
        yield from draw(material)
