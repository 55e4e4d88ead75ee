from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys

import numpy
import optuna
import pytest
from optuna.samplers import (
    BruteForceSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from burnish.teleprompters.joint.study import PartStudy, check_maker, tpe

CHOICES = {"a.instruction": ("i0", "i1", "i2"), "a.demonstrations": ("d0", "d1"), "b.format": ("f0", "f1")}
WALK = """
import json
from burnish.teleprompters.joint.study import PartStudy, tpe

choices = {"a.instruction": ("i0", "i1", "i2"), "a.demonstrations": ("d0", "d1"), "b.format": ("f0", "f1")}
study, walked = PartStudy(tpe, 7), []
for step in range(6):
    for names in study.ask(choices, 3):
        walked.append(names)
        study.tell(names, (len(walked) * 37 % 11) / 11)
print(json.dumps(walked))
"""


def walk(study, steps=6, choices=CHOICES):
    """Asks and tells in turn; the values depend on the number of the trial alone."""
    walked = []
    for _ in range(steps):
        for names in study.ask(choices, 3):
            walked.append(names)
            study.tell(names, (len(walked) * 37 % 11) / 11)
    return walked


def test_equal_seeds_and_equal_values_give_equal_asks_whatever_the_global_generators_hold():
    random.seed(1)
    numpy.random.seed(1)
    first = walk(PartStudy(tpe, 7))
    random.seed(2)
    numpy.random.seed(2)
    assert walk(PartStudy(tpe, 7)) == first
    assert walk(PartStudy(tpe, 8)) != first


@pytest.mark.parametrize("hash_seed", ["1", "77"])
def test_another_process_asks_the_same_whatever_its_hashes(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ran = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(ran.stdout) == walk(PartStudy(tpe, 7))


@pytest.mark.parametrize("make", [tpe, TPESampler, RandomSampler], ids=lambda make: make.__name__)
def test_what_joins_a_pool_is_proposed(make):
    study = PartStudy(make, 0)
    old = [f"old {n}" for n in range(4)]
    for number in range(40):
        study.tell({"slot": old[number % 4], "other": "x"}, 0.5 + 0.1 * (number % 4))
    study.ask({"slot": old}, 4)
    asked = [names["slot"] for names in study.ask({"slot": [*old, "new"]}, 40)]
    assert "new" in asked


def test_a_slot_that_gets_a_choice_only_later_is_learnt_from_what_was_told_before():
    study = PartStudy(tpe, 0)
    for _ in range(5):
        study.tell({"instruction": "i0", "format": "f0"}, 0.2)
    assert all(set(names) == {"instruction"} for names in study.ask({"instruction": ("i0", "i1")}, 3))
    for number in range(40):
        study.tell({"instruction": f"i{number % 2}", "format": "f1"}, 0.9)
        study.tell({"instruction": f"i{number % 2}", "format": "f0"}, 0.2)
    asked = study.ask({"instruction": ("i0", "i1"), "format": ("f0", "f1")}, 20)
    assert sum(names["format"] == "f1" for names in asked) > 12


def test_the_better_part_is_asked_for_more_often_than_the_worse():
    study = PartStudy(tpe, 3)
    for number in range(30):
        names = {slot: choices[number % len(choices)] for slot, choices in CHOICES.items()}
        study.tell(names, 0.9 if names["a.instruction"] == "i2" else 0.3)
    asked = [names["a.instruction"] for names in study.ask(CHOICES, 30)]
    assert asked.count("i2") > asked.count("i0") + asked.count("i1")


@pytest.mark.parametrize(
    "make",
    [
        RandomSampler,
        TPESampler,
        NSGAIISampler,
        NSGAIIISampler,
        BruteForceSampler,
        functools.partial(TPESampler, n_startup_trials=2, multivariate=False),
        functools.partial(QMCSampler, warn_independent_sampling=False, warn_asynchronous_seeding=False),
    ],
    ids=["random", "tpe", "nsga2", "nsga3", "brute", "partial", "qmc"],
)
@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")], ids=len)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_any_sampler_of_optuna_serves(make, directions):
    if isinstance(make, functools.partial) and make.func is QMCSampler:
        pytest.importorskip("scipy")

    def asked():
        study, walked = PartStudy(make, 5, directions), []
        for step in range(8):  # more than there are combinations
            for names in study.ask(CHOICES, 3):
                assert all(names[slot] in choices for slot, choices in CHOICES.items())
                walked.append(names)
                study.tell(names, *([0.1 * step] * len(directions)))
        return walked

    assert asked() == asked()


def test_a_population_of_nsga2_grows_from_what_it_proposed_itself():
    study = PartStudy(functools.partial(NSGAIISampler, population_size=6, mutation_prob=0.05), 0)
    for _ in range(60):
        for names in study.ask(CHOICES, 1):
            study.tell({**names, "no choice": "only"}, 0.9 if names["a.instruction"] == "i2" else 0.3)
    late = [names["a.instruction"] for names in study.ask(CHOICES, 20)]
    assert late.count("i2") > 14


@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")], ids=len)
def test_a_sampler_that_fails_after_its_first_random_trials_is_refused_before_the_search(directions):
    class Fails(RandomSampler):
        def sample_independent(self, study, trial, name, distribution):
            if len(study.trials) > 10:
                raise ModuleNotFoundError("No module named 'torch'")
            return super().sample_independent(study, trial, name, distribution)

    with pytest.raises(ValueError, match=r"proposes nothing after 64 trials.*No module named 'torch'.*install"):
        check_maker(Fails, directions)


def test_with_two_directions_both_count():
    study = PartStudy(tpe, 1, ("maximize", "minimize"))
    worth = {"bad": (0.1, 500.0), "dear": (0.9, 900.0), "cheap": (0.9, 100.0)}
    for number in range(45):
        name = list(worth)[number % 3]
        study.tell({"slot": name}, *worth[name])
    asked = [names["slot"] for names in study.ask({"slot": tuple(worth)}, 30)]
    assert asked.count("cheap") > asked.count("dear")
    assert asked.count("cheap") > asked.count("bad")


@pytest.mark.parametrize("level", [optuna.logging.INFO, optuna.logging.ERROR])
def test_optuna_says_nothing_here_and_as_much_as_before_elsewhere(level, capfd):
    before = optuna.logging.get_verbosity()
    try:
        optuna.logging.set_verbosity(level)
        walk(PartStudy(tpe, 0), steps=2)
        study = PartStudy(tpe, 0)
        study.tell({slot: choices[0] for slot, choices in CHOICES.items()}, 1.0)
        with pytest.raises(ValueError, match="not in"):
            study.ask({slot: choices[1:] for slot, choices in CHOICES.items()}, 1)
        assert optuna.logging.get_verbosity() == level
        assert "study created" not in capfd.readouterr().err
    finally:
        optuna.logging.set_verbosity(before)


def test_no_global_generator_is_touched():
    random.seed(5)
    numpy.random.seed(5)
    expected = (random.random(), float(numpy.random.random()))
    random.seed(5)
    numpy.random.seed(5)
    walk(PartStudy(tpe, 0), steps=3)
    assert (random.random(), float(numpy.random.random())) == expected
