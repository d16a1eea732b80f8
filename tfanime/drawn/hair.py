"""The hair of an avatar: the hair behind the head, tails and drills, the fringe, and the locks beside the face."""

import numpy as np

from tfanime.drawn.canvas import brush, curve, ellipse, mix, moved, shade, smooth

LINE = 0.0085
SIDES = (-1, 1)
CROWN = np.array([(1.12, -0.1), (1.2, -0.5), (1.1, -0.98), (0.68, -1.36), (0.0, -1.5)])  # one half, from the ear up
BEHIND = -0.25  # the depth of shapes behind the head


def draw_back_hair(canvas, look):
    """Draws the hair behind head and neck; its length says whether it is long or short."""
    random = look.chance("back_hair")
    wave, long = random.uniform(-0.04, 0.16), look.has("long_hair")
    wide, low, count = random.random(), random.random(), 5 if long else 7
    if long:
        bottom, width = 3.2, 1.3 + 0.42 * wide
    elif look.has("short_hair"):
        bottom, width = 0.72 + 0.24 * low, 1.16 + 0.12 * wide
    else:
        bottom, width = 1.3 + 0.2 * low, 1.14 + 0.14 * wide
    if look.has("twin_tails") or look.has("ponytail"):
        width, bottom = width * 0.92, bottom if long else min(bottom, 1.0)
    outline = look.head(_back_outline(random, width, bottom, wave, count), BEHIND)
    mask = canvas.mask(outline)
    start, end = look.head([(0, 0.0), (0, max(bottom, 1.2))])
    dark = shade(look.hair_dark, 0.12)
    canvas.paint(outline, dark, to=mix(look.hair, look.hair_dark, 0.3), start=start, end=end)
    x = (np.linspace(-0.95, 0.95, 9) + random.uniform(-0.07, 0.07, 9)) * width
    low = np.minimum(bottom, 2.0) * random.uniform(0.65, 1.0, 9)
    strands = curve(
        np.stack([x * 0.85, x * 0 - 0.2], 1),
        (np.stack([x * 1.08 + wave, low * 0.4], 1), np.stack([x * 1.04 - wave, low * 0.7], 1), np.stack([x, low], 1)),
    )
    strands = look.head(strands, BEHIND)
    canvas.paint(brush(strands, 0.012), look.hair_line, 0.5, mask)
    canvas.paint(brush(moved(strands[:, ::2], 0.02, 0), 0.035), look.hair, 0.55, mask)
    canvas.line(outline, look.hair_line, LINE, closed=True)


def _back_outline(random, width, bottom, wave, count):
    low = min(bottom, 1.9)
    side = [
        (1.1, -0.9),
        (1.22, -0.3),
        (width, 0.3 * low),
        (width * 0.97 + wave, 0.55 * low),
        (width * 0.98 - wave, 0.8 * low),
    ]
    tips = _jagged(random, width * 0.97, bottom, count)
    left = [(-x, y) for x, y in side[::-1]]
    return np.concatenate([smooth([(0, -1.45), *side]), tips, smooth([*left, (0, -1.45)])])


def _jagged(random, width, bottom, count):
    """The pointed lower edge of loose hair, from right to left."""
    x = np.linspace(width, -width, 2 * count + 1)
    x[1:-1] += random.uniform(-0.05, 0.05, 2 * count - 1)
    y = np.full(2 * count + 1, bottom)
    y[::2] -= random.uniform(0.12, 0.3, count + 1)
    y[1::2] += 0.06 - 0.2 * (np.abs(x[1::2]) / width - 0.6) ** 2
    valleys, tips = np.stack([x[::2], y[::2]], 1), np.stack([x[1::2], y[1::2]], 1)
    return _along(
        curve(
            valleys[:-1],
            ((valleys[:-1] + tips) / 2 + (0.05, 0.06), tips),
            ((valleys[1:] + tips) / 2 + (-0.02, -0.02), valleys[1:]),
        )
    )


def _along(curves):
    """Curves `[points, curves, 2]` one after the other, as one `[points * curves, 2]`."""
    return curves.swapaxes(0, 1).reshape(-1, 2)


