from __future__ import annotations

import pytest

from burnish.teleprompters.base import Origin
from burnish.teleprompters.induction import Proposal, admitted


@pytest.fixture
def proposing(bench, make_student):
    """proposing((text, parent's instruction), ...): what was admitted, with the number of the proposal; the events."""

    def run(*proposed, **options):
        world = bench(lambda candidate, example: 0.0)
        parents = {text: world.student.with_prompt("self", instruction=text) for _, text in proposed}
        proposals = [
            Proposal(text, parents[parent], Origin("test", f"proposal {number}"))
            for number, (text, parent) in enumerate(proposed)
        ]
        made = admitted(world, "self", proposals, **options)
        named = [(candidate.prompt("self").instruction, proposal.origin.move) for candidate, proposal in made.items()]
        return named, world.events

    return run


def test_every_repeated_proposal_of_a_batch_is_counted_and_the_first_of_them_is_where_the_candidate_comes_from(
    proposing,
):
    made, events = proposing(*((text, "Go.") for text in ("Do it.", "Do it well.", "Do it.", "Do it.", "Do it well.")))
    assert made == [("Do it.", "proposal 0"), ("Do it well.", "proposal 1")]
    assert events == [("rejected", "duplicate")] * 3


def test_what_was_proposed_for_one_parent_is_not_made_again_for_another(proposing):
    made, events = proposing(("Do it.", "Go."), ("Do it.", "Run."), ("Do it well.", "Run."))
    assert made == [("Do it.", "proposal 0"), ("Do it well.", "proposal 2")]
    assert events == [("rejected", "duplicate")]


def test_a_proposal_that_does_not_pass_the_guard_rails_makes_no_candidate(proposing):
    made, events = proposing(("Do it.", "Go."), ("Do it very well.", "Go."), max_length=10)
    assert made == [("Do it.", "proposal 0")]
    assert events == [("rejected", "too long")]
