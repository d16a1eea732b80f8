"""The hair of an avatar: what is behind the head, tails and drills, the fringe and the locks beside the face."""

import numpy as np

from tfanime.tfrecords.drawing import brush, curve, ellipse, mix, shade, smooth
from tfanime.tfrecords.drawing_look import pick

CROWN = np.array([(1.13, -0.1), (1.2, -0.5), (1.08, -1.0), (0.66, -1.38), (0.0, -1.52)])


def draw_back_hair(canvas, look):
    """Draws the hair behind head and neck; its length says whether it is long or short."""
    random = look.chance("back_hair")
    wave = random.uniform(0.0, 0.1)
    if look.has("long_hair"):
        bottom, width = 3.2, random.uniform(1.32, 1.6)
    elif look.has("short_hair"):
        bottom, width = random.uniform(0.75, 0.98), random.uniform(1.16, 1.26)
    else:
        bottom, width = random.uniform(1.3, 1.5), random.uniform(1.12, 1.26)
    if look.has("twin_tails") or look.has("ponytail"):
        width *= 0.9
        bottom = min(bottom, 1.0) if not look.has("long_hair") else bottom
    side = [(1.1, -0.9), (1.22, -0.3), (width, 0.35 * min(bottom, 1.6)), (width * 0.98 + wave, bottom * 0.75)]
    tips = _jagged(random, width * 0.97, bottom, 5 if look.has("long_hair") else 7)
    left = [(-x, y) for x, y in side]
    outline = look.head(np.concatenate([smooth([(0, -1.45), *side]), tips, smooth([*left[::-1], (0, -1.45)])]), -0.25)
    mask = canvas.mask(outline)
    dark = shade(look.hair_dark, 0.14)
    start, end = look.head([(0, 0.2), (0, max(bottom, 1.2))])
    canvas.paint(mask, dark, to=mix(look.hair, look.hair_dark, 0.35), start=start, end=end)
    for x in np.linspace(-0.95, 0.95, 9) + random.uniform(-0.06, 0.06, 9):
        spread = x * width
        points = curve(
            (spread * 0.85, -0.2), ((spread * 1.08, 0.5),), ((spread, min(bottom, 2.0) * random.uniform(0.7, 1.0)),)
        )
        canvas.paint(brush(look.head(points, -0.25), 0.012), look.hair_line, 0.55, mask)
    for sign in (-1, 1):
        lit = curve((sign * width * 0.9, 0.0), ((sign * width * 1.02, 0.5),), ((sign * width * 0.9, min(bottom, 1.8)),))
        canvas.paint(brush(look.head(lit, -0.25), 0.05), look.hair, 0.7, mask)
    canvas.line(outline, look.hair_line, 0.009, closed=True)


def _jagged(random, width, bottom, count):
    """The pointed lower edge of loose hair, from right to left."""
    x = np.linspace(width, -width, 2 * count + 1)
    x[1:-1] += random.uniform(-0.05, 0.05, 2 * count - 1)
    y = np.full(2 * count + 1, bottom)
    y[::2] -= random.uniform(0.12, 0.28, count + 1)
    y[1::2] += 0.06 - 0.2 * (np.abs(x[1::2]) / width - 0.6) ** 2
    pieces = [np.array([[x[0], y[0]]])]
    for i in range(0, 2 * count, 2):
        pieces.append(
            curve(
                (x[i], y[i]),
                ((x[i] - 0.02, y[i + 1] - 0.06), (x[i + 1], y[i + 1])),
                ((x[i + 1] - 0.06, y[i + 2]), (x[i + 2], y[i + 2])),
            )
        )
    return np.concatenate(pieces)


def draw_tails(canvas, look):
    """Draws twin tails, a ponytail and drills, whichever the tags ask for."""
    if look.has("ponytail"):
        _draw_ponytail(canvas, look)
    if look.has("twin_tails"):
        _draw_twin_tails(canvas, look)


