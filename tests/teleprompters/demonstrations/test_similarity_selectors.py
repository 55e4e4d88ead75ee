from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from burnish.signatures.errors import LMError
from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo, DemoRule
from burnish.teleprompters.demonstrations.base import Chosen, Shot, Supply
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.order.similarity import BySimilarity
from burnish.teleprompters.demonstrations.select.cover import CoverLS
from burnish.teleprompters.demonstrations.select.dpp import DPP, greedy_map
from burnish.teleprompters.demonstrations.select.facility import FacilityLocation, facilities
from burnish.teleprompters.demonstrations.select.kmeans import KMeans, clustered, seeded, standardised
from burnish.teleprompters.demonstrations.select.knn import Nearest
from burnish.teleprompters.demonstrations.select.vote_k import VoteK
from burnish.teleprompters.demonstrations.supply import supply_of
from burnish.teleprompters.demonstrations.vectors import centrality, cosines, tfidf, unit, vectors_of
from burnish.testing import check_teleprompter

SETS = (KMeans(), KMeans(balanced=True), DPP(), FacilityLocation(), VoteK(), CoverLS())  # static, and no executions


@pytest.fixture
def supply(bench):
    """supply(texts, k=.., labels=.., vectors=..): shots of these reviews; vectors: what the encoder says of each."""

    def build(texts, k=2, labels=None, vectors=None, money=10**6):
        table = dict(zip(texts, vectors or [], strict=False))
        world = bench(lambda candidate, example: 0.5, embed_of=vectors and table.__getitem__)
        labels = labels or [("negative", "positive")[number % 2] for number in range(len(texts))]
        rows = [
            Example.of({"review": text, "label": label}, ("review",)) for text, label in zip(texts, labels, strict=True)
        ]
        shots = tuple(Shot(row, Demo.of(row.values)) for row in rows)
        return Supply(world, world.student, "self", shots, k, money)

    return build


def places(given, chosen):
    """Which of the supply's shots were chosen, by number."""
    return [[shot.row for shot in given.shots].index(shot.row) for shot in chosen.shots]


def the_set(selector, given):
    (chosen,) = selector.select(given)
    return chosen


def names(count):
    return [f"t{number}" for number in range(count)]


def around(*centres, each=6, spread=0.05, seed=1):
    """Points around each centre, the first of each exactly on it."""
    rng = np.random.default_rng(seed)
    made = []
    for centre in centres:
        moves = rng.normal(size=(each - 1, len(centre))) * spread
        made += [list(centre), *(np.array(centre) + moves - moves.mean(axis=0)).tolist()]
    return made


# vectors


def test_without_an_encoder_texts_are_compared_by_the_words_that_they_share(supply):
    given = supply(["red red wine", "red wine", "a blue sky", "!!!"])
    similar = cosines(vectors_of(given, [given.question(shot) for shot in given.shots]))
    assert similar[0, 1] > 0.9
    assert similar[0, 2] == similar[0, 3] == 0
    assert similar[3, 3] == 0  # no word: like nothing, not even itself
    assert given.bench.events[-1][1]["by"] == "TF-IDF"


def test_tf_idf_rows_have_the_written_weights(supply):
    rows = tfidf(["a a b", "b"])
    rare, common = math.log(3 / 2) + 1, math.log(3 / 3) + 1
    length = math.hypot(2 * rare, common)
    assert rows == pytest.approx(np.array([[2 * rare / length, common / length], [0, 1]]))


def test_vectors_of_an_encoder_are_brought_to_length_one(supply):
    given = supply(["a", "b"], vectors=[[3.0, 4.0], [0.0, 0.0]])
    assert vectors_of(given, ["a", "b"]).tolist() == [[0.6, 0.8], [0.0, 0.0]]
    assert given.bench.events[-1][1]["by"] == "fake-encoder"


def test_a_row_is_as_central_as_its_cosines_with_the_whole_pool_are_on_average():
    vectors = unit(np.random.default_rng(3).normal(size=(9, 4)) + 1)
    averages = cosines(vectors).mean(axis=1)
    assert centrality(vectors) == pytest.approx(averages / np.linalg.norm(vectors.mean(axis=0)), abs=1e-8)


# Nearest


@pytest.mark.parametrize("order", ["closest_last", "closest_first"])
def test_nearest_is_a_rule_over_the_whole_pool(supply, order):
    given = supply(["red wine", "white wine", "blue sky", "grey sky"], k=2)
    chosen = the_set(Nearest(order=order), given)
    assert chosen.shots == given.shots
    assert chosen.rule == DemoRule("tfidf", 2, order)
    messages = given.shown(chosen).prompt("self").template.render({"review": "what a red wine"})
    shown = [m["content"] for m in messages if "wine" in m["content"] and m["role"] == "user"]
    assert "red" in shown[-2 if order == "closest_last" else 0]
    assert not any("sky" in message["content"] for message in messages)


