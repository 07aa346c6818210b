"""Makes the goldens of Kvant.Models.Tests from llama.cpp's own library.

How the committed files were made:
    npm pack @node-llama-cpp/linux-x64@3.22.1        (in an empty folder; then unpack the archive)
    python3 eng/make-model-goldens.py package/bins/linux-x64 formats tests/Kvant.Models.Tests/Golden/formats
    python3 eng/make-model-goldens.py package/bins/linux-x64 tokenizers tests/Kvant.Models.Tests/Golden models
    python3 eng/make-model-goldens.py package/bins/linux-x64 logits tests/Kvant.Models.Tests/Golden models tiny
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
    """Writes <format>.bin: the blocks of 512 random numbers as ggml quantizes them, then the floats that ggml makes of them again."""
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


class Llama:
    """llama.cpp's library by its C interface. Parameters are structures passed by value; only the fields that are set here have names."""

    VOCAB_ONLY = 72                                                        # offset in llama_model_params
    CONTEXT = {"n_ctx": 0, "n_batch": 4, "n_ubatch": 8, "n_threads": 28, "n_threads_batch": 32, "flash": 52, "yarn_ext": 64, "beta_fast": 72, "beta_slow": 76, "type_k": 104, "type_v": 108}

    class Parameters(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_uint8 * 512)]                       # more than either structure has

    class Batch(ctypes.Structure):
        _fields_ = [("count", ctypes.c_int32), ("tokens", ctypes.c_void_p), ("embeddings", ctypes.c_void_p), ("positions", ctypes.c_void_p),
                    ("sequences", ctypes.c_void_p), ("ids", ctypes.c_void_p), ("logits", ctypes.c_void_p)]

    def __init__(self, libraries):
        self.ggml = ctypes.CDLL(str(next(libraries.glob("libggml.v*.so"))), mode=ctypes.RTLD_GLOBAL)
        self.native = ctypes.CDLL(str(next(libraries.glob("libllama.v*.so"))), mode=ctypes.RTLD_GLOBAL)
        self.ggml.ggml_backend_load_all_from_path(str(libraries).encode())
        self.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda level, text, _: level >= 4 and sys.stderr.buffer.write(text))
        self.native.llama_log_set(self.quiet, None)
        for name in ("llama_model_default_params", "llama_context_default_params"):
            getattr(self.native, name).restype = self.Parameters
        for name in ("llama_model_load_from_file", "llama_init_from_model", "llama_model_get_vocab", "llama_get_memory"):
            getattr(self.native, name).restype = ctypes.c_void_p
        self.native.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)

    def load(self, path, vocabulary_only=False):
        parameters = self.native.llama_model_default_params()
        parameters.bytes[self.VOCAB_ONLY] = vocabulary_only
        model = self.native.llama_model_load_from_file(str(path).encode(), parameters)
        if not model:
            sys.exit(f"{path} could not be loaded")
        return ctypes.c_void_p(model)

    def vocabulary(self, model):
        return ctypes.c_void_p(self.native.llama_model_get_vocab(model))

    def tokenize(self, vocabulary, text, add_special, parse_special):
        raw = text.encode()
        tokens = (ctypes.c_int32 * (2 * len(raw) + 16))()
        count = self.native.llama_tokenize(vocabulary, raw, len(raw), tokens, len(tokens), ctypes.c_bool(add_special), ctypes.c_bool(parse_special))
        return list(tokens[:count])

    def piece(self, vocabulary, token, special):
        buffer = ctypes.create_string_buffer(1024)
        count = self.native.llama_token_to_piece(vocabulary, token, buffer, len(buffer), 0, ctypes.c_bool(special))
        return buffer.raw[:max(count, 0)]


TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Hello world", "Hello  world", "   three   spaces   ", "\t tab\ttab", "line\nline\n\nline\r\n\r\n  indented\n   ",
    "It's we're I'VE he'll SHE'D don't y'all 'sup ''s", "1 12 123 1234 12345 3.14159 1,000,000 a1b22c333 7th \u00bd \u0663\u0664\u0665\u0666 \u2167",
    "snake_case camelCase kebab-case x+=1; if (a<b && c>=d) { return ~x ^ 0xFF; } // ok?!", "$100 + 50% = #1 @home ...!!! \u201cquoted\u201d \u2014 dash \u2026",
    "na\u00efve caf\u00e9 \u00dcber stra\u00dfe \u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u4f60\u597d\uff0c\u4e16\u754c \u65e5\u672c\u8a9e \u0928\u092e\u0938\u094d\u0924\u0947 \u0645\u0631\u062d\u0628\u0627", "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001d538\U0001d7d9 \U00020000\U00020001",
    "e\u0301 a\u0308 zero\u200bwidth \u00a0nbsp\u2003em\u3000ideographic \u0085next \ufeffbom", "\x00\x01\x7f control", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababababababab the the the the",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<s>not</s> a <unk> token <0x41>", "text <tool> more<tool>text  <tool>  x", "<|endoftext|>", " <|im_start|> <|im_end", "\u2581under \u2581 score",
    "And Ruth said, Intreat me not to leave thee, or to return from following after thee: for whither thou goest, I will go.",
    "of the Ishmaelites",
    "Call me Ishmael. Some years ago\u2014never mind how long precisely\u2014having little or no money in my purse, I thought I would sail about a little.",
]


