#!/usr/bin/env python
"""A gallery with signed links, with Django; it needs no database.

    pip install "./bindings/python[django]"
    export COUNTERMARK_URL=http://127.0.0.1:8080 COUNTERMARK_KEY=cmk_…   # a key with `authorize`
    export GALLERY_TOKEN=iu_… GALLERY_SECRET=cms_…                       # an imageUrl token and its secret
    python bindings/python/examples/django/manage.py runserver

http://127.0.0.1:8000/ shows the photos by signed links; without its signature, a link is refused.

    curl -H "Authorization: Bearer cmk_…" http://127.0.0.1:8000/api/photos/         # a key with `photos:read`

Keys and tokens are made with the service's own program, and with a key that may do so:

    countermark token create --type apiKey --permission authorize     # COUNTERMARK_KEY
    countermark token create --type imageUrl --name gallery           # GALLERY_TOKEN, GALLERY_SECRET
    countermark token create --type apiKey --permission photos:read
"""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
    execute_from_command_line(sys.argv)
