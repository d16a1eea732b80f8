"""How it looks which tags generators obey: a table in HTML with a plot of its shares and intervals."""

from html import escape

EXPLANATION = """\
For each tag as many pictures were drawn with that tag on and all others up to the seeds (Jin et al. 2017, section 5.2).
A dot is the share of them in which the judge sees the tag, its line the 95 % interval by Wilson. A ring is how often it
sees the tag in pictures drawn without it. The dashed line is how often the judge tells the tag of held-out real faces
that have it: what it misses there, it will miss here too."""
# Of the plot, in pixels: width of 0 to 100 %, height of a row of one model, room between tags.
WIDTH, ROW, GAP = 260, 14, 6
COLOURS = ("#6c4bd1", "#d1495b", "#1f7fae", "#2a8c4a", "#c77d0a", "#8a5a44")


def section(models, judge, recall=None):
    """A table of what generators obey in the eyes of one judge, with a plot beside each tag.

    Args:
        models: By the model's name its rows, from `tfanime.metrics.attributes.tags_obeyed`; of one vocabulary.
        judge: The judge's name.
        recall: By tag how often the judge tells it of real faces that have it, in [0, 1]; None where that is not known.

    Returns:
        HTML: a table, for a page with the style of the converter's report. Tags that the judge does not know are left
        out. Empty if it knows none.

    Raises:
        ValueError: The models have different tags.
    """
    recall = recall or {}
    tags = {tuple(row.tag for row in rows) for rows in models.values()}
    if len(tags) != 1:
        raise ValueError(f"models in one table must have the same tags. Received: {', '.join(models)}")
    lines, group = [], None
    for together in zip(*models.values(), strict=True):
        if not any(judge in row.shown for row in together):
            continue
        if together[0].group != group:
            group = together[0].group
            lines.append(f'<tr><th colspan="{4 + 2 * len(models)}">{escape(group.replace("_", " "))}</th></tr>')
        lines.append(_line(together, judge, recall.get(together[0].tag)))
    if not lines:
        return ""
    names = "".join(
        f'<th class="n" colspan="2"><svg width="10" height="10"><circle cx="5" cy="5" r="4" fill="{_colour(number)}"/>'
        f"</svg> {escape(name)}</th>"
        for number, name in enumerate(models)
    )
    return (
        '<div class="wide"><table class="counts"><thead>'
        f'<tr><th>tag</th><th class="n">pictures</th>{names}<th class="n">of real faces</th><th>{_axis()}</th></tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _line(rows, judge, recall):
    """The row of one tag."""
    cells = [f"<td>{escape(rows[0].tag.replace('_', ' '))}</td>"]
    counts = {row.shown[judge].count if judge in row.shown else 0 for row in rows}
    cells.append(f'<td class="n">{" to ".join(str(count) for count in sorted({min(counts), max(counts)}))}</td>')
    for row in rows:
        share = row.shown.get(judge)
        if share is None or not share.count:
            cells.append('<td class="n none">–</td><td class="n none"></td>')
        else:
            interval = " to ".join(f"{100 * end:.0f}" for end in share.interval)
            cells.append(f'<td class="n">{_percent(share.value)}</td><td class="n none">{interval}</td>')
    cells.append(f'<td class="n">{_percent(recall)}</td><td>{plot(rows, judge, recall)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def plot(rows, judge, recall=None):
    """The shares of one tag as inline SVG: for each model a dot on its 95 % interval, a ring for how often the tag is
    seen unasked; a line across where the judge itself stands with real faces.

    Args:
        rows: One `tfanime.metrics.attributes.Obeyed` a model.
        judge: The judge's name.
        recall: See `section`.

    Returns:
        The SVG as text.
    """
    height = ROW * len(rows) + GAP
    shapes = [
        f'<path d="M0 {height}V0M{WIDTH} {height}V0M{WIDTH / 2:g} {height}V0" stroke="currentColor" opacity=".2"/>'
    ]
    if recall is not None:
        x = round(recall * WIDTH, 1)
        shapes.append(f'<path d="M{x} {height}V0" stroke="currentColor" stroke-dasharray="2 2" opacity=".7"/>')
    for number, row in enumerate(rows):
        y, colour = GAP / 2 + ROW * (number + 0.5), _colour(number)
        unasked, share = row.unasked.get(judge), row.shown.get(judge)
        if unasked is not None and unasked.count:
            x = round(unasked.value * WIDTH, 1)
            shapes.append(f'<circle cx="{x}" cy="{y:g}" r="3" fill="none" stroke="{colour}"/>')
        if share is not None and share.count:
            low, middle, high = (round(end * WIDTH, 1) for end in (share.interval[0], share.value, share.interval[1]))
            shapes.append(f'<path d="M{low} {y:g}H{high}" stroke="{colour}" stroke-width="2"/>')
            shapes.append(f'<circle cx="{middle}" cy="{y:g}" r="4" fill="{colour}"/>')
    text = "; ".join(
        f"{row.shown[judge].yes} of {row.shown[judge].count}"
        + (f", unasked {_percent(row.unasked[judge].value)}" if judge in row.unasked else "")
        for row in rows
        if judge in row.shown
    )
    size = f'viewBox="-5 0 {WIDTH + 10} {height}" width="{WIDTH + 10}" height="{height}"'
    return f'<svg {size} role="img"><title>{escape(text)}</title>{"".join(shapes)}</svg>'


def _axis():
    """The numbers above the plots."""
    look = 'text-anchor="middle" font-size="10" fill="currentColor"'
    texts = "".join(f'<text x="{share / 100 * WIDTH:g}" y="10" {look}>{share} %</text>' for share in (0, 50, 100))
    # As wide as the plots and more at both ends, where the numbers are wider than the lines that they stand over.
    size = f'viewBox="-17 0 {WIDTH + 34} 12" width="{WIDTH + 34}" height="12"'
    return f'<svg {size} style="margin: 0 -12px">{texts}</svg>'


def _colour(number):
    return COLOURS[number % len(COLOURS)]


def _percent(share):
    return "–" if share is None else f"{100 * share:.0f} %"
