"""Frozen files that pick demonstrations per query: the same picks in production, or a clear refusal on load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import burnish
from burnish import CompiledProgram, FrozenError, LMError, ReplyError, SchemaError
from burnish.compiler.cli import main
from burnish.compiler.frozen.document import parse_document
from burnish.compiler.lm.failures import ContextOverflow
from burnish.signatures.prompt import DemoRule
from burnish.testing import ScriptedLM, ScriptedServer

SCHEMA = Path(__file__).parents[2] / "docs" / "frozen-file.schema.json"
NAME = "some-encoder"
RULES = {
    "bm25": DemoRule("bm25", 2),
    "tfidf": DemoRule("tfidf", 2),
    "vectors": DemoRule("vectors", 2, encoder=NAME),
}
TEMPLATE = ("predictors", "self", "template")


@pytest.fixture
def by_vectors(compiled_program):
    def build(**options):
        return compiled_program(**{"demos": 6, "rule": RULES["vectors"], "format": "plain", **options})

    return build


@pytest.fixture
def encode(turned):
    """As the demonstrations were embedded: by the number in a text."""
    return lambda texts: [turned(int("".join(c for c in text if c.isdigit()) or 0)) for text in texts]


def encoder(encode, model=NAME, **options):
    return ScriptedLM([], model=model, embed=lambda text: encode([text])[0], **options)


def always(text):
    return lambda messages, params: text


# the same picks everywhere


@pytest.mark.parametrize("selector", RULES)
def test_a_file_renders_the_same_messages_in_a_fresh_process_without_dspy_and_numpy(
    selector, compiled_program, tmp_path, encode
):
    compiled = compiled_program(demos=6, rule=RULES[selector], live_encoder=encoder(encode))
    queries = [{"review": text} for text in ("Größe 3", "nothing", "Größe 5 <b>", "Größe 1 <b> and Größe 4")]
    path = compiled.save(tmp_path / "rule.json")
    program = f"""
import json, math, sys
import burnish

def encode(texts):
    steps = [int("".join(c for c in text if c.isdigit()) or 0) for text in texts]
    return [[math.cos(step / 4), math.sin(step / 4), 0.25] for step in steps]

loaded = burnish.load({str(path)!r}, lm=lambda messages, params: "x", encoder=encode)
print(json.dumps([loaded.to_messages(**query) for query in {queries!r}]))
assert not {{"dspy", "optuna", "numpy", "openai", "aiohttp"}} & set(sys.modules), "too much was imported"
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [compiled.to_messages(**query) for query in queries]
    assert len({str(messages) for messages in json.loads(done.stdout)}) > 1


def test_the_query_is_embedded_once_and_then_asked_with_what_it_is_closest_to(by_vectors, encode, tmp_path):
    lm, vectors = ScriptedLM(["positive"], model="small"), encoder(encode)
    classify = burnish.load(by_vectors().save(tmp_path / "p.json"), lm=lm, encoder=vectors)
    assert classify(review="Größe 3").label == "positive"
    assert [call["input"] for call in vectors.calls] == [["Größe 3"]]
    shown = str(lm.calls[0]["messages"])
    picked = [n for n in range(6) if f"Größe {n} <b>" in shown]
    assert len(picked) == 2
    assert 3 in picked
    assert {2, 4} & set(picked)
    assert lm.calls[0]["messages"] == classify.to_messages(review="Größe 3")


def test_a_reask_does_not_embed_again(by_vectors, encode, tmp_path):
    lm, vectors = ScriptedLM(["perhaps", "positive"], model="small"), encoder(encode)
    classify = burnish.load(by_vectors(reply_policy="reask").save(tmp_path / "p.json"), lm=lm, encoder=vectors)
    assert classify(review="Größe 3").label == "positive"
    assert (len(lm.calls), len(vectors.calls)) == (2, 1)


def test_several_inputs_are_embedded_by_name_and_wrong_ones_are_refused_before_any_call(by_vectors, encode, tmp_path):
    vectors = encoder(encode)
    classify = burnish.load(by_vectors().save(tmp_path / "p.json"), lm=always("positive"), encoder=vectors)
    classify(review="Größe 3", hint="no")
    assert vectors.calls[0]["input"] == ["review: Größe 3\nhint: no"]
    with pytest.raises(SchemaError, match="'review' is missing"):
        classify.to_messages(hint="no")
    with pytest.raises(SchemaError, match="unknown"):
        classify.to_messages(review="x", film="y")
    assert len(vectors.calls) == 1


