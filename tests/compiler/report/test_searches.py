"""What users may rely on: the report draws how each search went about it, and marks what became the finalist."""

from __future__ import annotations

from report_pages import Page

from burnish.compiler.report.html import Html, tag
from burnish.compiler.report.lineage_section import ancestors, lineage_section
from burnish.compiler.report.material import Material, Scored, Words
from burnish.compiler.report.searches import pictures
from burnish.compiler.report.searches.parts import LONG, MOST
from burnish.teleprompters.base import Spend

FINALIST = "f" * 64


def material(kept=None, *records: Scored, candidates=None, evidence=None) -> Material:
    student = Scored(0, "s" * 64, 0.2, 10, 0, "student", "as given", spent=Spend(10))
    found = Scored(9, FINALIST, 0.9, 10, 0, "Some", "move", {}, ("s" * 64,), Spend(90))
    run = {"student": "s" * 64, "range": [0.0, 1.0]}
    return Material("run", None, run, {}, [student, *records, found], candidates or {}, kept=kept or {})


def drawn(of: Material) -> Page:
    return Page(tag("main", list(pictures(of))))


def node(number, parent, candidate="", **more):
    plain = {"depth": 1, "iteration": number, "reward": 0.5, "visits": 2, "q": 0.5, "terminal": "", "feedback": ""}
    said = {"id": number, "parent": parent, "prompt": f"Prompt {number}.", "candidate": candidate or str(number)}
    return {**said, **plain, **more}


def classes(page: Page, name: str) -> list[str]:
    return [attributes.get("class") or "" for element, attributes in page.elements if element == name]


def test_nothing_is_drawn_of_a_search_that_kept_nothing():
    assert list(pictures(material())) == []


def test_of_prompt_agent_the_tree_is_drawn_with_the_path_to_the_finalist():
    nodes = [node(0, None), node(1, 0, feedback="It was too short."), node(2, 0), node(3, 1, FINALIST)]
    page = drawn(material({"prompt_agent_tree": {"nodes": nodes, "rollouts": []}}))
    assert classes(page, "li") == ["on-path", "on-path", "on-path", ""]  # 0, 1, 3, then 2
    assert "It was too short." in page.text
    assert page.text.index("Prompt 1.") < page.text.index("Prompt 3.") < page.text.index("Prompt 2.")


def test_a_long_instruction_in_a_tree_is_shortened_and_can_be_read_whole():
    said = "word " * LONG + "end"
    page = drawn(material({"prompt_agent_tree": {"nodes": [node(0, None, prompt=said)], "rollouts": []}}))
    assert "word …" in page.text
    assert page.text.count("end") == 1


def test_a_tree_that_is_too_large_to_be_drawn_says_how_much_is_left_out():
    nodes = [node(0, None), *(node(number, 0) for number in range(1, MOST + 50))]
    assert "50 more nodes are not drawn" in drawn(material({"prompt_agent_tree": {"nodes": nodes}})).text


def test_of_apo_each_round_says_what_was_made_and_what_stayed():
    made = {"instruction": "New.", "move": "edit", "reason": "It said too little.", "candidate": FINALIST}
    gone = {"instruction": "Gone.", "move": "paraphrase", "reason": "", "candidate": "1" * 64}
    rounds = [{"expanded": ["Old."], "successors": [made, gone], "beam": ["New.", "Old."]}]
    page = drawn(material({"apo_rounds": rounds}))
    assert "1 instruction expanded, 2 successors, 1 of them in the beam of 2" in page.text
    assert page.text.count("stayed") == 1
    assert "It said too little." in page.text
    assert "finalist" in page.text


