"""The frozen file: what is in it, that nothing in it can change unseen, and that nothing in it can do harm."""

from __future__ import annotations

import errno
import json
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import burnish
from burnish import CompiledProgram, FrozenError
from burnish.compiler.frozen.document import document_text, parse_document
from burnish.signatures.prompt import DemoRule

SCHEMA = Path(__file__).parents[2] / "docs" / "frozen-file.schema.json"
bounded = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def saved(compiled_program, tmp_path):
    return compiled_program().save(tmp_path / "sentiment.json")


# what is in it


def test_a_saved_program_loads_and_says_the_same(compiled_program, saved):
    loaded = CompiledProgram.load(saved)
    assert loaded.document == compiled_program().document
    assert loaded.to_messages(review="Fine.") == compiled_program().to_messages(review="Fine.")
    assert loaded.verdict.decision == "ship"
    assert loaded.evidence["spent"]["search"]["calls"] == 12
    assert loaded.provenance == {"seed": 0, "metric": "exact_match('label')"}


def test_equal_programs_are_saved_as_equal_bytes(compiled_program, tmp_path):
    one, two = (compiled_program(format="json").save(tmp_path / name) for name in ("one.json", "two.json"))
    assert one.read_bytes() == two.read_bytes()


def test_the_order_in_which_evidence_was_gathered_does_not_show(compiled_program):
    from burnish.compiler.frozen.compiled import freeze

    program = compiled_program()
    texts = set()
    for evidence in ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}):
        from types import SimpleNamespace

        again = freeze(
            SimpleNamespace(kind="predictor", spec={}),
            program.candidate,
            lm={"model": "small"},
            verdict=program.document["verdict"],
            evidence=evidence,
            provenance={},
        )
        texts.add(document_text(again.document))
    assert len(texts) == 1


