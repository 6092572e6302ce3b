"""Makes the image files of the tests and expected.json: what Pillow and torchvision make of them.

    python make_fixtures.py

One picture of 19 rows and 23 columns, smooth with a hard edge, is stored in many ways. expected.json holds, for each file,
its size and its pixels, red, green and blue, row by row, in base64: for JPEG what Pillow decodes, for PNG what was put in
(transparent pixels over black, 16 bits cut to their upper 8), and "resized": the picture in other sizes by torchvision's
Resize; "central": it and tall.png, which has other sides, by Resize(side) and CenterCrop(side); "part": rows and columns of
it by resized_crop. What RandomResizedCrop takes of pictures of some sides when no rectangle fits is printed: top, left, height
and width. ycck.jpg is cmyk.jpg with another Adobe transform, which changes its colours. interlaced.png, gamma.png, rgb16.png
and alpha16.png are written here bit by bit. bomb.jpg and bomb.png declare 65500 x 65500 pixels; zero.png has no column.
"""
import base64
import io
import json
import struct
import zlib

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

ROWS, COLUMNS = 19, 23
expected = {}


def picture():
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype(float)
    planes = [128 + 100 * np.sin(x / 4 + y / 7), 20 + 9 * x, 240 - 11 * y + 4 * np.cos(x)]
    image = np.stack(planes, axis=2)
    image[5:12, 8:15] = [200, 30, 60]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def note(name, pixels):
    pixels = np.ascontiguousarray(pixels, dtype=np.uint8)
    assert pixels.ndim == 3 and pixels.shape[2] == 3
    expected[name] = {
        "height": pixels.shape[0], "width": pixels.shape[1], "pixels": base64.b64encode(pixels.tobytes()).decode()}


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def jpeg(name, image, **options):
    image.save(name, "JPEG", quality=90, **options)
    note(name, np.asarray(Image.open(name).convert("RGB")))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, interlaced=0, more=b""):
    """A PNG of rows of bytes, each without its filter byte, which is 0."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def over_black(rgb, alpha):
    return (rgb.astype(int) * alpha[..., None].astype(int) + 127) // 255


def main():
    rgb = picture()
    image = Image.fromarray(rgb)
    grey = rgb[..., 0]

    jpeg("rgb.jpg", image)
    jpeg("progressive.jpg", image, progressive=True)
    jpeg("grey.jpg", Image.fromarray(grey))
    jpeg("cmyk.jpg", image.convert("CMYK"))
    data = bytearray(open("cmyk.jpg", "rb").read())
    place = data.index(b"Adobe")
    assert data[place + 11] == 0
    data[place + 11] = 2
    write("ycck.jpg", bytes(data))
    note("ycck.jpg", np.asarray(Image.open("ycck.jpg").convert("RGB")))

    image.save("rgb.png")
    note("rgb.png", rgb)
    alpha = (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) * 7 % 256).astype(np.uint8)
    Image.fromarray(np.dstack([rgb, alpha])).save("rgba.png")
    note("rgba.png", over_black(rgb, alpha))
    Image.fromarray(grey).save("grey.png")
    note("grey.png", np.dstack([grey] * 3))
    bits = grey > 128
    Image.fromarray(bits).save("bits.png")
    note("bits.png", np.dstack([bits * 255] * 3))
    palette = image.quantize(13)
    palette.save("palette.png")
    note("palette.png", np.asarray(palette.convert("RGB")))

    wide = rgb.astype(np.uint16) << 8 | rgb[:, ::-1]
    write("rgb16.png", png(COLUMNS, ROWS, 16, 2, [row.astype(">u2").tobytes() for row in wide]))
    note("rgb16.png", rgb)
    pairs = np.dstack([wide[..., 0], alpha.astype(np.uint16) << 8 | 77])
    write("alpha16.png", png(COLUMNS, ROWS, 16, 4, [row.astype(">u2").tobytes() for row in pairs]))
    note("alpha16.png", over_black(np.dstack([grey] * 3), alpha))
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    write("gamma.png", png(COLUMNS, ROWS, 8, 2, [row.tobytes() for row in rgb], more=gamma))
    note("gamma.png", rgb)
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    rows = [
        row.tobytes() for top, down, left, across in passes for row in rgb[top::down, left::across] if row.size > 0]
    write("interlaced.png", png(COLUMNS, ROWS, 8, 2, rows, interlaced=1))
    note("interlaced.png", rgb)

    write("bomb.png", png(65500, 65500, 8, 2, [b"\0" * 9]))
    write("zero.png", png(0, 5, 8, 2, [b""] * 5))
    small = bytearray(open("rgb.jpg", "rb").read())
    frame = small.index(b"\xff\xc0")
    small[frame + 5:frame + 9] = struct.pack(">HH", 65500, 65500)
    write("bomb.jpg", bytes(small))

    for name in expected:
        if name.endswith(".png") and name not in ("rgba.png", "rgb16.png", "alpha16.png"):
            found = np.asarray(Image.open(name).convert("RGB"))
            assert base64.b64encode(found.tobytes()).decode() == expected[name]["pixels"], name
    for height, width in [(8, 8), (19, 7), (5, 23), (40, 31), (12, 50), (1, 1)]:
        resized = transforms.Resize((height, width))(image)
        note(f"resized-{height}x{width}", np.asarray(resized))
    tall = Image.fromarray(np.concatenate([rgb, rgb[::-1]])[2:35, 3:14])
    tall.save("tall.png")
    for name, source in [("rgb", image), ("tall", tall)]:
        for side in [5, 11, 16, 30]:
            central = transforms.Compose([transforms.Resize(side), transforms.CenterCrop(side)])(source)
            note(f"central-{name}-{side}", np.asarray(central))
    for top, left, height, width, side in [(3, 5, 9, 13, 16), (0, 2, 19, 20, 7), (18, 22, 1, 1, 4)]:
        part = transforms.functional.resized_crop(image, top, left, height, width, [side, side], antialias=True)
        note(f"part-{top}-{left}-{height}x{width}-{side}", np.asarray(part))
    for height, width in [(4, 40), (40, 4), (1, 3), (7, 100)]:
        # A scale of 0 to 0 fits nowhere.
        crop = transforms.RandomResizedCrop.get_params(torch.zeros(3, height, width), [0.0, 0.0], [3 / 4, 4 / 3])
        print("largest", height, width, tuple(crop))
    with open("expected.json", "w") as file:
        json.dump(expected, file, indent=1, sort_keys=True)
        file.write("\n")


main()
