"""Time and peak memory of a build from raw photos: `python benchmarks/build_memory.py --photos 4000 --side 512`.

The photos are smooth shades with a pattern of bits, drawn without noise, whose PNG has about as many bytes as a photo
of such a size; the build runs in a process of its own, whose peak resident memory the kernel reports.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS_EACH = 20  # of a person
BUILD = "import sys; from clear_dataset import main; sys.exit(main(sys.argv[1:]))"


def draw(number: int, side: int) -> Image.Image:
    """Return a picture that differs for every number."""
    y, x = np.mgrid[0:side, 0:side].astype(np.uint32)
    shade = (x * x * (number % 97 + 3) + y * y * (number % 89 + 5) + x * y * (number % 83)) >> 9
    marks = np.full_like(x, number >> 8)  # with the column beside it, the number itself: no two are the same
    return Image.fromarray(np.stack([shade, x // 2 + number, marks], axis=-1).astype(np.uint8))


def write_raw(folder: Path, photos: int, side: int) -> int:
    """Write photos, people and the two real sets; return the bytes of the photos."""
    size = 0

    def photo(number: int) -> str:
        nonlocal size
        path = folder / f"{number}.png"
        draw(number, side).save(path, compress_level=1)
        size += path.stat().st_size
        return path.name

    names = [f"Person {number}" for number in range(photos // PHOTOS_EACH)]
    with (folder / "people.jsonl").open("w") as people, (folder / "qa.jsonl").open("w") as questions:
        for number, name in enumerate(names):
            rows = []
            for place in range(PHOTOS_EACH):
                rows.append(
                    {
                        "file": photo(number * PHOTOS_EACH + place),
                        "caption": f"{name} in picture {place}.",
                        "paraphrased_caption": f"Picture {place} shows {name}.",
                        "perturbed_captions": [f"Picture {place} shows {other}." for other in ("Ana", "Bo", "Cem")],
                        "perturbed_names": ["Ana", "Bo", "Cem"],
                    }
                )
            people.write(json.dumps({"name": name, "photos": rows}) + "\n")
            for fact in range(20):
                row = {"name": name, "question": f"What is fact {fact} about {name}?", "answer": f"It is {number}."}
                questions.write(json.dumps(row) + "\n")
    for place, real in enumerate(("real_faces", "real_world")):
        row = {"file": photo(photos + place), "question": "What?", "answer": "a hat", "options": ["a cat", "a bat"]}
        (folder / f"{real}.jsonl").write_text(json.dumps(row) + "\n")
    return size


def main() -> None:
    """Draw, build in another process, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=4000, help="at least 40 (%(default)s)")
    parser.add_argument("--side", type=int, default=512, help="pixels (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="build-memory-") as home:
        raw = Path(home, "raw")
        raw.mkdir()
        size = write_raw(raw, arguments.photos, arguments.side)
        print(f"{arguments.photos} photos of {arguments.side} pixels, {size / 1e6:.0f} MB")
        for command in (["build", "--corpus", "raw", "--raw", str(raw), "--output", f"{home}/clear"],
                        ["check", f"{home}/clear"]):  # fmt: skip
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", BUILD, *command], check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
            # Of all children so far: that of the build, then the larger of the two.
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
            print(f"{command[0]}: {seconds:.0f} s, peak memory {peak / 1e9:.2f} GB")
        written = sum(path.stat().st_size for path in Path(home, "clear").rglob("*.parquet"))
        print(f"written: {written / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
