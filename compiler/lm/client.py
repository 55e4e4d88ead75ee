"""Client: sends requests once, keeps every reply, counts what is spent, and never raises its voice at a busy server."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any, TypeAlias, TypeVar, cast

from ...signatures.canonical import JSON, canonical, digest
from ...signatures.errors import CacheError, LMError
from .cache import ReplyCache
from .connection import Asked, Connection
from .failures import AttemptFailure, ContentRefused, ContextOverflow, Failure, MaybeBilled, Permanent, Unbilled
from .flight import Flight, interrupted
from .keylock import KeyLocks, open_key_locks
from .meter import ClientStats, Ending, Meter, Uncounted
from .pace import Gate, Lane
from .request import Helping, Reply, Request, Transport
from .retries import Patience, surfaced
from .watched import Watch, watched_attempt
from .writer import GroupWriter

CONCURRENCY = 64
GRACE_SECONDS = 10.0  # what `stop` gives the attempts in flight to land
_FIRST_POLL, _LAST_POLL = 0.002, 0.05  # seconds between looks at a lock that another process holds

Job: TypeAlias = tuple[Asked, Request]
_T = TypeVar("_T")


class Client:
    """Sends requests from any thread, each distinct one once in this process and among processes that share the cache.

    cache: where replies are kept. meter: who counts. concurrency: most attempts in flight at one server (64).
    offline: a request that is not in the cache raises CacheError. on_event: called with (name, details) when an attempt
    fails ("refused", "maybe") and when the pace changes ("slower"); from the client's own thread. watch: told of every
    reply and failed attempt, from any thread.
    A reply counts only when it is durable. Errors leave everything that was paid for in the cache.
    """

    def __init__(
        self,
        cache: ReplyCache,
        meter: Meter | None = None,
        *,
        concurrency: int | None = None,
        offline: bool = False,
        on_event: Callable[[str, Mapping[str, JSON]], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random_source: random.Random | None = None,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise LMError(f"concurrency={concurrency!r} lets nothing through: give at least 1.")
        self.cache = cache
        self.meter: Meter = meter or Uncounted()
        self.concurrency = concurrency or CONCURRENCY
        self.offline = offline
        self.stats = ClientStats()
        self.watch: Watch | None = None
        self._on_event = on_event
        self._sleep = sleep
        self._random = random_source or random.Random()  # jitter only: nothing that is kept depends on it
        self._starting = threading.Lock()
        self._counting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        # Below: touched in the loop's thread only.
        self._writer: GroupWriter
        self._locks: KeyLocks
        self._gate = Gate(self.meter.flight_limit)
        self._lanes: dict[Connection, Lane] = {}
        self._transports: dict[Connection, asyncio.Future[Transport]] = {}
        self._flights: dict[str, Flight] = {}

    # sending

    def cached(self, lm: Asked, request: Request) -> Reply | None:
        """The reply if the cache holds it; it is then charged as an unpaid one."""
        reply = self.cache.get(request.key)
        if reply is not None:
            self.meter.charge(request.key, lm.spend(request, reply), paid=False)
            with self._counting:
                self.stats.hits += 1
            if self.watch is not None:
                self.watch(lm, request, reply, None)
        return reply

    def send_many(self, jobs: Sequence[Job]) -> list[Reply | Failure]:
        """Replies in the order of the jobs; ContextOverflow or ContentRefused where a request was refused for good.

        Anything else that goes wrong (LMError, BudgetError, CacheError) is raised when what was in flight has landed.
        """
        results: dict[int, Reply | Failure] = {}
        missing: dict[int, Job] = {}
        for place, job in enumerate(jobs):
            reply = self.cached(*job)
            if reply is None:
                missing[place] = job
            else:
                results[place] = reply
        if missing:
            replies = self._wait(self._submit(list(missing.values())))
            results.update(zip(missing, replies, strict=True))
        return [results[place] for place in range(len(jobs))]

    def send(self, lm: Asked, request: Request) -> Reply:
        """One reply. Raises ContextOverflow and ContentRefused as they are, else as `send_many`."""
        return self.cached(lm, request) or _delivered(self._wait(self._submit([(lm, request)]))[0])

    async def asend(self, lm: Asked, request: Request) -> Reply:
        """`send` from any event loop."""
        reply = self.cached(lm, request)
        if reply is not None:
            return reply
        return _delivered((await asyncio.wrap_future(self._submit([(lm, request)])))[0])

    def ask_server(self, lm: Asked, path: str, body: Mapping[str, JSON]) -> dict[str, JSON] | None:
        """The answer of a server's own helper beside the protocol ("tokenize", "apply-template"), None if it has none.

        Such helpers are free: they are not metered. Answers are kept in the cache, so that replays need no server.
        """
        key = digest(["helper", lm.endpoint, path, body])
        kept = self.cache.store.get(key)
        if kept is None and not self.offline:
            kept = self._wait(self._call(self._help(lm, path, canonical(body))))
            if kept is not None and not self.cache.store.read_only:
                self.cache.store.set(key, kept)
        return cast("dict[str, JSON] | None", kept)

    async def _help(self, lm: Asked, path: str, body: str) -> JSON | None:
        transport = await self._transport(lm.connection)
        if not isinstance(transport, Helping):
            return None
        try:
            status, content, _ = await transport.post(f"../{path}", body)
            answer = json.loads(content) if status == 200 else None
        except (AttemptFailure, ValueError):
            return None
        return answer if isinstance(answer, dict) else None

    def _submit(self, jobs: list[Job]) -> Future[list[Reply | Failure]]:
        if self.offline:
            raise CacheError(_missing(self.cache, *jobs[0]))
        return self._call(self._batch(jobs))

    def _wait(self, future: Future[_T]) -> _T:
        try:
            return future.result()
        except KeyboardInterrupt:
            self.stop()
            raise

    # the life of the loop

    def _call(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        with self._starting:
            if self._stopped:
                work.close()
                raise interrupted()
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._writer = GroupWriter(self.cache, self._loop)
                self._locks = open_key_locks(self.cache.folder / "locks")
                self._thread = threading.Thread(target=self._loop.run_forever, name="burnish-client", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Sends nothing more. What is in flight may land for `grace` seconds; then it counts as maybe billed."""
        with self._starting:
            first, self._stopped = not self._stopped, True
        if self._loop is not None and first:
            asyncio.run_coroutine_threadsafe(self._ground(grace), self._loop).result()

    def close(self) -> None:
        """Stops, and frees connections and threads. The cache stays open."""
        self.stop()
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._writer.close()
        self._locks.close()
        self._loop.close()
        self._loop = self._thread = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _ground(self, grace: float) -> None:
        flights = list(self._flights.values())
        for flight in flights:
            flight.abandon()
        if flights:
            _, late = await asyncio.wait({flight.task for flight in flights}, timeout=grace)
            for flight in flights:
                if flight.task in late and flight.stage != "landing":
                    flight.task.cancel()
            await asyncio.wait({flight.task for flight in flights})

    async def _disconnect(self) -> None:
        for opening in self._transports.values():
            if opening.done() and not opening.exception():
                await opening.result().close()

    # one batch

    async def _batch(self, jobs: list[Job]) -> list[Reply | Failure]:
        flights = [self._board(lm, request) for lm, request in jobs]
        tasks = {flight.task for flight in flights}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for flight in flights:
                flight.waiting -= 1
                if not flight.waiting and not flight.task.done():
                    flight.abandon()
        landing = {flight.task for flight in flights if flight.abandoned}
        if landing:
            await asyncio.wait(landing)
        for flight in flights:  # an error comes before the flights that were cancelled because of it
            if flight.task.done() and not flight.task.cancelled() and (error := flight.task.exception()):
                raise error
        return [flight.landed() for flight in flights]

    def _board(self, lm: Asked, request: Request) -> Flight:
        flight = self._flights.get(request.key)
        if flight is None or flight.abandoned:
            before = flight.task if flight is not None else None
            flight = self._flights[request.key] = Flight(lm, request)
            flight.task = asyncio.get_running_loop().create_task(self._fly(flight, before))
            flight.task.add_done_callback(partial(self._forget, flight))
        flight.waiting += 1
        return flight

    def _forget(self, flight: Flight, _: asyncio.Task[Reply | Failure]) -> None:
        if self._flights.get(flight.request.key) is flight:
            del self._flights[flight.request.key]
        if not flight.task.cancelled():
            flight.task.exception()  # seen: whoever waited has it

    # one request

    async def _fly(self, flight: Flight, before: asyncio.Task[Reply | Failure] | None) -> Reply | Failure:
        if before is not None:
            await asyncio.wait({before})  # an abandoned attempt at the same request, still in the air
        key = flight.request.key
        lane = self._lane(flight.lm)
        patience = Patience(flight.lm.model, self._random)
        transport = await self._transport(flight.lm.connection)
        while True:
            # The slot comes before the lock: whoever holds a lock can always go on, so no two processes wait in a ring.
            await self._gate.enter(lane, flight.bound)
            cut = lane.cuts
            locked = False
            try:
                await self._lock(key)
                locked = True
                reply = self.cached(flight.lm, flight.request)  # another process may have put it there by now
                return reply or await self._attempt(flight, transport, lane)
            except (ContextOverflow, ContentRefused) as failure:
                return failure
            except Permanent as failure:
                raise surfaced(flight.lm.model, failure) from failure
            except (Unbilled, MaybeBilled) as failure:
                last: Unbilled | MaybeBilled = failure
            finally:
                if locked:
                    self._locks.release(key)
                self._gate.leave(lane)
            self._note_failure(last, lane, cut)
            if flight.abandoned:
                raise interrupted()
            delay = patience.next_delay(last)
            self.stats.retries += 1
            await self._sleep(delay)

    async def _lock(self, key: str) -> None:
        pause = _FIRST_POLL
        while not self._locks.acquire(key):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_POLL)

    async def _attempt(self, flight: Flight, transport: Transport, lane: Lane) -> Reply:
        if self._stopped:
            raise interrupted()
        request, key, bound = flight.request, flight.request.key, flight.bound
        self.meter.begin(key, bound)
        self.stats.sent += 1
        flight.stage = "air"
        how: Ending = "maybe"  # unless we learn otherwise, also when we are cancelled
        try:
            sent = self.watch and watched_attempt(self.watch, transport, flight.lm, request)
            reply = await (sent or transport.attempt(request))
            flight.stage = "landing"
            await self._writer.put(request, reply)
            self.meter.charge(key, flight.lm.spend(request, reply), paid=True)
            how = "reply"
        except (Unbilled, Permanent):
            how = "unbilled"
            raise
        finally:
            flight.stage = "ground"
            self.meter.end(key, how, bound)
        self.stats.paid += 1
        lane.succeeded()
        return reply

    def _note_failure(self, failure: AttemptFailure, lane: Lane, cut: int) -> None:
        refused = isinstance(failure, Unbilled)
        if refused:
            self.stats.refused += 1
        else:
            self.stats.maybe += 1
        self._tell("refused" if refused else "maybe", reason=str(failure))
        overloaded = failure.status in (429, 503) or (isinstance(failure, MaybeBilled) and failure.timed_out)
        if overloaded and lane.pushed_back(cut):
            self._tell("slower", in_flight=int(lane.limit))

    def _tell(self, event: str, **detail: JSON) -> None:
        if self._on_event is not None:
            self._on_event(event, detail)

    def _lane(self, lm: Asked) -> Lane:
        top = min(self.concurrency, lm.max_concurrency or self.concurrency)
        lane = self._lanes.get(lm.connection)
        if lane is None:
            lane = self._lanes[lm.connection] = self._gate.lane(top)
        lane.narrow(top)  # LMs that share a server share its lane: the one that allows least decides
        return lane

    async def _transport(self, connection: Connection) -> Transport:
        opening = self._transports.get(connection)
        if opening is None:
            opening = self._transports[connection] = asyncio.wrap_future(_opened(connection))
        try:
            return await asyncio.shield(opening)
        except LMError:
            self._transports.pop(connection, None)  # the next request may find it mended
            raise


