"""Background, neck and clothes, hats and ribbons of an avatar."""

import numpy as np

from tfanime.drawn.canvas import WHITE, brush, curve, ellipse, mix, moved, shade, smooth, tint


def draw_background(canvas, look):
    """Fills the picture: a gradient, on most with a pattern."""
    random = look.chance("background")
    first = random.colour((0.05, 0.42), (0.82, 1.0))
    second = mix(random.colour((0.08, 0.6), (0.7, 1.0)), first, 0.35)
    if random.random() < 0.12:
        first, second = shade(first, 0.6), shade(second, 0.5)
    angle = random.uniform(0, np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)]) * 0.6
    canvas.flood(first, second, 0.5 - direction, 0.5 + direction)
    pattern = random.pick((None, None, _draw_dots, _draw_stripes, _draw_rays, _draw_bubbles, _draw_glow, _draw_checks))
    if pattern:
        pattern(canvas, random, tint(first, random.uniform(0.35, 0.7)), random.uniform(0.4, 0.85))


def draw_light(canvas, look):
    """Lays soft light over the finished picture, from one of its upper corners, and the colour of the surroundings."""
    random = look.chance("light")
    side, warm = random.random(), random.random()
    glow = ellipse((0.15 + 0.7 * side, random.uniform(-0.1, 0.25)), (0.42, 0.42))
    canvas.paint(glow, mix((255, 240, 214), (226, 238, 255), warm), random.uniform(0.0, 0.2), soft=0.22)
    dusk = ellipse((1.1 - 1.2 * side, 1.05), (0.4, 0.4))
    canvas.paint(dusk, mix((120, 70, 150), (190, 90, 80), warm), random.uniform(0.0, 0.16), soft=0.22)


def _draw_dots(canvas, random, colour, opacity):
    step, radius = random.uniform(0.1, 0.17), random.uniform(0.22, 0.34)
    offset = random.random()
    row, column = np.mgrid[-1 : int(1 / step) + 1, -1 : int(1 / step) + 1].reshape(2, -1)
    centres = np.stack([column + 0.5 * (row % 2) + offset, row + offset], 1) * step
    dots = ellipse((0, 0), (radius * step, radius * step))[:, None] + centres
    canvas.paint(dots, colour, opacity)


def _draw_stripes(canvas, random, colour, opacity):
    step, slope = random.uniform(0.1, 0.2), random.uniform(-1, 1)
    x = np.arange(-1, 2, step)
    corners = [(x, x * 0), (x + step / 2, x * 0), (x + step / 2 + slope, x * 0 + 1), (x + slope, x * 0 + 1)]
    canvas.paint(np.stack([np.stack(corner, 1) for corner in corners]), colour, opacity)


def _draw_rays(canvas, random, colour, opacity):
    count, offset = random.integer(8, 14), random.random()
    middle, half = (np.arange(count) + offset) * (2 * np.pi / count), np.pi / count / 2
    ends = [np.stack([0.5 + np.cos(angle), 0.5 + np.sin(angle)], 1) for angle in (middle - half, middle + half)]
    canvas.paint(np.stack([np.full((count, 2), 0.5), *ends]), colour, opacity)


def _draw_bubbles(canvas, random, colour, opacity):
    for _ in range(9):
        radius = random.uniform(0.03, 0.13)
        bubble = ellipse((random.random(), random.random()), (radius, radius))
        canvas.paint(bubble, tint(colour, random.random() * 0.6), opacity * 0.75, soft=0.015)


def _draw_glow(canvas, random, colour, opacity):
    canvas.paint(ellipse((0.5, random.uniform(0.2, 0.6)), (0.4, 0.4)), colour, opacity, soft=0.2)


def _draw_checks(canvas, random, colour, opacity):
    step = random.uniform(0.14, 0.22)
    bars = [np.array([(s, 0), (s + step / 2, 0), (s + step / 2, 1), (s, 1)]) for s in np.arange(-0.1, 1, step)]
    canvas.paint(bars, colour, opacity * 0.5)
    canvas.paint([bar[:, ::-1] for bar in bars], colour, opacity * 0.5)


