"""`--begin_with`: starts a run from the weights of trained networks, as far as they fit.

Weights are matched by path and shape. Keras counts layers of a kind in paths (`conv2d_3/kernel`), so one more block
changes all counts behind it. The counts are therefore ignored, and the longest common subsequence of both networks'
weights is taken, weighted by the number of parameters. A network of another image size keeps the layers next to the
pictures or those next to the logits, whichever are more.
"""

import math
import re
from dataclasses import dataclass

from tfanime.generator import CARD, load_game, open_discriminator, open_network
from tfanime.runs import RunFolder


@dataclass(frozen=True)
class Taken:
    """The weights of a network that are taken from another one.

    Args:
        pairs: Pairs of a variable and the value that it gets.
        left: The variables that keep their random initial values.
    """

    pairs: tuple
    left: tuple

    @property
    def fits(self):
        """Whether at least one kernel is taken. Norms and biases alone do not help."""
        return any(len(variable.shape) > 1 for variable, _ in self.pairs)

    def __str__(self):
        if not self.left:
            return f"all {len(self.pairs)} weights"
        taken, left = ", ".join(named(each) for each, _ in self.pairs), ", ".join(named(each) for each in self.left)
        size, rest = (
            sum(math.prod(each.shape) for each in some) for some in ((pair[0] for pair in self.pairs), self.left)
        )
        share = 100 * size / (size + rest)
        return f"{share:.0f} % of its numbers; taken: {taken or 'none'}; not taken: {left}"


def named(variable):
    """A variable's path and shape, in words."""
    return f"{path_of(variable)} {tuple(variable.shape)}"


def path_of(variable):
    """The path of Keras' variables, and of a SavedModel's."""
    return getattr(variable, "path", None) or variable.name.removesuffix(":0")


def match(variables, others):
    """The longest common subsequence of two networks' variables, see the module's text.

    Args:
        variables: Variables of the new network.
        others: Variables of the trained network.

    Returns:
        `Taken`.
    """

    def key(variable):
        return re.sub(r"_\d+(?=/)", "", path_of(variable)), tuple(variable.shape)

    own, trained = [key(each) for each in variables], [key(each) for each in others]
    # best[i][j]: the most numbers that variables from i on and others from j on have in common.
    best = [[0] * (len(trained) + 1) for _ in range(len(own) + 1)]
    for i in reversed(range(len(own))):
        size = math.prod(own[i][1])
        for j in reversed(range(len(trained))):
            both = best[i + 1][j + 1] + size if own[i] == trained[j] else 0
            best[i][j] = max(both, best[i + 1][j], best[i][j + 1])
    pairs, left, i, j = [], [], 0, 0
    while i < len(own):
        if j < len(trained) and own[i] == trained[j] and best[i][j] == best[i + 1][j + 1] + math.prod(own[i][1]):
            pairs.append((variables[i], others[j].numpy()))
            i, j = i + 1, j + 1
        elif j < len(trained) and best[i][j] == best[i][j + 1] and best[i][j] > best[i + 1][j]:
            j += 1
        else:
            left.append(variables[i])
            i += 1
    return Taken(tuple(pairs), tuple(left))


def begin(gan, path):
    """Gives a game the weights of trained networks.

    A run with a checkpoint gives both players and the averaged generator. Everything else gives one generator, whose
    weights both the generator and the averaged generator start from.

    Args:
        gan: The compiled `tfanime.training.GAN`, new.
        path: See `tfanime.generator.open_network`.

    Returns:
        Lines of text, one for each network: what was taken and what was not.

    Raises:
        OSError: There is nothing of the kind.
        ValueError: It cannot be read, or no kernel of it fits.
    """
    taken, missing = {}, []
    for name, others in _networks(path, missing).items():
        taken[name] = match(getattr(gan, name).weights, others)
    if not any(each.fits for each in taken.values()):
        raise ValueError(
            f"--begin_with must have weights that fit the networks of this run. Received: {str(path)!r}, none of whose "
            f"kernels has the kind and the shape of one of them: {taken['generator']}"
        )
    for each in taken.values():
        for variable, value in each.pairs:
            variable.assign(value)
    lines = [f"begin_with {path}: {name.replace('_', ' ')}: {each}" for name, each in taken.items()]
    return lines + [f"begin_with {path}: {each}" for each in missing]


def _networks(path, missing):
    """Trained variables by the name of the network of a game that they are for; appends to `missing` why one is not
    among them."""
    run, discriminator = RunFolder(path), None
    if run.details.is_file():
        try:
            game, _ = load_game(run)
            return {name: getattr(game, name).weights for name in ("generator", "ema_generator", "discriminator")}
        except (OSError, ValueError) as error:
            if not (run.generator / CARD).is_file():
                raise
            missing.append(f"discriminator: none, {error}")
    else:
        discriminator = open_discriminator(path)
        if discriminator is None:
            missing.append("discriminator: none, neither a run folder nor beside the generator")
    variables = open_network(path).variables
    others = {"discriminator": discriminator.weights} if discriminator is not None else {}
    return {"generator": variables, "ema_generator": variables} | others