def _opened(connection: Connection) -> Future[Transport]:
    """Opens it in a thread, since a model may have to be loaded; in a daemon, since it may have to be downloaded."""
    opening: Future[Transport] = Future()

    def work() -> None:
        try:
            opening.set_result(connection.open())
        except Exception as error:  # noqa: BLE001 (raised again where the transport is awaited)
            opening.set_exception(error)

    threading.Thread(target=work, name="burnish-open", daemon=True).start()
    return opening


def _delivered(result: Reply | Failure) -> Reply:
    if isinstance(result, Reply):
        return result
    raise result


def _missing(cache: ReplyCache, lm: Asked, request: Request) -> str:
    body = request.body
    said = body["messages"][-1].get("content") if request.kind == "chat" else body.get("prompt", body.get("input"))
    return (
        f"Offline, and the cache in {cache.folder} has no reply of {lm.model} (sample {request.index}) to: "
        f"{str(said)[:200]!r}. Run once without offline, or point BURNISH_CACHE_DIR at "
        "the cache that has it. Nothing was sent."
    )


@lru_cache(maxsize=1)
def _default_client(process: int) -> Client:
    client = Client(ReplyCache())
    atexit.register(client.close)
    return client


def default_client() -> Client:
    """The client of calls outside any compile: the user's cache, no budget."""
    return _default_client(os.getpid())
