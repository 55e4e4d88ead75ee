"""What an app answers under which path: POST /run, the OpenAPI page, probes and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from . import openapi
from .exchange import RUN, Guard, json_response
from .problems import Problem
from .readiness import Readiness
from .runner import Runner


def app_of(runner: Runner, tokens: Sequence[str], with_inputs: bool) -> FastAPI:
    """tokens, with_inputs: as for `Guard`."""
    served, secured = runner.served, bool(tokens)
    app = FastAPI(
        title=served.name, version=served.digest[:12], description=served.about, redoc_url=None, redirect_slashes=False
    )
    app.add_middleware(Guard, metrics=runner.metrics, tokens=tokens, with_inputs=with_inputs)
    app.add_exception_handler(HTTPException, _no_such_thing)
    readiness = Readiness(served.connection)

    # A plain route: FastAPI's own would cost each request a tenth of a millisecond for dependencies that it has not.
    app.add_route(RUN, runner.respond, methods=["POST"])

    @app.get("/healthz", summary="The process answers", **openapi.HEALTHY)
    async def healthz() -> Response:
        return json_response({"healthy": True})

    @app.get("/readyz", summary="The model can be reached", **openapi.READY)
    async def readyz() -> Response:
        wrong = await readiness.problem()
        about = {"program": served.digest, "model": served.model}
        if wrong:
            return json_response({"ready": False, **about, "reason": wrong}, 503)
        return json_response({"ready": True, **about})

    @app.get("/metrics", summary="Counts, for Prometheus", **openapi.metrics_operation(secured))
    async def metrics() -> Response:
        return Response(runner.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    for path, answer in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_route(path, _to_head(answer), methods=["HEAD"], include_in_schema=False)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = FastAPI.openapi(app)
            document["paths"] = {RUN: openapi.run_path(secured), **document["paths"]}
            document["components"] = openapi.components(served.contract, secured)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI's page on extending OpenAPI does
    return app


def _to_head(answer: Callable[[], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What GET gives; the server leaves the body out."""

    async def respond(_: Request) -> Response:
        return await answer()

    return respond


async def _no_such_thing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = "method_not_allowed" if error.status_code == 405 else "not_found"
    answer: Response = request.scope["burnish.exchange"].answer(Problem(kind, headers=error.headers))
    return answer
