"""What a service may rely on that has many files open: the runtime's own client goes on working."""

from __future__ import annotations

import os
import resource

import pytest

from burnish.compiler.lm import LM
from burnish.compiler.runtime.http_sender import HTTPSender
from burnish.testing.servers import ScriptedServer

SELECTABLE = 1024  # the highest file number that select() takes, and one more


@pytest.fixture
def many_open_files():
    """So many files open that the next ones have numbers beyond what select() takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * SELECTABLE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(SELECTABLE)]
    yield
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_are_kept_and_replaced_also_with_more_than_1024_files_open(many_open_files):
    with ScriptedServer(lambda messages, body: "positive") as server:
        lm = LM("any", base_url=server.base_url, api_key="none")
        sender = HTTPSender(lm.connection)
        request = lm.chat([{"role": "user", "content": "Nothing about this movie works."}])
        assert sender.attempt(request).text == "positive"
        (kept,) = sender._idle
        assert kept.sock.fileno() >= SELECTABLE
        assert sender.attempt(request).text == "positive"
        assert sender._idle == [kept]  # looked at, and used again
        sender.close()
