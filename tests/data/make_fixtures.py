"""Makes the pictures and expected hashes of tests/data/fixtures with Pillow.

Run once by hand (Pillow and NumPy); the tests need only what it wrote.  The expected pixels
are Pillow's own; resize-and-crop is torchvision's code written out."""
import hashlib
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent / "fixtures"
rng = np.random.default_rng(7)
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def scene(width, height):
    """A gradient with blobs and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 / width, y * 255 / height, 255 - x * 200 / width], -1)
    for _ in range(4):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(3, 7)
        rgb[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(0, 255, 3)
    return Image.fromarray(np.clip(rgb + rng.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8))


def png16(path, grey):
    """16-bit grey, which Pillow would clip instead of reduce; written by hand."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    h, w = grey.shape
    rows = b"".join(b"\0" + grey[i].astype(">u2").tobytes() for i in range(h))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resize(image, width, height, filter):
    """Across, then down: Pillow's order up to version 12.  Version 13 goes down first when
    many more rows than columns go, which can differ by a level."""
    if filter == Image.Resampling.NEAREST:
        return image.resize((width, height), filter)
    return image.resize((width, image.height), filter).resize((width, height), filter)


def torchvision_frame(image, width, height, short, filter):
    if short:
        w, h = image.size
        near, far = (w, h) if w <= h else (h, w)
        far = int(short * far / near)
        image = resize(image, *((short, far) if w <= h else (far, short)), filter)
        w, h = image.size
        if width > w or height > h:
            left = (width - w) // 2 if width > w else 0
            top = (height - h) // 2 if height > h else 0
            padded = Image.new(image.mode, (max(w, width), max(h, height)))
            padded.paste(image, (left, top))
            image, (w, h) = padded, padded.size
        top, left = int(round((h - height) / 2.0)), int(round((w - width) / 2.0))
        return image.crop((left, top, left + width, top + height))
    return image if image.size == (width, height) else resize(image, width, height, filter)


here.mkdir(exist_ok=True)
rgb, tall = scene(37, 25), scene(21, 40)
rgb.save(here / "c420.jpg", quality=80)
rgb.save(here / "c422.jpg", quality=60, subsampling="4:2:2")
tall.save(here / "c444.jpg", quality=90, subsampling="4:4:4")
rgb.save(here / "progressive.jpg", quality=70, progressive=True)
rgb.convert("L").save(here / "grey.jpg", quality=85)
rgb.convert("CMYK").save(here / "cmyk.jpg", quality=85)
rgb.save(here / "rgb.png")
tall.convert("RGBA").save(here / "rgba.png")
rgb.convert("LA").save(here / "grey_alpha.png")
rgb.quantize(13).save(here / "palette.png", transparency=3)
rgb.convert("1").save(here / "bit1.png")
png16(here / "grey16.png", np.asarray(tall.convert("L"), np.uint16) * 257 - 40)

lines = ["# what file arguments -> SHA-256 of the 8-bit pixels, made by make_fixtures.py"]
for path in sorted(here.glob("*.[jp][pn]g")):
    image = Image.open(path)
    if path.name == "grey16.png":
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    image = image.convert("RGB")
    for mode in ("RGB", "L"):
        pixels = image.convert(mode)
        shape = f"{len(mode)}x{pixels.height}x{pixels.width}"
        lines.append(f"frame {path.name} {shape} {sha(pixels)}")
for name in ("rgb.png", "rgba.png", "palette.png"):
    for mode, channels in (("RGB", 3), ("L", 1)):
        image = Image.open(here / name).convert("RGB").convert(mode)
        for filter, code in FILTERS.items():
            for w, h in ((8, 8), (19, 11), (37, 50), (91, 25), (1, 1), (150, 3), (64, 64)):
                pixels = torchvision_frame(image, w, h, 0, code)
                lines.append(f"frame {name} {channels}x{h}x{w} filter={filter} {sha(pixels)}")
            for w, h, short in ((24, 24, 32), (16, 20, 17), (31, 31, 40), (50, 12, 24), (60, 60, 30)):
                pixels = torchvision_frame(image, w, h, short, code)
                lines.append(
                    f"frame {name} {channels}x{h}x{w} short={short} filter={filter} {sha(pixels)}")
np.save(here / "f4.npy", np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8)
np.save(here / "f8_columns.npy", np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)))
np.save(here / "i8_big.npy", np.array([[-3, 70000], [5, -(2**40)]], ">i8"))
np.save(here / "u1.npy", np.array([0, 7, 255], np.uint8))
np.save(here / "f2.npy", np.array([0.5, -2, 65504], np.float16))
np.save(here / "bool.npy", np.array([True, False]))
np.save(here / "scalar.npy", np.float32(2.5))
(here / "golden.txt").write_text("\n".join(lines) + "\n")
