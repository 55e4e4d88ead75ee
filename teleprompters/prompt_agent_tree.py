"""A tree of prompts: states, how good they were, which one to look at next, and the whole of it as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON

Returns: TypeAlias = Literal["sum", "mean"]
BARREN = 3  # expansions without anything new after which nothing more is made from a node

End: TypeAlias = Literal["", "depth limit", "pruned", "nothing new"]


@dataclass(frozen=True)
class Planning:
    """How a tree is searched.

    exploration: what a node gains in UCT for having been visited less often than its siblings.
    returns: what goes back to a node after a rollout, the rewards from it to the path's end as a "sum" (as published)
        or as their "mean". Sums of long paths lie far above the one reward of a node that was not visited yet, which is
        then hardly ever tried; a mean can be compared with it. The weight belongs to the scale: 2.5 was published for
        sums; 0.5 is that for paths of five nodes, made means.
    min_depth: a rollout is neither cut short by success nor a node pruned at this depth or above.

    Raises ValueError on an unknown kind of returns and on negative numbers.
    """

    exploration: float = 0.5
    returns: Returns = "mean"
    min_depth: int = 2

    def __post_init__(self) -> None:
        if self.returns not in ("sum", "mean"):
            raise ValueError(f"Planning(returns={self.returns!r}): known are 'sum' and 'mean'.")
        if not (math.isfinite(self.exploration) and self.exploration >= 0) or self.min_depth < 0:
            raise ValueError(f"{self}: exploration and min_depth are finite and at least 0.")


@dataclass(eq=False)
class Node:
    """A state: a candidate, its reward, and where it stands in the tree.

    number: its place in the order of making, from 0 for the root. feedback: the action that led here, the optimizer
    LM's words; "" where there was none. iteration: the one that made it; 0 before the first.
    returns: one for each rollout that went through it. barren: expansions of which nothing new came. end: why nothing
    is made from it, or "".
    """

    number: int
    candidate: Candidate
    reward: float
    parent: Node | None = None
    feedback: str = ""
    iteration: int = 0
    end: End = ""
    expanded: bool = False
    barren: int = 0
    children: list[Node] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def value(self) -> float:
        """Q: the mean of its returns; its reward before the first visit."""
        return sum(self.returns) / len(self.returns) if self.returns else self.reward

    @property
    def is_open(self) -> bool:
        """Whether anything is left to be made from it or below it."""
        return any(child.is_open for child in self.children) or not (self.end or self.expanded)


class Tree:
    """The states of one search, each once, under the root it starts from.

    depth: from which nothing is made any more.
    """

    def __init__(self, root: Candidate, reward: float, depth: int, planning: Planning) -> None:
        self.depth, self.planning = depth, planning
        self.root = Node(0, root, reward)
        self.nodes = [self.root]
        self.paths: list[list[Node]] = []  # of the rollouts
        self.best_visited = reward

    def add(self, parent: Node, candidate: Candidate, reward: float, *, feedback: str = "", iteration: int = 0) -> Node:
        node = Node(len(self.nodes), candidate, reward, parent, feedback, iteration)
        if node.depth >= self.depth:
            node.end = "depth limit"
        elif node.depth > self.planning.min_depth and reward < (self.root.reward + parent.reward) / 2:
            node.end = "pruned"
        parent.children.append(node)
        self.nodes.append(node)
        return node

    def note_barren(self, node: Node) -> None:
        """That an expansion brought nothing new. Writers have bad luck: it ends only after `BARREN` of them."""
        node.barren += 1
        if node.barren == BARREN:
            node.end = "nothing new"

    def path(self, node: Node) -> list[Node]:
        """From the root to the node."""
        return [node] if node.parent is None else [*self.path(node.parent), node]

    def select(self) -> Node:
        """From the root to the child with the highest UCT, again and again, down to a node without children of its own.

        Only where something is left to be made: a finished branch costs no iteration.
        """
        node = self.root
        while node.expanded or node.end:
            node = max((child for child in node.children if child.is_open), key=self.uct)
        return node

    def uct(self, node: Node) -> float:
        visits = len(node.parent.returns) if node.parent else 0
        return node.value + self.planning.exploration * math.sqrt(math.log(visits + 1) / max(1, len(node.returns)))

    def succeeds(self, node: Node) -> bool:
        """Whether a rollout may stop here: deep enough, and better than all that rollouts have come through before."""
        return node.depth > self.planning.min_depth and node.reward > self.best_visited

    def visit(self, node: Node) -> None:
        self.best_visited = max(self.best_visited, node.reward)

    def back_propagate(self, path: Sequence[Node]) -> None:
        """Hands every node of the path the rewards from itself to the end, and keeps the path."""
        for start, node in enumerate(path):
            rewards = [follower.reward for follower in path[start:]]
            node.returns.append(sum(rewards) / (len(rewards) if self.planning.returns == "mean" else 1))
        self.paths.append(list(path))

    def ranking(self) -> list[Node]:
        """Highest reward first, of equal ones the older."""
        return sorted(self.nodes, key=lambda node: -node.reward)

    def best(self) -> Node:
        """The node with the highest reward on the rollout path whose rewards have the highest mean."""
        if not self.paths:
            return self.ranking()[0]
        path = max(self.paths, key=lambda path: sum(node.reward for node in path) / len(path))
        return max(path, key=lambda node: node.reward)

    def to_json(self, predictor: str) -> JSON:
        """The tree as data, to be drawn: its nodes in the order of making, and each rollout's nodes by number."""
        return {
            "predictor": predictor,
            "returns": self.planning.returns,
            "exploration": self.planning.exploration,
            "nodes": [
                {
                    "id": node.number,
                    "parent": None if node.parent is None else node.parent.number,
                    "depth": node.depth,
                    "iteration": node.iteration,
                    "reward": node.reward,
                    "visits": len(node.returns),
                    "q": node.value,
                    "terminal": node.end,
                    "prompt": node.candidate.prompt(predictor).instruction,
                    "feedback": node.feedback,
                    "candidate": node.candidate.digest,
                }
                for node in self.nodes
            ],
            "rollouts": [[node.number for node in path] for path in self.paths],
        }