def test_inputs_too_long_for_the_encoder_are_a_reply_error_of_that_row(by_vectors, tmp_path):
    def refuse(text):
        raise ContextOverflow("too long")

    vectors = ScriptedLM([], model=NAME, embed=refuse)
    classify = burnish.load(by_vectors().save(tmp_path / "p.json"), lm=always("positive"), encoder=vectors)
    with pytest.raises(ReplyError, match=r"predictor 'self'.*do not fit the encoder's context"):
        classify(review="x" * 10)


def test_the_encoder_of_the_file_is_reached_over_http(by_vectors, encode, tmp_path, monkeypatch):
    path = by_vectors().save(tmp_path / "p.json")
    with ScriptedServer(lambda messages, body: "positive") as server:
        server.script._embed = lambda text: encode([text])[0]
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        classify = burnish.load(path)  # both models as the environment says
        assert classify(review="Größe 3").label == "positive"
        assert sorted(server.bodies[0]) == ["input", "model"]
        other = burnish.load(path, lm=always("positive"), encoder=burnish.LM(NAME, base_url=server.base_url))
        assert other.to_messages(review="Größe 3") == classify.to_messages(review="Größe 3")


def test_a_compiled_program_and_its_module_embed_with_the_encoder_of_the_compile(by_vectors, encode, tmp_path):
    pytest.importorskip("dspy")
    vectors = encoder(encode)
    lm = ScriptedLM(["positive"] * 2, model="small")
    compiled = by_vectors(live_lm=lm, live_encoder=vectors)
    assert compiled(review="Größe 3").label == "positive"
    loaded = CompiledProgram.load(compiled.save(tmp_path / "p.json"))
    assert loaded.to_dspy(lm=lm, encoder=vectors)(review="Größe 4").label == "positive"
    assert len(vectors.calls) == 2
    with pytest.raises(FrozenError, match="picks demonstrations by vectors"):
        loaded.to_dspy(lm=lm, encoder=ScriptedLM([], model="another"))


def test_one_can_go_on_from_the_prompts_of_a_loaded_file(by_vectors, tmp_path):
    compiled = by_vectors()
    loaded = CompiledProgram.load(compiled.save(tmp_path / "p.json")).candidate
    assert loaded == compiled.candidate
    assert [demo.vector for demo in loaded.demos] == [demo.vector for demo in compiled.candidate.demos]
    assert loaded.with_prompt("self", instruction="Judge.").encoders == (NAME,)


# who embeds is settled on load


def test_a_file_whose_encoder_is_missing_or_another_is_refused_on_load_with_what_to_pass(by_vectors, encode, tmp_path):
    path = by_vectors().save(tmp_path / "p.json")
    with pytest.raises(FrozenError, match=rf"vectors of '{NAME}', which cannot be asked.*key.*encoder=.*base_url"):
        burnish.load(path, lm=always("x"))
    for other in (encoder(encode, model="another"), "another", encoder(encode, dimensions=2)):
        with pytest.raises(FrozenError, match=rf"vectors of '{NAME}', and encoder= is .*cannot be compared"):
            burnish.load(path, lm=always("x"), encoder=other)
    with pytest.raises(FrozenError, match="is no encoder"):
        burnish.load(path, lm=always("x"), encoder=3)
    for fits in (encode, encoder(encode), burnish.LM(NAME, base_url="http://127.0.0.1:9/v1")):
        burnish.load(path, lm=always("x"), encoder=fits)


def test_a_local_encoder_and_one_of_the_extra_are_refused_on_load_where_they_are_not_installed(
    by_vectors, tmp_path, monkeypatch
):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    for name, said in (
        ('local/smollm2-135m-instruct {"local":{}}', r"cannot be asked.*burnish\[local\].*encoder="),
        ("sentence-transformers:m", r"cannot be asked.*encoder=.*burnish\.SentenceTransformer\("),
    ):
        path = by_vectors(rule=DemoRule("vectors", 2, encoder=name)).save(tmp_path / "asks.json")
        with pytest.raises(FrozenError, match=said):
            burnish.load(path, lm=always("x"))


