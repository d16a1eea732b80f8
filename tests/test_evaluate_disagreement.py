"""What two distances disagree about, and what is said of it."""

from test_evaluate_table import PROTOCOL, VALUES

from tfanime.evaluate.disagreement import disagreements
from tfanime.evaluate.results import Evaluation

NETWORKS = {"network": {"value": "fd_a", "name": "a"}, "second": {"value": "fd_b", "name": "b"}}


def evaluation(*models, protocol=NETWORKS):
    """Of models, for each of which its name, the four distances, and how many pictures there are, are given."""
    keys = ("distance", "kernel", "second_distance", "second_kernel")
    more = {"kernel_deviation": 0.001, "second_kernel_deviation": 0.002}
    rows = [
        {
            "name": name,
            "generated": name != "real",
            "samples": samples,
            "values": VALUES | more | dict(zip(keys, distances, strict=True)),
        }
        for name, distances, samples in models
    ]
    return Evaluation(PROTOCOL | protocol, {}, [], rows)


def test_disagreements_name_networks_models_and_values():
    models = [("x", (12.5, 0.010, 2.02, 0.005), 100), ("y", (14, 0.020, 1.79, 0.006), 100)]
    (sentence,) = disagreements(evaluation(*models))
    assert sentence == (
        "a (fd_a) and b (fd_b) disagree about the order of x and y (fd_a 12.5 against 14, fd_b 2.02 against 1.79): "
        "look at the sheets."
    )
    assert disagreements(evaluation(*models[::-1])) == [sentence]


def test_disagreements_compare_both_distances_of_one_network():
    models = [("x", (2.02, 0.005, None, None), 100), ("y", (1.79, 0.014, None, None), 100)]
    (sentence,) = disagreements(evaluation(*models, protocol={"network": NETWORKS["network"]}))
    assert sentence.startswith("a (fd_a) and a (KID x1000) disagree about the order of y and x (fd_a 1.79 against")
    assert "KID x1000 14.00 ± 1.00 against 5.00 ± 1.00" in sentence


def test_disagreements_ignore_undecided_pairs():
    alike = [("x", (1, 0.010, 1, 0.010), 100), ("y", (2, 0.020, 2, 0.020), 100)]
    assert disagreements(evaluation(*alike)) == []
    noise = [("x", (1, 0.0110, 1, 0.0119), 100), ("y", (2, 0.0100, 2, 0.0100), 100)]  # within the deviations
    assert disagreements(evaluation(*noise)) == []
    assert len(disagreements(evaluation(("x", (1, 0.0111, 1, 0.0119), 100), noise[1]))) == 1
    for other in (("y", (2, 0.010, 0.5, 0.005), 99), ("real", (2, 0.010, 0.5, 0.005), 100)):
        assert disagreements(evaluation(alike[0], other)) == []


def test_disagreements_count_further_pairs():
    models = [(str(place), (place, 0.01, -place, 0.01), 100) for place in range(4)]
    (sentence,) = disagreements(evaluation(*models))
    assert sentence.count(" and ") == 4 and sentence.endswith("; 3 more pairs: look at the sheets.")