def draw_tails(canvas, look):
    """Draws twin tails and a ponytail, whichever the tags ask for."""
    if look.has("ponytail"):
        _draw_ponytail(canvas, look)
    if look.has("twin_tails"):
        _draw_twin_tails(canvas, look)


def _draw_ponytail(canvas, look):
    random = look.chance("tails")
    side = random.pick(SIDES) if abs(look.head.turn) < 0.1 else -np.sign(look.head.turn)
    high, out = random.uniform(-1.78, -1.62), random.uniform(1.72, 1.92)
    length = random.uniform(0.5, 0.9) + (1.8 if look.has("long_hair") else 0)
    curl = random.uniform(-0.1, 0.1)
    outer = [
        (0.25, -1.3),
        (0.75, high),
        (1.35, high + 0.25),
        (out, -0.6),
        (out * 1.02 + curl, 0.3),
        (out * 0.86, length),
    ]
    inner = [(0.4, -1.15), (0.85, -1.2), (1.12, -0.9), (1.3, -0.4), (out * 0.76 + curl, 0.3), (out * 0.86, length)]
    _draw_tail(canvas, look, np.array(outer) * (side, 1), np.array(inner) * (side, 1), -0.2)
    _draw_tie(canvas, look, (0.66 * side, -1.42), -0.9 * side)


def _draw_twin_tails(canvas, look):
    random = look.chance("tails")
    high, out, curl = random.uniform(-1.1, -0.75), random.uniform(1.7, 2.0), random.uniform(-0.3, 0.2)
    length = random.uniform(0.9, 1.5)
    if look.has("long_hair"):
        length += 1.7
    elif look.has("short_hair"):
        length *= 0.5
    tip = (out - 0.3 + curl, length)
    outer = [
        (0.98, high),
        (1.4, high - 0.34),
        (out - 0.08, high + 0.1),
        (out, 0.1),
        (out - 0.1 + curl * 0.3, length * 0.7),
        tip,
    ]
    inner = [(0.98, high + 0.3), (1.14, high + 0.4), (1.2, high + 0.7), (1.26, 0.15), (out - 0.52, length * 0.62), tip]
    for side in SIDES:
        _draw_tail(canvas, look, np.array(outer) * (side, 1), np.array(inner) * (side, 1), -0.1)
        _draw_tie(canvas, look, (1.1 * side, high + 0.08), 0.25 * side)


def _draw_tie(canvas, look, centre, turn):
    tie = look.head(ellipse(centre, (0.12, 0.21), turn), 0)
    canvas.fill(tie, look.accent)
    canvas.line(tie, shade(look.accent, 0.55), LINE, closed=True)


def _draw_tail(canvas, look, outer, inner, depth):
    """Fills one tail between its outer and inner edge, six points each from the root to the tip."""
    outer, inner = look.head(smooth(outer), depth), look.head(smooth(inner), depth)
    outline = np.concatenate([outer, inner[::-1]])
    mask = canvas.mask(outline)

    def between(share):
        return inner * (1 - share) + outer * share

    canvas.fill(outline, look.hair)
    canvas.paint(np.concatenate([inner, between(0.42)[::-1]]), look.hair_dark, 0.8, mask)
    strands = np.stack([between(0.3), between(0.52), between(0.66)], 1)
    canvas.paint(brush(strands, 0.013), look.hair_line, 0.6, mask)
    canvas.paint(brush(between(0.78)[6:26], 0.036), look.hair_light, 0.7, mask)
    canvas.line(outline, look.hair_line, LINE, closed=True)


def draw_drills(canvas, look):
    """Draws a ringlet on each side of the face."""
    if not look.has("drill_hair"):
        return
    random = look.chance("drills")
    turns, width, slope = random.integer(5, 6), random.uniform(0.3, 0.36), random.uniform(0.16, 0.26)
    x = random.uniform(1.16, 1.24) + (0.25 if look.has("twin_tails") else 0)
    top, bottom = random.uniform(-0.25, 0.0), random.uniform(1.6, 1.9)
    step = (bottom - top) / turns
    for i in reversed(range(turns)):
        radius = width * (1.0 - 0.68 * (i / turns) ** 1.5) * (0.9 if i == 0 else 1)
        _draw_rings(canvas, look, x - 0.02 * i, top + step * (i + 0.5), radius, step * 0.74, slope)


