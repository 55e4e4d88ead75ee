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