def test_the_file_holds_no_key_no_address_and_no_path(compiled_program, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.example.org:8000/v1")
    lm = burnish.LM("small", api_key="sk-other", base_url="http://host.example.org/v1")
    identity = {**lm.identity(), "extra_headers": {"X-Key": "sk-3"}}
    models = {"models": {"task": identity, "others": [identity]}}
    compiled = compiled_program(lm=identity, provenance=models, extra_headers={"X-Key": "sk-4"})
    text = document_text(compiled.document)
    for secret in ("sk-", "example.org", "8000", "http", str(tmp_path), str(Path.home())):
        assert secret not in text


def test_settings_in_the_file_are_those_that_are_sent(compiled_program):
    settings_ = compiled_program(temperature=0.7).document["predictors"]["self"]["settings"]
    assert settings_["params"] == {"temperature": 0.7, "max_tokens": 100}


def test_the_finalist_is_kept_when_the_verdict_holds_the_student(compiled_program, tmp_path):
    compiled = compiled_program(decision="keep", finalist="Judge the film.")
    assert compiled.document["holds"] == "student"
    assert compiled.candidate.prompt("self").instruction == "Classify the review."
    loaded = CompiledProgram.load(compiled.save(tmp_path / "kept.json")).finalist()
    assert loaded.candidate.prompt("self").instruction == "Judge the film."
    assert loaded.document["holds"] == "finalist"
    again = CompiledProgram.load(loaded.save(tmp_path / "finalist.json"))
    assert again.digest == loaded.digest
    assert again.finalist() is again


def test_a_compile_without_finalist_says_so(compiled_program):
    with pytest.raises(FrozenError, match="no candidate beat the student"):
        compiled_program(decision="keep").finalist()


def test_saving_is_whole_or_not_at_all(compiled_program, saved, monkeypatch):
    before = saved.read_bytes()

    def torn(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", torn)
    with pytest.raises(FrozenError, match=r"sentiment\.json cannot be written: No space left on device\."):
        compiled_program("Another instruction.").save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir() if "draft" in path.name] == []


def test_a_missing_folder_is_named(compiled_program, tmp_path):
    with pytest.raises(FrozenError, match="there is no folder"):
        compiled_program().save(tmp_path / "nowhere" / "program.json")


def test_a_link_stays_a_link_when_saved_to(compiled_program, saved):
    link = saved.with_name("latest.json")
    link.symlink_to(saved.name)
    assert compiled_program("Another instruction.").save(link) == link
    assert link.is_symlink()
    assert CompiledProgram.load(saved).digest == compiled_program("Another instruction.").digest


@pytest.mark.parametrize("name", ["n" * 300, "n" * 250, "folder", "n" * 300 + "/program.json"])
def test_a_place_that_cannot_be_written_to_is_named_with_the_reason(compiled_program, tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FrozenError, match=f"{name} cannot be written: "):
        compiled_program().save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_text_that_no_file_can_hold_is_refused_when_freezing(compiled_program):
    with pytest.raises(FrozenError, match="no UTF-8 file can hold"):
        compiled_program("Classify \ud800.")


def test_every_predictor_has_three_goldens_with_unicode_and_markers(compiled_pipeline):
    document = compiled_pipeline().document
    for path in ("extract", "add"):
        texts = [golden["inputs"]["text"] for golden in document["goldens"] if golden["predictor"] == path]
        assert len(texts) >= 3
        assert any(not text.isascii() for text in texts)
        assert any("[[ ## " in text for text in texts)


def test_a_rule_freezes_whose_demonstrations_lack_an_input(compiled_pipeline):
    from burnish.compiler.frozen.goldens import make_goldens
    from burnish.signatures.prompt import Demo, DemoRule

    candidate = compiled_pipeline().candidate
    demos = tuple(Demo.of({"text": f"Bill {n}", "total": 1.5}) for n in range(3))  # no prices
    ruled = candidate.with_prompt("add", demos=demos, rule=DemoRule("bm25", 2))
    goldens = [golden["inputs"] for golden in make_goldens(ruled, "small") if golden["predictor"] == "add"]
    assert goldens[-1] == {"text": "Bill 2 again", "prices": []}


def test_a_golden_leaves_optional_inputs_out(compiled_program):
    assert any("hint" not in golden["inputs"] for golden in compiled_program().document["goldens"])


# nothing changes unseen


def test_any_changed_byte_is_refused(saved):
    content = saved.read_bytes()

    @bounded
    @given(st.integers(0, len(content) - 1), st.integers(0, 255))
    def check(place, byte):
        changed = content[:place] + bytes([byte]) + content[place + 1 :]
        if changed == content:
            return
        with pytest.raises(FrozenError):
            parse_document(changed, "sentiment.json")

    check()


def test_any_truncation_is_refused(saved):
    content = saved.read_bytes()
    for end in range(0, len(content), 97):
        with pytest.raises(FrozenError):
            parse_document(content[:end], "sentiment.json")


def test_a_checkout_with_other_line_ends_still_loads(saved):
    content = saved.read_bytes().replace(b"\n", b"\r\n")
    assert parse_document(content, "sentiment.json") == CompiledProgram.load(saved).document


def test_a_template_that_no_longer_renders_what_was_scored_is_refused(compiled_program, resealed):
    document = compiled_program().document
    document["goldens"][1]["request"] = "0" * 64
    with pytest.raises(FrozenError, match="predictor 'self' does not render what was scored"):
        parse_document(resealed(document), "sentiment.json")


def test_changed_settings_are_noticed_by_the_goldens(compiled_program, resealed):
    document = compiled_program().document
    document["predictors"]["self"]["settings"]["params"]["temperature"] = 1.0
    with pytest.raises(FrozenError, match="does not render what was scored"):
        parse_document(resealed(document), "sentiment.json")


# nothing in it does harm

SELF = ("predictors", "self")
TEMPLATE = (*SELF, "template")

HOSTILE = {
    "unknown version": (("format",), "burnish/2", "this version reads 'burnish/1'"),
    "a version that is no text": (("format",), 1, "it has no 'format'"),
    "unknown kind": (("kind",), "agent", "kind: 'agent' is unknown"),
    "a list for a kind": (("kind",), ["predictor"], "kind: .* is unknown"),
    "no predictors": (("predictors",), {}, "predictors: there is none"),
    "unknown key": (("extra",), 1, "'extra' is unknown"),
    "wrong decision": (("verdict", "decision"), "yes", "verdict.decision"),
    "no model": (("lm",), {}, "lm.model: None is not a text"),
    "a pipeline where there is none": (
        ("pipeline",),
        {"steps": []},
        "pipeline: a program of kind 'predictor' has none",
    ),
    "unknown grammar version": ((*SELF, "grammar", "version"), 99, "reads and writes version"),
    "a version that is true": ((*SELF, "grammar", "version"), True, "reads and writes version"),
    "unknown format": ((*TEMPLATE, "format"), "yaml", "grammar.format"),
    "unknown slot": ((*TEMPLATE, "tail", 0, "parts", 1, "slot"), "label", "slot: 'label' is unknown"),
    "missing slot": ((*TEMPLATE, "tail", 0, "parts"), ["Review?"], "no slot for the input 'review'"),
    "nobody asks": ((*TEMPLATE, "tail"), [], "no message that asks"),
    "a slot in a demonstration": (
        (*TEMPLATE, "demos", 0, 0, "parts"),
        [{"slot": "review", "before": "", "after": ""}],
        "slot: 'review' is unknown",
    ),
    "unknown role": ((*TEMPLATE, "head", 0, "role"), "tool", "role: 'tool' is unknown"),
    "parts that are a number": ((*TEMPLATE, "head", 0, "parts"), 7, "parts: 7 is not a list"),
    "unknown JSON Schema keyword": (
        (*TEMPLATE, "schema", "inputs", 0, "json_schema"),
        {"type": "string", "if": {}},
        "json_schema",
    ),
    "a reference to itself": (
        (*TEMPLATE, "schema", "outputs", 0, "json_schema"),
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        "json_schema",
    ),
    "no outputs": ((*TEMPLATE, "schema", "outputs"), [], "outputs: there is none"),
    "a field name twice": ((*TEMPLATE, "schema", "outputs", 0, "name"), "review", "a field name stands twice"),
    "a field name that is code": ((*TEMPLATE, "schema", "inputs", 0, "name"), "a.b", "not a field name"),
    "unknown reply policy": ((*SELF, "settings", "reply_policy"), "retry", "reply_policy: 'retry' is unknown"),
    "a rule without a pool": (
        (*TEMPLATE, "rule"),
        {"selector": "bm25", "k": 1, "order": "closest_last"},
        "demo_inputs",
    ),
    "a negative k": ((*TEMPLATE, "rule"), {"selector": "bm25", "k": -1, "order": "closest_last"}, "rule.k"),
    "unknown position": ((*SELF, "source", "position"), "nowhere", "position: 'nowhere' is unknown"),
    "demonstrations that are no list": ((*SELF, "source", "demos"), {"0": {}}, "is not a list"),
    "no goldens": (("goldens",), [], "goldens: fewer than 3"),
    "goldens of nobody": (("goldens", 0, "predictor"), "other", "predictor: 'other' is unknown"),
    "golden inputs that do not fit": (("goldens", 0, "inputs"), {"film": 1}, "does not render its golden inputs"),
    "a lone surrogate": ((*SELF, "source", "instruction"), "\ud800", "changed after it was written|not UTF-8"),
    "a finalist of another program": (("finalist",), {"predictors": {}, "goldens": []}, "finalist.predictors"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_that_is_wrong_in_one_place_is_refused_and_the_place_named(name, compiled_program, resealed):
    path, value, message = HOSTILE[name]
    document = compiled_program().document
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(FrozenError, match=message) as refused:
        parse_document(resealed(document), "sentiment.json")
    assert "sentiment.json cannot be loaded" in str(refused.value)
    assert "compile again" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"\x80\x04K\x01.", "not UTF-8"),
        (b"[1, 2", "not JSON"),
        (b"[1, 2]", "it is not a compiled program"),
        (b'"burnish/1"', "it is not a compiled program"),
        (b"null", "it is not a compiled program"),
        (b'{"format": "burnish/1", "format": "burnish/1"}', "stands twice"),
        (b'{"format": NaN}', "holds the number NaN"),
        (b'{"format": -Infinity}', "holds the number -Infinity"),
        (b'{"format": 1e999}', "holds the number"),
        (b'{"format": ' + b"9" * 100_000 + b"}", "a number of 100000 digits"),
        (b"[" * 100_000, "nested"),
        (b"[" * 200 + b"]" * 200, "nested"),
        (b'{"a":' * 50_000, "nested"),
    ],
)
def test_content_that_is_no_document_is_refused(content, message):
    with pytest.raises(FrozenError, match=message):
        parse_document(content, "file.json")