def _both_sides(points):
    """`points` `[count, 2]` of the right side, and mirrored, as `[count, 2, 2]`."""
    return np.stack([points * (-1, 1), points], axis=1)


def _draw_rings(canvas, look, x, y, radius, height, slope):
    left, right = (x - radius, y + slope * 0.6), (x + radius, y - slope * 0.6)
    bulge = height * 0.75
    above = curve(left, ((x - radius * 1.1, left[1] - bulge), (x + radius * 0.5, right[1] - bulge * 1.2), right))
    below = curve(right, ((x + radius * 1.1, right[1] + bulge), (x - radius * 0.4, left[1] + bulge * 1.5), left))
    outline = look.head(_both_sides(np.concatenate([above, below[1:]])), 0.2)
    start, end = look.head([(0, y - height * 0.6), (0, y + height * 0.8)], 0)
    canvas.paint(outline, look.hair, to=look.hair_dark, start=start, end=end)
    lit = look.head(_both_sides(moved(above * (0.6, 1), x * 0.4, height * 0.35)), 0.2)
    canvas.fill(brush(lit, 0.026), mix(look.hair, look.hair_light, 0.75))
    canvas.line(outline, look.hair_line, LINE, closed=True)


def draw_fringe(canvas, look, face):
    """Draws the hair on the head and over the forehead, and its shadow on the `face` (a mask)."""
    random, light = look.chance("fringe"), look.chance("light")
    puff = random.uniform(0.97, 1.05)
    valleys, tips, parting, edge = _fringe_edge(random)
    crown = np.concatenate([CROWN * (-1, 1), CROWN[-2::-1]]) * (1, puff)
    crown[1:-1] += np.stack([random.uniform(-0.03, 0.03, 7), random.uniform(-0.03, 0.03, 7)], 1)
    _draw_loose_hair(canvas, look, random, puff)

    shadow = np.concatenate([moved(edge, 0.025, 0.11), [(-1.2, -1.2), (1.2, -1.2)]])
    canvas.paint(look.head(shadow), mix(look.skin_dark, (166, 92, 120), 0.16), 0.85, face)

    outline = look.head(np.concatenate([smooth(crown), edge]))
    mask = canvas.mask(outline)
    start, end = look.head([(0, -1.45), (0, 0.1)], 0)
    root, tip = (
        mix(look.hair, look.hair_dark, light.uniform(0, 0.5)),
        mix(look.hair, look.hair_light, light.uniform(0, 0.4)),
    )
    canvas.paint(outline, root, to=tip, start=start, end=end)
    _draw_lock_shadows(canvas, look, mask, valleys, tips, light.random() < 0.5)
    _draw_highlight(canvas, look, mask, light, puff)
    _draw_strands(canvas, look, mask, random, valleys, tips, parting)
    canvas.line(outline, look.hair_line, 0.0095, closed=True)


def _draw_loose_hair(canvas, look, random, puff):
    """Draws tufts that stand off the crown, and on some heads a long one on top."""
    angle = random.uniform(-1.0, 1.0, 4) + np.array((-1.1, -0.4, 0.4, 1.1))
    lean, size = np.sign(angle) * random.uniform(0.25, 0.5, 4), random.uniform(0.06, 0.16, 4)

    def on_crown(angle, radius):
        return np.stack([np.sin(angle) * 1.17 * radius, (-0.38 - np.cos(angle) * 1.1 * radius) * puff], 1)

    root, bend, tip = (
        on_crown(angle - lean * 0.4, 0.93),
        on_crown(angle + lean * 0.2, 1.0 + size),
        on_crown(angle + lean, 1 + size),
    )
    end = on_crown(angle + lean * 0.5, 0.93)
    tufts = curve(root, (bend, tip), ((tip + end) / 2, end))
    if random.random() < 0.35:
        side, height = random.pick(SIDES), random.uniform(0.24, 0.4)
        top = -1.46 * puff
        ahoge = curve(
            (-0.05, top),
            ((-0.06 * side, top - height), (0.3 * side, top - height * 1.1), (0.42 * side, top - height * 0.35)),
        )
        ahoge = np.concatenate([ahoge, curve(ahoge[-1], ((0.2 * side, top - height * 0.6), (0.1, top)))])
        shapes = [*look.head(tufts, 0.5).swapaxes(0, 1), look.head(ahoge, 0.5)]
    else:
        shapes = list(look.head(tufts, 0.5).swapaxes(0, 1))
    canvas.fill(shapes, look.hair)
    for shape in shapes:
        canvas.line(shape, look.hair_line, LINE)


