"""The Django project of the host matrix: two pages, a page for what is not there, and a middleware that mends."""

from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

__all__ = ["application", "handler404", "urlpatterns"]


async def _hello(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"host": "django", "database": None})


async def _broken(request: HttpRequest) -> HttpResponse:
    raise LookupError("a bug of the host")


class Mending:
    """Answers what the pages raise, as the other hosts' exception handlers do."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = await self._get_response(request)
        return response

    async def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse:
        """Answer for a page that raised."""
        return HttpResponse("mended by the host", status=418)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a page that is not there."""
    return HttpResponse("the host has no such page", status=404)


urlpatterns = [path("hello", _hello), path("broken", _broken)]


def application() -> Any:
    """Return the site as an ASGI app."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            LOGGING_CONFIG=None,
            MIDDLEWARE=[f"{__name__}.Mending"],
            ROOT_URLCONF=__name__,
            SECRET_KEY="not-a-secret",  # Django wants one
        )
        django.setup(set_prefix=False)
    return get_asgi_application()