def test_an_oversized_file_is_refused_without_being_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("burnish.compiler.frozen.document.MAX_BYTES", 1000)
    (tmp_path / "large.json").write_bytes(b" " * 5000)
    with pytest.raises(FrozenError, match="larger than 1000 bytes"):
        CompiledProgram.load(tmp_path / "large.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FrozenError, match=r"nothing.json cannot be read: No such file"):
        CompiledProgram.load(tmp_path / "nothing.json")


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(string.printable, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_whatever_stands_anywhere_in_a_document_it_loads_or_is_refused(compiled_program, resealed):
    rule = DemoRule(k=1)
    original = compiled_program(rule=rule, finalist="Judge.", decision="keep").document

    def places(value, path=()):
        yield path
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in inner:
            yield from places(item, (*path, key))

    known = [path for path in places(original) if path]

    @bounded
    @given(st.sampled_from(known), JSON_VALUES, st.booleans())
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
            loaded = CompiledProgram(parse_document(resealed(document), "fuzzed.json"))
            loaded.to_messages(review="x")
            loaded.show()

    check()


@bounded
@given(st.binary(max_size=200))
def test_whatever_bytes_a_file_holds_it_is_refused(content):
    with pytest.raises(FrozenError):
        parse_document(content, "fuzzed.json")


# the published schema


def test_documents_fit_the_published_json_schema(compiled_program, compiled_pipeline):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    validator.check_schema(validator.schema)
    for compiled in (
        compiled_program(),
        compiled_program(format="json", rule=DemoRule(), demos=3),
        compiled_program(decision="keep", finalist="Judge."),
        compiled_pipeline(),
    ):
        validator.validate(compiled.document)


def test_changed_documents_do_not_fit_the_published_json_schema(compiled_program):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    schema_can_see = [name for name in HOSTILE if not any(word in name for word in ("slot", "golden", "a field name"))]
    refused = 0
    for name in schema_can_see:
        path, value, _ = HOSTILE[name]
        document = compiled_program().document
        place = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        refused += not validator.is_valid(document)
    assert refused >= 15


# for a person


def test_show_gives_verdict_parts_prompt_and_settings(compiled_program):
    text = compiled_program().show()
    assert "ship: 50.0 -> 100.0 on 40 held-out examples" in text
    assert "format                62.5  +12.5" in text
    assert "Classify the review." in text
    assert '1. review="Größe 0 <b>", label="positive"' in text
    assert "max_tokens=100, temperature=0" in text
    assert "model: small" in text


def test_a_file_cannot_steer_the_terminal_that_shows_it(compiled_program):
    text = compiled_program("Classify.\x1b[2J\x07\u009b2J\r\nTwo.").show()
    assert "Classify.\\x1b[2J\\x07\\x9b2J" in text
    assert not {char for char in text if char != "\n" and not char.isprintable()}


def test_report_lines_begin_with_the_verdict(compiled_program):
    assert compiled_program().report_lines[0].startswith("ship: ")
