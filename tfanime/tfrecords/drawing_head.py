"""The parts of an avatar's head that are not hair: head, ears, eyes, brows, nose, mouth, blush, glasses."""

import numpy as np

from tfanime.tfrecords.drawing import WHITE, brush, curve, ellipse, mix, shade, smooth, tint
from tfanime.tfrecords.drawing_look import any_colour, pick

EYE_X = 0.47  # distance of an eye from the middle of the face, in half widths of a face


def draw_head(canvas, look):
    """Draws ears and face; returns the mask of the face, on which hair throws its shadow."""
    random = look.chance("head")
    cheek, jaw, chin = random.uniform(0.9, 0.98), random.uniform(0.6, 0.72), random.uniform(1.08, 1.2)
    _draw_ears(canvas, look)
    half = [(0.98, -0.4), (0.985, -0.05), (cheek, 0.32), (jaw, 0.74), (0.3, chin - 0.1), (0.07, chin)]
    outline = smooth([(0, -1.15), (0.7, -0.95), *half, *[(-x, y) for x, y in half[::-1]], (-0.7, -0.95)], closed=True)
    outline = look.head(outline)
    face = canvas.mask(outline)
    top, bottom = look.head([(0, 0.1), (0, chin)])
    canvas.paint(face, look.skin, to=mix(look.skin, look.skin_dark, 0.35), start=top, end=bottom)
    _draw_shading(canvas, look, face, jaw, chin)
    canvas.line(outline, look.skin_line, 0.009, closed=True)
    return face


def _draw_ears(canvas, look):
    for side in (-1, 1):
        ear = np.array([(0.93, -0.12), (1.12, -0.14), (1.15, 0.12), (1.02, 0.4), (0.9, 0.42)]) * (side, 1)
        ear = look.head(smooth(ear, closed=True), 0.5)
        canvas.fill(ear, look.skin)
        canvas.line(ear, look.skin_line, 0.009, closed=True)
        inner = look.head(np.array([(0.98, -0.04), (1.07, 0.0), (1.02, 0.28)]) * (side, 1), 0.5)
        canvas.fill(smooth(inner, closed=True), look.skin_dark)


def _draw_shading(canvas, look, face, jaw, chin):
    side = 1 if look.head.turn < 0 else -1  # the cheek that looks away from us
    edge = np.array([(1.2, -0.6), (0.86, 0.1), (jaw - 0.12, 0.62), (0.2, chin - 0.06), (0.5, 1.4), (1.3, 1.2)])
    canvas.paint(canvas.mask(look.head(smooth(edge * (side, 1), closed=True)), soft=0.03), look.skin_dark, 0.75, face)


def draw_blush(canvas, look, face):
    """Draws red cheeks, with hatching on some."""
    if not look.has("blush"):
        return
    random = look.chance("blush")
    colour = mix(look.skin, (255, 86, 96), random.uniform(0.62, 0.78))
    y, hatched = random.uniform(0.44, 0.5), random.random() < 0.65
    for side in (-1, 1):
        cheek = look.head(ellipse((side * 0.6, y), (0.31, 0.155)))
        canvas.paint(canvas.mask(cheek, soft=0.045), colour, 0.95, face)
        for i in range(3 if hatched else 0):
            x = side * 0.6 + (i - 1) * 0.12
            stroke = look.head([(x + 0.035, y - 0.05), (x, y), (x - 0.035, y + 0.06)])
            canvas.paint(brush(stroke, 0.011, 0.5, 0.5), (222, 70, 84), 0.8, face)


def draw_nose(canvas, look):
    """Draws the nose: a small stroke and its shadow."""
    random = look.chance("nose")
    side = 1 if look.head.turn >= 0 else -1
    y = random.uniform(0.42, 0.5)
    shadow = look.head([(0, y - 0.06), (side * 0.055, y + 0.03), (-side * 0.03, y + 0.045)])
    canvas.paint(shadow, mix(look.skin_dark, look.skin_line, 0.35), random.uniform(0.6, 0.95))


def draw_mouth(canvas, look):
    """Draws the mouth: a line or open, smiling or not."""
    random = look.chance("mouth")
    width, y = random.uniform(0.9, 1.15), random.uniform(0.7, 0.76)
    draw = _draw_open_mouth if look.has("open_mouth") else _draw_closed_mouth
    draw(canvas, look, random, width, y)


