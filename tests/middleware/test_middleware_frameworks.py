"""Around frameworks that know nothing of `add_middleware`: Litestar and Django."""

from __future__ import annotations

import asyncio

import django
import pytest
from asgi_calls import call, http_scope, sent_header
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from litestar import Litestar, get

import llmtrace
from llmtrace.middleware import TraceIdMiddleware

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")


@get("/ask")
async def ask() -> str:
    """What the handler sees."""
    return str(llmtrace.current_trace_id())


@get("/boom")
async def boom() -> None:
    """An unhandled exception."""
    raise KeyError


@pytest.mark.parametrize(("where", "status"), [("/ask", 200), ("/nowhere", 404), ("/boom", 500)])
@pytest.mark.filterwarnings("default")  # Litestar's own
def test_litestar(spans, where, status):
    """Good, not found and failed: the id of the trace is on the answer, and the handler sees the same."""
    sent = call(TraceIdMiddleware(Litestar([ask, boom], logging_config=None)), path=where)
    assert sent[0]["status"] == status
    (header,) = sent_header(sent, b"x-trace-id")
    assert header == format(spans[-1].context.trace_id, "032x").encode()
    if status == 200:
        assert header in sent[1]["body"]


def django_ask(request: HttpRequest) -> HttpResponse:
    """A synchronous view, which Django runs in a thread."""
    return HttpResponse(str(llmtrace.current_trace_id()))


def django_boom(request: HttpRequest) -> HttpResponse:
    """An unhandled exception."""
    raise KeyError


urlpatterns = [path("ask", django_ask), path("boom", django_boom)]


@pytest.fixture(scope="module")
def django_app():
    """Django's own ASGI application."""
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="k", LOGGING_CONFIG=None)
    django.setup()
    return get_asgi_application()


@pytest.mark.parametrize(("where", "status"), [("/ask", 200), ("/nowhere", 404), ("/boom", 500)])
def test_django(spans, django_app, where, status):
    """The same around Django."""
    app = TraceIdMiddleware(django_app)

    async def run():
        sent, gone = [], asyncio.Event()
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive():
            for message in asked:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(dict(message))

        await app(http_scope(where, [(b"host", b"localhost")]), receive, send)
        return sent

    sent = asyncio.run(run())
    assert sent[0]["status"] == status
    (header,) = sent_header(sent, b"x-trace-id")
    assert header == format(spans[-1].context.trace_id, "032x").encode()
    if status == 200:
        assert header in sent[1]["body"]
