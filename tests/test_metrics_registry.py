import pytest

from tfanime.metrics.metric import NEEDS
from tfanime.metrics.registry import METRICS, SETTINGS, parse_metric


def test_metric_names_are_unique():
    names = [metric.name for metric in METRICS]
    keys = [key for metric in METRICS for key in metric.keys]
    assert len(set(names)) == len(names) and len(set(keys)) == len(keys)
    assert len(SETTINGS) == sum(len(metric.settings) for metric in METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metrics_need_known_evidence(metric):
    assert metric.needs <= set(NEEDS)
    assert ("seen" in metric.needs) == (metric.look is not None)


def test_parse_metric_reads_options():
    metric, options = parse_metric("ppl:pairs=100,sampling=end")
    assert metric.name == "ppl" and options == {"pairs": 100, "sampling": "end", "epsilon": 1e-4}
    assert parse_metric("psnr")[1] == {} and parse_metric("ppl")[1] == metric.options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fid", r"a metric to compute also must be one of ppl, psnr, ssim. Received: 'fid'"),
        ("ppl:steps=3", r"options of the metric ppl must be of pairs, sampling, epsilon. Received: 'ppl:steps=3'"),
        ("ppl:pairs", r"options of the metric ppl must be of pairs"),
        ("psnr:a=1", r"options of the metric psnr must be none. Received: 'psnr:a=1'"),
        ("ppl:pairs=many", r"pairs of the metric ppl must be of type int. Received: 'ppl:pairs=many'"),
        ("ppl:pairs=1", r"pairs must be at least 2. Received: 1"),
        ("ppl:sampling=begin", r"sampling must be one of full, end. Received: 'begin'"),
        ("ppl:epsilon=0", r"epsilon must be above 0 and below 1. Received: 0.0"),
    ],
)
def test_parse_metric_refuses_unknown_metrics(text, message):
    with pytest.raises(ValueError, match=message):
        parse_metric(text)