def draw_body(canvas, look):
    """Draws neck, shoulders and clothes."""
    random = look.chance("body")
    slope, wide = random.uniform(1.72, 1.9), random.uniform(1.45, 1.75)
    shoulders = [(0.34, 1.5), (0.7, slope - 0.12), (wide, slope + 0.14), (wide + 0.3, 3.4)]
    torso = np.concatenate([smooth(shoulders), smooth([(-x, y) for x, y in shoulders[::-1]])])
    style = random.pick(
        (_draw_sailor_collar, _draw_shirt, _draw_round_neck, _draw_turtleneck, _draw_straps, _draw_hood)
    )
    if style is _draw_straps:
        canvas.fill(look.body(torso), look.skin)
        canvas.line(look.body(torso), look.skin_line, 0.009, closed=True)
    else:
        _draw_cloth(canvas, look, torso, look.cloth)
    _draw_neck(canvas, look)
    style(canvas, look, random, slope, wide)


def _draw_cloth(canvas, look, points, colour):
    placed = look.body(points)
    start, end = look.body([(0, 1.5), (0, 2.4)])
    canvas.paint(placed, colour, to=shade(colour, 0.22), start=start, end=end)
    canvas.line(placed, shade(mix(colour, (90, 60, 90), 0.3), 0.55), 0.009, closed=True)


def _draw_neck(canvas, look):
    neck = smooth([(-0.33, 0.7), (-0.3, 1.3), (-0.42, 1.62), (0, 1.9), (0.42, 1.62), (0.3, 1.3), (0.33, 0.7)])
    placed = look.body(neck)
    mask = canvas.mask(placed)
    canvas.fill(placed, look.skin)
    canvas.line(placed, look.skin_line, 0.009)
    shadow = look.head(smooth([(-0.8, 0.6), (-0.45, 1.16), (0.02, 1.46), (0.45, 1.18), (0.8, 0.6)]))
    canvas.paint(shadow, mix(look.skin_dark, (150, 80, 110), 0.2), 0.9, mask)


def _draw_sailor_collar(canvas, look, random, slope, wide):
    for side in (-1, 1):
        collar = np.array([(0.33, 1.42), (0.75, slope - 0.1), (0.85, 2.15), (0.05, 2.55), (0.0, 2.1)]) * (side, 1)
        _draw_cloth(canvas, look, collar, look.accent)
        stripe = np.array([(0.66, slope - 0.08), (0.74, 2.08), (0.03, 2.42)]) * (side, 1)
        canvas.line(look.body(stripe), WHITE, 0.012)
    knot = np.array([(-0.12, 2.1), (0.12, 2.1), (0.22, 2.9), (-0.22, 2.9)])
    _draw_cloth(canvas, look, knot, mix(look.accent, (220, 40, 60), 0.6))


def _draw_shirt(canvas, look, random, slope, wide):
    for side in (-1, 1):
        collar = np.array([(0.3, 1.36), (0.46, 1.52), (0.5, 2.02), (0.04, 1.86)]) * (side, 1)
        _draw_cloth(canvas, look, collar, tint(look.cloth, 0.75))
    tie = np.array([(-0.11, 1.84), (0.11, 1.84), (0.08, 2.02), (0.18, 2.8), (-0.18, 2.8), (-0.08, 2.02)])
    _draw_cloth(canvas, look, tie, look.accent)


def _draw_round_neck(canvas, look, random, slope, wide):
    trim = curve((-0.47, 1.56), ((-0.3, 2.06), (0.3, 2.06), (0.47, 1.56)))
    canvas.line(look.body(trim), look.accent, 0.03)
    canvas.line(look.body(moved(trim, 0, 0.06)), shade(look.cloth, 0.5), 0.009)


def _draw_turtleneck(canvas, look, random, slope, wide):
    points = curve((-0.4, 1.34), ((-0.2, 1.46), (0.2, 1.46), (0.4, 1.34)), ((0.5, 1.75),), ((0, 1.98), (-0.5, 1.75)))
    _draw_cloth(canvas, look, points, look.cloth)


def _draw_straps(canvas, look, random, slope, wide):
    top = curve(
        (-wide, 2.3),
        ((-0.9, 2.05),),
        ((-0.5, 2.0), (0, 2.22)),
        ((0.5, 2.0), (0.9, 2.05)),
        ((wide, 2.3),),
        ((wide, 3.4),),
        ((-wide, 3.4),),
    )
    _draw_cloth(canvas, look, top, look.cloth)
    for side in (-1, 1):
        canvas.line(look.body(np.array([(0.62, slope - 0.18), (0.78, 2.1)]) * (side, 1)), look.cloth, 0.028)
    bone = brush(look.body(curve((0.12, 1.84), ((0.4, 1.8), (0.75, 1.86)))), 0.009)
    canvas.fill(bone, look.skin_dark)


