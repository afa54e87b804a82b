"""The pages."""

from __future__ import annotations

from django.conf import settings
from django.urls import path
from django.views.static import serve

from gallery import views

urlpatterns = [
    path("", views.gallery),
    path("api/photos/", views.names),
    path("shop/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
]