def test_a_file_names_no_folder_and_no_model_of_a_hub_that_is_then_loaded(by_vectors, encode, tmp_path, monkeypatch):
    import sys

    engine = tmp_path / "model.gguf"
    engine.write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # whatever looks for it fails
    for name in (
        f"local/{engine}",
        "local/model.gguf",
        'local/model.gguf {"local":{"sha256":"0"}}',
        "sentence-transformers:all-MiniLM-L6-v2",
        f'sentence-transformers:m {{"revision":"{"ab" * 20}"}}',
        f"sentence-transformers:{tmp_path}",
        f'sentence-transformers:{tmp_path.name} {{"files":"0"}}',
    ):
        path = by_vectors(rule=DemoRule("vectors", 2, encoder=name)).save(tmp_path / "asks.json")
        with pytest.raises(FrozenError, match=r"cannot be asked.*yourself.*load\(path, encoder="):
            burnish.load(path, lm=always("x"))
        assert burnish.load(path, lm=always("positive"), encoder=encode)(review="x").label == "positive"


def test_an_encoder_that_answers_with_other_vectors_is_noticed_at_the_call(by_vectors, tmp_path):
    path = by_vectors().save(tmp_path / "p.json")
    with pytest.raises(SchemaError, match="2 numbers and those of the demonstrations have 3"):
        burnish.load(path, lm=always("positive"), encoder=lambda texts: [[1.0, 2.0]])(review="x")
    with pytest.raises(LMError, match="did not answer with vectors"):
        burnish.load(path, lm=always("positive"), encoder=lambda texts: [[float("nan")]])(review="x")


def test_a_file_that_compares_no_vectors_does_not_look_at_the_encoder(compiled_program, tmp_path):
    path = compiled_program(rule=RULES["tfidf"], format="plain").save(tmp_path / "p.json")
    assert burnish.load(path, lm=always("positive"), encoder="whatever")(review="x").label == "positive"


def test_files_of_vectors_are_read_and_shown_without_their_encoder(by_vectors, tmp_path):
    loaded = CompiledProgram.load(by_vectors().save(tmp_path / "p.json"))
    assert f'"encoder": "{NAME}"}}, 3 numbers a vector' in loaded.show()


# what the file holds


def test_the_golden_vectors_check_the_picks_without_an_encoder(by_vectors, resealed):
    document = by_vectors().document
    goldens = document["goldens"]
    assert all(len(golden["vector"]) == 4 for golden in goldens)
    assert len({golden["request"] for golden in goldens}) == len(goldens)
    vectors = document["predictors"]["self"]["template"]["demo_vectors"]
    vectors.reverse()
    with pytest.raises(FrozenError, match="does not render what was scored"):
        parse_document(resealed(document), "p.json")


def test_a_vector_is_one_line_and_is_written_once(by_vectors, tmp_path):
    compiled = by_vectors()
    text = compiled.save(tmp_path / "p.json").read_text(encoding="utf-8")
    vectors = compiled.document["predictors"]["self"]["template"]["demo_vectors"]
    lines = [line.strip(" ,") for line in text.split('"demo_vectors": [')[1].split("]")[0].splitlines()]
    assert [line for line in lines if line] == [f'"{vector}"' for vector in vectors]
    assert '"vector"' not in text.split('"goldens"')[0]


def test_files_without_vectors_do_not_speak_of_them(compiled_program):
    for rule in (None, RULES["bm25"], RULES["tfidf"]):
        text = json.dumps(compiled_program(rule=rule).document)
        assert "vector" not in text
        assert "encoder" not in text


