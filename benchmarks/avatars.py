"""How long StyleGAN2 takes for an avatar, against a DCGAN that multiplies as much.

python benchmarks/avatars.py
"""

import argparse

import numpy as np
from rounds import compare, neighbours

BATCH = 16


def multiplications(network, inputs):
    """Multiplications of `network` for a picture, in units of 10^9."""
    import tensorflow as tf

    graph = tf.function(lambda: network(inputs, training=False)).get_concrete_function().graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    operations = tf.compat.v1.profiler.profile(graph, options={**options, "output": "none"}).total_float_ops
    return operations / 2 / BATCH / 1e9


def drawing(recipe, flags):
    """(A function that draws `BATCH` avatars in float32, its multiplications a picture) of an untrained recipe."""
    import tensorflow as tf

    gan = recipe.build(recipe.parse(["--data=none", "--precision=float32", *flags]))
    inputs = gan.inputs.from_seeds(np.arange(BATCH, dtype=np.int64))
    network = gan.ema_generator
    draw = tf.function(lambda: network(inputs, training=False))
    return lambda: draw().numpy(), multiplications(network, inputs)


def main(arguments=None):
    """Times both and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="stylegan2_64", help="name of a published TOML file of the recipe")
    parser.add_argument("--channels", type=int, default=96, help="of the DCGAN; 96 multiply as much as stylegan2_64")
    parser.add_argument("--seconds", type=float, default=20, help="how long the comparison takes")
    arguments = parser.parse_args(arguments)

    from tfanime.recipes import dcgan, stylegan2

    found = {
        "DCGAN": drawing(dcgan.recipe, ["--image_size=64", f"--channels={arguments.channels}"]),
        "StyleGAN2": drawing(stylegan2.recipe, [f"--config={arguments.config}"]),
    }
    with neighbours():
        rounds = compare({name: draw for name, (draw, _) in found.items()}, arguments.seconds)
        print("| | 10^9 multiplications | ms an avatar | of DCGAN's time |\n|---|---|---|---|")
        for name, (_, count) in found.items():
            milliseconds = 1e3 * rounds.seconds(name) / BATCH
            print(f"| {name} | {count:.3f} | {milliseconds:.2f} | {rounds.speedup('DCGAN', name)} |")


if __name__ == "__main__":
    main()
