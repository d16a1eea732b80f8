"""A user's program with what README and docs show, which a strict type checker must accept. It is never run.

`nox -s types` also refuses it if a mistake marked by `type: ignore[...]` is not seen, for then a type is missing.
"""

import keras
import numpy as np
import tensorflow as tf

from tfanime import FID, GAN, Term, __version__, data, devices, open_generator
from tfanime.data import FaceData
from tfanime.generator import Generator
from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.serving.client import TLS, AsyncAvatarClient, AvatarClient, RestAvatarClient
from tfanime.tagger.files import open_tagger
from tfanime.tags import TagVocabulary
from tfanime.training import Sight
from tfanime.training.constraints import WeightClipping
from tfanime.training.losses import Loss, hinge_discriminator, hinge_generator
from tfanime.training.terms import deviation, dragan, r1


def brightness(sight: Sight) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    mean = tf.reduce_mean(sight.fakes)
    return tf.square(mean - sight.state["mean"]), {"mean": mean}


def train(generator: keras.Model, discriminator: keras.Model) -> GAN:
    faces: FaceData = data.load("tfrecords/faces", image_size=32)
    gan = GAN(generator, discriminator, latents=Latents(64), vocabulary=faces.vocabulary, ema_half_life=500.0)
    gan.compile(
        generator_optimizer=keras.optimizers.Adam(2e-4, 0.0, 0.99),
        discriminator_optimizer=keras.optimizers.Adam(2e-4, 0.0, 0.99),
        loss=Loss(hinge_discriminator, hinge_generator),
        terms=[
            Term(r1, "discriminator", weight=0.3, every=8),
            Term(dragan, "discriminator", weight=lambda step: 1.0 / step, measure=deviation),
            Term(brightness, "generator", state={"mean": 0.0}),
        ],
        constraint=WeightClipping(0.01),
        jit_compile=True,
    )
    fid = FID(faces, every=1000, samples=2048, features="hed_vgg16")
    gan.fit(faces.batches(64), steps_per_epoch=100, epochs=10, shuffle=False, callbacks=[fid])
    gan.ema_generator.save("generator.keras")
    value: float = fid.compute()
    step: int = gan.step
    print(__version__, step, value)
    return gan


def draw() -> np.ndarray:
    generator: Generator = open_generator("runs/faces", checkpoint="best")
    inputs: Inputs | None = generator.inputs
    vocabulary: TagVocabulary | None = generator.vocabulary
    if inputs and vocabulary:
        print([spec.name for spec in inputs.specs], vocabulary.tags.index("hat"), vocabulary.wanted("no hat").shape)
    for seeds, images in generator.images_in_batches(range(1000), tags="blonde hair"):
        print(len(seeds), images.shape)
    features, tag_logits = open_tagger().predict(generator.images([1, 2, 3]))
    return np.concatenate([features, tag_logits], axis=1)


def ask() -> list[bytes]:
    with AvatarClient("127.0.0.1:8500", model="faces", tls=TLS("ca.pem")) as client:
        images = client.generate(range(16), tags=client.wanted("blonde hair"))
        print(images.shape, client.model_card()["licence"], client.interpolate(3, 8, [0.0, 0.5]).dtype)
    with RestAvatarClient("127.0.0.1:8501") as rest:
        return rest.png([7, 8])


async def ask_in_a_loop() -> np.ndarray:
    async with AsyncAvatarClient("127.0.0.1:8500") as client:
        async for seeds, images in client.generate_in_batches([1, 2]):
            print(seeds, images.shape)
        return await client.generate([7], "hat")


def on_several_devices() -> int:
    workers = devices.join("cpu:2")
    faces = data.load("tfrecords/faces")
    workers.dataset(lambda parts, own: faces.batches(64, parts=parts, own=own))
    return workers.replicas


def mistakes(gan: GAN, faces: FaceData) -> None:
    Term(r1, "critic")  # type: ignore[arg-type]
    Term(r1, "generator", weight="heavy")  # type: ignore[arg-type]
    GAN(gan.generator, gan.discriminator, Latents(3))  # type: ignore[call-arg]
    FID(faces, every="epoch")  # type: ignore[arg-type]
    faces.batches("64")  # type: ignore[arg-type]
    data.load("faces", split="test")  # type: ignore[arg-type]
    open_generator(7)  # type: ignore[arg-type]
    open_generator("runs/a").images("0-63", 64)  # type: ignore[arg-type]
    print(open_generator("runs/a").inputs.specs)  # type: ignore[union-attr]
    Latents("normal")  # type: ignore[arg-type]
    AvatarClient("127.0.0.1:8500", tls="ca.pem")  # type: ignore[arg-type]
