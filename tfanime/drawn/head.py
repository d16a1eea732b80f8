"""The parts of an avatar's head that are not hair: head, ears, eyes, brows, nose, mouth, blush, glasses."""

import numpy as np

from tfanime.drawn.canvas import WHITE, brush, curve, ellipse, mix, moved, shade, smooth, tint

EYE_X = 0.475  # distance of an eye from the middle of the face, in half widths of a face
SIDES = (-1, 1)


def draw_head(canvas, look):
    """Draws ears and face; returns the mask of the face, on which hair throws its shadow."""
    random = look.chance("head")
    cheek, jaw, chin = random.uniform(0.92, 0.99), random.uniform(0.68, 0.8), random.uniform(1.0, 1.12)
    _draw_ears(canvas, look)
    half = [(0.98, -0.4), (0.99, 0.0), (cheek, 0.34), (jaw, 0.7), (0.36, chin - 0.09), (0.09, chin)]
    outline = smooth([(0, -1.15), (0.7, -0.95), *half, *[(-x, y) for x, y in half[::-1]], (-0.7, -0.95)], closed=True)
    outline = look.head(outline)
    face = canvas.mask(outline)
    top, bottom = look.head([(0, 0.2), (0, chin + 0.1)])
    canvas.paint(outline, look.skin, to=mix(look.skin, look.skin_dark, 0.4), start=top, end=bottom)
    _draw_shading(canvas, look, face, jaw, chin)
    canvas.line(outline, look.skin_line, 0.008, closed=True)
    return face


def _draw_ears(canvas, look):
    for side in SIDES:
        ear = np.array([(0.93, -0.12), (1.12, -0.14), (1.15, 0.12), (1.02, 0.4), (0.9, 0.42)]) * (side, 1)
        ear = look.head(smooth(ear, closed=True), 0.5)
        canvas.fill(ear, look.skin)
        canvas.line(ear, look.skin_line, 0.008, closed=True)
        inner = look.head(np.array([(0.98, -0.04), (1.07, 0.0), (1.02, 0.28)]) * (side, 1), 0.5)
        canvas.fill(inner, look.skin_dark)


def _draw_shading(canvas, look, face, jaw, chin):
    side = 1 if look.head.turn < 0 else -1  # the cheek that looks away from us
    edge = np.array([(1.2, -0.6), (0.88, 0.1), (jaw - 0.08, 0.6), (0.24, chin - 0.05), (0.5, 1.4), (1.3, 1.2)])
    canvas.paint(look.head(smooth(edge * (side, 1), closed=True)), look.skin_dark, 0.7, face, soft=0.03)


def draw_blush(canvas, look, face):
    """Draws red cheeks, with hatching on some."""
    if not look.has("blush"):
        return
    random = look.chance("blush")
    colour = mix(look.skin, (255, 92, 100), random.uniform(0.5, 0.66))
    y, hatched = random.uniform(0.46, 0.52), random.random() < 0.5
    cheeks = [look.head(ellipse((side * 0.62, y), (0.33, 0.17))) for side in SIDES]
    canvas.paint(cheeks, colour, 0.95, face, soft=0.05)
    if hatched:
        x = np.array([side * 0.64 + shift for side in SIDES for shift in (-0.11, 0.0, 0.11)])
        strokes = curve(np.stack([x + 0.03, x * 0 + y - 0.05], 1), (np.stack([x - 0.03, x * 0 + y + 0.05], 1),))
        canvas.paint(brush(look.head(strokes), 0.01, 0.5, 0.5), (226, 78, 90), 0.7, face)


def draw_nose(canvas, look):
    """Draws the nose: a small stroke and its shadow."""
    random = look.chance("nose")
    side = 1 if look.head.turn >= 0 else -1
    y = random.uniform(0.42, 0.48)
    shadow = look.head([(0.0, y - 0.06), (side * 0.05, y + 0.02), (-side * 0.03, y + 0.035)])
    canvas.paint(shadow, mix(look.skin_dark, look.skin_line, 0.3), random.uniform(0.6, 0.95))


def draw_mouth(canvas, look):
    """Draws the mouth: a line or open, smiling or not."""
    random = look.chance("mouth")
    width, y = random.uniform(0.9, 1.15), random.uniform(0.68, 0.73)
    draw = _draw_open_mouth if look.has("open_mouth") else _draw_closed_mouth
    draw(canvas, look, random, width, y)


def _draw_closed_mouth(canvas, look, random, width, y):
    line = mix(look.skin_line, (130, 30, 40), 0.4)
    if look.has("smile"):
        width *= 0.27
        points = curve((-width, y - 0.07), ((-width * 0.55, y + 0.08), (width * 0.55, y + 0.08), (width, y - 0.07)))
        dimples = [curve((s * width * 1.12, y - 0.11), ((s * width * 0.88, y - 0.03),)) for s in SIDES]
    else:
        width, bend = width * 0.13, random.uniform(-0.035, 0.03)
        points = curve((-width, y + bend * 0.6), ((0, y - bend), (width, y + bend * 0.6)))
        dimples = []
    canvas.fill([brush(look.head(stroke), 0.014, 0.5, 0.5) for stroke in (points, *dimples)], line)
    lip = curve((-width * 0.4, y + 0.12), ((width * 0.4, y + 0.12),))
    canvas.fill(brush(look.head(lip), 0.012), look.skin_dark)


