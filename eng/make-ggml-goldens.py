"""Makes the golden bytes of llama.cpp's q8_0 and q4_0 blocks from llama.cpp's own library.

How the committed files were made:
    npm pack @node-llama-cpp/linux-x64@3.22.1        (in an empty folder; then unpack the archive)
    python3 eng/make-ggml-goldens.py package/bins/linux-x64/libggml-base.so tests/Kvant.Tests/Golden
Writes ggml-rows.f32 (rows of 128 little-endian floats), ggml-q8_0.bin and ggml-q4_0.bin (the blocks of the same rows).
The goldens are read-only: they change only if llama.cpp's format does.
"""
import ctypes
import pathlib
import random
import struct
import sys

WIDTH = 128
TYPES = {"q8_0": (8, 34), "q4_0": (2, 18)}  # name: (ggml type id, bytes per block of 32)


def make_rows():
    rng = random.Random(20260)
    gauss = lambda scale: [rng.gauss(0, scale) for _ in range(WIDTH)]
    rows = [gauss(1) for _ in range(24)]
    rows += [gauss(s) for s in (1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-2, 1e2, 1e4, 4e4)]  # scales down to fp16 denormals and to zero
    rows += [[rng.uniform(-1, 1) for _ in range(WIDTH)] for _ in range(4)]
    rows += [[0.0] * WIDTH, [1.0] * WIDTH, [-1.0] * WIDTH, [-0.0] * WIDTH]
    one_hot = [0.0] * WIDTH
    one_hot[37] = -3.5
    rows.append(one_hot)
    rows.append([(-1.0) ** i for i in range(WIDTH)])                        # +max first: which of two equal magnitudes wins
    rows.append([-(-1.0) ** i for i in range(WIDTH)])                       # -max first
    rows.append([127.0 if i % 32 == 0 else (i % 64) - 31.5 for i in range(WIDTH)])  # halves: ties of q8_0
    rows.append([-8.0 if i % 32 == 5 else (i % 16) - 7.5 for i in range(WIDTH)])    # halves: ties of q4_0, negative maximum
    rows.append([8.0 if i % 32 == 5 else (i % 16) - 7.5 for i in range(WIDTH)])     # halves: ties of q4_0, positive maximum
    rows.append([x if i % 32 else -9.0 for i, x in enumerate(gauss(1))])    # negative maximum
    rows.append([x * (1000.0 if i % 32 == 31 else 1.0) for i, x in enumerate(gauss(1))])  # one huge channel at the end
    rows.append([x if i < 64 else 0.0 for i, x in enumerate(gauss(1))])     # blocks of zeros beside others
    return rows


def main(library, folder):
    ggml = ctypes.CDLL(library)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                         ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    rows = make_rows()
    flat = [x for row in rows for x in row]
    source = (ctypes.c_float * len(flat))(*flat)
    folder = pathlib.Path(folder)
    (folder / "ggml-rows.f32").write_bytes(struct.pack(f"<{len(flat)}f", *source))
    for name, (kind, block) in TYPES.items():
        size = len(flat) // 32 * block
        target = (ctypes.c_uint8 * size)()
        written = ggml.ggml_quantize_chunk(kind, source, target, 0, len(rows), WIDTH, None)
        if written != size:
            sys.exit(f"{name}: {written} bytes were written; {size} were expected.")
        (folder / f"ggml-{name}.bin").write_bytes(bytes(target))
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
