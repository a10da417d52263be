"""Every operation of the OpenAPI document with queries that schemathesis makes up from it: what is allowed is answered
as described, what is not is refused, and nothing fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from web import TOKEN

EXAMPLES = 15  # of each operation and mode: some seconds in all, always the same ones
ENDLESS = "/api/v1/live"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def operations(wide_site) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(wide_site.get("/api/v1/openapi.json"))
    found = {result.ok().path: result.ok() for result in schema.get_all_operations()}
    assert len(found) >= 18
    return found


def examples(operation: Any, mode: GenerationMode, check: Callable[[Any], None]) -> int:
    """How many were tried."""
    tried = []

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        tried.append(case)
        check(case)

    ask()
    return len(tried)


def check(site: Any, checks: list[Any], case: Any) -> None:
    answer = case.call(base_url=site.settings.address, headers={"Authorization": f"Bearer {TOKEN}"})
    case.validate_response(answer, checks=checks)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_asked_is_answered_as_described(wide_site, operations, mode):
    asked = 0
    for path, operation in operations.items():
        if path == ENDLESS or (
            mode is GenerationMode.NEGATIVE and not operation.query and not operation.path_parameters
        ):
            continue
        checks = [*CHECKS, negative_data_rejection] if mode is GenerationMode.NEGATIVE else CHECKS

        asked += examples(operation, mode, partial(check, wide_site, checks))
    assert asked > 100
