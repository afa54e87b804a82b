"""What the gallery shows."""

from __future__ import annotations

from django.db import models


class Photo(models.Model):
    image = models.FileField()
