"""Nothing is told without the token, and the token is told to nobody."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from starlette.routing import Mount, Route

PUBLIC = {"/login", "/login.css"}


def addresses(routes: Any) -> Iterator[str]:
    """Every address of a router, with something in the place of each parameter."""
    for route in routes:
        if isinstance(route, Route):
            yield route.path.replace("{process_id}", "1").replace("{rest:path}", "anything")
        elif isinstance(route, Mount):
            yield f"{route.path}/"
            yield f"{route.path}/index.js"
        else:
            raise AssertionError(f"a kind of route that this test does not know: {route!r}")


@pytest.fixture
def stranger(site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.settings.address, timeout=20, verify=False) as client:
        yield client


@pytest.fixture
def protected(site) -> list[str]:
    found = [path for path in addresses(site.app.routes) if path not in PUBLIC]
    assert len(found) >= 12
    return found


def session_cookie(answer: httpx.Response) -> Any:
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic {token}"},
        {"Authorization": "{token}"},
        {"Authorization": "Bearer {token}x"},
        {"Authorization": "Bearer {shorter}"},
        {"Authorization": "Bearer {token} {token}"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Cookie": "{cookie}={token}"},
        {"Cookie": "{cookie}="},
        {"Cookie": "{cookie}"},
        {"Cookie": "memtap={token}; token={token}"},
        {"Cookie": '{cookie}="\\377\\ud800"'},
        {"X-Token": "{token}"},
    ],
)
def test_every_route_refuses_whoever_has_no_token(site, stranger, protected, headers):
    token = site.settings.token
    words = {"token": token, "shorter": token[:-1], "cookie": f"memtap-{site.settings.port}"}
    sent = {name: value if isinstance(value, bytes) else value.format(**words) for name, value in headers.items()}
    for path in protected:
        for method in ("GET", "HEAD"):
            answer = stranger.request(method, path, headers=sent)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/login/", "//login", "/login/..", "/LOGIN", "/login%0a", "/login.css/", "/./login", "/login%2f"]
)
def test_what_only_looks_like_the_login_page_is_not_public(stranger, path):
    assert stranger.get(path).status_code == 401


def test_an_unknown_address_is_a_401_to_strangers_and_tells_them_nothing(stranger):
    real, unreal = stranger.get("/api/v1/calls"), stranger.get("/api/v1/nothing")
    assert (real.status_code, real.content) == (unreal.status_code, unreal.content)


def test_the_api_refuses_in_json_and_the_page_in_html(stranger):
    assert stranger.get("/api/v1/status").json()["error"]["what"].startswith("a token is needed")
    page = stranger.get("/")
    assert page.status_code == 401
    assert '<form method="post" action="/login">' in page.text


def test_a_bearer_header_is_enough(site, protected):
    with site.client() as client:
        for path in protected:
            with client.stream("GET", path) as answer:
                assert answer.status_code in (200, 400, 404), path  # 400: it lacks a parameter


@pytest.mark.parametrize("path", ["/", "/login"])
def test_the_token_in_the_address_is_exchanged_for_a_cookie_and_leaves_the_address(site, stranger, path):
    answer = stranger.get(path, params={"token": site.settings.token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    assert stranger.get("/api/v1/status").status_code == 200


def test_the_form_exchanges_it_too(site, stranger):
    answer = stranger.post("/login", data={"token": site.settings.token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert stranger.get("/").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site, stranger):
    cookie = session_cookie(stranger.get("/", params={"token": site.settings.token}))
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "strict"
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert cookie.key == f"memtap-{site.settings.port}"


def test_the_cookie_is_not_the_token_and_does_not_work_as_one(site, stranger):
    cookie = session_cookie(stranger.get("/", params={"token": site.settings.token}))
    assert site.settings.token not in cookie.value
    stranger.cookies.clear()
    assert stranger.get("/api/v1/status", headers={"Authorization": f"Bearer {cookie.value}"}).status_code == 401
    assert stranger.get("/", params={"token": cookie.value}).status_code == 401


def test_a_cookie_of_another_token_is_worth_nothing(serve, made, stranger):
    one, other = serve(made.reader(), token="one" * 9), serve(made.reader(), token="other" * 9)
    stranger.get(one.settings.login_address())
    name, value = f"memtap-{one.settings.port}", stranger.cookies[f"memtap-{one.settings.port}"]
    renamed = {"Cookie": f"memtap-{other.settings.port}={value}; {name}={value}"}
    assert httpx.get(f"{other.settings.address}api/v1/status", headers=renamed).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", "the-token-of-the-test", "\ud800", "é", "a" * 3000])
def test_a_wrong_token_gets_the_login_page_again_with_words_and_no_cookie(stranger, token):
    raw = token.encode("utf-8", "surrogatepass")
    for answer in (
        stranger.get(httpx.URL("/", params={"token": raw.decode("latin-1")})),
        stranger.post("/login", content=b"token=" + raw, headers={"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        assert answer.status_code in (400, 401)
        assert "set-cookie" not in answer.headers


def test_a_wrong_token_is_said_to_be_wrong_in_the_readers_language(stranger):
    english = stranger.get("/", params={"token": "wrong"}).text
    spanish = stranger.get("/", params={"token": "wrong"}, headers={"Accept-Language": "es-MX,en;q=0.5"}).text
    assert '<p class="wrong" role="alert" >' in english
    assert "That is not the token" in english
    assert "Ese no es el token" in spanish
    assert '<html lang="es">' in spanish
    assert '<p class="wrong" role="alert" hidden>' in stranger.get("/").text


def test_a_code_for_the_browsers_command_line_works_once(site):
    from memtap.api import one_time_code

    code = one_time_code(site.app)
    address = site.settings.login_address(code)
    assert site.settings.token not in address
    assert httpx.get(address).status_code == 303
    assert httpx.get(address).status_code == 401


def test_whoever_is_in_already_and_brings_an_old_token_stays_in(site, stranger):
    stranger.get("/", params={"token": site.settings.token})
    answer = stranger.get("/", params={"token": "of-last-week"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    ],
)
def test_a_form_on_another_sites_page_cannot_log_in(site, stranger, headers):
    answer = stranger.post("/login", data={"token": site.settings.token}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_our_own_form_can(site, stranger):
    own = {"Origin": site.settings.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert stranger.post("/login", data={"token": site.settings.token}, headers=own).status_code == 303


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_nothing_can_be_changed_by_any_method(site, protected, method):
    with site.client() as client:
        for path in protected:
            answer = client.request(method, path)
            assert answer.status_code == 405, path
            assert answer.headers["allow"] == "GET, HEAD"


def test_no_other_origin_is_let_in(site):
    with site.client() as client:
        for path in ("/api/v1/status", "/api/v1/calls", "/login"):
            answer = client.get(path, headers={"Origin": "http://evil.example"})
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="token"\r\n\r\n', 415),
        ("application/json", b'{"token": "x"}', 415),
        ("text/plain", b"token=x", 415),
        ("application/x-www-form-urlencoded", b"token=" + b"a" * 10_000, 413),
        ("application/x-www-form-urlencoded", b"&".join([b"token=a"] * 100), 400),
        ("application/x-www-form-urlencoded", b"token=\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"", 401),
        ("application/x-www-form-urlencoded", b"token=%ED%A0%80%00", 401),
    ],
)
def test_a_login_form_that_is_none_is_refused(stranger, content_type, body, status):
    answer = stranger.post("/login", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


def test_the_token_is_in_no_log(site, stranger):
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))  # the client's own
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        stranger.get("/", params={"token": site.settings.token})
        stranger.get("/", params={"token": f"{site.settings.token}-nearly"})
        stranger.post("/login", data={"token": site.settings.token})
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    assert site.settings.token not in heard.getvalue()


def test_the_token_is_not_in_what_settings_print(site):
    assert site.settings.token not in repr(site.settings)