def _draw_open_mouth(canvas, look, random, width, y):
    if look.has("smile"):
        width *= 0.235
        depth = random.uniform(0.17, 0.25)
        lip = curve((-width, y - 0.09), ((-width * 0.4, y - 0.03), (width * 0.4, y - 0.03), (width, y - 0.09)))
        jaw = curve((width, y - 0.09), ((width * 0.8, y + depth), (-width * 0.8, y + depth), (-width, y - 0.09)))
    else:
        width *= random.uniform(0.15, 0.19)
        depth = random.uniform(0.15, 0.21)
        lip = curve((-width, y + 0.02), ((-width * 0.8, y - 0.1), (width * 0.8, y - 0.1), (width, y + 0.02)))
        jaw = curve((width, y + 0.02), ((width * 0.95, y + depth), (-width * 0.95, y + depth), (-width, y + 0.02)))
    outline = look.head(np.concatenate([lip, jaw[1:]]))
    mouth = canvas.mask(outline)
    canvas.fill(outline, (186, 66, 70))
    canvas.paint(look.head(ellipse((0, y + depth * 0.74), (width * 0.66, depth * 0.42))), (246, 140, 134), 1, mouth)
    if look.has("smile") and random.random() < 0.7:
        canvas.paint(look.head(moved(lip, 0, 0.025)), WHITE, 1, mouth)
    canvas.line(outline, mix(look.skin_line, (130, 30, 40), 0.5), 0.008, closed=True)


def draw_eyes(canvas, look):
    """Draws both eyes."""
    random = look.chance("eyes")
    shape = {
        "width": random.uniform(0.285, 0.33),
        "height": random.uniform(0.3, 0.37),
        "slant": random.uniform(-0.1, 0.14),  # > 0: the outer corner is higher
        "openness": random.uniform(0.76, 1.0) * (0.95 if look.has("smile") else 1),
        "iris": random.uniform(0.64, 0.74),
        "gaze": random.uniform(-0.1, 0.1) + look.head.turn * 0.25,
        "pupil": random.uniform(0.36, 0.5),
        "glint": random.pick(SIDES),
        "glow": random.uniform(0.6, 0.9),
        "lash": random.uniform(0.12, 0.17),
        "wing": random.uniform(0.0, 0.22),
        "style": random.pick(("oval", "slit", "ring")),
        "y": random.uniform(0.1, 0.15),
    }
    _draw_both_eyes(canvas, look, **shape)


def _draw_both_eyes(canvas, look, width, height, slant, openness, iris, gaze, pupil, glint, glow, lash, wing, style, y):
    sides = np.array(SIDES)

    def place(points, across=0.0):
        """From an eye's own coordinates, in which it reaches from -1 to 1 and x is outwards, `[count, 2]`, to both
        eyes, `[count, 2, 2]`; `across` moves to the right, which is outwards in one eye and inwards in the other."""
        points = np.asarray(points)
        x, down = points[:, :1] + sides * across, points[:, 1:]
        return look.head(np.stack([sides * (EYE_X + width * x), y + height * (down - slant * x)], axis=2))

    top = 1 - 2 * openness
    upper = curve((-0.92, 0.15), ((-0.7, top - 0.12), (0.35, top - 0.5), (1.0, -0.12)))
    lower = curve((1.0, -0.12), ((0.95, 0.6), (0.75, 0.95), (0.3, 0.97)), ((-0.35, 1.0), (-0.75, 0.85), (-0.92, 0.15)))
    outline = place(np.concatenate([upper, lower[1:]]))
    opening = canvas.mask(outline)
    canvas.fill(outline, (253, 253, 255))
    _draw_irises(canvas, look, place, opening, gaze, iris, pupil, glow, style)
    canvas.paint(place(np.concatenate([upper, moved(upper, 0, 0.3)[::-1]])), (40, 26, 60), 0.32, opening)
    canvas.fill(place(ellipse((0.02, -0.34), (iris * 0.36, 0.26)), gaze + glint * iris * 0.42), WHITE)
    canvas.fill(place(ellipse((0.02, 0.5), (iris * 0.19, 0.14)), gaze - glint * iris * 0.45), WHITE)
    _draw_lashes(canvas, look, place, upper, lower, lash, wing)


