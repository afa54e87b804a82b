"""The page of the reference upload server in a real Chromium, and browsers that ask Countermark themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from browser import Tab
from conftest import StartCountermark
from upload_server import UploadServer, eventually, picture

WAYS = {"form": "In one piece", "tus": "Resumable, for large files and weak connections"}
SLOW = 200_000

both_ways = pytest.mark.parametrize("way", WAYS)


def open_page(tab: Tab, server: UploadServer, token: dict, way: str = "form") -> None:
    """The page as its link opens it, with a way of sending chosen."""
    tab.page.goto(f"{server.url}/#{token['value']}")
    tab.page.get_by_label(WAYS[way]).check()


def choose(tab: Tab, content: bytes, name: str) -> None:
    """A file chosen, and what its image is to be called."""
    (tab.folder / "photo.png").write_bytes(content)
    tab.page.get_by_label("Image", exact=True).set_input_files(tab.folder / "photo.png")
    tab.page.get_by_label("Name of the image").fill(name)


def send(tab: Tab) -> None:
    tab.page.get_by_role("button", name="Upload").click()


def shown_progress(tab: Tab) -> float:
    return float(tab.page.get_by_label("Progress").evaluate("it => it.value"))


def notified(server: UploadServer) -> str:
    return f"{server.url}/notifications"


@both_ways
def test_a_person_uploads_an_image_and_sees_its_notification(tab: Tab, upload_server: UploadServer, way: str) -> None:
    token = upload_server.token(limit=2, notificationUrls=[notified(upload_server)])
    open_page(tab, upload_server, token, way)
    content = picture(300_000)
    choose(tab, content, f"page/{way}")
    send(tab)
    expect(tab.page.get_by_role("status")).to_have_text("Uploaded. Uploads left with this link: 1.")
    assert shown_progress(tab) == 100
    expect(tab.page.get_by_role("link", name=f"page/{way}")).to_be_visible()
    expect(tab.page.get_by_alt_text("The uploaded image")).to_have_js_property("naturalWidth", 1)
    expect(tab.page.get_by_role("listitem")).to_contain_text("upload.completed")
    expect(tab.page.get_by_role("alert")).to_be_empty()
    assert upload_server.image(f"page/{way}").content == content
    assert tab.errors == []


@both_ways
def test_the_progress_grows_while_the_file_is_sent(tab: Tab, upload_server: UploadServer, way: str) -> None:
    open_page(tab, upload_server, upload_server.token(), way)
    choose(tab, picture(SLOW), f"progress/{way}")
    tab.slow_down(SLOW)
    tab.page.evaluate("""() => {
        window.seen = [];
        new MutationObserver(() => window.seen.push(document.getElementById("progress").value))
            .observe(document.getElementById("percent"), { childList: true, characterData: true, subtree: true });
    }""")
    send(tab)
    expect(tab.page.get_by_role("status")).to_contain_text("Uploaded.")
    seen = tab.page.evaluate("window.seen")
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert any(0 < it < 100 for it in seen), seen


@both_ways
def test_a_link_that_is_used_up_says_so(tab: Tab, upload_server: UploadServer, way: str) -> None:
    token = upload_server.token(limit=1)
    assert upload_server.post(token, picture(), publicId=f"up/{way}").ok
    open_page(tab, upload_server, token, way)
    choose(tab, picture(), f"up/{way}2")
    send(tab)
    expect(tab.page.get_by_role("alert")).to_have_text("This upload link has been used up.")
    expect(tab.page.get_by_role("status")).to_be_empty()
    assert not upload_server.has(f"up/{way}2")
    # Chromium itself notes each refused request; the page must not add to that.
    assert all("403" in it for it in tab.errors)


@both_ways
def test_a_too_large_file_is_refused_before_it_is_sent_in_full(tab: Tab, upload_server: UploadServer, way: str) -> None:
    token = upload_server.token(limit=1, maxBytes=1_000_000)
    open_page(tab, upload_server, token, way)
    choose(tab, picture(40_000_000), f"large/{way}")
    send(tab)
    expect(tab.page.get_by_role("alert")).to_contain_text("This file is not accepted: its size")
    assert shown_progress(tab) < 50
    assert upload_server.remaining(token) == 1
    assert not upload_server.has(f"large/{way}")


@both_ways
def test_a_cancelled_upload_gives_its_use_back(tab: Tab, upload_server: UploadServer, way: str) -> None:
    token = upload_server.token(limit=1)
    open_page(tab, upload_server, token, way)
    choose(tab, picture(20 * SLOW), f"cancelled/{way}")
    tab.slow_down(SLOW)
    send(tab)
    expect(tab.page.locator("#percent")).not_to_have_text("0 %")
    assert eventually(lambda: upload_server.remaining(token) == 0)
    tab.page.get_by_role("button", name="Cancel").click()
    expect(tab.page.get_by_role("alert")).to_have_text("Upload cancelled.")
    assert eventually(lambda: upload_server.remaining(token) == 1)
    assert eventually(lambda: upload_server.parts(token) == [])
    assert not upload_server.has(f"cancelled/{way}")


def test_the_page_is_usable_by_keyboard(tab: Tab, upload_server: UploadServer) -> None:
    tab.page.goto(upload_server.url)
    order = []
    for _ in range(5):
        tab.page.keyboard.press("Tab")
        order.append(tab.page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert order == ["token", "file", "name", "way", "send"]
    for name in ("Upload token", "Image", "Name of the image", "Progress"):
        expect(tab.page.get_by_label(name, exact=True)).to_have_count(1)
    expect(tab.page.get_by_role("group", name="How to send it")).to_have_count(1)
    choose(tab, picture(), "keyboard")
    tab.page.get_by_label("Upload token").focus()
    tab.page.keyboard.type(upload_server.token()["value"])
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("status")).to_contain_text("Uploaded.")


def test_the_page_fits_a_narrow_screen(tab: Tab, upload_server: UploadServer) -> None:
    tab.page.set_viewport_size({"width": 320, "height": 640})
    open_page(tab, upload_server, upload_server.token(), "form")
    choose(tab, picture(), "narrow/" + "n" * 100)
    send(tab)
    expect(tab.page.get_by_role("link")).to_be_visible()
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") == 320
    for button in tab.page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_a_browser_of_an_allowed_origin_begins_an_upload_itself(tab: Tab, start_countermark: StartCountermark) -> None:
    with bare_page() as allowed, bare_page() as other:
        countermark = start_countermark(cors__allowed_origins=allowed)
        token = countermark.issue(type="upload", limit=1)
        begin = [f"{countermark.url}/v1/uploads", token["value"]]
        tab.page.goto(other)
        assert tab.page.evaluate(BEGIN, begin) == "TypeError"
        assert countermark.view(token["id"])["remaining"] == 1
        assert any("CORS policy" in it for it in tab.errors)
        tab.errors.clear()
        tab.page.goto(allowed)
        assert tab.page.evaluate(BEGIN, begin) == [201, 0]
        assert tab.errors == []
        # A refusal, too, can be read by the page.
        assert tab.page.evaluate(BEGIN, begin) == [403, "LIMIT_REACHED"]
        assert countermark.view(token["id"])["remaining"] == 0


# With its Authorization and its JSON, this asks for a preflight first.
BEGIN = """async ([url, value]) => {
    const headers = { "Authorization": `Bearer ${value}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ request: { publicId: "direct", bytes: 10, contentType: "image/png" } });
    try {
        const answer = await fetch(url, { method: "POST", headers, body });
        const content = await answer.json();
        return [answer.status, answer.ok ? content.remaining : content.code];
    } catch (error) {
        return error.name;
    }
}"""


@contextmanager
def bare_page() -> Iterator[str]:
    """The origin of an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><link rel=icon href=data:,><title>bare</title>"
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