def tokenizers(libraries, folder, models):
    """Writes tokens-<name>.json: what llama.cpp makes of TEXTS with the vocabulary of mini.gguf, with bpe.gguf, which it writes too,
    under the name of every pre-tokenizer, and with gemma.gguf and phi3.gguf, which are mini's with the special tokens and rules of those families."""
    import json
    import tempfile
    llama = Llama(libraries)
    write_bpe(folder / "bpe.gguf", "gpt-2", (models.parent / "samples/data/mini-holdout.txt").read_text())

    def write(name, path, texts=TEXTS):
        model = llama.load(path, vocabulary_only=True)
        vocabulary = llama.vocabulary(model)
        cases = []
        for text in texts:
            plain, special = llama.tokenize(vocabulary, text, True, False), llama.tokenize(vocabulary, text, False, True)
            cases.append({"text": text, "plain": plain, "special": special, "bytes": b"".join(llama.piece(vocabulary, t, False) for t in special).hex(),
                          "shown": b"".join(llama.piece(vocabulary, t, True) for t in special).hex()})
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        (folder / f"tokens-{name}.json").write_text(f"[\n{lines}\n]\n")

    write("mini", models / "mini.gguf")
    for name in ("gemma", "phi3"):
        write_sentence_pieces(folder / f"{name}.gguf", name, models / "mini.gguf")
        write(name, folder / f"{name}.gguf", TEXTS + TURNS)
    with tempfile.TemporaryDirectory() as temporary:
        for pre in ("llama-bpe", "qwen2", "smollm", "gpt-2", "default"):
            path = pathlib.Path(temporary) / "bpe.gguf"
            write_bpe(path, pre, (models.parent / "samples/data/mini-holdout.txt").read_text())
            write(pre, path)


TURNS = [
    "<start_of_turn>user\nHi there<end_of_turn>\n<start_of_turn>model\n", "a\n\n\n\nb\n\nc\nd      e   f  g h", "<start_of_turn>  two<end_of_turn>\n\n\n<eos> x",
    "<s><|user|>\n Hi there <|end|> \n\t<|assistant|>\n", "<|end|>", "<|end|>  ", "x <|endoftext|> y<|system|> z</s> w<s> v<unk> u",
]


def write_sentence_pieces(path, family, mini):
    """The vocabulary of mini.gguf as gemma or phi3 have theirs: other places and names of the special tokens, runs of spaces and line breaks that are tokens, no space in front."""
    import struct
    source = mini.read_bytes()

    def array(key):
        at = source.index(key.encode()) + len(key) + 4
        kind, count = struct.unpack_from("<IQ", source, at)
        at += 12
        if kind != 8:
            return list(struct.unpack_from(f"<{count}{'f' if kind == 6 else 'i'}", source, at))
        out = []
        for _ in range(count):
            size = struct.unpack_from("<Q", source, at)[0]
            out.append(source[at + 8:at + 8 + size].decode())
            at += 8 + size
        return out

    tokens, scores, kinds = array("tokenizer.ggml.tokens"), array("tokenizer.ggml.scores"), array("tokenizer.ggml.token_type")
    if family == "gemma":
        first, control, defined = ["<pad>", "<eos>", "<bos>", "<unk>"], ["<start_of_turn>", "<end_of_turn>"], ["\n", "\n\n", "\n\n\n", "  ", "   ", "    "]
        marks = {"bos": 2, "eos": 1, "unknown": 3, "padding": 0}
        first_kinds = [3, 3, 3, 2]
    else:
        first, control, defined = ["<unk>", "<s>", "</s>"], ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"], []
        marks = {"bos": 1, "eos": len(tokens), "unknown": 0, "padding": len(tokens)}
        first_kinds = [2, 3, 4]
    tokens, scores, kinds = first + tokens[3:] + control + defined, [0.0] * len(first) + scores[3:] + [0.0] * (len(control) + len(defined)), first_kinds + kinds[3:] + [3] * len(control) + [4] * len(defined)
    text_of = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()
    texts = lambda items: struct.pack("<IIQ", 9, 8, len(items)) + b"".join(map(text_of, items))
    word = lambda s: struct.pack("<I", 8) + text_of(s)
    entries = {
        "general.architecture": word("gemma3" if family == "gemma" else "phi3"),
        "general.name": word("Gemma 3" if family == "gemma" else "Phi3"),
        "tokenizer.ggml.model": word("llama"),
        "tokenizer.ggml.tokens": texts(tokens),
        "tokenizer.ggml.scores": struct.pack(f"<IIQ{len(tokens)}f", 9, 6, len(tokens), *scores),
        "tokenizer.ggml.token_type": struct.pack(f"<IIQ{len(tokens)}i", 9, 5, len(tokens), *kinds),
        **{f"tokenizer.ggml.{mark}_token_id": struct.pack("<II", 4, token) for mark, token in marks.items()},
        "tokenizer.ggml.add_space_prefix": struct.pack("<I?", 7, family != "gemma"),
    }
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(text_of(k) + v for k, v in entries.items()))


