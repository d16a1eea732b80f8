import pytest

from tfanime.metrics.metric import NEEDS
from tfanime.metrics.registry import METRICS, SETTINGS


def test_names_are_given_once():
    names = [metric.name for metric in METRICS]
    keys = [key for metric in METRICS for key in metric.keys]
    assert len(set(names)) == len(names) and len(set(keys)) == len(keys)
    assert len(SETTINGS) == sum(len(metric.settings) for metric in METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metrics_need_what_there_is(metric):
    assert metric.needs <= set(NEEDS)
    assert ("seen" in metric.needs) == (metric.look is not None)
