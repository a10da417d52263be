"""The OpenAPI document says what the server does: each route, each parameter, and (in tests/web.py) each answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.routing import Route

NOT_DESCRIBED = {"/login", "/login.css", "/api/{rest:path}"}  # pages for people, and what is not there


@pytest.fixture(scope="module")
def document(site) -> dict[str, Any]:
    found: dict[str, Any] = site.get("/api/v1/openapi.json")
    return found


def test_every_route_is_described_and_nothing_else(site, document):
    routed = {route.path for route in site.app.routes if isinstance(route, Route)}
    assert set(document["paths"]) == routed - NOT_DESCRIBED


def test_it_is_openapi_3_1(document):
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    identifiers = [operation["get"]["operationId"] for operation in document["paths"].values()]
    assert len(set(identifiers)) == len(identifiers)
    assert all(operation["get"]["summary"].endswith(".") for operation in document["paths"].values())


def test_every_schema_that_is_referred_to_is_there_and_used(document):
    used = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert used == set(document["components"]["schemas"])


def test_every_parameter_that_is_described_is_taken_and_no_other(site, document):
    for path, operation in document["paths"].items():
        names = {parameter["name"] for parameter in operation["get"]["parameters"] if parameter["in"] == "query"}
        with site.client() as client:
            answer = client.get(path.replace("{process_id}", "1"), params={"surely-not-a-parameter": "1"})
        assert answer.status_code == 400, path
        allowed = answer.json()["error"]["allowed"]
        assert names == ({*allowed.split(", ")} if allowed != "no parameters here" else set()), path