def _draw_ponytail(canvas, look):
    random = look.chance("tails")
    side = 1 if (random.random() < 0.5) == (abs(look.head.turn) < 0.1) or look.head.turn < -0.1 else -1
    high = random.uniform(-1.75, -1.6)
    length = 2.6 if look.has("long_hair") else random.uniform(0.5, 0.9)
    out = random.uniform(1.75, 1.95)
    outer = smooth(
        [(0.3, -1.3), (0.75, high), (1.35, high + 0.25), (out, -0.6), (out * 1.02, 0.3), (out * 0.86, length)]
    )
    inner = smooth([(out * 0.86, length), (out * 0.78, 0.35), (1.2, -0.55), (0.95, -0.95), (0.5, -1.2)])
    _draw_tail(canvas, look, np.concatenate([outer, inner]) * (side, 1), side, -0.2)
    tie = ellipse((0.62 * side, -1.4), (0.13, 0.2), -0.9 * side)
    canvas.fill(look.head(tie, 0), look.accent)
    canvas.line(look.head(tie, 0), shade(look.accent, 0.55), 0.009, closed=True)


def _draw_twin_tails(canvas, look):
    random = look.chance("tails")
    random.random()
    high, out = random.uniform(-1.1, -0.75), random.uniform(1.75, 2.05)
    length = 3.0 if look.has("long_hair") else random.uniform(0.9, 1.5)
    if look.has("short_hair") and not look.has("long_hair"):
        length = random.uniform(0.35, 0.6)
    curl = random.uniform(-0.3, 0.2)
    for side in (-1, 1):
        outer = smooth(
            [
                (1.0, high + 0.05),
                (1.35, high - 0.32),
                (out - 0.1, high + 0.1),
                (out, 0.1),
                (out - 0.12 + curl * 0.3, length * 0.7),
                (out - 0.3 + curl, length),
            ]
        )
        inner = smooth(
            [
                (out - 0.3 + curl, length),
                (out - 0.55, length * 0.6),
                (1.28, 0.1),
                (1.14, high + 0.45),
                (1.0, high + 0.3),
            ]
        )
        _draw_tail(canvas, look, np.concatenate([outer, inner]) * (side, 1), side, -0.1)
        tie = ellipse((1.08 * side, high + 0.1), (0.12, 0.21), 0.25 * side)
        canvas.fill(look.head(tie, 0), look.accent)
        canvas.line(look.head(tie, 0), shade(look.accent, 0.55), 0.009, closed=True)


def _draw_tail(canvas, look, outline, side, depth):
    """Fills one tail; its first half is the outer edge and its second the inner one, from the tip back."""
    placed = look.head(outline, depth)
    mask = canvas.mask(placed)
    half = len(outline) // 2
    outer, inner = outline[:half:3], outline[half:][::-1][::3]
    count = min(len(outer), len(inner))
    outer, inner = outer[:count], inner[:count]
    canvas.paint(mask, look.hair)
    shadow = np.concatenate([inner, (inner * 0.55 + outer * 0.45)[::-1]])
    canvas.paint(look.head(shadow, depth), look.hair_dark, 0.75, mask)
    for share in (0.3, 0.62):
        strand = look.head(inner * (1 - share) + outer * share, depth)
        canvas.paint(brush(strand, 0.014), look.hair_line, 0.6, mask)
    lit = look.head(inner * 0.22 + outer * 0.78, depth)
    canvas.paint(brush(lit, 0.034), look.hair_light, 0.65, mask)
    canvas.line(placed, look.hair_line, 0.009, closed=True)


def draw_drills(canvas, look):
    """Draws a ringlet on each side of the face."""
    if not look.has("drill_hair"):
        return
    random = look.chance("drills")
    turns, width, slope = int(random.integers(5, 7)), random.uniform(0.3, 0.36), random.uniform(0.16, 0.26)
    x = 1.5 if look.has("twin_tails") else random.uniform(1.18, 1.26)
    top, bottom = random.uniform(-0.25, 0.0), random.uniform(1.6, 1.9)
    step = (bottom - top) / turns
    for side in (-1, 1):
        for i in reversed(range(turns)):
            radius = width * (1.0 - 0.68 * (i / turns) ** 1.5) * (0.9 if i == 0 else 1)
            y = top + step * (i + 0.5)
            _draw_ring(canvas, look, (x - 0.02 * i) * side, y, radius, step * 0.74, slope * side)


