"""PromptAgent: the tree of instructions, each grown from its parent by the errors that the parent made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ....signatures.canonical import JSON
from ..html import Html, opens, tag
from ..material import Material
from ..numbers import many
from .parts import MOST, bar, documents, picture, rest, score_of, shortened, text

_EXPLAINED = (
    "Every node is an instruction, below the one that it was made from. Reward: its score on the rows of the search; "
    "value: what the rollouts through it found. The path to the finalist is marked."
)


def pictures(material: Material) -> Iterator[Html]:
    for told, tree in documents(material, "prompt_agent_tree"):
        nodes = tree["nodes"][:MOST]
        roots = [node for node in nodes if node["parent"] is None]
        path = _path(tree["nodes"], material.finalist)
        drawn = tag("ul", [_node(node, nodes, path, material) for node in roots], class_="tree")
        yield picture(f"The tree{told}", _EXPLAINED, drawn, *rest(len(tree["nodes"]), "nodes"))


def _path(nodes: Sequence[Mapping[str, JSON]], finalist: str) -> set[int]:
    """Numbers of the nodes from the root to the finalist."""
    by_number = {node["id"]: node for node in nodes}
    number = next((node["id"] for node in nodes if node["candidate"] == finalist), None)
    path = set()
    while number is not None:
        path.add(number)
        number = by_number[number]["parent"]
    return path


def _node(node: Mapping[str, JSON], nodes: Sequence[Mapping[str, JSON]], path: set[int], material: Material) -> Html:
    is_finalist = node["candidate"] == material.finalist
    badges = [tag("span", "finalist", class_="mark winner")] if is_finalist else []
    badges += [tag("span", str(node["terminal"]), class_="mark")] if node["terminal"] else []
    facts = [
        tag("span", f"#{node['id']}", class_="quiet"),
        tag("span", "reward ", bar(node["reward"], material)),
        tag("span", f"value {node['q']:.2f} over {many(node['visits'], 'visit')}", class_="quiet"),
    ]
    on_dev = score_of(node["candidate"], material)
    facts += [tag("span", "dev ", on_dev)] if on_dev else []
    why = [opens("why: what the errors of its parent said", text(node["feedback"]))] if node["feedback"] else []
    below = [_node(child, nodes, path, material) for child in nodes if child["parent"] == node["id"]]
    said = tag("div", shortened(node["prompt"]), tag("div", facts, badges, class_="row"), why, class_="node")
    children = [tag("ul", below)] if below else []
    return tag("li", said, children, class_="on-path" if node["id"] in path else None)