def _draw_hood(canvas, look, random, slope, wide):
    for side in (-1, 1):
        fold = np.array([(0.3, 1.3), (0.75, 1.3), (1.0, 1.7), (0.6, 2.1), (0.05, 2.3), (0.2, 1.8)]) * (side, 1)
        _draw_cloth(canvas, look, smooth(fold, closed=True), mix(look.cloth, look.accent, 0.25))
        canvas.line(look.body(np.array([(0.2, 2.1), (0.24, 2.7)]) * (side, 1)), WHITE, 0.014)


def draw_hat(canvas, look):
    """Draws a hat on the hair, high enough that the hair's colour stays visible."""
    if not look.has("hat"):
        return
    random = look.chance("hat")
    colour = random.pick((random.colour((0.3, 0.85), (0.35, 0.95)), (246, 244, 248), (58, 54, 70), (232, 204, 142)))
    band = random.colour((0.5, 0.9), (0.4, 0.9))
    random.pick((_draw_brimmed_hat, _draw_beret, _draw_cap, _draw_knit_hat))(canvas, look, random, colour, band)


def _draw_felt(canvas, look, points, colour, depth=0.4):
    placed = look.head(points, depth)
    mask = canvas.mask(placed)
    start, end = look.head([(-0.9, -1.5), (0.9, -1.0)], depth)
    canvas.paint(placed, tint(colour, 0.14), to=shade(colour, 0.24), start=start, end=end)
    canvas.line(placed, shade(mix(colour, (80, 50, 70), 0.3), 0.6), 0.0105, closed=True)
    return mask


def _draw_brimmed_hat(canvas, look, random, colour, band):
    height = random.uniform(-1.95, -1.75)
    wide = random.uniform(1.55, 1.8)
    crown = smooth(
        [(-0.98, -0.95), (-0.9, height + 0.22), (-0.5, height), (0.5, height), (0.9, height + 0.22), (0.98, -0.95)]
    )
    mask = _draw_felt(canvas, look, crown, colour)
    stripe = np.concatenate(
        [curve((-1.1, -1.02), ((0, -1.22), (1.1, -1.02))), curve((1.1, -1.3), ((0, -1.5), (-1.1, -1.3)))]
    )
    canvas.paint(look.head(stripe, 0.4), band, 1, mask)
    brim = curve(
        (-wide, -0.68), ((-1.0, -1.25), (1.0, -1.25), (wide, -0.68)), ((0.9, -0.82), (-0.9, -0.82), (-wide, -0.68))
    )
    _draw_felt(canvas, look, brim, colour)


def _draw_beret(canvas, look, random, colour, band):
    side = random.pick((-1, 1))
    shape = np.array(
        [(-1.05, -0.95), (-1.3, -1.3), (-0.7, -1.78), (0.4, -1.86), (1.35, -1.5), (1.32, -1.0), (0.9, -0.92), (0, -1.1)]
    )
    _draw_felt(canvas, look, smooth(shape * (side, 1), closed=True), colour)
    rim = curve((-1.02, -0.9), ((0, -1.16), (1.02, -0.9)))
    canvas.line(look.head(rim, 0.4), shade(colour, 0.42), 0.026)
    canvas.line(look.head([(0, -1.8), (0.06, -1.95)], 0.4), shade(colour, 0.4), 0.02)


def _draw_cap(canvas, look, random, colour, band):
    crown = smooth(
        [(-1.22, -0.78), (-1.16, -1.3), (-0.6, -1.68), (0, -1.76), (0.6, -1.68), (1.16, -1.3), (1.22, -0.78)]
    )
    mask = _draw_felt(canvas, look, np.concatenate([crown, curve((1.22, -0.78), ((0, -1.1), (-1.22, -0.78)))]), colour)
    seam = brush(look.head([(0, -1.76), (0.02, -1.4), (0, -1.0)], 0.4), 0.012)
    canvas.paint(seam, shade(colour, 0.5), 1, mask)
    canvas.fill(look.head(ellipse((0, -1.3), (0.17, 0.15)), 0.5), band)
    visor = curve(
        (-0.95, -0.9), ((-0.5, -1.06), (0.5, -1.06), (0.95, -0.9)), ((0.85, -0.55), (-0.85, -0.55), (-0.95, -0.9))
    )
    _draw_felt(canvas, look, visor, mix(colour, band, 0.75), 0.6)


