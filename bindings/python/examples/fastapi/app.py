"""Photos behind tokens, with FastAPI.

    pip install "./bindings/python[fastapi]" uvicorn
    export COUNTERMARK_URL=http://127.0.0.1:8080 COUNTERMARK_KEY=cmk_…   # a key with `authorize`
    uvicorn --app-dir bindings/python/examples/fastapi app:app

    curl -H "Authorization: Bearer cmk_…" http://127.0.0.1:8000/photos              # a key with `photos:read`
    curl -H "Authorization: Bearer cmu_…" --data-binary @cat.jpg -H "Content-Type: image/jpeg" \\
        http://127.0.0.1:8000/photos/cat.jpg                                       # an upload token
    curl "http://127.0.0.1:8000/photos/cat.jpg?cm-token=…&cm-expires=…&cm-signature=…"  # a signed URL

Keys, tokens and links are made with the service's own program, and with a key that may do so:

    countermark token create --type apiKey --permission photos:read
    countermark token create --type imageUrl --limit 100
    countermark sign --token iu_… --url http://127.0.0.1:8000/photos/cat.jpg --ttl 3600 --placement query
    countermark token create --type upload --limit 1

`/docs` shows what each route demands.
"""

from __future__ import annotations

from typing import Annotated

from countermark import Decision
from countermark.fastapi import TokenRefused, lifespan, refusal_responses, refused, require_token
from fastapi import Depends, FastAPI, HTTPException, Request, Response

app = FastAPI(title="Photos", lifespan=lifespan(), responses=refusal_responses)
app.add_exception_handler(TokenRefused, refused)

Reading = Annotated[Decision, Depends(require_token("photos:read"))]
Linked = Annotated[Decision, Depends(require_token(types=("imageUrl",)))]
Uploading = Annotated[Decision, Depends(require_token(types=("upload",)))]

MAX_BYTES = 10_000_000
photos: dict[str, bytes] = {"cat.jpg": b"a cat"}


@app.get("/photos")
async def names(decision: Reading) -> dict[str, list[str] | str | None]:
    return {"photos": sorted(photos), "owner": decision.owner}


@app.get("/photos/{name}")
async def photo(name: str, decision: Linked) -> Response:
    if name not in photos:
        raise HTTPException(404)
    # What is counted must come here each time, and not out of a cache.
    kept = "private, no-store" if decision.limit is not None else "max-age=60"
    return Response(photos[name], media_type="image/jpeg", headers={"Cache-Control": kept})


@app.post("/photos/{name}", status_code=201)
async def upload(name: str, decision: Uploading, request: Request) -> dict[str, int | None]:
    # Read only here: a body parameter would be read before the token is looked at.
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BYTES:
            raise HTTPException(413)
    photos[name] = bytes(content)
    return {"bytes": len(content), "remaining": decision.remaining}
