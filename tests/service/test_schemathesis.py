from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from live_server import listening
from served import RUN, NoSearch, Served, served_run

SETTINGS = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ENDLESS = "/api/runs/{run}/events"
SLOW = "/api/runs/{run}/report"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Served]]:
    """The address and the token of a server that anything may be done to."""
    runs = tmp_path_factory.mktemp("fuzzed") / "runs"
    served_run(runs / RUN)
    served = Served(runs, NoSearch(runs))
    with listening(served) as address:
        yield address, served.keys.token, served


def operations(document: dict[str, object]) -> list[tuple[str, str]]:
    """Method and path of everything that ends and costs little."""
    found = [(method, path) for path, item in document["paths"].items() for method in item]  # type: ignore[attr-defined]
    return [pair for pair in found if pair[1] not in (ENDLESS, SLOW)]


def statuses_of(operation: schemathesis.APIOperation, address: str, token: str) -> set[int]:
    """Asks one operation in ways that its description allows, and forbids; the statuses of the answers."""
    statuses: set[int] = set()
    allowed = operation.as_strategy()
    forbidden = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @SETTINGS
    @given(case=allowed | forbidden, run=st.sampled_from((RUN, None)), number=st.sampled_from((0, 3, 6, None)))
    def no_fault(case: schemathesis.Case, run: str | None, number: int | None) -> None:
        for name, value in (("run", run), ("number", number)):
            if value is not None and name in case.path_parameters:
                case.path_parameters[name] = value
        answer = case.call(base_url=address, headers={"Authorization": f"Bearer {token}"})
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0].startswith("application/problem+json"), case.as_curl_command()

    no_fault()
    return statuses


def test_no_request_that_the_document_allows_or_forbids_makes_the_server_fail(asked: tuple[str, str, Served]) -> None:
    address, token, served = asked
    document = served.program().get("/api/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    seen = {pair: statuses_of(schema[pair[1]][pair[0].upper()], address, token) for pair in operations(document)}
    assert len(seen) >= 14
    reached = [pair for pair, statuses in seen.items() if statuses & {200, 201}]
    assert len(reached) >= 10, seen
