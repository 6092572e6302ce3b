"""Line plots on logarithmic axes as SVG, with nothing but the standard library."""
import math

COLOURS = ["#1f5fa8", "#c2501a", "#3a7d34"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 320, 62, 14, 14, 48


def draw(path, x_name, y_name, series, slope):
    """Draws `series` (name to points) and, dashed, growth to the power `slope` from the first point of each."""
    points = [point for values in series.values() for point in values]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    guides = [[values[0], (values[-1][0], values[0][1] * (values[-1][0] / values[0][0]) ** slope)]
              for values in series.values()]
    every = points + [point for guide in guides for point in guide]
    low_y, high_y = min(y for _, y in every) / 1.3, max(y for _, y in every) * 1.3
    place = lambda value, low, high: math.log(value / low) / math.log(high / low)
    x_of = lambda x: LEFT + place(x, low_x, high_x) * (WIDTH - LEFT - RIGHT)
    y_of = lambda y: HEIGHT - BOTTOM - place(y, low_y, high_y) * (HEIGHT - TOP - BOTTOM)
    line = lambda values: " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{LEFT},{TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}" fill="none" stroke="#444"/>']
    for x in sorted({x for x, _ in points}):
        parts.append(f'<text x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x}</text>')
    for y in ticks(low_y, high_y):
        parts.append(f'<path d="M{LEFT},{y_of(y):.1f} H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    for guide in guides:
        parts.append(f'<polyline points="{line(guide)}" fill="none" stroke="#999" stroke-dasharray="4 4"/>')
    for index, (name, values) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        parts.append(f'<polyline points="{line(values)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in values]
        parts.append(f'<text x="{LEFT + 12}" y="{TOP + 14 + 16 * index}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{LEFT + 12}" y="{TOP + 14 + 16 * len(series)}" fill="#777">dashed: power {slope}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{x_name}</text>')
    parts.append(f'<text transform="translate(14,{HEIGHT / 2}) rotate(-90)" text-anchor="middle">{y_name}</text></svg>')
    with open(path, "w") as file:
        file.write("\n".join(parts) + "\n")


def ticks(low, high):
    """1, 2 and 5 times the powers of ten between the two ends."""
    start, end = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [factor * 10.0 ** power for power in range(start, end + 1) for factor in (1, 2, 5)]
    return [value for value in values if low <= value <= high]
