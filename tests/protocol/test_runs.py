"""What a client may say of a run."""

import pytest
from pydantic import ValidationError

from protocol.runs import Failure, RunReport
from tests.builders import Order, a_report, an_id

ORDER = Order(an_id(), 1, "toy", "n", 7, experiment="a" * 40)


@pytest.mark.parametrize(("metric", "failure"), [(0.9, Failure.CRASH), (None, None)])
def test_a_run_has_a_metric_or_a_failure_and_exactly_one_of_the_two(
    metric: float | None, failure: Failure | None
) -> None:
    with pytest.raises(ValidationError, match="exactly one of the two"):
        a_report(ORDER, metric=metric, failure=failure)

    assert a_report(ORDER, metric=None).failure
    assert isinstance(a_report(ORDER, metric=0.9), RunReport)