def test_with_an_encoder_the_rule_names_it_and_every_demonstration_carries_its_vector(supply):
    given = supply(["a", "b"], k=1, vectors=[[1.0, 0.0], [0.0, 1.0]])
    chosen = the_set(Nearest("encoder"), given)
    assert chosen.rule == DemoRule("vectors", 1, "closest_last", "fake-encoder")
    assert [shot.demo.vector for shot in chosen.shots] == [
        Demo.of({}).with_vector(vector).vector for vector in ([1.0, 0.0], [0.0, 1.0])
    ]
    assert given.shown(chosen).prompt("self").template.encoder == "fake-encoder"


def test_without_the_encoder_it_was_asked_to_use_nearest_says_what_to_use_instead(supply):
    with pytest.raises(LMError, match="Nearest\\(encoder='tfidf'\\)"):
        list(Nearest("encoder").select(supply(["a", "b"])))


# KMeans


def test_k_means_shows_the_middle_of_each_planted_cluster_the_largest_first(supply):
    vectors = around((1, 0, 0), (0, 1, 0), each=7) + around((0, 0, 1), each=5)
    given = supply(names(19), k=3, vectors=vectors)
    chosen = the_set(KMeans(), given)
    sizes = [int(reason.split()[5]) for reason in chosen.reasons]
    assert sizes == [7, 7, 5]
    assert [place // 7 for place in places(given, chosen)] == [0, 1, 2]


def test_the_representative_is_the_row_nearest_to_its_clusters_mean():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    clusters = clustered(rows, 4, random.Random(0))
    owner = np.array(clusters.owner)
    for cluster, (size, row) in zip(sorted(set(clusters.owner)), clusters.representatives(), strict=True):
        members = rows[owner == cluster]
        squares = ((members - members.mean(axis=0)) ** 2).sum(axis=1)
        assert size == len(members)
        assert clusters.distance[row] == pytest.approx(squares.min())


def test_clusters_are_at_rest_every_row_with_the_nearest_mean():
    rows = np.random.default_rng(2).normal(size=(60, 2))
    owner = np.array(clustered(rows, 5, random.Random(1)).owner)
    means = np.array([rows[owner == cluster].mean(axis=0) for cluster in range(5)])
    squares = ((rows[:, None] - means[None]) ** 2).sum(axis=2)
    assert (squares.argmin(axis=1) == owner).all()


def test_with_enough_starts_the_best_partition_of_a_small_pool_is_found():
    rows = np.random.default_rng(5).normal(size=(8, 2))

    def spread(owner):
        parts = [rows[[n for n, one in enumerate(owner) if one == cluster]] for cluster in set(owner)]
        return sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)

    best = min(spread(owner) for owner in itertools.product(range(3), repeat=8))
    rng = random.Random(0)
    assert min(clustered(rows, 3, rng).spread for _ in range(30)) == pytest.approx(best)


def test_seeds_are_drawn_in_proportion_to_their_squared_distance():
    rows, rng = np.array([[0.0], [1.0], [3.0]]), random.Random(0)
    drawn = [seeded(rows, 2, rng)[:, 0].tolist() for _ in range(4000)]
    after_zero = [second for first, second in drawn if first == 0]
    assert after_zero.count(3.0) / len(after_zero) == pytest.approx(9 / 10, abs=0.03)


def test_dimensions_are_standardised_so_that_a_large_one_does_not_decide():
    rows = standardised(np.array([[100.0, 1.0, 5.0], [300.0, 2.0, 5.0]]))
    assert rows.tolist() == [[-1, -1, 0], [1, 1, 0]]


def test_equal_vectors_make_fewer_shots_than_k(supply):
    given = supply(names(5), k=3, vectors=[[1.0, 0.0]] * 4 + [[0.0, 1.0]])
    assert places(given, the_set(KMeans(), given)) == [0, 4]
    assert len(the_set(KMeans(), supply(["!", "?", "."], k=2)).shots) == 1


def test_balanced_clusters_give_each_class_an_equal_share(supply):
    labels = ["positive"] * 15 + ["negative"] * 5
    vectors = around((1, 0), (0, 1), (-1, 0), (0, -1), each=5)
    for balanced, expected in ((True, 2), (False, 1)):
        given = supply(names(20), k=4, labels=labels, vectors=vectors)
        chosen = the_set(KMeans(balanced=balanced), given)
        assert [shot.row.values["label"] for shot in chosen.shots].count("negative") == expected


