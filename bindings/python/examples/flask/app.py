"""Photos behind tokens, with Flask.

pip install "./bindings/python[flask]"
export COUNTERMARK_URL=http://127.0.0.1:8080 COUNTERMARK_KEY=cmk_…   # a key with `authorize`
flask --app bindings/python/examples/flask/app.py run

curl -H "Authorization: Bearer cmk_…" http://127.0.0.1:5000/photos              # a key with `photos:read`
curl "http://127.0.0.1:5000/photos/cat.jpg?cm-token=…&cm-expires=…&cm-signature=…"  # a signed URL

Keys, tokens and links are made with the service's own program, and with a key that may do so:

countermark token create --type apiKey --permission photos:read
countermark token create --type imageUrl --limit 100
countermark sign --token iu_… --url http://127.0.0.1:5000/photos/cat.jpg --ttl 3600 --placement query
"""

from __future__ import annotations

from countermark.flask import Countermark, require_token
from flask import Flask, Response, abort, g

app = Flask(__name__)
Countermark(app)

photos: dict[str, bytes] = {"cat.jpg": b"a cat"}


@app.get("/photos")
@require_token("photos:read")
def names() -> dict[str, list[str] | str | None]:
    return {"photos": sorted(photos), "owner": g.countermark.owner}


@app.get("/photos/<name>")
@require_token(types=("imageUrl",))
def photo(name: str) -> Response:
    if name not in photos:
        abort(404)
    # What is counted must come here each time, and not out of a cache.
    kept = "private, no-store" if g.countermark.limit is not None else "max-age=60"
    return Response(photos[name], content_type="image/jpeg", headers={"Cache-Control": kept})