def _draw_ring(canvas, look, x, y, radius, height, slope):
    left, right = (x - radius, y + slope * 0.6), (x + radius, y - slope * 0.6)
    bulge = height * 0.75
    above = curve(left, ((x - radius * 1.1, left[1] - bulge), (x + radius * 0.5, right[1] - bulge * 1.2), right))
    below = curve(right, ((x + radius * 1.1, right[1] + bulge), (x - radius * 0.4, left[1] + bulge * 1.5), left))
    outline = look.head(np.concatenate([above, below[1:]]), 0.2)
    mask = canvas.mask(outline)
    start, end = look.head([(0, y - height * 0.6), (0, y + height * 0.8)], 0)
    canvas.paint(mask, look.hair, to=look.hair_dark, start=start, end=end)
    lit = brush(look.head(above * (0.6, 1) + (x * 0.4, height * 0.35), 0.2), 0.03)
    canvas.paint(lit, look.hair_light, 0.7, mask)
    canvas.line(outline, look.hair_line, 0.009, closed=True)


def draw_fringe(canvas, look, face):
    """Draws the hair on the head and over the forehead, and its shadow on the `face` (a mask)."""
    random = look.chance("fringe")
    puff = random.uniform(0.97, 1.05)
    edge, valleys, tips, parting = _fringe_edge(random)
    crown = np.concatenate([CROWN * (-1, 1), CROWN[-2::-1]]) * (1, puff)
    crown[:, 1] += random.uniform(-0.02, 0.02, len(crown))
    outline = look.head(np.concatenate([smooth(crown), edge]))
    mask = canvas.mask(outline)

    light = look.chance("light")
    shadow = look.head(edge + (0.02, 0.1))
    below = np.concatenate([shadow, look.head([(-1.2, -1.2), (1.2, -1.2)])])
    canvas.paint(below, mix(look.skin_dark, (150, 90, 130), 0.16), 0.85, face)

    start, end = look.head([(0, -1.45), (0, 0.05)], 0)
    canvas.paint(
        mask, mix(look.hair, look.hair_light, 0.12), to=mix(look.hair, look.hair_dark, 0.3), start=start, end=end
    )
    _draw_lock_shadows(canvas, look, mask, valleys, tips, light.random() < 0.5)
    _draw_highlight(canvas, look, mask, light, puff)
    _draw_strands(canvas, look, mask, random, valleys, parting)
    canvas.line(outline, look.hair_line, 0.0105, closed=True)


def _fringe_edge(random):
    """The lower edge of the fringe from right to left, its valleys and tips, and where the hair parts."""
    style = pick(random, ("locks", "locks", "straight", "parted", "swept", "spiky"))
    count = {"locks": 6, "straight": 9, "parted": 6, "swept": 6, "spiky": 7}[style] + int(random.integers(-1, 2))
    parting = {"swept": random.choice([-0.45, 0.45]), "parted": random.uniform(-0.2, 0.2)}.get(
        style, random.uniform(-0.3, 0.3)
    )
    x = np.linspace(1.04, -1.04, count + 1)
    x[1:-1] += random.uniform(-0.06, 0.06, count - 1)
    middle = (x[:-1] + x[1:]) / 2
    length = random.uniform(-0.2, -0.06)
    if style == "straight":
        valley_y, tip_y, sweep = np.full(count + 1, length - 0.12), np.full(count, length - 0.03), 0.02
    elif style == "parted":
        valley_y, tip_y, sweep = -0.95 + 0.75 * np.abs(x - parting), -0.62 + 0.75 * np.abs(middle - parting), 0.14
    elif style == "swept":
        valley_y, tip_y, sweep = -0.75 + 0.4 * np.abs(x - parting), -0.34 + 0.3 * np.abs(middle - parting), 0.22
    else:
        valley_y, tip_y, sweep = -0.52 + 0.25 * x**2, length + 0.12 * middle**2, 0.12 if style == "locks" else -0.1
    valley_y = valley_y + random.uniform(-0.07, 0.07, count + 1)
    reach = 0.03 if style == "straight" else 0.11
    tip_y = tip_y + random.uniform(-reach, reach, count)
    tip_x = middle + sweep * np.sign(middle - parting) + random.uniform(-0.05, 0.05, count)
    valley_y[[0, -1]] = -0.15
    valleys, tips = np.stack([x, valley_y], 1), np.stack([tip_x, tip_y], 1)
    bulge = random.uniform(0.03, 0.07)
    pieces = []
    for i, tip in enumerate(tips):
        right, left = valleys[i], valleys[i + 1]
        down = (right + tip) / 2 + (bulge, 0.02)
        up = (left + tip) / 2 + (-bulge, 0.02)
        pieces.append(curve(right, (down, tip), (up, left)))
    return np.concatenate(pieces), valleys, tips, parting


