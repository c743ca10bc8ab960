import pytest
from hypothesis import HealthCheck, given, settings

from tests.sources.price_mutations import FILES, check_mutation, mutations


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations)
@pytest.mark.ci
def test_a_mutated_file_is_read_whole_or_refused_with_a_message(mutation) -> None:  # type: ignore[no-untyped-def]
    check_mutation(*mutation)


def test_what_the_mutations_begin_with_is_read() -> None:
    assert {check_mutation(file, True, []) for file in FILES} == {"read"}
