"""Adaptive augmentation (Karras et al. 2020, arXiv 2006.06676) for pictures with colour tags, in plain PyTorch.

What `tfanime.training.augment` does: every operation has a gate of its own for each picture. Mirrors, shifts and scales
are one small matrix an axis, y = A_y x A_x^T, exact at any order of differentiation. Operations that change hues are
left out: they would make the tags wrong.
"""

import torch

TARGET = 0.6  # of the mean sign of D(real)
HIGHEST = 0.8  # probability: above it, what augmentation does leaks into what is generated
KIMG = 500.0  # pictures, in thousands, in which the probability could go from 0 to 1


def _matrices(flip, scale, shift, size):
    """`[batch, size, size]` from what happens along one axis: mirrored (+-1), scaled, shifted (share of the size)."""
    places = torch.arange(size, device=scale.device, dtype=torch.float32) - (size - 1) / 2
    # where an output's place comes from
    source = (places - shift[:, None] * size) * (flip / scale)[:, None] + (size - 1) / 2
    source = source.remainder(2 * size)  # reflected at the edges: -1 is 0, size is size - 1
    support = (1 / scale).clamp(min=1.0)[:, None, None]
    columns = torch.arange(-size, 3 * size, device=scale.device, dtype=torch.float32)
    weights = (1 - (source[:, :, None] - columns).abs() / support).clamp(min=0)
    before, within, behind, again = weights.reshape(len(scale), size, 4, size).unbind(2)
    total = within + again + (before + behind).flip(2)
    return total / total.sum(2, keepdim=True)


def _gated(values, neutral, p):
    """Values `[batch]` where their gate is open, else the neutral one."""
    return torch.where(torch.rand_like(values) < p, values, torch.full_like(values, neutral))


def augment(images, p):
    """Pictures, each operation with probability p.

    Args:
        images: float32 `[batch, 3, size, size]` in [-1, 1].
        p: Scalar tensor.

    Returns:
        float32 of the same shape.
    """
    count, _, size, _ = images.shape

    def normal(deviation):
        return torch.randn(count, device=images.device) * deviation

    def uniform():
        return torch.rand(count, device=images.device)

    flip = _gated(1.0 - 2.0 * (uniform() < 0.5).float(), 1.0, p)
    shift = [torch.round((uniform() * 2 - 1) * 0.125 * size) / size for _ in "xy"]
    gate = uniform() < p
    shift = [each * gate for each in shift]
    scale = _gated(torch.exp2(normal(0.2)), 1.0, p)
    aspect = _gated(torch.exp2(normal(0.2)), 1.0, p)
    gate = uniform() < p
    shift = [each + normal(0.125) * gate for each in shift]
    across = _matrices(flip, scale * aspect, shift[0], size)
    down = _matrices(torch.ones_like(flip), scale / aspect, shift[1], size)
    images = down[:, None] @ images @ across[:, None].transpose(2, 3)
    images = images + _gated(normal(0.2), 0.0, p)[:, None, None, None]
    gate = uniform() < p
    places = (torch.arange(size, device=images.device) + 0.5) / size
    rows, columns = ((places - uniform()[:, None]).abs() < 0.25 for _ in "xy")
    hole = rows[:, :, None] & columns[:, None, :] & gate[:, None, None]
    return images.masked_fill(hole[:, None], 0.0)


class Probability:
    """ADA's p: it rises while the discriminator is too sure of real pictures."""

    def __init__(self, device):
        self.p = torch.zeros((), device=device)
        self.signs = torch.zeros(2, device=device)  # their sum, and how many

    def see(self, logits):
        """Counts the signs of D(real)."""
        self.signs.add_(torch.stack([logits.sign().sum(), torch.ones_like(logits).sum()]))

    def move(self, images):
        """After so many pictures."""
        mean = self.signs[0] / self.signs[1]
        self.p.add_(torch.sign(mean - TARGET) * images / (KIMG * 1000)).clamp_(0.0, HIGHEST)
        self.signs.zero_()
        return mean