def _draw_closed_mouth(canvas, look, random, width, y):
    line = mix(look.skin_line, (120, 30, 40), 0.4)
    if look.has("smile"):
        width *= 0.3
        points = curve((-width, y - 0.07), ((-width * 0.55, y + 0.09), (width * 0.55, y + 0.09), (width, y - 0.07)))
        canvas.fill(brush(look.head(points), 0.017, 0.5, 0.5), line)
        for side in (-1, 1):
            dimple = [(side * width * 1.1, y - 0.12), (side * width, y - 0.065), (side * width * 0.86, y - 0.03)]
            canvas.fill(brush(look.head(dimple), 0.013, 0.5, 0.5), line)
        below = [(-0.1, y + 0.12), (0, y + 0.135), (0.1, y + 0.12)]
    else:
        width *= 0.13
        bend = random.uniform(0.0, 0.05)
        points = curve((-width, y + bend * 0.6), ((0, y - bend),), ((width, y + bend * 0.6),)[::1])
        canvas.fill(brush(look.head(points), 0.016, 0.5, 0.5), line)
        below = [(-0.07, y + 0.1), (0, y + 0.11), (0.07, y + 0.1)]
    canvas.fill(brush(look.head(below), 0.012), look.skin_dark)


def _draw_open_mouth(canvas, look, random, width, y):
    if look.has("smile"):
        width *= 0.3
        depth = random.uniform(0.26, 0.34)
        lip = curve((-width, y - 0.09), ((-width * 0.4, y - 0.03), (width * 0.4, y - 0.03), (width, y - 0.09)))
        jaw = curve((width, y - 0.09), ((width * 0.8, y + depth), (-width * 0.8, y + depth), (-width, y - 0.09)))
    else:
        width *= random.uniform(0.13, 0.17)
        depth = random.uniform(0.13, 0.2)
        lip = curve((-width, y + 0.02), ((-width * 0.8, y - 0.11), (width * 0.8, y - 0.11), (width, y + 0.02)))
        jaw = curve((width, y + 0.02), ((width * 0.95, y + depth), (-width * 0.95, y + depth), (-width, y + 0.02)))
    outline = look.head(np.concatenate([lip, jaw[1:]]))
    mouth = canvas.mask(outline)
    canvas.paint(mouth, (150, 44, 52), to=(196, 70, 74), start=look.head([(0, y)])[0], end=look.head([(0, y + 0.3)])[0])
    tongue = look.head(ellipse((0, y + depth * 0.78), (width * 0.62, depth * 0.42)))
    canvas.paint(tongue, (244, 130, 128), 1, mouth)
    if look.has("smile") and random.random() < 0.7:
        canvas.paint(look.head(lip + (0, 0.03)), WHITE, 1, mouth)
    canvas.line(outline, mix(look.skin_line, (110, 20, 32), 0.5), 0.009, closed=True)


def draw_eyes(canvas, look):
    """Draws both eyes."""
    random = look.chance("eyes")
    shape = {
        "width": random.uniform(0.27, 0.315),
        "height": random.uniform(0.27, 0.345),
        "slant": random.uniform(-0.1, 0.14),  # > 0: the outer corner is higher
        "openness": random.uniform(0.72, 1.0) * (0.94 if look.has("smile") else 1),
        "iris": random.uniform(0.62, 0.72),
        "gaze": random.uniform(-0.1, 0.1) + look.head.turn * 0.25,
        "pupil": random.uniform(0.36, 0.5),
        "glint": pick(random, (-1, 1)),
        "glow": random.uniform(0.35, 0.6),
        "lash": random.uniform(0.13, 0.19),
        "wing": random.uniform(0.0, 0.22),
        "style": pick(random, ("oval", "slit", "ring")),
        "y": random.uniform(0.08, 0.14),
    }
    for side in (-1, 1):
        _draw_eye(canvas, look, side, **shape)


def _draw_eye(canvas, look, side, width, height, slant, openness, iris, gaze, pupil, glint, glow, lash, wing, style, y):
    def place(points):
        """From the eye's own coordinates, x outwards: the eye reaches from -1 to 1 in both."""
        points = np.asarray(points, np.float64)
        x, down = points[:, 0] * width, points[:, 1] * height - points[:, 0] * slant * height
        return look.head(np.stack([side * (EYE_X + x), y + down], axis=1))

    top = 1 - 2 * openness
    upper = curve((-0.92, 0.15), ((-0.7, top - 0.12), (0.35, top - 0.5), (1.0, -0.12)))
    lower = curve((1.0, -0.12), ((0.95, 0.6), (0.75, 0.95), (0.3, 0.97)), ((-0.35, 1.0), (-0.75, 0.85), (-0.92, 0.15)))
    opening = canvas.mask(place(np.concatenate([upper, lower[1:]])))
    canvas.paint(opening, (252, 252, 255))

    dark = mix(shade(look.eye, 0.72), (24, 14, 30), 0.35)
    light = tint(look.eye, 0.15)
    x = side * gaze + 0.02  # gaze is to the right for both
    disc = canvas.mask(place(ellipse((x, 0.08), (iris, 0.92))))
    top_point, bottom_point = place([(x, -0.75), (x, 0.85)])
    canvas.paint(disc, dark, 1, opening)
    inside = canvas.mask(place(ellipse((x, 0.08), (iris * 0.86, 0.83))))
    canvas.paint(inside, mix(look.eye, dark, 0.68), 1, opening, to=light, start=top_point, end=bottom_point)
    _draw_pupil(canvas, place, opening, x, iris, pupil, dark, style)
    shine = canvas.mask(place(ellipse((x, 0.62), (iris * 0.55, 0.23))), soft=0.008)
    canvas.paint(shine, tint(look.eye, 0.62), glow + 0.3, opening)
    canvas.paint(canvas.mask(place(np.concatenate([upper, (upper + (0, 0.34))[::-1]]))), (40, 26, 60), 0.34, opening)
    canvas.paint(place(ellipse((x + glint * side * iris * 0.42, -0.36), (iris * 0.34, 0.24))), WHITE)
    canvas.paint(place(ellipse((x - glint * side * iris * 0.45, 0.5), (iris * 0.18, 0.13))), WHITE, 0.95)
    _draw_lashes(canvas, look, place, upper, lower, lash, wing)