FRINGES = {  # locks, what the tips lean away from the parting, length relative to the others
    "locks": (5, 0.12, 0.05),
    "straight": (8, 0.02, 0.0),
    "parted": (5, 0.14, 0.0),
    "swept": (5, 0.24, 0.03),
    "spiky": (6, -0.12, 0.02),
}


def _fringe_edge(random):
    """Valleys `[locks + 1, 2]` and tips `[locks, 2]` of the fringe, where it parts, and its edge from right to left."""
    style = random.pick(("locks", "locks", "straight", "parted", "swept", "spiky"))
    count, lean, extra = FRINGES[style]
    count += random.integer(-1, 1)
    parting = random.uniform(-0.3, 0.3) + (random.pick(SIDES) * 0.4 if style == "swept" else 0)
    x = np.linspace(1.04, -1.04, count + 1)
    x[1:-1] += random.uniform(-0.09, 0.09, count - 1)
    middle = (x[:-1] + x[1:]) / 2
    length = random.uniform(-0.16, -0.02) + extra
    off, off_middle = np.abs(x - parting), np.abs(middle - parting)
    if style == "straight":
        valley_y, tip_y, rough = x * 0 + length - 0.12, middle * 0 + length - 0.04, 0.03
    elif style == "parted":
        valley_y, tip_y, rough = -0.95 + 0.7 * off, length - 0.46 + 0.75 * off_middle, 0.09
    elif style == "swept":
        valley_y, tip_y, rough = -0.72 + 0.38 * off, length - 0.2 + 0.26 * off_middle, 0.1
    else:
        valley_y, tip_y, rough = -0.52 + 0.25 * x**2, length + 0.1 * middle**2, 0.13
    valley_y = valley_y + random.uniform(-0.08, 0.08, count + 1)
    valley_y[[0, -1]] = -0.15
    tip_y = np.minimum(tip_y + random.uniform(-rough, rough, count), 0.22)
    tip_x = middle + lean * np.sign(middle - parting) + random.uniform(-0.05, 0.05, count)
    valleys, tips = np.stack([x, valley_y], 1), np.stack([tip_x, tip_y], 1)
    bulge = random.uniform(0.03, 0.08)
    down, up = (valleys[:-1] + tips) / 2 + (bulge, 0.03), (valleys[1:] + tips) / 2 + (-bulge, 0.0)
    return valleys, tips, parting, _along(curve(valleys[:-1], (down, tips), (up, valleys[1:])))


def _draw_lock_shadows(canvas, look, mask, valleys, tips, right):
    """Puts one side of each lock in shadow, from its tip up."""
    near, far = (valleys[:-1], valleys[1:]) if right else (valleys[1:], valleys[:-1])
    root = near * 0.8 + far * 0.2 + (0, -0.3)
    bend = near * 0.45 + far * 0.15 + tips * 0.4
    shadows = np.concatenate([curve(root, (bend, tips)), near[None]])
    canvas.paint(look.head(shadows), look.hair_dark, 0.85, mask)


