"""What several machines have to tell each other at each training step of each recipe, and how fast a network must be.

python benchmarks/scale.py
"""

import importlib
from dataclasses import dataclass

from tfanime import command_line
from tfanime.recipes import RECIPES

FLOAT = 4  # bytes of a gradient, which is float32 in mixed precision too


@dataclass(frozen=True)
class Config:
    """Count weights, and what all-reduces of their gradients cost.

    Args:
        machines: Machines in the ring.
        images_per_second: Real pictures that all of them together would train on if their network took no time.
    """

    machines: int = 8
    images_per_second: float = 1000


def weights(network):
    """How many trainable weights a network has."""
    return sum(weight.shape.num_elements() for weight in network.trainable_weights)


def gradient_bytes(generator_weights, discriminator_weights, critic_steps):
    """Bytes of all gradients of a training step: one update of the generator, `critic_steps` of the discriminator."""
    return FLOAT * (generator_weights + critic_steps * discriminator_weights)


def ring_bytes(size, machines):
    """Bytes that each machine sends (and receives) when a ring of machines sums vectors of `size` bytes.

    Each vector is cut into as many parts as there are machines; parts go around once to be summed, once to be spread.
    """
    return 2 * (machines - 1) / machines * size


def main(arguments=None):
    """Prints a Markdown table."""
    config = command_line.parse(
        Config, program="python benchmarks/scale.py", description="Count gradients.", arguments=arguments
    )
    command_line.load_tensorflow()
    from tfanime.tags import JIN34

    print(
        "| recipe | weights of G | of D | D's steps | pictures a step | MB of gradients | MB sent | Gbit/s |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for name in RECIPES:
        recipe = importlib.import_module(f"tfanime.recipes.{name}")
        settings = recipe.Config()
        gan = recipe.build(settings, JIN34 if settings.tags != "none" else None)
        critic_steps = settings.critic_steps
        counts = weights(gan.generator), weights(gan.discriminator)
        size = gradient_bytes(*counts, critic_steps)
        sent = ring_bytes(size, config.machines)
        steps_per_second = config.images_per_second / settings.pictures_per_step
        print(
            f"| `{name}`, {settings.image_size} px | {counts[0]:,} | {counts[1]:,} | {critic_steps} | "
            f"{settings.pictures_per_step} | {size / 1e6:.1f} | {sent / 1e6:.1f} | "
            f"{8 * sent * steps_per_second / 1e9:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    command_line.run(main)
