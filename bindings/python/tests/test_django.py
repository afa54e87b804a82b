"""`countermark.django`, with a real Django under werkzeug, gunicorn and uvicorn, against a real service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from countermark import Client, Signer
from countermark.django import CountermarkStorage
from countermark.errors import InvalidArgument, LinkExpired
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.db.migrations.writer import MigrationWriter
from django.template import Context, Template
from django.test import AsyncClient as AsyncBrowser
from django.test import Client as Browser
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter
from django_application import PROTECTED, SECRET, STORAGE, TOKEN
from issued import link, signer_of, used
from running_service import Service, StartService, free_port, fresh_value
from web_servers import (
    PREFLIGHT,
    Server,
    answered_without_the_view,
    bearer,
    process_server,
    werkzeug_server,
)

TESTS = Path(__file__).resolve().parent
SIGNER = Signer(TOKEN, {1: SECRET})
SERVICE_KEY = "cmk_0123456789abcdefghijkl"
OLD, NEW = "cms_" + "old-secret" * 4, "cms_" + "new-secret" * 4
HOST = "http://127.0.0.1"


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, service.key) as opened:
        yield opened


@pytest.fixture(scope="module")
def gunicorn(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with django_server(service, tmp_path_factory.mktemp("gunicorn"), "gunicorn") as running:
        yield running


@pytest.fixture(scope="module")
def uvicorn(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with django_server(service, tmp_path_factory.mktemp("uvicorn"), "uvicorn") as running:
        yield running


def django_server(service: Service, folder: Path, kind: str, **environment: str) -> Any:
    port = free_port()
    commands = {
        "gunicorn": ["gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", "django_application:wsgi"],
        "uvicorn": ["uvicorn", "--port", str(port), "--lifespan", "off", "django_application:asgi"],
    }
    named = {"COUNTERMARK_URL": service.url, "COUNTERMARK_KEY": service.key}
    return process_server(commands[kind], port, folder / f"{kind}.log", {**named, **environment}, cwd=TESTS)


@pytest.fixture(params=["gunicorn", "uvicorn"])
def server(request: pytest.FixtureRequest) -> Server:
    running = request.getfixturevalue(request.param)
    assert isinstance(running, Server)
    return running


def key(client: Client, permission: str = "photos:read", **terms: Any) -> str:
    value = client.issue("apiKey", permissions=[permission], **terms).value
    assert value is not None
    return value


def signed(path: str, placement: Any = "path", **terms: Any) -> str:
    return SIGNER.sign(HOST + path, placement=placement, **terms).removeprefix(HOST)


# Middleware


def test_a_key_with_the_permission_passes_and_the_view_sees_the_decision(
    server: Server, client: Client
) -> None:
    answer = server.call("/api/photos/", headers=bearer(key(client, owner="ann", limit=9)))
    assert (answer.status, answer.json()) == (200, {"rest": "", "type": "apiKey", "used": 1, "owner": "ann"})


def test_a_refusal_is_a_problem_with_its_status_and_challenge(server: Server, client: Client) -> None:
    for headers, status, code in [
        ({}, 401, "NO_CREDENTIAL"),
        (bearer(fresh_value("k")), 401, "UNKNOWN_TOKEN"),
        (bearer(fresh_value("u")), 401, "WRONG_TYPE"),
        (bearer(key(client, "other")), 403, "PERMISSION_DENIED"),
        (bearer(key(client, expiry=1)), 410, "EXPIRED"),
        (bearer(key(client, limit=0)), 429, "LIMIT_REACHED"),
        ({**bearer("x"), "X-Custom-Auth-Key": "x"}, 400, "MALFORMED"),
    ]:
        answer = server.call("/api/photos/", headers=headers)
        assert (answer.status, answer.code) == (status, code)
        assert ("www-authenticate" in answer.headers) == (code != "MALFORMED" and status in (401, 403))


def test_other_paths_need_nothing(server: Server) -> None:
    assert server.call("/open/").json() == {"rest": "", "verified": None}


@pytest.mark.parametrize("path", ["/%61pi/photos/", "/api/%70hotos/", "/api%2Fphotos%2F", "/api/photos"])
def test_another_spelling_of_a_protected_path_is_protected(server: Server, path: str) -> None:
    assert server.call(path).code == "NO_CREDENTIAL"


def test_a_limit_of_seven_gives_seven_successes_under_twenty_parallel_requests(
    server: Server, client: Client
) -> None:
    issued = client.issue("apiKey", permissions=["photos:read"], limit=7)
    answers = server.call_at_once(20, "/api/photos/", bearer(issued.value))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 13
    assert used(client, issued) == 7


def test_an_upload_token_s_constraints_see_the_body_s_size_and_type(server: Server, client: Client) -> None:
    issued = client.issue("upload", extra={"max_bytes": 4, "mime_types": ["image/*"]})
    headers = {**bearer(issued.value), "Content-Type": "image/png"}
    assert server.call("/api/upload/", "POST", headers, b"1234").status == 200
    assert server.call("/api/upload/", "POST", headers, b"12345").code == "CONSTRAINT_FAILED"


@pytest.mark.parametrize("placement", ["path", "query"])
@pytest.mark.parametrize("rest", ["a%2Fb.jpg", "a%20b.jpg", "%61.jpg", "a%2eb.jpg", "%C3%BC.jpg", "a+b"])
def test_the_link_is_verified_byte_for_byte_and_the_view_sees_the_path_without_it(
    server: Server, client: Client, placement: Any, rest: str
) -> None:
    local = server.call(signed(f"/shop/{rest}", placement)).json()
    assert local == {"rest": unquote(rest), "verified": f"/shop/{rest}"}
    asked = signer_of(client.issue("imageUrl")).sign(f"{HOST}/links/{rest}", placement=placement)
    assert server.call(asked.removeprefix(HOST)).json()["rest"] == unquote(rest)


@pytest.mark.parametrize(
    ("good", "sent"), [("a%2Fb", "a/b"), ("a/b", "a%2Fb"), ("a%20b", "a+b"), ("a", "%61"), ("x", "y")]
)
def test_another_spelling_of_the_path_is_another_link(server: Server, good: str, sent: str) -> None:
    for placement in ("path", "query"):
        target = signed(f"/shop/{good}", placement).replace(good, sent, 1)
        assert server.call(target).code in ("BAD_SIGNATURE", "MALFORMED"), placement


@pytest.mark.parametrize("rest", ["%2e%2e/a", ".%2E/a", "a%2F..%2Fb", "a%5C..%5Cb", "a%00"])
def test_dots_in_any_spelling_are_malformed(server: Server, rest: str) -> None:
    target = signed("/shop/x", "query").replace("/shop/x?", f"/shop/{rest}?")
    assert server.call(target).code == "MALFORMED"


def test_an_expired_link_is_gone(server: Server) -> None:
    assert server.call(signed("/shop/a", expires=1)).code == "LINK_EXPIRED"
    assert server.call("/shop/a").code == "NO_CREDENTIAL"


def test_another_host_is_another_link(server: Server) -> None:
    other = SIGNER.sign("http://other.example/shop/a").removeprefix("http://other.example")
    assert server.call(other).code == "BAD_SIGNATURE"
    assert server.call(other, headers={"Host": "other.example"}).status == 400


def test_the_place_of_a_signature_does_not_choose_the_weaker_rule(server: Server, client: Client) -> None:
    issued = client.issue("imageUrl")
    url = signer_of(issued).sign(f"{HOST}/links/staff/a", placement="path")
    assert server.call(url.removeprefix(HOST)).code == "PATH_DENIED"
    assert server.call(link(issued, "/links/staff/a")).code == "WRONG_TYPE"


def test_a_prefix_may_be_longer_than_the_cloud(server: Server) -> None:
    assert server.call(signed("/gallery/inner/a")).json() == {"rest": "a", "verified": "/gallery/inner/a"}
    assert server.call("/gallery/inner/a").code == "NO_CREDENTIAL"
    assert server.call(signed("/gallery/inner/a").replace("/a", "/b")).code == "BAD_SIGNATURE"
    assert server.call("/gallery/s-cm1:x/inner/a").code == "MALFORMED"


def test_a_preflight_needs_no_credential_and_never_reaches_the_view(server: Server) -> None:
    for path in ("/api/photos/", "/shop/a"):
        answered_without_the_view(server.call(path, "OPTIONS", PREFLIGHT))
    assert server.call("/api/photos/", "OPTIONS").code == "NO_CREDENTIAL"


def test_caches_are_told_whose_an_answer_is(server: Server, client: Client) -> None:
    answer = server.call("/api/photos/", headers=bearer(key(client, limit=9)))
    assert answer.headers["cache-control"] == "private, no-store"
    answer = server.call("/api/photos/", headers=bearer(key(client)))
    assert (answer.headers["cache-control"], answer.headers["vary"]) == (
        "private",
        "Authorization, X-Custom-Auth-Key",
    )
    assert server.call(signed("/shop/a")).headers["cache-control"] == "private"
    assert "cache-control" not in server.call("/open/").headers


def test_a_cache_of_django_s_gives_nobody_what_another_was_given(service: Service, client: Client) -> None:
    cache = [f"django.middleware.cache.{name}CacheMiddleware" for name in ("Update", "FetchFrom")]
    ours = "countermark.django.CountermarkMiddleware"
    named = {"URL": service.url, "KEY": service.key, "PROTECTED": PROTECTED}
    with override_settings(MIDDLEWARE=[*cache, ours], COUNTERMARK=named):
        assert [found.id for found in run_checks()] == ["countermark.W004"] * 2
        with werkzeug_server(get_wsgi_application()) as server:
            credential = {"X-Custom-Auth-Key": key(client, limit=9)}
            assert [server.call("/api/photos/", headers=credential).json()["used"] for _ in "12"] == [1, 2]
            assert server.call("/api/photos/").code == "NO_CREDENTIAL"
    with override_settings(MIDDLEWARE=[ours, *cache], COUNTERMARK=named):
        assert run_checks() == []


def test_head_of_a_link_is_free(server: Server, client: Client) -> None:
    issued = client.issue("imageUrl", limit=5)
    assert server.call(link(issued, "/links/a"), "HEAD").status == 200
    assert used(client, issued) == 0


def test_under_a_script_name_the_public_url_is_verified(service: Service, tmp_path: Path) -> None:
    with django_server(service, tmp_path, "gunicorn", SCRIPT_NAME="/app") as server:
        assert server.call(signed("/app/shop/a%2Fb", "query")).json()["verified"] == "/app/shop/a%2Fb"
        assert server.call(signed("/shop/a", "query").replace("/shop", "/app/shop")).code == "BAD_SIGNATURE"


def test_under_a_forced_script_name_the_public_url_is_verified() -> None:
    with override_settings(FORCE_SCRIPT_NAME="/app"), werkzeug_server(get_wsgi_application()) as server:
        assert server.call(signed("/app/shop/a%20b", "query").removeprefix("/app")).status == 200


def test_while_the_service_is_down_nothing_is_allowed(start_service: StartService) -> None:
    service = start_service()
    with Client(service.url, service.key) as client:
        value = key(client)
    named = {"URL": service.url, "KEY": service.key, "PROTECTED": PROTECTED}
    with override_settings(COUNTERMARK=named), werkzeug_server(get_wsgi_application()) as server:
        assert server.call("/api/photos/", headers=bearer(value)).status == 200
        service.kill()
        answer = server.call("/api/photos/", headers=bearer(value))
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")


def test_where_the_target_is_not_told_links_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    application = get_wsgi_application()

    def untelling(environ: dict[str, Any], start_response: Any) -> Any:
        told = {name: text for name, text in environ.items() if name not in ("REQUEST_URI", "RAW_URI")}
        return application(told, start_response)

    with werkzeug_server(untelling) as server:
        assert server.call(signed("/shop/a")).code == "TARGET_UNKNOWN"
    assert "REQUEST_URI" in caplog.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "PROTECTED"),
        ({}, "PROTECTED"),
        ({"PROTECTED": {}}, "PROTECTED"),
        ({"PROTECT": {}}, "'PROTECT' is none of"),
        ({"PROTECTED": {"photos": {"permission": "x"}}}, "slash"),
        ({"PROTECTED": {"/a/": "x"}}, "dictionary"),
        ({"PROTECTED": {"/a/": {}}}, "permission"),
        ({"PROTECTED": {"/a/": {"permision": "x"}}}, "permision"),
        ({"PROTECTED": {"/a/": {"signing_secrets": {TOKEN: {1: "short"}}}}}, "secrets"),
        ({"PROTECTED": {"/a/": {"signing_secrets": {TOKEN: SECRET}, "permission": "x"}}}, "beside"),
    ],
)
def test_with_settings_that_cannot_be_meant_the_application_does_not_start(given: Any, words: str) -> None:
    with override_settings(COUNTERMARK=given):
        with pytest.raises(ImproperlyConfigured, match=words):
            get_wsgi_application()
        assert [found.id for found in run_checks()] == ["countermark.E006"]


def test_django_s_own_clients_for_tests_reach_the_view(service: Service, client: Client) -> None:
    named = {"URL": service.url, "KEY": service.key, "PROTECTED": PROTECTED}
    headers = bearer(key(client))
    with override_settings(COUNTERMARK=named):
        assert Browser().get("/api/photos/?a=1", headers=headers).status_code == 200
        assert asyncio.run(AsyncBrowser().get("/api/photos/?a=1", headers=headers)).status_code == 200


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_connections_end_with_their_event_loop(service: Service, client: Client) -> None:
    named = {"URL": service.url, "KEY": service.key, "PROTECTED": PROTECTED}
    headers = bearer(key(client))
    with override_settings(COUNTERMARK=named):
        browser = AsyncBrowser()
        asyncio.run(browser.get("/api/photos/", headers=headers))
        before = open_files()
        for _ in range(5):
            assert asyncio.run(browser.get("/api/photos/", headers=headers)).status_code == 200
        assert open_files() <= before


# Storage


def storage(**options: Any) -> CountermarkStorage:
    return CountermarkStorage(token_id=TOKEN, secrets={1: SECRET}, **options)


def test_a_link_of_the_file_system_stays_a_path_and_is_signed_for_its_host() -> None:
    url = storage(host="127.0.0.1", expires_in=60).url("cats/two cats.jpg")
    assert url.startswith("/shop/s-cm1:")
    assert SIGNER.verify(HOST + url).path == "/shop/cats/two%20cats.jpg"


@pytest.mark.parametrize(
    "options",
    [{"base_url": "https://img.example/shop"}, {"base_url": "https://img.example/", "cloud_id": "shop"}],
)
def test_a_link_can_lead_to_where_files_are_delivered(options: Any) -> None:
    verified = SIGNER.verify(storage(**options).url("a b/ü?#.jpg"))
    assert (verified.host, verified.cloud_id) == ("img.example", "shop")
    assert verified.path == "/shop/a%20b/%C3%BC%3F%23.jpg"


def test_the_signature_can_stand_in_the_query() -> None:
    url = storage(base_url="https://img.example/shop/", placement="query").url("a.jpg")
    assert url.startswith("https://img.example/shop/a.jpg?cm-token=")


def test_the_highest_version_signs_and_old_links_go_on() -> None:
    base_url = "https://img.example/shop/"
    before = CountermarkStorage(token_id=TOKEN, secrets={1: OLD}, base_url=base_url).url("a")
    rotated = CountermarkStorage(token_id=TOKEN, secrets={1: OLD, 2: NEW}, base_url=base_url)
    both = Signer(TOKEN, {1: OLD, 2: NEW})
    assert both.verify(rotated.url("a")).key_version == 2
    assert both.verify(before).key_version == 1


def test_a_link_expires_and_stays_the_same_within_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = storage(base_url="https://img.example/shop/", expires_in=60, bucket=600)
    urls: list[str] = []
    for now in (6_000, 6_500, 6_600):
        monkeypatch.setattr("time.time", lambda now=now: float(now))
        urls.append(kept.url("a"))
    assert urls[0] == urls[1] != urls[2]
    monkeypatch.undo()
    with pytest.raises(LinkExpired):
        SIGNER.verify(urls[0])


def test_names_that_climb_are_not_signed() -> None:
    with pytest.raises(InvalidArgument, match="url"):
        storage(base_url="https://img.example/shop/").url("../secret")


def test_files_are_kept_by_the_wrapped_storage() -> None:
    kept = storage(storage={"BACKEND": "django.core.files.storage.InMemoryStorage"}, base_url="https://x/y/")
    name = kept.save("a/b.txt", ContentFile(b"cat"))
    assert (name, kept.save("a/b.txt", ContentFile(b"dog")) != name) == ("a/b.txt", True)
    assert kept.exists(name) and kept.size(name) == 3 and kept.listdir("a")[1][0] == "b.txt"
    with kept.open(name) as file:
        assert file.read() == b"cat"
    assert kept.get_modified_time(name) >= kept.get_created_time(name)
    kept.delete(name)
    assert not kept.exists(name)
    assert isinstance(kept.wrapped, InMemoryStorage)
    assert storage(storage=FileSystemStorage("/srv/x")).path("a") == "/srv/x/a"
    assert storage(storage=FileSystemStorage("/srv/x")).base_location == "/srv/x"


def test_options_that_cannot_be_meant_are_refused() -> None:
    refused: list[dict[str, Any]] = [{"storage": {"OPTIONS": {}}}, {"cloud_id": "x"}]
    for options in refused:
        with pytest.raises(InvalidArgument):
            storage(**options)
    with pytest.raises(InvalidArgument):
        storage().url("only a path and no host")


def test_secrets_stand_neither_in_a_repr_nor_in_a_migration() -> None:
    kept = storage()
    assert SECRET not in repr(kept) and TOKEN in repr(kept)
    with pytest.raises(TypeError, match="callable"):
        MigrationWriter.serialize(models.FileField(storage=kept))
    text, _ = MigrationWriter.serialize(models.FileField(storage=default_of_storages))
    assert "default_of_storages" in text and SECRET not in text


def test_secrets_do_not_stand_in_error_reports() -> None:
    request = RequestFactory().get("/open/")
    with override_settings(COUNTERMARK=both(KEY=SERVICE_KEY), STORAGES=storages_with(STORAGE), DEBUG=True):
        try:
            raise ValueError
        except ValueError:
            reporter = ExceptionReporter(request, *sys.exc_info())
            reports = [reporter.get_traceback_text(), reporter.get_traceback_html()]
    for report in reports:
        assert "/gallery/inner/" in report and "CountermarkStorage" in report
        assert SECRET not in report and SERVICE_KEY not in report


def default_of_storages() -> Any:
    return storages["default"]


def test_a_template_shows_signed_links() -> None:
    class Photo(models.Model):
        image = models.FileField()

        class Meta:
            app_label = "countermark"

    page = Template("{{ photo.image.url }}").render(Context({"photo": Photo(image="a b.jpg")}))
    assert SIGNER.verify(HOST + page).path == "/shop/a%20b.jpg"


# System checks


def found(options: Mapping[str, Any] | None = None, **changes: Any) -> list[str]:
    """Ids of what the checks say about storage options and other settings."""
    with_options = {**STORAGE, "OPTIONS": {**STORAGE["OPTIONS"], **(options or {})}}
    with override_settings(STORAGES=storages_with(with_options), COUNTERMARK=both(**changes)):
        return [str(message.id) for message in run_checks()]


def storages_with(default: dict[str, Any]) -> dict[str, Any]:
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    return {"default": default, "staticfiles": static}


def both(**changes: Any) -> dict[str, Any]:
    return {"URL": "http://127.0.0.1:8080", "KEY": "cmk_x", "PROTECTED": PROTECTED, **changes}


def test_good_settings_have_nothing_to_say() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({"token_id": ""}, "E001"),
        ({"secrets": {}}, "E001"),
        ({"token_id": "iu_wrong"}, "E002"),
        ({"expire_in": 60}, "E002"),
        ({"placement": "header"}, "E002"),
        ({"storage": {"BACKEND": "nowhere.Storage"}}, "E002"),
        ({"secrets": {1: "short"}}, "E003"),
        ({"secrets": {0: SECRET}}, "E003"),
        ({"secrets": {1: "django-insecure-0123456789abcdefghijk"}}, "E004"),
        ({"secrets": {1: "x" * 40}}, "E004"),
        ({"secrets": {1: "a key of Django's own, which signs sessions and nothing else"}}, "E004"),
        ({"host": None}, "E005"),
        ({"host": None, "base_url": "/media/"}, "E005"),
        ({"expires_in": None}, "W001"),
    ],
)
def test_each_mistake_of_a_storage_has_its_number(options: dict[str, Any], number: str) -> None:
    assert found(options) == [f"countermark.{number}"]


def test_a_placeholder_is_only_warned_of_under_debug() -> None:
    with override_settings(DEBUG=True):
        assert found({"secrets": {1: "django-insecure-0123456789abcdefghijk"}}) == ["countermark.W002"]


def test_a_service_that_is_asked_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTERMARK_URL", "COUNTERMARK_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert found(URL=None, KEY="") == ["countermark.E007", "countermark.E007"]
    assert found(URL=None, KEY="", PROTECTED={"/a/": PROTECTED["/shop/"]}) == []
    monkeypatch.setenv("COUNTERMARK_URL", "http://127.0.0.1:8080")
    assert found(URL=None) == []


def test_a_guessable_secret_of_the_middleware_is_an_error() -> None:
    assert found(PROTECTED={"/a/": {"signing_secrets": {TOKEN: "x" * 40}}}) == ["countermark.E004"]


def test_under_debug_the_order_of_applications_matters_for_runserver() -> None:
    behind = ["django.contrib.staticfiles", "countermark.django"]
    with override_settings(DEBUG=True, INSTALLED_APPS=behind):
        assert found() == ["countermark.W003"]
    with override_settings(DEBUG=False, INSTALLED_APPS=behind):
        assert found() == []


def test_messages_of_the_checks_show_no_secret() -> None:
    weak = "django-insecure-0123456789abcdefghijk"
    with override_settings(
        COUNTERMARK=both(PROTECTED={"/a/": {"signing_secrets": {"iu_wrong": weak, TOKEN: weak}}})
    ):
        assert weak not in str(run_checks())
    for secret in ("short!", weak):
        options = {**STORAGE["OPTIONS"], "secrets": {1: secret}}
        changed = storages_with({**STORAGE, "OPTIONS": options})
        with override_settings(STORAGES=changed, COUNTERMARK=both()):
            assert run_checks() and secret not in str(run_checks())
