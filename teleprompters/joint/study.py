"""The Optuna study that a joint search learns from: parts by their names, pools that grow, one seed a trial."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna
    from optuna.samplers import BaseSampler

SamplerMaker: TypeAlias = Callable[..., Any]  # (seed=...) -> an Optuna sampler
Direction: TypeAlias = Literal["maximize", "minimize"]
Names: TypeAlias = Mapping[str, str]  # what stands in each slot, by name

_LONG = 64  # trials: samplers begin with random ones, a dozen or so


class PartStudy:
    """Trials over categorical parts. A pool that has grown makes a new study, in which all old trials are again.

    Growing the choices of a study is refused by Optuna, and growing ranges of numbers silently never propose what is
    new; a new study with the old trials under the wider choices keeps what was learnt, and costs a millisecond a trial.
    Each trial has a sampler of its own, seeded by the run's seed and the trial's number: so what is proposed depends on
    the seed and the values told alone, also in a run that is resumed. What a sampler notes on a trial that it proposed
    (NSGA-II: its generation) stays with it.

    directions: "maximize" or "minimize", one a value.
    """

    def __init__(self, make_sampler: SamplerMaker, seed: int, directions: Sequence[Direction] = ("maximize",)) -> None:
        self._make, self._seed, self._directions = make_sampler, seed, tuple(directions)
        self._told: list[tuple[Names, tuple[float, ...], dict[str, Any]]] = []
        self._noted: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}  # on open trials, by parts
        self._choices: dict[str, tuple[str, ...]] = {}
        self._study: optuna.Study | None = None
        self._asked = 0

    def tell(self, names: Names, *values: float) -> None:
        """What a combination gave. names: of all its slots, also those that have no choice yet."""
        parts = frozenset((slot, names[slot]) for slot in self._choices)
        self._told.append((dict(names), values, self._noted.pop(parts, {})))
        self._study = None  # built anew with it when the next one is asked for

    def ask(self, choices: Mapping[str, Sequence[str]], count: int) -> list[dict[str, str]]:
        """Combinations to try next, possibly known or equal ones. choices: of every slot that has any, by name."""
        with _quiet():
            study = self._study_over({slot: tuple(names) for slot, names in choices.items()})
            asked = []
            for _ in range(count):
                study.sampler = self._sampler()
                trial = study.ask()  # stays open until the next are told, so that a batch does not repeat itself
                names = {slot: str(trial.suggest_categorical(slot, known)) for slot, known in self._choices.items()}
                self._noted[frozenset(names.items())] = study.get_trials(deepcopy=False)[-1].system_attrs
                asked.append(names)
        return asked

    def _sampler(self) -> BaseSampler:
        mark = hashlib.sha256(f"{self._seed} {self._asked}".encode()).digest()
        self._asked += 1
        sampler: BaseSampler = self._make(seed=int.from_bytes(mark[:4], "big"))
        return sampler

    def _study_over(self, choices: dict[str, tuple[str, ...]]) -> optuna.Study:
        if self._study is None or choices != self._choices:
            self._choices = choices
            self._study = self._built()
        return self._study

    def _built(self) -> optuna.Study:
        import optuna

        study = optuna.create_study(directions=self._directions)
        kinds: dict[str, Any] = {
            slot: optuna.distributions.CategoricalDistribution(names) for slot, names in self._choices.items()
        }
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={slot: names[slot] for slot in kinds},
                    distributions=kinds,
                    values=list(values),
                    system_attrs=noted,
                )
                for names, values, noted in self._told
            ]
        )
        return study


def check_maker(make: SamplerMaker, directions: Sequence[Direction]) -> None:
    """Raises ValueError that says what is wanted for what makes no Optuna sampler when it is called with a seed, and
    what went wrong for one that cannot propose parts after a long search: one that needs a package, for example.
    """
    from optuna.samplers import BaseSampler

    wanted = "Joint(sampler=...) wants what makes an Optuna sampler, called with seed=: a sampler's class or a function"
    try:
        made = make(seed=0)
    except Exception as error:
        raise ValueError(f"{wanted}. {make!r:.80} raised {type(error).__name__}: {error}") from error
    if not isinstance(made, BaseSampler):
        raise ValueError(f"{wanted}. {make!r:.80} gave {made!r:.80}.")
    study, choices = PartStudy(make, 0, directions), {"one": ("a", "b", "c"), "other": ("d", "e")}
    for number in range(_LONG):
        names = {slot: parts[number % len(parts)] for slot, parts in choices.items()}
        study.tell(names, *(float(number % 7) for _ in directions))
    try:
        study.ask(choices, 1)
    except Exception as error:  # whatever the sampler, which is the user's choice, raises
        raise ValueError(
            f"Joint(sampler={made!r:.80}): it proposes nothing after {_LONG} trials of {len(directions)} values: "
            f"{type(error).__name__}: {error} Take another sampler, or install what it needs."
        ) from error


def tpe(seed: int) -> BaseSampler:
    """Optuna's tree-structured Parzen estimator over all parts at once.

    A handful of random trials is enough: the parts were tried one by one before they are combined.
    """
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=4)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says at level INFO that it creates a study; here that is no news."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