def test_a_class_too_small_for_its_share_leaves_it_to_the_others(supply):
    given = supply(names(12), k=6, labels=["positive"] * 11 + ["negative"])
    chosen = the_set(KMeans(balanced=True), given)
    assert [shot.row.values["label"] for shot in chosen.shots].count("negative") == 1
    assert len(set(places(given, chosen))) == 6


# DPP


def random_pool(size, seed, scale=0.5):
    """S, the weights and K = diag(r) S diag(r) of random vectors."""
    vectors = unit(np.random.default_rng(seed).normal(size=(size, 5)) + 0.5)
    relevance = (centrality(vectors) + 1) / 2
    similar, r = (cosines(vectors) + 1) / 2, np.exp((relevance - relevance.max()) / (2 * scale))
    return similar, (relevance - relevance.max()) / scale, np.diag(r) @ similar @ np.diag(r)


def log_det(matrix, some):
    return np.linalg.slogdet(matrix[np.ix_(some, some)])[1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.1, 0.5])
def test_greedy_steps_are_those_of_brute_force_and_what_they_add_sums_to_the_log_determinant(seed, scale):
    similar, weights, kernel = random_pool(9, seed, scale)
    gains = greedy_map(similar, weights, 4)
    chosen = []
    for _ in range(4):
        left = [place for place in range(9) if place not in chosen]
        chosen.append(max(left, key=lambda place: log_det(kernel, [*chosen, place])))
    assert list(gains) == chosen
    assert sum(gains.values()) == pytest.approx(log_det(kernel, chosen))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_not_far_from_the_best_subset_of_all(seed):
    similar, weights, kernel = random_pool(10, seed)
    best = max(log_det(kernel, some) for some in itertools.combinations(range(10), 3))
    assert sum(greedy_map(similar, weights, 3).values()) >= best - math.log(2)


