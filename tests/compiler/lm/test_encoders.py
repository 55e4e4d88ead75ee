"""Encoders: whatever stands behind them, one name that says whose vectors are comparable, and one way to ask."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from dataclasses import replace

import pytest

from burnish.compiler.lm import LM, Client, ContextOverflow, Encoder, Price, ReplyCache, SentenceTransformer, as_encoder
from burnish.compiler.lm.encoders import encoder_named, vectors_of
from burnish.compiler.lm.failures import MaybeBilled
from burnish.compiler.lm.request import Reply
from burnish.compiler.lm.wire import failure_of
from burnish.signatures.errors import LMError
from burnish.testing import ScriptedLM, ScriptedServer

COMMIT = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
LOCAL = "local/smollm2-135m-instruct"
needs_engine = pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]")


def asked(encoder, texts, folder, **options):
    with Client(ReplyCache(folder), **options) as client:
        request = encoder.embedding(texts)
        reply = client.send(encoder, request)
        return vectors_of(encoder, reply), encoder.spend(request, reply), client.stats


def test_the_name_of_an_encoder_is_its_model_and_what_its_vectors_depend_on(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    for given, name in (
        ("text-embedding-3-small", "text-embedding-3-small"),
        (LM("e", base_url="http://host.example.org/v1", api_key="sk-other", temperature=0.7), "e"),
        (LM("text-embedding-3-large", dimensions=256), 'text-embedding-3-large {"dimensions":256}'),
        (ScriptedLM([], model="scripted", max_tokens=3), "scripted"),
    ):
        encoder = as_encoder(given)
        assert encoder.name == name
        assert as_encoder(encoder) is encoder
        for private in ("sk-", "example", "temperature", "max_tokens"):
            assert private not in json.dumps(encoder.identity())


def test_an_openai_client_embeds_too(tmp_path):
    openai = pytest.importorskip("openai")
    with ScriptedServer([]) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="key")
        encoder = as_encoder((client, "e"))
        assert (encoder.name, encoder.endpoint) == ("e", server.base_url)
        ((first, second), spend, _) = asked(encoder, ["a b", "c"], tmp_path / "one")
        assert len(first) == len(second) > 1
        assert (spend.calls, spend.tokens) == (1, 3)
        by_name = as_encoder(LM("e", base_url=server.base_url))
        assert asked(by_name, ["a b", "c"], tmp_path / "two")[0] == [first, second]


def test_what_cannot_embed_is_refused_with_what_can(monkeypatch):
    for wrong in (3, object()):
        with pytest.raises(LMError, match=r"no encoder.*text-embedding-3-small.*SentenceTransformer"):
            as_encoder(wrong)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    dspy = pytest.importorskip("dspy")
    with pytest.raises(LMError, match="gives no vectors"):
        as_encoder(dspy.LM("openai/x", api_key="key"))


def test_an_encoder_is_found_again_by_its_name():
    for given in (
        "text-embedding-3-small",
        LM("text-embedding-3-large", dimensions=256),
        LM("a name with spaces", dimensions=8),
        "a name with spaces",
    ):
        encoder = as_encoder(given)
        assert encoder_named(encoder.name).identity() == encoder.identity()
    with pytest.raises(LMError, match="is wanted, and what is here is"):
        encoder_named('e {"pooling":"cls"}')
    for odd in ("e {broken", "e {}", 'e {"dimensions":NaN}', 'e {"dimensions":{}}', 'e {"a":' + "[" * 100_000):
        with pytest.raises(LMError, match="is wanted"):
            encoder_named(odd)


@needs_engine
def test_a_local_model_embeds_in_a_server_of_its_own_and_is_known_by_its_file():
    lm = LM(LOCAL, max_tokens=4)
    encoder = as_encoder(lm)
    assert encoder.connection != lm.connection
    assert encoder.endpoint == lm.endpoint
    local = encoder.identity()["local"]
    assert local == {"sha256": lm.identity()["local"]["sha256"], "context": 2048, "pooling": "mean"}
    assert encoder.max_concurrency == 1
    assert encoder_named(encoder.name).connection == encoder.connection
    other = encoder.name.replace(local["sha256"], "0" * 64)
    with pytest.raises(LMError, match=f"{'0' * 64}.*is wanted, and what is here is"):
        encoder_named(other)


def test_an_empty_text_is_sent_as_a_dash_and_dimensions_are_sent(tmp_path):
    encoder = as_encoder(ScriptedLM([], embed=lambda text: [float(len(text)), 1.0], dimensions=2))
    assert asked(encoder, ["", " \n", "abc"], tmp_path)[0] == [[1.0, 1.0], [1.0, 1.0], [3.0, 1.0]]
    assert encoder.connection.calls == [{"model": "scripted", "input": ["-", "-", "abc"], "dimensions": 2}]


def test_what_a_server_takes_besides_is_sent_and_tells_encoders_apart(tmp_path):
    def encoder(kind):
        return as_encoder(ScriptedLM([], extra_body={"input_type": kind}, temperature=0.5))

    query, passage = encoder("query"), encoder("passage")
    assert query.name == 'scripted {"extra_body":{"input_type":"query"}}'
    assert query.name != passage.name
    asked(query, ["abc"], tmp_path)
    assert query.connection.calls == [{"model": "scripted", "input": ["abc"], "input_type": "query"}]
    with pytest.raises(LMError, match="is wanted"):
        encoder_named(query.name)  # a file does not decide what else is sent


def test_a_parameter_that_no_encoder_takes_is_named():
    with pytest.raises(LMError, match=r"'input_type'.*extra_body"):
        as_encoder(LM("e", input_type="query"))
    assert as_encoder(LM("e", input_type=None, extra_body={})).name == "e"


def test_vectors_come_in_the_order_of_the_texts_whatever_the_order_of_the_reply():
    encoder = as_encoder(ScriptedLM([]))
    rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    assert vectors_of(encoder, Reply(json.dumps({"data": rows}))) == [[1.0], [2.0]]


@pytest.mark.parametrize("rows", [[[1.0], [1.0, 2.0]], [[]], [[None]], [["1"]], [[float("nan")]], [[float("inf")]], []])
def test_a_reply_that_is_no_list_of_vectors_is_an_error_that_names_the_encoder(rows):
    data = [{"index": place, "embedding": row} for place, row in enumerate(rows)]
    with pytest.raises(LMError, match="scripted did not answer with vectors"):
        vectors_of(as_encoder(ScriptedLM([])), Reply(json.dumps({"data": data})))


def test_a_text_that_llama_cpp_cannot_take_in_one_go_overflows_the_context():
    content = b'{"error":{"code":500,"message":"input (3001 tokens) is too large to process. increase the physical"}}'
    assert isinstance(failure_of(500, content, {}, "embedding"), ContextOverflow)
    assert isinstance(failure_of(500, content, {}), MaybeBilled)
    assert isinstance(failure_of(500, content, {}, "completion"), MaybeBilled)


# sentence-transformers


class Array(list):
    """As much of an array as is used of one."""

    def tolist(self):
        return list(self)


@pytest.fixture
def package(monkeypatch):
    """Stands for sentence-transformers. Gives the arguments of models that were made, and the batches they embedded."""
    made, embedded = [], []

    class Model:
        def __init__(self, name, **options):
            made.append((name, options))
            if "broken" in name:
                raise OSError("no such model")

        def tokenizer(self, texts):
            return {"input_ids": [text.split() for text in texts]}

        def encode(self, texts, convert_to_numpy, show_progress_bar):
            embedded.append(list(texts))
            return [Array([len(text) / 3, 1.0]) for text in texts]

    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = Model
    module.__spec__ = importlib.util.spec_from_loader("sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return made, embedded


def test_a_sentence_transformer_is_cached_and_counted_as_a_call_like_any_other(package, tmp_path):
    made, embedded = package
    encoder = SentenceTransformer("all-MiniLM-L6-v2", revision=COMMIT, device="cpu")
    assert encoder.name == f'sentence-transformers:all-MiniLM-L6-v2 {{"revision":"{COMMIT}"}}'
    assert encoder.price == Price(0, 0)
    assert made == []  # loaded with the first texts
    vectors, spend, _ = asked(encoder, ["a b", "c"], tmp_path)
    assert vectors == [[1.0, 1.0], [0.3333333, 1.0]]
    assert (spend.calls, spend.tokens, spend.usd) == (1, 3, 0.0)
    assert made == [("all-MiniLM-L6-v2", {"revision": COMMIT, "device": "cpu"})]
    again, _, stats = asked(encoder, ["a b", "c"], tmp_path, offline=True)
    assert (again, stats.hits, embedded) == (vectors, 1, [["a b", "c"]])


def test_a_sentence_transformer_is_known_by_its_commit_and_refused_without_one(package, tmp_path):
    for given in (f"sentence-transformers:owner/m@{COMMIT}", SentenceTransformer("owner/m", revision=COMMIT)):
        encoder = as_encoder(given)
        assert encoder.name == f'sentence-transformers:owner/m {{"revision":"{COMMIT}"}}'
    for build in (
        lambda: SentenceTransformer("m"),
        lambda: SentenceTransformer("m", revision="main"),
        lambda: SentenceTransformer("m", revision=COMMIT[:7]),
        lambda: as_encoder("sentence-transformers:m"),
        lambda: as_encoder("sentence-transformers:m@main"),
    ):
        with pytest.raises(LMError, match=r"Pass revision= with the whole commit.*or a local folder"):
            build()


def test_a_sentence_transformer_is_not_found_by_a_name_alone(package, monkeypatch):
    made, _ = package
    for encoder in (SentenceTransformer("m", revision=COMMIT), as_encoder(f"sentence-transformers:m@{COMMIT}")):
        with pytest.raises(LMError, match=r"pass burnish\.SentenceTransformer"):
            encoder_named(encoder.name)
    assert made == []


def test_a_sentence_transformer_in_a_folder_is_known_by_its_files_and_by_no_path(package, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    encoder = SentenceTransformer(str(folder))
    assert encoder.name.startswith('sentence-transformers:mine {"files":"')
    assert str(tmp_path) not in repr([encoder.name, encoder.endpoint, encoder.embedding(["x"]).body_json])
    (folder / "model.bin").write_bytes(b"other weights")
    assert SentenceTransformer(str(folder)).name != encoder.name
    for name in (
        encoder.name,
        f"sentence-transformers:{tmp_path}",
        "sentence-transformers:..",
        "sentence-transformers:/",
    ):
        with pytest.raises(LMError, match=r"runs in this process: pass burnish\.SentenceTransformer"):
            encoder_named(name)


def test_a_sentence_transformer_that_cannot_be_loaded_or_is_asked_to_chat_says_so(package, tmp_path):
    with pytest.raises(LMError, match="broken cannot be loaded: no such model"):
        asked(SentenceTransformer("broken", revision=COMMIT), ["x"], tmp_path)
    lm = LM(f"sentence-transformers:m@{COMMIT}")
    request = lm.chat([{"role": "user", "content": "hello"}])
    with Client(ReplyCache(tmp_path)) as client, pytest.raises(LMError, match="gives vectors of texts and no replies"):
        client.send(lm, request)


def test_without_the_extra_the_message_names_it_when_the_encoder_is_built(monkeypatch):
    real = importlib.util.find_spec
    absent = lambda name, *rest: None if name == "sentence_transformers" else real(name, *rest)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    for build in (lambda: SentenceTransformer("m"), lambda: as_encoder("sentence-transformers:m")):
        with pytest.raises(LMError, match=r"pip install 'burnish\[encoders\]'"):
            build()


# real vectors


@pytest.mark.model
@needs_engine
def test_the_embedded_model_gives_the_same_vector_alone_and_in_a_batch_and_like_texts_are_near(tmp_path):
    encoder = as_encoder(LOCAL)
    texts = ["The cat sat on the mat.", "A cat sits on a mat.", "Stocks fell sharply on Monday."]
    with Client(ReplyCache(tmp_path)) as client:
        together = vectors_of(encoder, client.send(encoder, encoder.embedding(texts)))
        alone = [vectors_of(encoder, client.send(encoder, encoder.embedding([text])))[0] for text in texts]
        assert all(cosine(one, other) > 0.9999 for one, other in zip(together, alone, strict=True))
        assert cosine(together[0], together[1]) > cosine(together[0], together[2])
        request = encoder.embedding(texts)
        assert encoder.spend(request, client.send(encoder, request)).tokens <= encoder.bound(request).tokens
        with pytest.raises(ContextOverflow):
            client.send(encoder, encoder.embedding(["word " * 4000]))


def cosine(one, other):
    def product(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    return product(one, other) / (product(one, one) * product(other, other)) ** 0.5


def test_an_encoder_leaves_the_lm_it_was_made_of_as_it_was():
    lm = ScriptedLM([], model="m", temperature=0.5)
    encoder = Encoder(lm)
    assert (lm.params, encoder.params) == ({"temperature": 0.5}, {})
    assert replace(encoder.bound(encoder.embedding(["a"])), usd=1.0).calls == 1
