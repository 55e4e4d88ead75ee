"""An error on the command line names options of the command, never arguments of Python that it does not have."""

from __future__ import annotations

import pytest

from burnish.compiler.cli import _parser
from burnish.compiler.cli.remedies import OPTIONS, in_options

COMPILE = ("compile", "app:program", "--train", "t", "--metric", "m", "-o", "o", "--lm", "small")
RUN = ("run", "a.json", "{}")


@pytest.mark.parametrize(
    ("words", "message", "said"),
    [
        (COMPILE, "pass compile(..., lm=burnish.LM('model-name')), or", "pass --lm MODEL, or"),
        (COMPILE, "compile(..., encoder='text-embedding-3-small')", "--encoder text-embedding-3-small"),
        (COMPILE, "It needs Budget(calls=90, usd=2) or more.", "It needs --budget calls=90,usd=2 or more."),
        (COMPILE, "Budget() limits nothing.", "--budget limits nothing."),
        (COMPILE, "Budget(..., calls_per_example=N)", "--budget ...,calls_per_example=N"),
        (COMPILE, "LM('small', price=Price(input=0.15, output=0.60)) in", "--price 0.15,0.60 in"),
        (COMPILE, "LM(max_token=...): no parameter", "--param max_token=...: no parameter"),
        (COMPILE, "Pass other rows as valset= and holdout=.", "Pass other rows as --val and --holdout."),
        (COMPILE, "mark it with load_examples(..., inputs=[...]).", "mark it with --inputs A,B."),
        (COMPILE, "given by optimizer_lm=.", "given by --optimizer-lm."),
        (COMPILE, "Lower concurrency=, or", "Lower --concurrency, or"),
        (COMPILE, "min_gain=3.0 is not", "--min-gain 3.0 is not"),
        (RUN, "Pass load(path, program=YourModule()).", "Pass --program PROGRAM."),
        (RUN, "LM('gpt') goes to", "The model 'gpt' goes to"),
        (
            ("export", "a.json", "--to", "dspy"),
            "teleprompter=RandomDemos(formats=('chat',))",
            "--teleprompter app.py:search, where app.py has search = burnish.RandomDemos(formats=('chat',))",
        ),
        # What the command line has no option for stays as it is.
        (COMPILE, "with dspy.configure(lm=...)", "with dspy.configure(lm=...)"),
        (COMPILE, "LM('writer', price=Price(input=0.15, output=0.60))", None),
        (RUN, "Budget(calls=90)", None),
        (RUN, "valset=", None),
    ],
)
def test_python_becomes_an_option_where_the_command_has_it(words, message, said):
    assert in_options(message, vars(_parser().parse_args(words))) == (said or message)


EVERYTHING = {option.removeprefix("--").replace("-", "_"): None for option, _ in OPTIONS.values()}


@pytest.mark.parametrize(
    "message",
    [
        "There is no file none.jsonl in data/seed=1.",
        "There is no file seed=1/none.jsonl.",
        "the argument is not JSON: 'program=x, lm=gpt-4 concurrency=3'. Give an object",
        "row 3 holds {'review': \"isn't it, lm= said\"}",
        "inputs=['a'] is no list",
        "lm={} names no LM.",
        "Pass the encoder's name, or burnish.LM(name, base_url=).",
        "Pass Joint(steps=2, seed=3, budget=9) or none.",
        "the share of Budget(1 dollars, 5 seconds)",
        "compile(..., valset=your_rows[:10], holdout=rows[10:])",
        "program=x is no program",
    ],
)
def test_quoted_text_paths_and_other_calls_stay_as_they_are(message):
    assert in_options(message, EVERYTHING) == message


def test_apostrophes_hide_nothing_that_a_remedy_says():
    said = "the users' rows and the file's encoder: lower concurrency=, or don't."
    assert in_options(said, EVERYTHING) == said.replace("concurrency=", "--concurrency")
    assert in_options("margin=0.5. Or margin=-1, said 'x'", EVERYTHING) == "--margin 0.5. Or --margin -1, said 'x'"


def test_words_of_the_command_line_are_repeated_as_they_were_typed(shell):
    done = shell("probe", "a.json", "seed=1", "--metric", "exact_match:label")
    assert "--seed" not in done.err
    given = "program=x, lm=gpt-4 concurrency=3"
    done = shell("run", "a.json", given)
    assert "--" not in done.err


def test_a_probe_without_a_limit_in_calls_is_told_how_to_give_one(shell, compiled_program, reviews_):
    compiled_program().save("new.json")
    rows = shell.rows("rows.jsonl", reviews_(20))
    done = shell("probe", "new.json", rows, "--metric", "exact_match:label", "--budget", "usd=1", model="small")
    assert done.err == (
        "burnish: A probe is limited in calls, and this budget (1 dollars) is not. Give --budget calls=N.\n"
    )


def test_every_option_of_the_table_is_one_of_some_command():
    parsers = _parser()._subparsers._group_actions[0].choices.values()
    known = {option for parser in parsers for option in parser._option_string_actions}
    assert {option for option, _ in OPTIONS.values()} <= known


def test_a_compile_without_a_model_is_told_to_name_one(shell, reviews_):
    (shell.folder / "app.py").write_text("import burnish as b\nprogram = b.Predict('review -> label')\n")
    shell.rows("train.jsonl", reviews_(60))
    plan = ("plan", "app.py:program", "--train", "train.jsonl", "--metric", "exact_match:label")
    done = shell(*plan)
    assert done.err == (
        "burnish: No LM to compile for: pass --lm MODEL, or configure one with dspy.configure(lm=...). "
        "Nothing was spent.\n"
    )
    done = shell(*plan, "--budget", "calls=30", model="small")
    assert "It needs --budget calls=" in done.out
    assert "Budget(" not in done.out.replace("Plan for ", "")


def test_a_path_that_is_no_file_is_told_in_words_of_the_command_line(shell):
    done = shell("show", "none.json")
    assert done.err.endswith("Give a file that `burnish compile -o FILE` wrote.\n")