def test_greedy_ends_where_nothing_new_is_left_instead_of_dividing_by_nothing():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert list(greedy_map((cosines(vectors) + 1) / 2, np.zeros(4), 4)) == [0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_vectors_that_depend_on_the_chosen_ones_are_left_out_however_many_k_asks_for(supply, seed):
    vectors = np.random.default_rng(seed).normal(size=(30, 3))
    chosen = the_set(DPP(), supply(names(30), k=12, vectors=vectors.tolist()))
    assert len(chosen.shots) == 4  # S has a rank of one more than the dimensions


def test_a_tiny_scale_ranks_by_relevance_and_still_gives_k_shots(supply):
    given = supply(names(8), k=5, vectors=around((1, 0, 0, 0, 0, 0), each=8, spread=0.5))
    relevance = centrality(unit(np.array(given.bench.embed(names(8)))))
    assert places(given, the_set(DPP(scale=1e-6), given)) == sorted(range(8), key=lambda n: -relevance[n])[:5]


def test_a_dpp_takes_one_of_two_alike_and_shows_the_most_relevant_first(supply):
    vectors = [[1.0, 0.05, 0.0], [1.0, 0.0, 0.05], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    given = supply(names(4), k=3, vectors=vectors)
    chosen = the_set(DPP(scale=5.0), given)
    assert sorted(places(given, chosen))[1:] == [2, 3]
    relevance = [float(reason.split()[1].rstrip(",")) for reason in chosen.reasons]
    assert relevance == sorted(relevance, reverse=True)


def test_a_small_scale_means_relevance_and_a_large_one_diversity(supply):
    vectors = [*around((1, 0.2, 0), each=10, spread=0.02), [-1.0, 0.2, 0.0], [0.0, 0.0, 1.0]]
    near = the_set(DPP(scale=0.005), given := supply(names(12), k=3, vectors=vectors))
    assert set(places(given, near)) <= set(range(10))
    far = the_set(DPP(scale=100.0), given)
    assert {10, 11} <= set(places(given, far))


# Facility location


@pytest.mark.parametrize("seed", range(5))
def test_facility_location_is_greedy_and_close_to_the_best_set(seed):
    similar = cosines(unit(np.random.default_rng(seed).normal(size=(10, 4))))

    def worth(some):
        return (similar[:, list(some)].max(axis=1) + 1).sum()

    chosen = facilities(similar, 3)
    for step in range(3):
        assert worth(chosen[: step + 1]) == pytest.approx(max(worth([*chosen[:step], one]) for one in range(10)))
    best = max(map(worth, itertools.combinations(range(10), 3)))
    assert worth(chosen) >= (1 - 1 / math.e) * best


def test_facility_location_says_how_many_rows_each_shot_stands_for(supply):
    given = supply(names(12), k=2, vectors=around((1, 0, 0), each=8) + around((0, 1, 0), each=4))
    chosen = the_set(FacilityLocation(), given)
    assert chosen.reasons == ("nearest to 8 rows", "nearest to 4 rows")
    assert [place // 8 for place in places(given, chosen)] == [0, 1]


# Ordering


def test_by_similarity_puts_the_most_typical_shot_next_to_the_question(supply):
    vectors = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.7, 0.7], [1.0, 0.1]]
    given = supply(names(5), vectors=vectors)
    chosen = Chosen((given.shots[3], given.shots[1], given.shots[2]), ("x", "y", "z"))
    (last,) = BySimilarity().arrange(given, chosen)
    assert places(given, last) == [2, 1, 3]
    assert last.reasons == ("z", "y", "x")
    (first,) = BySimilarity(closest_last=False).arrange(given, chosen)
    assert places(given, first) == [3, 1, 2]


def test_shots_that_are_no_rows_of_the_pool_have_no_part_in_its_mean(supply):
    given = supply(["wine", "red wine"], k=2)
    made = [Shot(given.shots[0].row, Demo.of({"review": text, "label": "positive"})) for text in ("sky", "wine now")]
    (arranged,) = BySimilarity().arrange(given, Chosen.of(made, "made"))
    assert [shot.demo.values["review"] for shot in arranged.shots] == ["sky", "wine now"]


def test_a_rule_and_an_empty_set_are_given_back_as_they_are(supply):
    given = supply(["a", "b"])
    for chosen in (the_set(Nearest(), given), Chosen((), ())):
        assert list(BySimilarity().arrange(given, chosen)) == [chosen]
    assert not given.bench.events


# All of them


@pytest.mark.parametrize("selector", SETS)
def test_every_static_selector_gives_k_different_shots_with_reasons_and_runs_nothing(supply, selector):
    for k in (1, 3, 6):
        given = supply([f"{word} number {n} says {n * n}" for n, word in enumerate("abcdef")], k=k)
        chosen = the_set(selector, given)
        assert len(set(places(given, chosen))) == k
        assert all(chosen.reasons)
        assert chosen.rule is None
    assert not given.bench.executed
    assert not given.bench.asked
    assert selector.cost(400, 8, 100) == 0
    assert selector.embeddings(400, 8, 100) == (0 if isinstance(selector, CoverLS) else 7)


@pytest.mark.parametrize("selector", [*SETS, Nearest()])
def test_a_small_pool_one_class_and_free_text_are_no_obstacle(supply, selector):
    (whole,) = selector.select(supply(["one wine", "two skies"], k=9))
    assert len(whole.shots) == 2
    (one_class,) = selector.select(supply(["one wine", "two skies", "three"], labels=["positive"] * 3))
    assert len(one_class.shots) >= 2
    (free,) = selector.select(supply(["one wine", "two skies", "three"], labels=["a b", "c d", "e f"]))
    assert len(free.shots) >= 2
    assert list(selector.select(supply([], k=0))) == []


@pytest.mark.parametrize("selector", SETS)
def test_choices_are_the_same_every_time_and_for_every_predictor_its_own_inputs_count(bench, make_student, selector):
    program = make_student(think=(("review",), ("label",)), say=(("review",), ("label",)))
    world = bench(lambda candidate, example: 0.5, given=program)
    first, again = (the_set(selector, supply_of(world, program, "say", k=4, money=100)) for _ in range(2))
    assert first == again
    assert len(first.shots) == 4


def test_settings_that_mean_nothing_are_refused_by_value():
    for make, said in (
        (lambda: Nearest("bert"), "encoder='bert'"),
        (lambda: Nearest(order="random"), "order='random'"),
        (lambda: KMeans(starts=0), "starts=0"),
        (lambda: DPP(scale=0), "scale=0"),
        (lambda: DPP(scale=math.nan), "scale=nan"),
        (lambda: CoverLS(size=0), "size=0"),
        (lambda: VoteK(neighbours=0), "neighbours=0"),
        (lambda: VoteK(samples=1), "samples=1"),
    ):
        with pytest.raises(ValueError, match=said):
            make()


@pytest.mark.slow
@pytest.mark.parametrize("selector", [*SETS, Nearest(), VoteK(fast=False, samples=2)], ids=repr)
def test_compiles_with_every_selector_conform(selector):
    check_teleprompter(Demonstrations(select=selector, order=BySimilarity(), k=2), limits=(7, 70))


@pytest.mark.slow
@pytest.mark.parametrize("selector", [Nearest("encoder"), KMeans()], ids=repr)
def test_compiles_with_an_encoder_conform(selector):
    def embed(text):
        drawn = random.Random(text)
        return [drawn.random() - 0.5 for _ in range(8)]

    check_teleprompter(Demonstrations(select=selector, order=BySimilarity(), k=2), limits=(7, 70), embed=embed)