def _draw_lock_shadows(canvas, look, mask, valleys, tips, right):
    """Puts one side of each lock in shadow, from its tip up."""
    for i, tip in enumerate(tips):
        near, far = (valleys[i], valleys[i + 1]) if right else (valleys[i + 1], valleys[i])
        root = near * 0.8 + far * 0.2 + (0, -0.28)
        bend = near * 0.45 + far * 0.15 + tip * 0.4
        points = np.concatenate([curve(root, (bend, tip)), [near + (0, 0.02)]])
        canvas.paint(look.head(points), look.hair_dark, 0.8, mask)


def _draw_highlight(canvas, look, mask, random, puff):
    """Draws the band of light around the head, jagged where locks meet."""
    y, height, count = random.uniform(-1.08, -0.92) * puff, random.uniform(0.1, 0.17), int(random.integers(9, 15))
    x = np.linspace(-0.92, 0.92, 2 * count + 1)
    bow = 0.3 * (x / 0.92) ** 2
    fade = np.sqrt(np.maximum(0.03, 1 - (x / 0.95) ** 2))
    teeth = np.where(np.arange(2 * count + 1) % 2, 1, 0.35) * random.uniform(0.6, 1.15, 2 * count + 1)
    upper = np.stack([x, y + bow - height * 0.55 * teeth * fade], 1)
    lower = np.stack([x, y + bow + height * teeth * fade], 1)
    band = look.head(np.concatenate([upper, lower[::-1]]))
    canvas.paint(canvas.mask(band, soft=0.008), look.hair_light, random.uniform(0.65, 0.9), mask)


def _draw_strands(canvas, look, mask, random, valleys, parting):
    """Draws the lines between locks, from each valley towards the crown."""
    whorl = np.array([parting * 0.6, -1.42])
    for valley in valleys[1:-1]:
        root = whorl + (valley - whorl) * random.uniform(0.12, 0.5)
        bend = (root + valley) / 2 + (0.1 * valley[0], -0.05)
        canvas.paint(brush(look.head(curve(valley, (bend, root))), 0.0125, 0.9, 0.0), look.hair_line, 0.8, mask)


def draw_side_locks(canvas, look):
    """Draws the locks that hang in front of the ears."""
    random = look.chance("side_locks")
    if look.has("long_hair"):
        length = random.uniform(1.1, 1.9)
    elif look.has("short_hair"):
        length = random.uniform(0.5, 0.75)
    else:
        length = random.uniform(0.75, 1.2)
    if look.has("short_hair") and look.has("long_hair"):
        length = 0.7
    width, inward, split = random.uniform(0.2, 0.3), random.uniform(-0.06, 0.12), random.random() < 0.6
    for side in (-1, 1):
        end = length * random.uniform(0.9, 1.1)
        outer = curve((1.14, -0.75), ((1.26, -0.1), (1.2, end * 0.55), (1.02 - inward, end)))
        inner = curve(
            (1.02 - inward, end),
            ((1.05 - width * 0.6, end * 0.7), (1.12 - width * 1.5, 0.25), (1.02 - width * 0.5, -0.62)),
        )
        _draw_lock(canvas, look, np.concatenate([outer, inner[1:]]) * (side, 1), len(outer))
        if split:
            tip = (1.2 - inward * 0.3, end * 0.8)
            outer = curve((1.16, -0.4), ((1.28, 0.1), (1.3, end * 0.5), tip))
            inner = curve(tip, ((1.16, end * 0.6), (1.06, 0.1), (1.06, -0.4)))
            _draw_lock(canvas, look, np.concatenate([outer, inner[1:]]) * (side, 1), len(outer))


def _draw_lock(canvas, look, outline, tip):
    placed = look.head(outline)
    mask = canvas.mask(placed)
    start, end = look.head([(0, -0.5), (0, 1.0)], 0)
    canvas.paint(mask, look.hair, to=mix(look.hair, look.hair_dark, 0.55), start=start, end=end)
    inner = placed[tip - 1 :]
    middle = (inner + placed[:tip][::-1]) / 2
    canvas.paint(np.concatenate([inner, middle[::-1]]), look.hair_dark, 0.65, mask)
    # The top end runs into the fringe, hence no line there.
    canvas.line(placed[3:-2], look.hair_line, 0.009)
