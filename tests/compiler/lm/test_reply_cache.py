"""The cache never gives a wrong reply, never executes what it reads, and never loses what was paid for."""

from __future__ import annotations

import gc
import json
import logging
import os
import pickle  # noqa: TID251 (what must never be loaded)
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import burnish
from burnish.compiler.lm import JSONStore, Reply, ReplyCache, Request, as_lm
from burnish.compiler.lm import cache as cache_module
from burnish.signatures.errors import CacheError
from burnish.testing import ScriptedLM

SCRIPTED = ScriptedLM([])


def request(text: str = "hello", index: int = 0) -> Request:
    return SCRIPTED.chat([{"role": "user", "content": text}], index=index)


def reply(text: str = "world") -> Reply:
    return Reply(json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": {}}))


def rows(folder: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "cache.db")
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def test_a_reply_comes_back_byte_for_byte_also_in_another_process(tmp_path):
    cache = ReplyCache(tmp_path)
    given = Reply('{"choices": [{"message": {"content": "\\ud800 é"}, "finish_reason": "stop"}], "own": 1.0}')
    cache.put(request(), given)
    assert cache.get(request().key) == given
    assert cache.get(request(index=1).key) is None
    code = (
        f"from burnish.compiler.lm import ReplyCache; print(ReplyCache({str(tmp_path)!r}).get({request().key!r}).body)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'own': 1.0" in done.stdout


@settings(deadline=None, max_examples=50)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_a_store_keeps_any_json_value(tmp_path_factory, value):
    store = JSONStore(tmp_path_factory.getbasetemp() / "any")
    store.set("key", [value])
    assert store.get("key") == [value]


def test_many_pairs_are_stored_together_or_not_at_all(tmp_path):
    store = JSONStore(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.set_many([("a", 1), ("b", float("nan"))])
    assert list(store.keys()) == []
    store.set_many([("a", 1), ("b", 2)])
    assert sorted(store.keys()) == ["a", "b"]
    assert "a" in store
    assert "c" not in store


def test_nothing_is_evicted_and_the_folder_is_the_users_alone(tmp_path):
    cache = ReplyCache(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    kept = dict(rows(tmp_path / "new", "SELECT key, value FROM Settings"))
    assert (kept["eviction_policy"], kept["cull_limit"], kept["size_limit"]) == ("none", 0, 2**50)
    cache.close()


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_planted_pickle_is_never_executed(tmp_path):
    cache = ReplyCache(tmp_path / "cache")
    cache.put(request(), reply())
    fuse = tmp_path / "executed"
    planted = pickle.dumps(Bomb(fuse))
    insert = "INSERT INTO Cache(key, raw, mode, filename, value) VALUES (?, ?, ?, ?, ?)"
    (tmp_path / "cache" / "bomb.val").write_bytes(planted)
    other = request("other")
    rows(tmp_path / "cache", insert, other.key, 1, 4, None, planted)  # a pickled value
    rows(tmp_path / "cache", insert, request("third").key, 1, 4, "bomb.val", None)  # one in a file of its own
    rows(tmp_path / "cache", insert, planted, 0, 1, None, b"")  # a pickled key
    assert cache.get(other.key) is None
    assert cache.get(request("third").key) is None
    cache.put(other, reply("fresh"))
    cache.stats()
    assert cache.get(other.key).text == "fresh"
    assert cache.dropped == 2
    cache.clear()
    ReplyCache(tmp_path / "cache")
    assert not fuse.exists()
    assert (tmp_path / "cache" / "bomb.val").exists()  # nor is a file deleted because a row names it


def test_no_source_file_unpickles():
    root = Path(burnish.__file__).parent
    sources = [
        path for name in ("compiler", "signatures", "teleprompters", "testing") for path in (root / name).rglob("*.py")
    ]
    assert sources
    for path in sources:
        text = path.read_text("utf-8")
        assert "import pickle" not in text, path
        assert "pickle.load" not in text, path
        assert "allow_pickle" not in text, path


@pytest.mark.parametrize("damage", ["cut", "flipped", "not json", "not a reply", "not whole", "of another request"])
def test_a_damaged_entry_is_dropped_and_fetched_anew(tmp_path, damage):
    cache = ReplyCache(tmp_path)
    cache.put(request(), reply())
    (value,) = rows(tmp_path, "SELECT value FROM Cache")[0]
    damaged = {
        "cut": value[:-8],
        "flipped": value[:10] + bytes([value[10] ^ 255]) + value[11:],
        "not json": cache_module.JSONStore.__module__.encode(),
    }
    if damage in damaged:
        rows(tmp_path, "UPDATE Cache SET value = ?", damaged[damage])
    elif damage == "not a reply":
        cache.store.set(request().key, {"request": 1})
    elif damage == "not whole":
        half = Reply('{"choices": [{"message": {"content": "x"}, "finish_reason": null}]}')
        cache.put(request(), half)
    else:
        cache.put(request("other"), reply("wrong"))
        (other,) = rows(tmp_path, "SELECT value FROM Cache WHERE key = ?", request("other").key)[0]
        rows(tmp_path, "UPDATE Cache SET value = ? WHERE key = ?", other, request().key)
    assert cache.get(request().key) is None
    assert cache.dropped == 1
    cache.put(request(), reply("anew"))
    assert cache.get(request().key).text == "anew"


def test_a_truncated_database_is_an_error_that_says_what_to_do_not_a_wrong_reply(tmp_path):
    cache = ReplyCache(tmp_path)
    for number in range(300):
        cache.put(request(str(number)), reply("x" * 500))
    cache.store.close()
    path = tmp_path / "cache.db"
    os.truncate(path, path.stat().st_size // 2)
    path.write_bytes(b"garbage" + path.read_bytes()[7:])
    with pytest.raises(CacheError, match="move it away"):
        ReplyCache(tmp_path)


def fail_writes(monkeypatch, cache: ReplyCache, reason: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError(reason)

    monkeypatch.setattr(cache.store._cache, "set", refuse)


def test_a_reply_that_a_full_disk_refuses_is_kept_in_memory_and_written_when_there_is_room(
    tmp_path, monkeypatch, caplog
):
    cache = ReplyCache(tmp_path)
    with monkeypatch.context() as full, caplog.at_level(logging.WARNING):
        fail_writes(full, cache, "database or disk is full")
        cache.put(request("one"), reply("1"))
        cache.put(request("two"), reply("2"))
        assert cache.get(request("one").key).text == "1"
    assert len(caplog.records) == 1
    assert "Free some space" in caplog.text
    assert cache.trouble
    cache.put(request("three"), reply("3"))
    assert not cache.trouble
    assert ReplyCache(tmp_path).get(request("two").key).text == "2"


def test_when_too_much_lies_in_memory_only_the_run_stops_with_what_to_do(tmp_path, monkeypatch):
    cache = ReplyCache(tmp_path)
    monkeypatch.setattr(cache_module, "UNSAVED_BYTES", 1000)
    fail_writes(monkeypatch, cache, "database or disk is full")
    cache.put(request("one"), reply("1"))
    with pytest.raises(CacheError, match=r"full.*in memory only"):
        cache.put(request("two"), reply("x" * 1000))
    assert cache.get(request("two").key) is not None


def test_a_database_that_another_process_holds_does_not_cost_a_reply(tmp_path, caplog):
    cache = ReplyCache(tmp_path, timeout=0.05)
    holder = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        cache.put(request(), reply())
        assert "locked" in caplog.text
        assert cache.get(request().key).text == "world"
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    cache.put(request("next"), reply())
    assert ReplyCache(tmp_path).get(request().key).text == "world"


def test_a_folder_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    writable = ReplyCache(tmp_path)
    writable.put(request(), reply())
    writable.close()

    class Refusing:
        def __init__(self, *_: object, **__: object) -> None:
            raise sqlite3.OperationalError("attempt to write a readonly database")

    from burnish.compiler.lm import store

    monkeypatch.setattr(store, "_Cache", Refusing)
    cache = ReplyCache(tmp_path)
    assert "readonly" in cache.store.read_only
    assert cache.get(request().key).text == "world"
    assert cache.get(request("missing").key) is None
    cache.put(request("new"), reply("kept in memory"))
    assert cache.get(request("new").key).text == "kept in memory"
    assert cache.stats().entries == 1


def test_a_cache_that_cannot_be_opened_at_all_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="BURNISH_CACHE_DIR"):
        ReplyCache(tmp_path / "file" / "cache")


def test_threads_and_several_openers_write_at_once_without_losing_anything(tmp_path):
    caches = [ReplyCache(tmp_path) for _ in range(2)]

    def write(worker: int) -> None:
        for number in range(20):
            caches[worker % 2].put(request(f"{worker} {number}"), reply())

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caches[0].stats().entries == 120


def test_statistics_tell_calls_and_tokens_of_each_model(tmp_path):
    cache = ReplyCache(tmp_path)
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    usage = {"usage": {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}}
    mini = as_lm("gpt-4o-mini")
    cache.put(mini.chat([{"role": "user", "content": "x"}]), Reply(json.dumps({**body, **usage})))
    cache.put(request(), reply())
    cache.store.set("something else", {"tokens": [1]})
    stats = cache.stats()
    assert stats.entries == 2
    (openai,) = [model for model in stats.models if model.model == "gpt-4o-mini"]
    assert (openai.calls, openai.prompt_tokens, openai.usd) == (1, 1_000_000, pytest.approx(0.75))


def test_the_folder_is_the_one_the_environment_names_or_the_users_cache(tmp_path, monkeypatch):
    from burnish.compiler.lm.folders import models_folder, replies_folder

    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "named"))
    assert replies_folder() == tmp_path / "named"
    monkeypatch.delenv("BURNISH_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert replies_folder() == tmp_path / "xdg" / "burnish"
    assert models_folder() == tmp_path / "xdg" / "burnish" / "models"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert replies_folder() == Path.home() / "Library" / "Caches" / "burnish"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted as Linux tells them")
def test_a_thread_that_ends_leaves_no_file_open(tmp_path):
    store = JSONStore(tmp_path / "store")
    store.set("key", 1)
    gc.disable()  # connections must not wait for the garbage collector
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(30):
            thread = threading.Thread(target=store.get, args=("key",))
            thread.start()
            thread.join()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    finally:
        gc.enable()
    assert store.get("key") == 1
    store.close()