def _draw_pupil(canvas, place, opening, x, iris, pupil, dark, style):
    heights = {"oval": 0.42, "slit": 0.55, "ring": 0.38}
    widths = {"oval": pupil, "slit": pupil * 0.7, "ring": pupil * 0.9}
    colour = shade(dark, 0.45)
    canvas.paint(place(ellipse((x, 0.03), (iris * widths[style], heights[style]))), colour, 1, opening)


def _draw_lashes(canvas, look, place, upper, lower, lash, wing):
    reach = np.concatenate([[(-1.02, 0.24)], upper, [(1.16, -0.2 - wing * 0.3), (1.28, -0.12 - wing)]])
    thickness = lash * np.concatenate([[0.3], np.linspace(0.9, 2.3, len(upper)), [1.7, 0.0]])
    band = np.concatenate([reach - np.stack([thickness * 0.1, thickness], 1), reach[::-1] + (0, 0.06)])
    canvas.fill(place(band), look.lash)
    hair = [(1.0, -0.2), (1.28, -0.34 - wing), (1.08, -0.02)]
    canvas.fill(place(hair), look.lash)
    canvas.fill(brush(place(lower[1:12]), 0.011, 0.9, 0.2), mix(look.lash, look.skin_line, 0.35))
    crease = upper[4:] - (0, 0.5)
    canvas.fill(brush(place(crease), 0.009), mix(look.skin_line, look.skin_dark, 0.35))


def draw_brows(canvas, look, opacity):
    """Draws the brows; drawn twice, below the fringe and faintly above it, as in most anime."""
    random = look.chance("brows")
    mood = random.uniform(-0.09, 0.09)  # > 0: the inner ends are low, an angry look
    mood = min(mood, 0.02) if look.has("smile") else mood
    y, arch, width = random.uniform(-0.5, -0.42), random.uniform(0.03, 0.1), random.uniform(0.014, 0.026)
    colour = mix(look.hair_line, look.hair_dark, 0.3)
    for side in (-1, 1):
        points = curve(
            (side * 0.2, y + mood), ((side * 0.45, y - arch - mood * 0.2),), ((side * 0.74, y + 0.04 - mood),)
        )
        canvas.paint(brush(look.head(points), width, 0.6, 0.1), colour, opacity)


def draw_glasses(canvas, look):
    """Draws glasses: frames of one of four shapes, with glass that reflects."""
    if not look.has("glasses"):
        return
    random = look.chance("glasses")
    style = pick(random, ("round", "square", "half", "oval"))
    colour = pick(
        random, ((40, 34, 44), (176, 36, 48), (112, 62, 40), (56, 60, 140), any_colour(random, (0.5, 0.9), (0.3, 0.8)))
    )
    y, width, height = 0.16, random.uniform(0.375, 0.41), random.uniform(0.34, 0.4)
    if style == "square":
        height *= 0.86
    power = {"round": 1.0, "square": 0.45, "half": 0.6, "oval": 0.85}[style]
    angle = np.arange(28) * (2 * np.pi / 28)
    x, down = np.cos(angle), np.sin(angle)
    frame = np.stack([np.sign(x) * abs(x) ** power * width, np.sign(down) * abs(down) ** power * height], axis=1)
    line = random.uniform(0.015, 0.021)
    for side in (-1, 1):
        rim = look.head(frame + (side * 0.465, y), 1.05)
        glass = canvas.mask(rim)
        canvas.paint(glass, (236, 246, 255), 0.14)
        glint = np.array([(-0.3, -0.5), (-0.12, -0.5), (-0.32, 0.5), (-0.5, 0.5)]) * (1, height) + (
            side * 0.465 + 0.1,
            y,
        )
        canvas.paint(look.head(glint), WHITE, 0.42, glass)
        if style == "half":
            canvas.line(rim[:15], colour, line)
        else:
            canvas.line(rim, colour, line, closed=True)
        canvas.line(look.head([(side * 0.86, y - 0.06), (side * 1.1, y - 0.12)], 0.9), colour, line)
    bridge = curve((-0.1, y - 0.04), ((0, y - 0.13),), ((0.1, y - 0.04),))
    canvas.line(look.head(bridge, 1.1), colour, line)
