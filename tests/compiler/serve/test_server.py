"""`burnish serve` in a process of its own, in front of model servers that are well, slow, hung and dead."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from burnish.compiler.cli import main
from burnish.testing import Faults, ScriptedServer

POSITIVE = {"": "positive"}


def until(true):
    """Waits for what another process does."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def plain(compiled_program):
    return compiled_program(format="plain")


def model(server):
    return ("--lm", "small", "--base-url", server.base_url)


def test_it_listens_on_loopback_answers_and_logs_json_without_inputs(plain, serving):
    with ScriptedServer(POSITIVE) as server:
        served = serving(plain, *model(server))
        assert served.url.startswith("http://127.0.0.1:")
        assert served.ask()[:2] == (200, {"label": "positive"})
        assert served.ask({"review": 3})[0] == 422
        assert served.ask(None, "/readyz")[1]["ready"] is True
        assert served.ask(None, "/openapi.json")[1]["info"]["title"] == "served"
        assert served.stop() == 0
    assert [line["status"] for line in served.requests] == [200, 422, 200]
    assert served.requests[0]["prompt_tokens"] > 0
    assert "Fine." not in str(served.lines)
    assert not [line for line in served.lines if "raw" in line]


def test_a_model_that_hangs_is_a_504_in_time_and_leaves_nothing_behind(plain, serving):
    with ScriptedServer(POSITIVE, faults=Faults(hang=1.0)) as server:
        served = serving(plain, *model(server), "--timeout", "1", "--concurrency", "2")
        begin = time.monotonic()
        for _ in range(3):  # one more than may be in flight: slots come back
            status, told, _ = served.ask()
            assert (status, told["error"]["kind"]) == (504, "timeout")
        assert time.monotonic() - begin < 20
        server.faults = Faults()
        assert served.ask()[0] == 200


def test_a_client_that_hangs_up_gives_its_place_to_another(plain, serving):
    with ScriptedServer(POSITIVE, faults=Faults(hang=1.0)) as server:
        served = serving(plain, *model(server), "--concurrency", "1")
        host, port = served.url.rpartition("/")[2].split(":")
        body = b'{"review": "Fine."}'
        head = f"POST /run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=60) as link:
            link.sendall(head.encode() + body)
            until(lambda: server.requests == 1)
            assert served.ask()[0] == 429
        until(lambda: 499 in [line["status"] for line in served.requests])
        server.faults = Faults()
        until(lambda: served.ask()[0] == 200)  # the call's thread may take a moment to see that it was given up


def test_a_dead_model_is_a_503_and_not_ready_and_the_process_lives_on(plain, serving):
    with ScriptedServer(POSITIVE) as server:
        base_url = server.base_url
    served = serving(plain, "--lm", "small", "--base-url", base_url)
    status, told, headers = served.ask()
    assert (status, told["error"]["kind"], headers["Retry-After"]) == (503, "model_unreachable", "1")
    assert base_url.split("/")[2] not in str(told)
    status, told, _ = served.ask(None, "/readyz")
    assert (status, told["ready"], told["reason"]) == (503, False, "the model cannot be reached (URLError)")
    assert served.ask(None, "/healthz")[:2] == (200, {"healthy": True})
    served.stop()
    assert "cannot be reached" in served.requests[0]["error"]


def test_a_body_over_the_limit_is_refused_before_it_is_sent(plain, serving, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("one\ntwo\n", encoding="utf-8")
    with ScriptedServer(POSITIVE) as server:
        served = serving(plain, *model(server), "--token-file", str(tokens))
        place = served.url.rpartition("/")[2].split(":")
        with socket.create_connection((place[0], int(place[1])), timeout=60) as link:
            head = "POST /run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer two\r\nContent-Type: application/json\r\n"
            link.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode() + b" " * 1000)
            answer = b""
            while piece := link.recv(65536):  # until the server hangs up
                answer += piece
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"kind":"too_large"' in answer
        assert served.ask()[0] == 401
        assert served.ask(Authorization="Bearer one")[0] == 200


def test_a_stop_lets_requests_in_flight_end_and_takes_no_others(plain, serving):
    with ScriptedServer(POSITIVE, faults=Faults(latency=1.0)) as server:
        served = serving(plain, *model(server))
        answers = []
        asking = threading.Thread(target=lambda: answers.append(served.ask()))
        asking.start()
        until(lambda: server.requests == 1)
        assert served.stop() == 0
        asking.join()
    assert answers[0][:2] == (200, {"label": "positive"})
    with pytest.raises(urllib.error.URLError, match="refused"):
        served.ask()


def test_a_stop_does_not_wait_longer_than_its_grace(plain, serving):
    with ScriptedServer(POSITIVE, faults=Faults(hang=1.0)) as server:
        served = serving(plain, *model(server), "--grace", "1")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(served.ask()))
        asking.start()
        until(lambda: server.requests == 1)
        begin = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - begin < 20
        asking.join()
    assert (answers[0][0], answers[0][1]["error"]["kind"]) == (503, "stopping")


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_said_in_one_sentence(port, plain, tmp_path, capsys):
    file = str(plain.save(tmp_path / "program.json"))
    assert main(["serve", file, "--lm", "small", "--base-url", "http://127.0.0.1:9/v1", "--port", port]) == 1
    told = capsys.readouterr().err
    assert f"127.0.0.1:{port} cannot be listened at: " in told
    assert ".. " not in told


def test_an_address_in_use_and_a_token_file_without_tokens_are_said_in_one_line(plain, tmp_path, capsys):
    file = str(plain.save(tmp_path / "program.json"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", file, "--lm", "small", "--base-url", "http://127.0.0.1:9/v1", "--port", port]) == 1
    assert f"127.0.0.1:{port} cannot be listened at" in capsys.readouterr().err
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    assert main(["serve", file, "--token-file", str(tmp_path / "empty")]) == 1
    assert "holds no token" in capsys.readouterr().err
    assert main(["serve", file, "--token-file", str(tmp_path / "nowhere")]) == 1
    assert "cannot be read" in capsys.readouterr().err
