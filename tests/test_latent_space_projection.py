import numpy as np
import pytest
import tensorflow as tf

from tfanime.latent_space import projection
from tfanime.latent_space.distances import Distance
from tfanime.latent_space.projection import Projector
from tfanime.latent_space.space import LatentSpace

PIXELS = Distance("pixels", lambda images: [tf.concat([images, tf.ones_like(images)], axis=-1)])  # lengths count


def test_rate_at_and_shake_at_follow_their_schedules():
    rates = [projection.rate_at(share) for share in (0, 0.025, 0.05, 0.75, 0.875, 1)]
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.1, 0.05, 0], atol=1e-12)
    shakes = [projection.shake_at(share, 8.0) for share in (0, 0.375, 0.75, 1)]
    np.testing.assert_allclose(shakes, [0.4, 0.1, 0, 0], atol=1e-12)


def test_likeness_to_itself_is_low_for_noise():
    random = np.random.default_rng(0).normal(size=(3, 16 + 2 * 64 + 2 * 256)).astype(np.float32)
    noise = projection.as_noise(tf.constant(3 * random + 1), 16)
    parts = np.split(noise.numpy(), [16, 80, 144, 400], axis=1)
    for part in parts:
        np.testing.assert_allclose(part.mean(axis=1), 0, atol=1e-5)
        np.testing.assert_allclose(part.std(axis=1), 1, atol=1e-4)
    plain = tf.ones_like(noise)
    # five maps, two of which are looked at in half the size too, along two axes; a halved plain map is twice itself
    np.testing.assert_allclose(projection.likeness_to_itself(plain, 16), [2 * (5 + 2 * 16)] * 3)
    assert (projection.likeness_to_itself(noise, 16).numpy() < 2).all()


@pytest.fixture(scope="module")
def wide(styled):
    """Avatars that differ: those of an untrained mapping hardly do."""
    points = styled.from_seeds([1, 2], "green")
    codes = styled.centres(points)[:, None] + 6 * (points.codes - styled.centres(points)[:, None])
    return points.with_codes(codes)


@pytest.mark.parametrize("kind", [pytest.param("w", marks=pytest.mark.slow), "w+"])
def test_projector_finds_a_generated_picture(kind, styled, wide):
    images = styled.images(wide)
    start = styled.from_seeds([0, 0], "green")
    projector = Projector(styled, PIXELS, start, images, steps=150, kind=kind)
    before = PIXELS.between(PIXELS.features(styled.pictures(projector.points())), projector.wanted).numpy()
    seen = []
    points = projector.run(lambda step, drawn: seen.append((step, drawn.shape)))
    assert seen[0] == (1, (2, 16, 16, 3)) and len(seen) == 150 and seen[-1][0] == 150
    assert (projector.distances < 0.5 * before).all(), (projector.distances, before)
    found = np.abs(styled.images(points).astype(int) - images).mean()
    assert found < 0.7 * np.abs(styled.images(start).astype(int) - images).mean()
    same = (points.codes == points.codes[:, :1]).numpy().all()
    assert same == (kind == "w")
    np.testing.assert_array_equal(points.others["tags"], start.others["tags"])


def test_projector_searches_latents(tagged):
    space = LatentSpace(tagged)
    images = space.images(space.from_seeds([1, 2], "red, hat, smile"))
    start = space.from_seeds([0, 0], "red, hat, smile")
    projector = Projector(space, PIXELS, start, images, steps=150, kind="z")
    points = projector.run()
    assert (np.linalg.norm(points.codes, axis=-1) <= 3**0.5 + 1e-4).all()
    assert np.abs(space.images(points).astype(int) - images).mean() < 12


def test_projector_refuses_unknown_spaces(styled, tagged):
    images = np.zeros((1, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match=r"space must be one of w, w\+ for this network. Received: 'z'"):
        Projector(styled, PIXELS, styled.from_seeds([0]), images, kind="z")
    space = LatentSpace(tagged)
    with pytest.raises(ValueError, match=r"space must be one of z for this network. Received: 'w'"):
        Projector(space, PIXELS, space.from_seeds([0]), images, kind="w")