def _draw_knit_hat(canvas, look, random, colour, band):
    crown = smooth([(-1.2, -0.8), (-1.14, -1.35), (-0.6, -1.74), (0, -1.84), (0.6, -1.74), (1.14, -1.35), (1.2, -0.8)])
    mask = _draw_felt(canvas, look, np.concatenate([crown, curve((1.2, -0.8), ((0, -1.05), (-1.2, -0.8)))]), colour)
    for x in np.linspace(-0.9, 0.9, 7):
        rib = curve((x * 1.15, -0.8), ((x * 1.2, -1.4), (x * 0.3, -1.84)))
        canvas.paint(brush(look.head(rib, 0.4), 0.012), shade(colour, 0.45), 0.8, mask)
    cuff = np.concatenate(
        [curve((-1.28, -0.72), ((0, -1.0), (1.28, -0.72))), curve((1.24, -1.0), ((0, -1.28), (-1.24, -1.0)))]
    )
    _draw_felt(canvas, look, cuff, band)
    _draw_felt(canvas, look, ellipse((0, -1.9), (0.26, 0.24)), tint(band, 0.5))


def draw_ribbon(canvas, look):
    """Draws one or two bows in the hair."""
    if not look.has("ribbon"):
        return
    random = look.chance("ribbon")
    colour = random.pick(
        (
            (214, 34, 52),
            (240, 96, 150),
            (60, 96, 210),
            (36, 34, 46),
            (250, 250, 252),
            random.colour((0.6, 0.9), (0.5, 0.95)),
        ),
    )
    if min(abs(a - b) for a, b in [(sum(colour), sum(look.hair))]) < 130:
        colour = shade(colour, 0.4) if sum(colour) > 330 else tint(colour, 0.45)
    size = random.uniform(0.42, 0.55)
    pair = look.has("twin_tails") or random.random() < 0.25
    top = not pair and not look.has("hat") and random.random() < 0.3
    side = random.pick((-1, 1))
    y = -0.5 if look.has("hat") else random.uniform(-1.0, -0.8)
    for sign in (-1, 1) if pair else (side,):
        centre = (0.0, -1.5) if top else (sign * 1.06, y)
        _draw_bow(canvas, look, centre, size * (1.2 if top else 1), 0 if top else sign * 0.6, colour)


def _draw_bow(canvas, look, centre, size, turn, colour):
    rotation = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))]) * size

    def place(points):
        return look.head(np.asarray(points) @ rotation + centre, 0.3)

    line = shade(mix(colour, (80, 40, 60), 0.3), 0.6)
    for side in (-1, 1):
        tail = place(np.array([(0.05, 0.1), (0.5, 0.95), (0.68, 0.8), (0.85, 0.9), (0.3, 0.05)]) * (side, 1))
        loop = place(
            smooth(
                np.array([(0, 0), (0.45, -0.5), (1.0, -0.55), (1.08, 0.05), (0.95, 0.45), (0.45, 0.3)]) * (side, 1),
                closed=True,
            )
        )
        for shape in (tail, loop):
            canvas.fill(shape, colour if shape is loop else shade(colour, 0.12))
            canvas.line(shape, line, 0.009, closed=True)
        fold = place(np.array([(0.1, 0.0), (0.55, -0.16), (0.75, 0.05), (0.5, 0.12)]) * (side, 1))
        canvas.fill(fold, shade(colour, 0.34))
        canvas.fill(
            brush(place(np.array([(0.4, -0.38), (0.7, -0.45), (0.95, -0.4)]) * (side, 1)), 0.014), tint(colour, 0.5)
        )
    knot = place(smooth([(-0.17, -0.2), (0.17, -0.2), (0.2, 0.2), (-0.2, 0.2)], closed=True))
    canvas.fill(knot, tint(colour, 0.1))
    canvas.line(knot, line, 0.009, closed=True)