HOSTILE = {
    "no vectors": (("demo_vectors",), [], "demo_vectors: not one for each"),
    "a vector too few": (("demo_vectors",), ["AQID"], "demo_vectors: not one for each"),
    "vectors that are no list": (("demo_vectors",), {"0": "AQID"}, "is not a list"),
    "a vector that is a number": (("demo_vectors", 0), 7, r"demo_vectors\[0\]: 7 is not a text"),
    "a vector that is no base64": (("demo_vectors", 1), "AQI*", r"demo_vectors\[1\]: not the bytes of a vector"),
    "an empty vector": (("demo_vectors", 1), "", r"demo_vectors\[1\]: not the bytes of a vector"),
    "a vector of another length": (("demo_vectors", 1), "AQI=", "not all of one length"),
    "a selector of tomorrow": (("rule", "selector"), "knn", "rule.selector: 'knn' is unknown"),
    "vectors for words": (("rule", "selector"), "bm25", "rule.encoder: a rule that compares vectors names one"),
    "an encoder without a name": (("rule", "encoder"), "", "rule.encoder: no encoder is named"),
    "an encoder that is a list": (("rule", "encoder"), [NAME], "rule.encoder: .* is not a text"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_table_is_refused_and_the_place_named(name, by_vectors, resealed):
    path, value, message = HOSTILE[name]
    document = by_vectors().document
    place = document
    for step in (*TEMPLATE, *path[:-1]):
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(FrozenError, match=message):
        parse_document(resealed(document), "p.json")


def test_vectors_where_the_rule_compares_words_and_goldens_of_another_length_are_refused(
    by_vectors, compiled_program, resealed
):
    document = compiled_program(rule=RULES["tfidf"]).document
    document["predictors"]["self"]["template"]["demo_vectors"] = ["AQID", "AQID"]
    with pytest.raises(FrozenError, match="demo_vectors: not one for each"):
        parse_document(resealed(document), "p.json")
    for vector, message in (("AQI=", "golden inputs"), ("*", r"goldens\[0\].vector"), (None, r"goldens\[0\].vector")):
        document = by_vectors().document
        document["goldens"][0]["vector"] = vector
        with pytest.raises(FrozenError, match=message):
            parse_document(resealed(document), "p.json")
    document = by_vectors().document
    del document["goldens"][0]["vector"]
    with pytest.raises(FrozenError, match="takes the vector of the query"):
        parse_document(resealed(document), "p.json")


def test_whatever_stands_anywhere_in_a_file_of_vectors_it_loads_or_is_refused(by_vectors, resealed, encode):
    original = by_vectors(demos=2, decision="keep", finalist="Judge.").document

    def places(value, path=()):
        yield path
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in inner:
            yield from places(item, (*path, key))

    about = {"rule", "demo_vectors", "demo_inputs", "goldens", "demos"}
    known = [path for path in places(original) if about & set(path)]
    values = (
        st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["AQID", "AQI=", "tfidf", "vectors"])
        | st.lists(st.sampled_from(["AQID", "gICA", 3]), max_size=3) | st.dictionaries(st.text(max_size=3), st.none())
    )  # fmt: skip

    @settings(
        deadline=None,
        max_examples=150,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.sampled_from(known), values, st.booleans())
    def check(path, value, removed):
        document = json.loads(json.dumps(original))
        place = document
        for step in path[:-1]:
            place = place[step]
        if removed:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        with suppress(FrozenError):
            loaded = CompiledProgram(parse_document(resealed(document), "fuzzed.json"), live_encoder=encoder(encode))
            loaded.show()
            loaded.to_messages(review="Größe 1")

    check()


def test_files_of_every_rule_fit_the_published_json_schema(compiled_program, by_vectors):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for compiled in (*(compiled_program(rule=rule, demos=3) for rule in RULES.values()), by_vectors(finalist="Judge.")):
        validator.validate(compiled.document)
    broken = by_vectors().document
    broken["predictors"]["self"]["template"]["demo_vectors"] = []
    assert not validator.is_valid(broken)


def test_a_diff_names_the_rule_and_vectors_that_changed(by_vectors, compiled_program):
    from burnish.compiler.frozen.diff import differences
    from burnish.compiler.frozen.diff_text import diff_text

    def diff(one, other):
        return diff_text(differences(one, other))

    old, words = by_vectors().document, compiled_program(demos=6, rule=RULES["tfidf"], format="plain").document
    for text in (diff(old, words), diff(words, old)):
        assert "rule: " in text
        assert "text of the demonstrations" not in text
    new = by_vectors().document
    new["predictors"]["self"]["template"]["demo_vectors"][0] = "AQID"
    assert diff(old, new) == "predictor self\n  vectors of the demonstrations: changed\n"


# the command line


def test_the_commands_run_and_score_a_file_with_the_encoder_that_is_named(
    by_vectors, encode, tmp_path, monkeypatch, capsys
):
    path = str(by_vectors().save(tmp_path / "p.json"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"review": f"Größe {n}", "label": "positive"}) + "\n" for n in range(4)))
    with ScriptedServer(lambda messages, body: "positive") as server:
        server.script._embed = lambda text: encode([text])[0]
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert main(["run", path, '{"review": "Größe 3"}', "--encoder", NAME]) == 0
        assert json.loads(capsys.readouterr().out) == {"label": "positive"}
        for _ in range(2):
            assert main(["eval", path, str(rows), "--metric", "exact_match:label"]) == 0
            assert "100.0 on 4 examples" in capsys.readouterr().out
        assert server.billable == 2 + 8  # the second evaluation was answered by the cache
        assert main(["eval", path, str(rows), "--metric", "exact_match:label", "--encoder", "another"]) == 1
        assert "cannot be compared" in capsys.readouterr().err