def write_bpe(path, pre, text):
    """A byte-level vocabulary of 1,024 tokens with control tokens, its merges learned from a text."""
    import collections
    import re
    alphabet = [chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255 else None for b in range(256)]
    extra = iter(range(256, 512))
    alphabet = [c or chr(next(extra)) for c in alphabet]
    sample = text[:60000] + " ".join(TEXTS) * 3
    words = collections.Counter(tuple(alphabet[b] for b in w.encode()) for w in re.findall(r" ?[^\W\d]+| ?\d{1,3}|\s+(?!\S)| ?[^\s\w]+|\s+", sample))
    tokens, merges = sorted(alphabet), []
    while len(tokens) < 1016:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(" ".join(best))
        if "".join(best) not in tokens:
            tokens.append("".join(best))
        joined = collections.Counter()
        for word, count in words.items():
            out = []
            for symbol in word:
                if out and (out[-1], symbol) == best:
                    out[-1] += symbol
                else:
                    out.append(symbol)
            joined[tuple(out)] += count
        words = joined
    # A word that the merges never make: only models that prefer whole words say it.
    tokens.append("\u0120Ishmaelites")
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"]
    kinds = [1] * len(tokens) + [3] * len(specials) + [4]
    tokens += specials + ["<tool>"]
    import struct
    text_of = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()
    array = lambda kind, items: struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)
    u32 = lambda v: struct.pack("<II", 4, v)
    entries = {
        "general.architecture": struct.pack("<I", 8) + text_of("llama"),
        "tokenizer.ggml.model": struct.pack("<I", 8) + text_of("gpt2"),
        "tokenizer.ggml.pre": struct.pack("<I", 8) + text_of(pre),
        "tokenizer.ggml.tokens": array(8, [text_of(t) for t in tokens]),
        "tokenizer.ggml.token_type": array(5, [struct.pack("<i", k) for k in kinds]),
        "tokenizer.ggml.merges": array(8, [text_of(m) for m in merges]),
        "tokenizer.ggml.bos_token_id": u32(tokens.index("<|endoftext|>")),
        "tokenizer.ggml.eos_token_id": u32(tokens.index("<|im_end|>")),
    }
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(text_of(k) + v for k, v in entries.items()))