def _draw_irises(canvas, look, place, opening, gaze, iris, pupil, glow, style):
    dark = mix(shade(look.eye, 0.66), (30, 14, 34), 0.3)
    light = tint(look.eye, 0.22)
    canvas.paint(place(ellipse((0.02, 0.08), (iris, 0.92)), gaze), dark, 1, opening)
    top, bottom = place([(0, -0.7), (0, 0.8)]).mean(axis=1)  # between the eyes: a gradient is the same along it
    inside = place(ellipse((0.02, 0.1), (iris * 0.86, 0.83)), gaze)
    canvas.paint(inside, mix(look.eye, dark, 0.42), 1, opening, to=light, start=top, end=bottom)
    high, wide = {"oval": (0.4, 1.0), "slit": (0.54, 0.7), "ring": (0.34, 0.85)}[style]
    canvas.paint(place(ellipse((0.02, 0.02), (iris * pupil * wide, high)), gaze), shade(dark, 0.4), 1, opening)
    shine = place(ellipse((0.02, 0.62), (iris * 0.55, 0.22)), gaze)
    canvas.paint(shine, tint(look.eye, 0.6), glow, opening, soft=0.008)


def _draw_lashes(canvas, look, place, upper, lower, lash, wing):
    reach = np.concatenate([[(-1.02, 0.24)], upper, [(1.16, -0.2 - wing * 0.3), (1.28, -0.12 - wing)]])
    thickness = lash * np.concatenate([[0.15], 0.25 + 2 * np.linspace(0, 1, len(upper)) ** 0.6, [1.7, 0.0]])
    band = np.concatenate([reach - np.stack([thickness * 0.1, thickness], 1), moved(reach[::-1], 0, 0.06)])
    canvas.fill(place(band), look.lash)
    canvas.fill(place([(1.0, -0.2), (1.28, -0.34 - wing), (1.08, -0.02)]), look.lash)
    canvas.fill(brush(place(lower[1:12]), 0.011, 0.9, 0.2), mix(look.lash, look.skin_line, 0.35))
    canvas.fill(brush(place(moved(upper[3:], 0, -0.46)), 0.01), mix(look.skin_line, look.skin_dark, 0.35))


def draw_brows(canvas, look, opacity):
    """Draws the brows; drawn twice, below the fringe and faintly above it, as in most anime."""
    random = look.chance("brows")
    mood = random.uniform(-0.09, 0.08)  # > 0: the inner ends are low, an angry look
    mood = min(mood, 0.02) if look.has("smile") else mood
    y, arch, width = random.uniform(-0.5, -0.43), random.uniform(0.03, 0.1), random.uniform(0.014, 0.024)
    side = np.array(SIDES)
    inner, middle, outer = (
        np.stack([side * x, side * 0 + down], 1)
        for x, down in ((0.2, y + mood), (0.45, y - arch - mood * 0.2), (0.74, y + 0.04 - mood))
    )
    strokes = brush(look.head(curve(inner, (middle, outer))), width, 0.6, 0.1)
    canvas.paint(strokes, mix(look.hair_line, look.hair_dark, 0.3), opacity)


def draw_glasses(canvas, look):
    """Draws glasses: frames of one of four shapes, with glass that reflects."""
    if not look.has("glasses"):
        return
    random = look.chance("glasses")
    power, squeeze, half = random.pick(((1.0, 1.0, False), (0.5, 0.9, False), (0.62, 0.95, True), (0.85, 0.92, False)))
    colour = random.pick(
        ((60, 50, 62), (190, 50, 62), (128, 76, 50), (70, 76, 160), random.colour((0.5, 0.9), (0.3, 0.7)))
    )
    width, height = random.uniform(0.4, 0.44), random.uniform(0.39, 0.43) * squeeze
    line, opacity = random.uniform(0.009, 0.012), random.uniform(0.6, 0.75)  # stronger ones hide eyes from detectors
    y = 0.17
    angle = np.arange(28) * (2 * np.pi / 28)
    x, down = np.cos(angle), np.sin(angle)
    frame = np.stack([np.sign(x) * abs(x) ** power * width, np.sign(down) * abs(down) ** power * height], axis=1)
    for side in SIDES:
        rim = look.head(moved(frame, side * 0.475, y), 1.05)
        canvas.paint(rim, (240, 248, 255), 0.08)
        shine = np.array([(0.3, 0.35), (0.34, 0.5), (0.14, 0.82), (0.05, 0.84)]) * (side * 0.9, height)
        canvas.paint(look.head(moved(shine, side * 0.475, y)), WHITE, 0.5)
        # Half rims leave the upper edge out: there y is negative, in the second half of the points.
        canvas.paint(brush(rim[:15] if half else np.concatenate([rim, rim[:1]]), line, 1, 1), colour, opacity)
    arms = [look.head([(side * 0.88, y - 0.06), (side * 1.1, y - 0.12)], 0.9) for side in SIDES]
    bridge = look.head(curve((-0.09, y - 0.04), ((0, y - 0.12), (0.09, y - 0.04))), 1.1)
    canvas.paint([brush(part, line, 1, 1) for part in (*arms, bridge)], colour, opacity)