def _draw_highlight(canvas, look, mask, random, puff):
    """Draws the band of light around the head, jagged where locks meet."""
    y, height, count = random.uniform(-1.08, -0.88) * puff, random.uniform(0.1, 0.18), random.integer(8, 13)
    gap = random.uniform(-0.6, 0.6)
    x = np.linspace(-0.92, 0.92, 2 * count + 1)
    bow = 0.3 * (x / 0.92) ** 2
    fade = np.sqrt(np.maximum(0.0, 1 - (x / 0.92) ** 2)) * np.minimum(1, np.abs(x - gap) * 2.5)
    teeth = np.where(np.arange(2 * count + 1) % 2, 1, 0.3) * random.uniform(0.6, 1.2, 2 * count + 1)
    upper = np.stack([x, y + bow - height * 0.5 * teeth * fade], 1)
    lower = np.stack([x, y + bow + height * teeth * fade], 1)
    band = look.head(np.concatenate([upper, lower[::-1]]))
    canvas.paint(band, look.hair_light, random.uniform(0.65, 0.9), mask, soft=0.008)


def _draw_strands(canvas, look, mask, random, valleys, tips, parting):
    """Draws the lines between locks, from each valley and past each tip towards the crown."""
    ends = np.concatenate([valleys[1:-1], tips * (0.97, 1) + (0, -0.12)])
    whorls = np.stack([parting * 0.4 + ends[:, 0] * 0.45, ends[:, 0] * 0 - 1.4], 1)
    least = np.array([0.05] * (len(valleys) - 2) + [0.3] * len(tips))
    root = whorls + (ends - whorls) * (least + random.uniform(0.0, 0.45, len(ends)))[:, None]
    bend = (root + ends) / 2 + np.stack([0.1 * ends[:, 0], ends[:, 0] * 0 - 0.05], 1)
    strands = brush(look.head(curve(ends, (bend, root))), 0.012, 0.9, 0.0)
    canvas.paint(strands, look.hair_line, 0.75, mask)


def draw_side_locks(canvas, look):
    """Draws the locks that hang in front of the ears."""
    random = look.chance("side_locks")
    share, both = random.random(), look.has("long_hair") and look.has("short_hair")
    if look.has("short_hair"):  # with long hair behind it, a princess cut
        length = 0.66 if both else 0.5 + 0.25 * share
    elif look.has("long_hair"):
        length = 1.1 + 0.8 * share
    else:
        length = 0.75 + 0.45 * share
    width, inward, split = random.uniform(0.2, 0.34), random.uniform(-0.16, 0.14), random.random() < 0.6
    end = length * random.uniform(0.88, 1.12, 2)  # of the left and the right one
    tip = _twice(1.02 - inward, end)
    outer = curve(_twice(1.12, -0.8), (_twice(1.26, -0.1), _twice(1.2, end * 0.55), tip))
    start = _twice(1.02 - width * 0.5, -0.62)
    inner = curve(start, (_twice(1.12 - width * 1.5, 0.25), _twice(1.05 - width * 0.6, end * 0.7), tip))
    _draw_locks(canvas, look, outer, inner)
    if split:
        tip = _twice(1.22 - inward * 0.3, end * 0.8)
        outer = curve(_twice(1.16, -0.5), (_twice(1.28, 0.1), _twice(1.3, end * 0.5), tip))
        inner = curve(_twice(1.04, -0.5), (_twice(1.06, 0.1), _twice(1.16, end * 0.6), tip))
        _draw_locks(canvas, look, outer, inner)


def _twice(x, y):
    """The point (x, y) for both sides, `[2, 2]`; each may be one number or two."""
    return np.stack([np.broadcast_to(x, 2), np.broadcast_to(y, 2)], 1)


def _draw_locks(canvas, look, outer, inner):
    """Draws a lock on each side between its edges `[count, 2, 2]`, given as if both were on the right."""
    sides = np.array([(-1, 1), (1, 1)])
    outer, inner = look.head(outer * sides), look.head(inner * sides)
    outline = np.concatenate([outer, inner[::-1]])
    start, end = look.head([(0, -0.6), (0, 1.0)], 0)
    canvas.paint(outline, look.hair, to=mix(look.hair, look.hair_dark, 0.5), start=start, end=end)
    canvas.paint(np.concatenate([inner, ((inner + outer) / 2)[::-1]]), look.hair_dark, 0.6)
    # The top end runs into the fringe, so no line there.
    canvas.line(outline[2:-2], look.hair_line, LINE)
