"""Makes the goldens of Kvant.Models.Tests from llama.cpp's own library.

How the committed files were made:
    npm pack @node-llama-cpp/linux-x64@3.22.1        (in an empty folder; then unpack the archive)
    python3 eng/make-model-goldens.py package/bins/linux-x64 formats tests/Kvant.Models.Tests/Golden/formats
Writes <format>.bin: the blocks of 512 random numbers as ggml quantizes them, then the floats that ggml makes of them again.
The goldens are read-only.
"""
import ctypes
import pathlib
import random
import sys

NUMBERS = 512
FORMATS = {"F16": 1, "BF16": 30, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14}


class TypeTraits(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("block_length", ctypes.c_int64), ("interleave", ctypes.c_int64), ("block_bytes", ctypes.c_size_t),
                ("quantized", ctypes.c_bool), ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64))]


def formats(libraries, folder):
    ggml = ctypes.CDLL(str(libraries / "libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    ggml.ggml_get_type_traits.restype = ctypes.POINTER(TypeTraits)
    rng = random.Random(4)
    source = (ctypes.c_float * NUMBERS)(*[rng.gauss(0.3, 1) for _ in range(NUMBERS)])
    for name, kind in FORMATS.items():
        traits = ggml.ggml_get_type_traits(kind).contents
        size = NUMBERS // traits.block_length * traits.block_bytes
        blocks, numbers = (ctypes.c_uint8 * size)(), (ctypes.c_float * NUMBERS)()
        if ggml.ggml_quantize_chunk(kind, source, blocks, 0, 1, NUMBERS, None) != size:
            sys.exit(f"{name}: another number of bytes than {size} was written")
        traits.to_float(blocks, numbers, NUMBERS)
        (folder / f"{name}.bin").write_bytes(bytes(blocks) + bytes(numbers))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    libraries, what, *paths = sys.argv[1:]
    globals()[what](pathlib.Path(libraries), *map(pathlib.Path, paths))