def test_of_opro_the_trajectory_is_drawn_in_the_order_in_which_it_came():
    steps = [{"instruction": f"Say {n}.", "score": n / 10, "move": f"step {n}", "candidate": str(n)} for n in range(5)]
    page = drawn(material({"opro_trajectory_judge": steps}))
    (scores,) = [attributes["data-steps"] for _, attributes in page.elements if "data-steps" in attributes]
    assert scores == "[0.0, 0.1, 0.2, 0.3, 0.4]"
    assert "The trajectory (judge)" in page.text
    assert page.text.index("Say 1.") < page.text.index("Say 4.")


def test_an_arm_of_a_joint_search_is_named_where_its_own_picture_is_drawn():
    steps = [{"instruction": "Say.", "score": 0.5, "move": "step 1", "candidate": "1"}]
    assert "The trajectory (OPRO)" in drawn(material({"OPRO_opro_trajectory": steps})).text


def test_of_joint_the_parts_and_the_portfolio_are_drawn():
    part = {"predictor": "self", "kind": "instruction", "source": "APE", "with": 0.9, "without": 0.7}
    unscored = {**part, "kind": "format", "predictor": "judge", "without": None}
    arms = [
        {"arm": "APE", "turns": 3, "calls": 200, "gain": 0.1},
        {"arm": "OPRO", "turns": 1, "calls": 50, "gain": 0.0},
    ]
    page = drawn(material({"joint": {"parts": [part, unscored], "portfolio": arms}}))
    assert "instruction APE 70.0 90.0 +20.0" in page.text
    assert "format of judge APE not scored" in page.text
    assert "APE 3 200 +10.0" in page.text
    assert "OPRO 1 50 0.0" in page.text


def test_of_abo_each_version_of_the_steps_says_whether_it_was_accepted():
    plain = {"move": "refinement", "refinement": 1, "steps": ["Read.", "Answer."], "demonstration": "Step 1: Read."}
    pairs = [
        {**plain, "candidate": "1", "obedience": 0.75, "dev": 0.4, "accepted": False, "reasons": ["It did not read."]},
        {**plain, "candidate": FINALIST, "obedience": None, "dev": 0.9, "accepted": True},
    ]
    page = drawn(material({"abo": {"predictor": "self", "pairs": pairs}}))
    assert "obeys 75 % of its steps" in page.text
    assert "It did not read." in page.text
    assert page.text.index("refused") < page.text.index("accepted finalist")


def test_of_a_curriculum_the_orders_of_each_set_stand_beside_each_other():
    orders = ("easy to hard", "hard to easy", "random")
    records = [
        Scored(
            n,
            str(n),
            0.5 + n / 10,
            10,
            0,
            "CurriculumICL",
            "demonstrations",
            {"order": o, "set": 1, "predictor": "self"},
        )
        for n, o in enumerate(orders, 1)
    ]
    page = drawn(material(None, *records))
    assert "set easy to hard hard to easy random set 1 60.0 70.0 80.0" in page.text


def test_the_lineage_leads_from_the_student_to_the_finalist_with_what_changed():
    middle = Scored(3, "m" * 64, 0.5, 10, 0, "APE", "induction", {"reason": "Because."}, ("s" * 64,), Spend(50))
    words = ("Answer.", "Answer well.", "Answer very well.")
    digests = ("s" * 64, "m" * 64, FINALIST)
    settings = {"role": "task", "params": {}, "reply_policy": "none"}
    said = {d: {"self": Words(w, (), "chat", "system", None, settings)} for d, w in zip(digests, words, strict=True)}
    finalist = Scored(9, FINALIST, 0.9, 10, 0, "Some", "move", {}, ("m" * 64,), Spend(90))
    student = Scored(0, "s" * 64, 0.2, 10, 0, "student", "as given", spent=Spend(10))
    found = Material("run", None, {"student": "s" * 64}, {}, [student, middle, finalist], said)
    assert [one.candidate for one in ancestors(found)] == list(digests)
    page = Page(Html(lineage_section(found)))
    assert "Because." in page.text
    assert ("ins", {}) in page.elements
    assert page.text.index("student, as given") < page.text.index("APE, induction") < page.text.index("Some, move")