def logits(libraries, folder, models, tiny):
    """Writes logits-<name>.json for the shipped models and for those that the tests wrote to the folder `tiny`
    (KVANT_GOLDEN_MODELS=... Kvant.Models.Tests --explicit only --filter-method '*WriteThemForTheScript'): a prompt, the logits behind
    some of its tokens, and the 200 tokens that follow it greedily, with the least distance of the best two. Weights are turned to F32
    first, because llama.cpp rounds activations for the others; keys and values are F32, one thread, no flash attention."""
    import base64
    import json
    import struct
    import tempfile
    llama = Llama(libraries)

    # llama.cpp reads these keys of a file for other families only; its context takes them for all.
    given = {"qwen3-yarn": {"yarn_ext": 0.75, "beta_fast": 12.0, "beta_slow": 2.0}}

    # llama.cpp ignores the window of phi3: what lies behind it is taken out of its memory before each token.
    windows = {"phi3-window": 11}

    def run(name, path, prompt, positions, offset=0):
        parameters = llama.native.llama_context_default_params()
        for key, value in {"n_ctx": 512, "n_batch": 512, "n_ubatch": 512, "n_threads": 1, "n_threads_batch": 1, "flash": 0, "type_k": 0, "type_v": 0, **given.get(name, {})}.items():
            ctypes.memmove(ctypes.byref(parameters, llama.CONTEXT[key]), struct.pack("<f" if isinstance(value, float) else "<i", value), 4)
        model = llama.load(path)
        context = ctypes.c_void_p(llama.native.llama_init_from_model(model, parameters))
        size = llama.native.llama_vocab_n_tokens(llama.vocabulary(model))
        tokens = prompt or llama.tokenize(llama.vocabulary(model), (models.parent / "samples/data/mini-holdout.txt").read_text()[offset:offset + 2000], True, False)[:96]

        def decode(new, position):
            ids = (ctypes.c_int32 * 1)(0)
            pointers = (ctypes.c_void_p * (len(new) + 1))(*[ctypes.addressof(ids)] * len(new), None)
            arrays = ((ctypes.c_int32 * len(new))(*new), (ctypes.c_int32 * len(new))(*range(position, position + len(new))),
                      (ctypes.c_int32 * len(new))(*[1] * len(new)), (ctypes.c_int8 * len(new))(*[1] * len(new)))
            address = lambda a: ctypes.cast(a, ctypes.c_void_p)
            status = llama.native.llama_decode(context, llama.Batch(len(new), address(arrays[0]), None, address(arrays[1]), address(arrays[2]), address(pointers), address(arrays[3])))
            if status:
                sys.exit(f"{name}: llama_decode returned {status}")
            return [llama.native.llama_get_logits_ith(context, ctypes.c_int32(i))[:size] for i in range(len(new))]

        def step(token, position):
            if name in windows and position >= windows[name]:
                llama.native.llama_memory_seq_rm(ctypes.c_void_p(llama.native.llama_get_memory(context)), 0, 0, position - windows[name] + 1)
            return decode([token], position)[0]

        rows = [step(token, i) for i, token in enumerate(tokens)] if name in windows else decode(tokens, 0)
        positions = positions or list(range(len(tokens)))
        golden = b"".join(struct.pack(f"<{size}f", *rows[p]) for p in positions)
        greedy, margin, last = [], 1e9, rows[-1]
        for i in range(200):
            best, second = sorted(range(size), key=last.__getitem__)[-1:-3:-1]
            margin = min(margin, last[best] - last[second])
            greedy.append(best)
            last = step(best, len(tokens) + i)
        print(f"{name}: {len(set(greedy))} different tokens, margin {margin:.4f}")
        (folder / f"logits-{name}.json").write_text(json.dumps({"prompt": tokens, "positions": positions, "greedy": greedy, "margin": round(margin, 5), "logits": base64.b64encode(golden).decode()}) + "\n")

    rng = random.Random(7)
    prompt = [rng.randrange(96) for _ in range(24)]
    for path in sorted(tiny.glob("*.gguf")):
        run(path.stem, path, prompt, None)
    with tempfile.TemporaryDirectory() as temporary:
        # Where in the text the prompt begins: places after which no two tokens come close for 200 tokens.
        for name, offset in {"mini": 100_000, "mini-bias": 42_000}.items():
            path = pathlib.Path(temporary) / "f32.gguf"
            path.write_bytes(single_precision((models / f"{name}.gguf").read_bytes()))
            run(name, path, None, [0, 1, 17, 46, 78, 95], offset)


def single_precision(source):
    """A GGUF file whose F16 tensors are F32."""
    import struct
    at = 8
    tensors, values = struct.unpack_from("<QQ", source, at)
    at += 16
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def text(at):
        return at + 8 + struct.unpack_from("<Q", source, at)[0]

    def value(kind, at):
        if kind == 8:
            return text(at)
        if kind != 9:
            return at + sizes[kind]
        inner, count = struct.unpack_from("<IQ", source, at)
        at += 12
        for _ in range(count):
            at = value(inner, at)
        return at

    for _ in range(values):
        at = text(at)
        at = value(struct.unpack_from("<I", source, at)[0], at + 4)
    header, infos = source[:at], []
    for _ in range(tensors):
        start, at = at, text(at)
        dimensions = struct.unpack_from("<I", source, at)[0]
        shape = struct.unpack_from(f"<{dimensions}Q", source, at + 4)
        at += 4 + 8 * dimensions
        infos.append((source[start:at], shape, *struct.unpack_from("<IQ", source, at)))
        at += 12
    data = (at + 31) // 32 * 32
    out, blobs, offset = [header], [], 0
    for name, shape, kind, place in infos:
        count = 1
        for dimension in shape:
            count *= dimension
        raw = source[data + place:data + place + count * (2 if kind == 1 else 4)]
        if kind == 1:
            raw = struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", raw))
        out.append(name + struct.pack("<IQ", 0, offset))
        blobs.append(raw + bytes(-len(raw) % 32))
        offset += len(blobs[-1])
    head = b"".join(out)
    return head + bytes(-len(head) % 32) + b"".join(blobs)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    libraries, what, *paths = sys.argv[1:]
    globals()[what](pathlib.Path(libraries), *map(pathlib.Path, paths))
