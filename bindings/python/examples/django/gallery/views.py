"""The views; which of them are protected is said in the settings."""

from __future__ import annotations

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from gallery.models import Photo


def gallery(request: HttpRequest) -> HttpResponse:
    photos = [Photo(image=name) for name in stored()]
    return render(request, "gallery/gallery.html", {"photos": photos})


def names(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"photos": stored()})


def stored() -> list[str]:
    _, files = default_storage.listdir("")
    return sorted(files)
