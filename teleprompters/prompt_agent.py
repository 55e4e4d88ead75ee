"""PromptAgent: planning over prompts with tree search; errors are the actions, better prompts the states."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.example import Example
from .asking import MAX_LENGTH, USUAL, Writing, check_kinds, check_sizes
from .base import Forecast, Origin, Round, Score, Sizes, Workbench
from .draws import dealt, draw
from .instruction_search import InstructionSearch, Purse, document_of, note_cuts, round_of, wordings
from .prompt_agent_transition import CALLS, PromptAgentMetaPrompts, Transition
from .prompt_agent_tree import Node, Planning, Tree
from .reflection import CASE
from .wording import about, counted, of_predictors

Strategy: TypeAlias = Literal["mcts", "beam", "greedy", "monte_carlo"]
Choice: TypeAlias = Generator[Round, None, Node]  # the rounds, and in the end the prompt that comes out

MOST_PROMPTS = 50  # where the budget decides: published searches look at some fifty prompts
FEWEST_ROWS = 4  # of a reward, where the budget decides
LEAST_DEPTH, MOST_DEPTH = (
    3,
    8,
)  # where the budget decides: published rewards level off near 3, and 8 is the deepest tree


@dataclass(frozen=True)
class Shape:
    """What a search does with its share of the budget.

    rows: that a reward is the mean of. transitions: how many batches of rows can be paid, with all that follows them.
    expected: how many of them are likely to be made. kept: executions kept back for the finalists' full scores.
    """

    iterations: int
    depth: int
    width: int
    beam: int
    rows: int
    transitions: int
    expected: int
    finalists: int
    kept: int


@dataclass(frozen=True)
class PromptAgent(InstructionSearch):
    """Searches a tree of prompts. A step down is a prompt rewritten after a study of what went wrong with it.

    State: a prompt. Action: what the optimizer LM says of a batch of pool rows that the prompt got wrong. Transition:
    the optimizer LM rewrites the prompt, shown those cases, the action, and all prompts from the root to this one.
    Reward: the mean score on the reward rows, a part of dev or all of it. One iteration of "mcts":

    1. Selection: from the root, the child with the highest UCT, down to a prompt that nothing was made from yet.
    2. Expansion: `width` batches of rows give new prompts, which are scored on the reward rows.
    3. Simulation: on to the child with the highest reward, which is expanded in turn, until the depth limit; until
       a prompt below `min_depth` beats all that were visited before; or until one falls below the mean of its parent
       and the root, from which nothing is made any more.
    4. Back-propagation: every prompt on the path is credited with the rewards from itself to the end.

    In the end the path with the highest mean reward is taken, and from it the prompt with the highest reward. It and
    the next best, `finalists` of them, are scored on all of dev, where the reward rows were a part of it.

    strategy: "mcts"; "beam": level by level, the `beam` best of a level are expanded and their parents dropped;
        "greedy": the same with one; "monte_carlo": all prompts are made from the root.
    iterations: of "mcts", and of "monte_carlo", where one is an expansion of the root. depth: levels below the root.
    width: batches that a prompt is expanded with. reward_rows: a random sample of dev, the same for the whole search.
        None for any of these: what the budget pays for, with at most 50 prompts to a search.
    batch: rows in a batch. prompts: new ones to a batch. redraws: how often a batch is drawn anew in which nothing went
        wrong, before its successes are studied instead. threshold: the score from which an execution is right.
    planning: Planning(exploration, returns, min_depth). writing: how the optimizer LM writes. metaprompts: your own.

    The tree is kept in the run folder as prompt_agent_tree.json (with the predictor's path in the name where there are
    several), anew after every round.

    Raises ValueError on sizes below 1 and on an unknown strategy.
    Source: Wang et al. 2023, arXiv 2310.16427, sections 3 and 4, appendices. Differs on purpose: rewards and errors
    come from different rows (dev, pool); returns are means, so that visited and unvisited prompts can be compared
    (`paper()` has the sums); finished branches are not selected; a prompt of which nothing new came is tried twice
    more; what others find stands below the root, from the start and before every iteration or level; an edit is not
    paid for a reflection that only repeats an earlier one; when nothing goes wrong the redraws end; "beam" makes
    `width` batches for each prompt of a level (released: three prompts of one batch, below a root that is expanded
    first).
    """

    strategy: Strategy = "mcts"
    iterations: int | None = None
    depth: int | None = None
    width: int | None = None
    beam: int = 3
    reward_rows: int | None = None
    batch: int = 5
    prompts: int = 1
    redraws: int = 2
    finalists: int = 3
    threshold: float = 1.0
    planning: Planning = Planning()
    writing: Writing = Writing()
    metaprompts: PromptAgentMetaPrompts = PromptAgentMetaPrompts()

    def __post_init__(self) -> None:
        if self.strategy not in ("mcts", "beam", "greedy", "monte_carlo"):
            raise ValueError(
                f"PromptAgent(strategy={self.strategy!r}): known are 'mcts', 'beam', 'greedy' and 'monte_carlo'."
            )
        sizes = ("iterations", "depth", "width", "beam", "reward_rows", "batch", "prompts", "finalists")
        check_sizes("PromptAgent", **{name: getattr(self, name) for name in sizes})
        check_kinds(
            "PromptAgent",
            planning=(self.planning, Planning),
            threshold=(self.threshold, int | float),
            writing=(self.writing, Writing),
            metaprompts=(self.metaprompts, PromptAgentMetaPrompts),
        )
        object.__setattr__(self, "writing", self.writing.at(USUAL))
        if self.redraws < 0 or not math.isfinite(self.threshold):
            raise ValueError(
                f"PromptAgent(redraws={self.redraws}, threshold={self.threshold}): redraws are at least 0, and the "
                "threshold is a score."
            )

    @classmethod
    def paper(cls, **changes: Any) -> PromptAgent:
        """The published sizes: 12 iterations, depth 8, width 3, batches of 5, rewards on 150 rows, sums, weight 2.5.

        These are the paper's "Standard"; "Lite" is depth=4, "Wide" depth=6 with prompts=2.
        Source: Wang et al. 2023, section 4 and appendix; the number of reward rows varies there by task, 60 to 200.
        """
        settings = {"iterations": 12, "depth": 8, "width": 3, "reward_rows": 150, "planning": Planning(2.5, "sum", 2)}
        return cls(**{**settings, **changes})

    @classmethod
    def reference(cls, **changes: Any) -> PromptAgent:
        """The sizes of the released example configuration: 10 iterations, depth 5, width 3, rewards on 50 rows.

        Source: github.com/maitrix-org/PromptAgent.
        """
        return cls.paper(**{"iterations": 10, "depth": 5, "reward_rows": 50, **changes})

    def improve(self, bench: Workbench, predictor: str, purse: Purse) -> Iterator[Round]:
        growth = self.planted(bench, predictor, purse)
        if self.strategy == "mcts":
            chosen = yield from self.mcts(growth)
        elif self.strategy == "monte_carlo":
            chosen = yield from self.monte_carlo(growth)
        else:
            chosen = yield from self.beam_search(growth)
        finalists = growth.score_finalists(chosen)
        yield growth.round(f"{len(finalists)} scored on all rows", finalists)

    # strategies

    def mcts(self, growth: Growth) -> Choice:
        tree = growth.tree
        for iteration in range(1, growth.shape.iterations + 1):
            growth.plant(iteration)
            if not (tree.root.is_open and growth.affords_more):
                break
            node = tree.select()
            made = growth.expand(node, iteration)
            path, simulated = self.simulate(growth, node, iteration)
            tree.back_propagate(path)
            yield growth.round(f"iteration {iteration}", [*made, *simulated])
        return tree.best()

    def simulate(self, growth: Growth, node: Node, iteration: int) -> tuple[list[Node], list[Node]]:
        """The path from the root to where the rollout ends, and the nodes that were made on the way."""
        tree, made = growth.tree, list[Node]()
        while True:
            succeeded = tree.succeeds(node)
            tree.visit(node)
            if not (succeeded or node.end or node.expanded):
                made += growth.expand(node, iteration)
            if succeeded or node.end or not node.children:
                return tree.path(node), made
            node = max(node.children, key=lambda child: child.reward)

    def beam_search(self, growth: Growth) -> Choice:
        """The best of the last level that was reached; a better one on the way there is among the finalists."""
        beam = [growth.tree.root]
        for level in range(1, growth.shape.depth + 1):
            planted = growth.plant(level)
            made: list[Node] = []
            while not made and growth.affords_more and any(not node.end for node in beam):
                made = [child for node in beam if not node.end for child in growth.expand(node, level)]
            if not (made or planted):
                break
            children = list(dict.fromkeys([*planted, *(child for node in beam for child in node.children)]))
            beam = sorted(children, key=lambda child: -child.reward)[: growth.shape.beam]
            yield growth.round(f"level {level}", made)
        return beam[0]

    def monte_carlo(self, growth: Growth) -> Choice:
        for iteration in range(1, growth.shape.iterations + 1):
            growth.plant(iteration)
            made = growth.expand(growth.tree.root, iteration)
            if growth.tree.root.end or not growth.affords_more:
                break
            yield growth.round(f"iteration {iteration}", made)
        return growth.tree.ranking()[0]

    # sizes

    def shape(self, money: int, dev: int) -> Shape:
        """How large a tree, and how exact its rewards."""
        rows = self._rows(money, dev)
        finalists = 0 if rows == dev else max(1, min(self.finalists, money // (4 * dev)))
        kept = finalists * (dev - rows)
        affordable = max(0, money - kept) // self.price(rows)
        if self.iterations is None:
            affordable = min(affordable, max(1, MOST_PROMPTS // self.prompts))
        width = self.width or self._width(affordable)
        beam = 1 if self.strategy == "greedy" else max(1, min(self.beam, (affordable - width) // (2 * width)))
        iterations = self.iterations or max(1, affordable)
        if self.strategy == "mcts":
            # The first rollout goes all the way down and is to take half of the money; later ones end sooner.
            depth = self.depth or max(LEAST_DEPTH, min(MOST_DEPTH, affordable // (2 * width)))
            expected = width * (depth + iterations - 1)
        elif self.strategy == "monte_carlo":
            depth, expected = 1, width * iterations
        else:
            depth = self.depth or max(1, min(MOST_DEPTH, 1 + (affordable - width) // (beam * width)))
            expected = width * (1 + (depth - 1) * beam)
        return Shape(iterations, depth, width, beam, rows, affordable, min(affordable, expected), finalists, kept)

    def price(self, rows: int) -> int:
        """What a batch and all that follows from it costs."""
        return self.batch + CALLS + self.prompts * rows

    def _rows(self, money: int, dev: int) -> int:
        """As many rows to a reward as prompts can then be tried; more when money is left for more than are wanted."""
        if self.reward_rows is not None:
            return min(self.reward_rows, dev)
        each = money // MOST_PROMPTS - (self.batch + CALLS) // self.prompts
        rows = max(FEWEST_ROWS, math.isqrt(max(0, money)), each)
        # A few more rows for each cost no more than full scores at the end, and say more.
        return dev if 2 * dev <= 3 * rows else rows

    def _width(self, affordable: int) -> int:
        least = 3 if affordable >= 12 else 2 if affordable >= 4 else 1
        return max(least, affordable // MOST_DEPTH) if self.strategy == "greedy" else least

    def forecast(self, sizes: Sizes) -> Forecast:
        shape = self.shape(sizes.executions // max(1, sizes.predictors), sizes.dev)
        prompts = shape.expected * self.prompts
        finalists = min(prompts, shape.finalists)
        executions = shape.expected * (self.batch + self.prompts * shape.rows) + finalists * (sizes.dev - shape.rows)
        full = f", the best {finalists} of them on all {sizes.dev}" if finalists else ""
        return Forecast(
            asks=sizes.predictors * shape.expected * CALLS,
            executions=min(sizes.executions, sizes.predictors * executions),
            summary=f"PromptAgent ({self.strategy}): {about(prompts, 'prompt')} for "
            f"{of_predictors(sizes.predictors)}, {shape.width} to an expansion and at most "
            f"{counted(shape.depth, 'level')} deep, scored on {counted(shape.rows, 'row')} of dev{full}.",
            reply_tokens=self.writing.max_tokens,
            read_characters=(shape.depth + 1) * (self.writing.max_length or MAX_LENGTH) + self.batch * CASE,
        )

    # the tree at the start

    def planted(self, bench: Workbench, predictor: str, purse: Purse) -> Growth:
        """The best that is known as the root, and below it what else is known that differs in this instruction only."""
        start = bench.known[0]
        shape = self.shape(purse.left, len(bench.dev))
        if self.strategy in ("mcts", "monte_carlo"):
            iterations = shape.transitions // shape.width - (shape.depth - 1 if self.strategy == "mcts" else 0)
            note_cuts(self, bench, predictor, iterations=max(0, iterations))
        rows = tuple(draw(bench.dev, shape.rows, bench.rng("reward rows of PromptAgent")))
        rng = bench.rng(f"PromptAgent on {predictor}")
        transition = Transition(
            bench,
            predictor,
            dealt(bench.pool, self.batch, rng),
            redraws=self.redraws,
            prompts=self.prompts,
            threshold=self.threshold,
            writing=self.writing,
            metaprompts=self.metaprompts,
            told_cost=self.told_cost,
            rng=rng,
        )
        # Only "mcts" prunes.
        planning = self.planning if self.strategy == "mcts" else replace(self.planning, min_depth=shape.depth)
        tree = Tree(start.candidate, self.known_reward(start, rows), shape.depth, planning)
        growth = Growth(bench, predictor, purse, self, shape, rows, tree, transition)
        growth.plant(0)
        return growth

    def known_reward(self, known: Score, rows: tuple[Example, ...]) -> float:
        """The reward of what has a score on all of dev."""
        values = dict(zip(known.examples, known.values, strict=True))
        chosen = tuple(row.digest for row in rows)
        return self.preference(Score(known.candidate, tuple(values[digest] for digest in chosen), chosen))


@dataclass
class Growth:
    """The tree of one predictor while it grows, and the money that it grows on."""

    bench: Workbench
    predictor: str
    purse: Purse
    settings: PromptAgent
    shape: Shape
    rows: tuple[Example, ...]
    tree: Tree
    transition: Transition
    _origins: dict[Candidate, Origin] = field(default_factory=dict)
    _met: set[Candidate] = field(default_factory=set)
    _made: int = 0

    @property
    def left(self) -> int:
        return self.purse.left - self.shape.kept

    @property
    def affords_more(self) -> bool:
        return self._transitions() > 0

    def _transitions(self) -> int:
        return min(self.shape.transitions - self._made, self.left // self.settings.price(len(self.rows)))

    def plant(self, iteration: int) -> list[Node]:
        """Hangs what others have found since the last time below the root: the best `width` of it, at no cost."""
        root, held = self.tree.root, {node.candidate for node in self.tree.nodes} | self._met
        found = [one for one in wordings(self.bench, root.candidate, self.predictor) if one.candidate not in held]
        self._met.update(one.candidate for one in found)
        return [
            self.tree.add(root, known.candidate, self.settings.known_reward(known, self.rows), iteration=iteration)
            for known in found[: self.shape.width]
        ]

    def expand(self, node: Node, iteration: int) -> list[Node]:
        """New nodes below this one, with their rewards: of `width` batches, or of as many as can be paid."""
        count = min(self.shape.width, self._transitions())
        if count < 1:
            return []
        self._made += count
        path = [above.candidate for above in self.tree.path(node)]
        spare = self.left - count * self.settings.price(len(self.rows))
        made = self.transition(path, count, spare)
        edits = {edit.text: edit for edit in reversed(made)}
        texts, max_length = [edit.text for edit in made], self.settings.writing.max_length
        admitted = self.bench.admit(node.candidate, self.predictor, texts, max_length=max_length)
        node.expanded = bool(admitted)
        if not admitted:
            self.tree.note_barren(node)
        # Replies that had to be asked for again may have eaten the money for the last of them.
        admitted = admitted[: max(0, self.left // len(self.rows))]
        used = [edits[candidate.prompt(self.predictor).instruction] for candidate in admitted]
        for candidate, edit in zip(admitted, used, strict=True):
            detail = {
                "predictor": self.predictor,
                "iteration": iteration,
                "parent": node.number,
                "studied": "successes" if edit.ascends else "errors",
                "rows": [case.example.digest for case in edit.reflection.about.cases],
            }
            self._origins[candidate] = Origin("PromptAgent", "transition", detail)
        rewards = [self.settings.preference(score) for score in self._scores(admitted, node.candidate)]
        return [
            self.tree.add(node, candidate, reward, feedback=edit.reflection.text, iteration=iteration)
            for candidate, reward, edit in zip(admitted, rewards, used, strict=True)
        ]

    def _scores(self, candidates: list[Candidate], parent: Candidate) -> list[Score]:
        if len(self.rows) < len(self.bench.dev):
            return self.bench.score(candidates, self.rows)
        origins = [self._origins[candidate] for candidate in candidates]
        return self.bench.score(candidates, origin=origins, parents=[parent])

    def score_finalists(self, chosen: Node) -> list[Node]:
        """The chosen node and the next best on all of dev, one after the other: what was scored before a cut counts."""
        known = {score.candidate for score in self.bench.known}
        ranking = [node for node in dict.fromkeys([chosen, *self.tree.ranking()]) if node.candidate not in known]
        each = max(1, len(self.bench.dev) - len(self.rows))
        affordable = max(self.shape.finalists, self.purse.left // each)
        finalists = ranking[: min(self.settings.finalists, affordable)]
        for node in finalists:
            parents = [node.parent.candidate] if node.parent else []
            self.bench.score([node.candidate], origin=self._origins[node.candidate], parents=parents)
        return finalists

    def round(self, name: str, nodes: list[Node]) -> Round:
        """What is yielded, after the tree was kept."""
        document = document_of(self.bench, "prompt_agent_tree", self.predictor)
        self.bench.keep(document, self.tree.to_json(self.predictor))
        return round_of(self.bench, f"{self.predictor}: {name}", [node.candidate for node in nodes])
