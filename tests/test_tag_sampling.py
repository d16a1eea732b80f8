import numpy as np
import tensorflow as tf

from tfanime.tag_sampling import TagSampler
from tfanime.tags import JIN34, TagGroup, TagVocabulary

VOCABULARY = TagVocabulary(
    "v",
    (TagGroup("colour", ("red", "green", "blue"), exclusive=True), TagGroup("more", ("hat", "smile"), exclusive=False)),
    priors={"red": 0.5, "green": 0.25, "blue": 0.25, "hat": 0.9},
)


def test_from_uniform_turns_numbers_into_tags():
    uniform = tf.constant(
        [[0.0, 0.9, 0.9, 0.0, 0.0], [0.49, 0, 0, 0.89, 0.24], [0.5, 0, 0, 0.91, 0.26], [0.999999, 0, 0, 0.5, 0.25]]
    )
    assert TagSampler(VOCABULARY).from_uniform(uniform).numpy().tolist() == [
        [1, -1, -1, 1, 1],
        [1, -1, -1, 1, 1],
        [-1, 1, -1, -1, -1],
        [-1, -1, 1, 1, -1],
    ]


def test_from_uniform_keeps_wanted_tags_and_draws_the_rest():
    uniform = tf.constant([[0.4, 0.9, 0.9, 0.0, 0.3], [0.9, 0, 0, 0.95, 0.2]])
    sampler = TagSampler(VOCABULARY)
    for wanted, expected in (
        ([0, 0, 0, 0, 0], [[1, -1, -1, 1, -1], [-1, -1, 1, -1, 1]]),
        ([0, 1, 0, 0, 1], [[-1, 1, -1, 1, 1], [-1, 1, -1, -1, 1]]),
        ([-1, 0, 0, -1, 0], [[-1, 1, -1, -1, -1], [-1, -1, 1, -1, 1]]),  # green and blue share what red would have had
        ([-1, -1, 0, 0, 0], [[-1, -1, 1, 1, -1], [-1, -1, 1, -1, 1]]),
        ([-1, -1, -1, 1, 1], [[-1, -1, -1, 1, 1]] * 2),
    ):
        assert sampler.from_uniform(uniform, tf.constant([wanted] * 2, tf.float32)).numpy().tolist() == expected, wanted


def test_wanted_tags_do_not_change_a_seeds_other_tags():
    sampler = TagSampler(JIN34)
    seeds = np.arange(50)
    free = sampler.from_seeds(seeds).numpy()
    wanted = np.tile(JIN34.wanted("blonde hair, smile, no hat"), (50, 1))
    fixed = sampler.from_seeds(seeds, wanted).numpy()
    assert (fixed[:, 0] == 1).all() and (fixed[:, 1:13] == -1).all()
    assert (fixed[wanted != 0] == wanted[wanted != 0]).all()
    np.testing.assert_array_equal(fixed[wanted == 0], free[wanted == 0])


def test_drawn_shares_equal_the_priors():
    tags = TagSampler(VOCABULARY).batch(20_000, seed=1, step=2).numpy()
    np.testing.assert_allclose((tags > 0).mean(axis=0), [0.5, 0.25, 0.25, 0.9, 0.25], atol=0.02)
    assert ((tags[:, :3] > 0).sum(axis=1) == 1).all() and set(np.unique(tags)) == {-1, 1}
    tags = TagSampler(JIN34).batch(20_000, seed=1, step=2).numpy()
    np.testing.assert_allclose((tags[:, :13] > 0).mean(axis=0), 1 / 13, atol=0.01)


def test_from_seeds_gives_the_same_tags_in_any_batch():
    sampler = TagSampler(JIN34)
    all_of_them = sampler.from_seeds(range(20)).numpy()
    np.testing.assert_array_equal(sampler.from_seeds([7, 3]).numpy(), all_of_them[[7, 3]])
    assert len(np.unique(all_of_them, axis=0)) == 20


def test_batch_differs_by_seed_and_step():
    sampler = TagSampler(JIN34)
    first = sampler.batch(8, 0, 0).numpy()
    np.testing.assert_array_equal(sampler.batch(8, 0, tf.constant(0, tf.int64)).numpy(), first)
    for seed, step in ((0, 1), (1, 0)):
        assert (sampler.batch(8, seed, step).numpy() != first).any()
    assert sampler.size == 34
