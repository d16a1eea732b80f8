import keras
import pytest
import tiny_networks
from keras import layers
from tiny_networks import SIZE, VOCABULARY

from tfanime.training import GAN
from tfanime.training.players import require_players


def seeing(shape):
    """A discriminator of pictures of this shape."""
    inputs = layers.Input(shape)
    x = layers.GlobalAveragePooling2D()(inputs) if None in shape else layers.Flatten()(inputs)
    return keras.Model(inputs, layers.Reshape(())(layers.Dense(1)(x)))


def test_require_players_accepts_fitting_networks():
    require_players(tiny_networks.generator(), tiny_networks.discriminator())
    require_players(tiny_networks.generator(tags=5), tiny_networks.discriminator(tags=5), None, VOCABULARY)
    require_players(tiny_networks.generator(), seeing((None, None, 3)))

    class Own(keras.Model):
        def call(self, images):
            return keras.ops.mean(images, (1, 2, 3))

    own = Own()
    own(tiny_networks.pictures(1))
    require_players(tiny_networks.generator(), own)


@pytest.mark.parametrize(
    ("tags", "vocabulary", "message"),
    [
        (5, None, r"logits alone without a vocabulary. .* outputs \[\(None,\), \(None, 5\)\]"),
        (0, VOCABULARY, r"logits and tag logits with a vocabulary. .* outputs \[\(None,\)\]"),
        (4, VOCABULARY, r"a logit for each of the 5 tags of vocabulary 'tiny'. Received: tag logits \(None, 4\)"),
    ],
)
def test_require_players_refuses_other_logits(tags, vocabulary, message):
    generator = tiny_networks.generator(tags=len(vocabulary or ()))
    with pytest.raises(ValueError, match=f"discriminator must give {message}"):
        GAN(generator, tiny_networks.discriminator(tags=tags), vocabulary=vocabulary)


@pytest.mark.parametrize("shape", [(SIZE, SIZE + 1, 3), (SIZE, SIZE, 1), (48,), (None, None, 1)])
def test_require_players_refuses_other_pictures(shape):
    message = r"discriminator must take the generator's pictures, \[\(None, 4, 4, 3\)\]. Received: one of inputs"
    with pytest.raises(ValueError, match=message):
        GAN(tiny_networks.generator(), seeing(shape))


def test_require_players_refuses_unbuilt_networks():
    unbuilt = keras.Sequential([layers.Dense(1)])
    for name, networks in (
        ("generator", (unbuilt, tiny_networks.discriminator())),
        ("discriminator", (tiny_networks.generator(), unbuilt)),
    ):
        with pytest.raises(ValueError, match=f"{name} must be built: call it once, or give it an Input"):
            GAN(*networks)
