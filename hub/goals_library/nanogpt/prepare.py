"""
Makes what nanogpt trains on. Protected: experiments edit train.py.

    python prepare.py            minutes, once; run again it only checks the hashes
    python prepare.py --pin 10   downloads shards and prints the [[data.files]] of goal.toml

Texts come from $AGENTHUB_DATA/download, where the harness puts the files of goal.toml's manifest
after checking their hashes (*.parquet with a column "text", or *.jsonl with one JSON string a line;
the last file by name is for validation). Where nothing was downloaded, a generator writes 40 MB of
stories instead; scores on the two do not compare, so a hub uses one or the other.

What lies in $AGENTHUB_DATA (default: ./data) afterwards:

    train/tokens.bin             all training texts as uint16 tokens, each behind a BOS
    train/tokenizer.json         the byte strings of all tokens, in order of their rank
    val/documents.jsonl          texts that training must not see, one JSON string a line
    val/tokenizer.json           the same tokenizer, so that a scorer needs val/ only
    hashes.json                  what these hash to, so that half a preparation is not taken for a whole one
"""

import base64
import errno
import hashlib
import heapq
import json
import math
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

DATA = Path(os.environ.get("AGENTHUB_DATA", "data"))

CONTEXT = 2048                  # tokens a row holds, in training and in evaluation
VOCAB = 8192                    # 256 bytes + merges + BOS
VAL_TOKENS = 2560 * CONTEXT     # about this many tokens are evaluated
TOKENIZER_CHARACTERS = 100_000_000  # of text that the merges are learned from
TRAIN_STORIES = 60_000          # of the generator: about 40 MB
VAL_STORIES = 33_000
HIDDEN_STORIES = 850            # made after training, from a seed that it could not know
SHARDS = "https://huggingface.co/datasets/karpathy/climbmix-400b-shuffle/resolve/main/shard_{:05d}.parquet"
VAL_SHARD = 6542

# What the generator's texts must hash to on every machine.
GENERATED = {
    "val/documents.jsonl": "1068187fbacfbdd53dea3978ee4931e33abacca74ca1f5298d97627f1b4ff22c",
    "val/tokenizer.json": "45fc53a19aece8991941099c630f65b7248fe022650b7bf45cdb0c7fbdcad15f",
}

# -----------------------------------------------------------------------------
# Texts.

def downloads():
    return sorted([*(DATA / "download").glob("*.parquet"), *(DATA / "download").glob("*.jsonl")])


def texts_of(path):
    """All texts of one downloaded file, one after another."""
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)
        return
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        sys.exit("prepare: reading parquet needs pyarrow: pip install pyarrow")
    file = ParquetFile(path)
    for group in range(file.num_row_groups):
        yield from file.read_row_group(group, columns=["text"]).column("text").to_pylist()


def train_texts():
    files = downloads()
    if not files:
        import stories
        yield from stories.stories(1, TRAIN_STORIES)
    for path in files[:-1]:
        yield from texts_of(path)


def val_texts(tokenizer):
    """Whole texts until VAL_TOKENS are reached, or all the generator's."""
    files = downloads()
    if not files:
        import stories
        return stories.stories(2, VAL_STORIES)
    chosen, tokens = [], 0
    for text in texts_of(files[-1]):
        if text and tokens < VAL_TOKENS:
            chosen.append(text)
            tokens += 1 + len(tokenizer.encode_all([text])[0])
    return chosen

# -----------------------------------------------------------------------------
# The tokenizer: byte-level BPE, trained here and run by tiktoken. It is stored as JSON, a list of
# base64 byte strings whose place is their rank, because a pickle from a stranger can run code.

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s"


def train_bpe(texts, n_tokens):
    """Merge the most frequent pair until there are n_tokens byte strings; ties go to the smaller pair."""
    import regex
    words, split, left = Counter(), regex.compile(PATTERN), TOKENIZER_CHARACTERS
    for text in texts:
        words.update(split.findall(text[:left]))
        left -= len(text)
        if left <= 0:
            break
    pieces = [(list(word.encode()), count) for word, count in sorted(words.items())]
    tokens = [bytes([i]) for i in range(256)]
    counts, where = Counter(), defaultdict(set)
    for i, (ids, count) in enumerate(pieces):
        for pair in zip(ids, ids[1:]):
            counts[pair] += count
            where[pair].add(i)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    while len(tokens) < n_tokens and heap:
        count, pair = heapq.heappop(heap)
        if -count != counts[pair]:      # stale: its count has changed since
            if counts[pair] > 0:
                heapq.heappush(heap, (-counts[pair], pair))
            continue
        if count == 0:
            break
        changed = set()
        for i in where.pop(pair):
            ids, n = pieces[i]
            for old in zip(ids, ids[1:]):
                counts[old] -= n
            merged = merge(ids, pair, len(tokens))
            pieces[i] = (merged, n)
            for new in zip(merged, merged[1:]):
                counts[new] += n
                where[new].add(i)
                changed.add(new)
        tokens.append(tokens[pair[0]] + tokens[pair[1]])
        for new in changed:
            heapq.heappush(heap, (-counts[new], new))
    return tokens


def merge(ids, pair, new):
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


class Tokenizer:
    """Text to tokens and back, by tiktoken; `bytes_of[token]` is what the token stands for."""

    def __init__(self, path):
        stored = json.loads(Path(path).read_text())
        self.bytes_of = [base64.b64decode(token) for token in stored["tokens"]] + [b""]
        self.pattern, self.bos = stored["pattern"], stored["bos"]
        self.size = len(self.bytes_of)
        self.encoding = None

    def encode_all(self, documents):
        if self.encoding is None:
            import tiktoken
            ranks = {token: rank for rank, token in enumerate(self.bytes_of[:-1])}
            self.encoding = tiktoken.Encoding("goal", pat_str=self.pattern, mergeable_ranks=ranks, special_tokens={})
        return self.encoding.encode_ordinary_batch(documents, num_threads=os.cpu_count() or 1)


def stream(tokenizer, documents):
    """All documents behind one another, each behind a BOS."""
    import numpy
    flat = []
    for tokens in tokenizer.encode_all(documents):
        flat.append(tokenizer.bos)
        flat.extend(tokens)
    return numpy.array(flat, dtype=numpy.uint16)

# -----------------------------------------------------------------------------
# What train.py uses.

def load_tokenizer():
    return Tokenizer(DATA / "train" / "tokenizer.json")


def load_train_tokens():
    """The training texts as one long row of tokens, read from disk as they are needed."""
    import numpy
    return numpy.memmap(DATA / "train" / "tokens.bin", dtype=numpy.uint16, mode="r")


def val_is_visible():
    return (DATA / "val" / "documents.jsonl").is_file()


def evaluate_bpb(logits_of, batch_rows=8):
    """Bits per byte of the validation texts. logits_of: int64 [rows, CONTEXT] -> [rows, CONTEXT, vocab].

    For runs by hand. In the swarm the validation data is not there while training, and a scorer
    outside computes the same number from the checkpoint."""
    import numpy
    import torch
    tokenizer = Tokenizer(DATA / "val" / "tokenizer.json")
    tokens = torch.from_numpy(stream(tokenizer, read_documents(DATA / "val" / "documents.jsonl")).astype(numpy.int64))
    lengths = torch.tensor([len(b) for b in tokenizer.bytes_of], dtype=torch.float64)
    x, y = tokens[:-1], tokens[1:]
    pad = torch.full((-len(x) % CONTEXT,), tokenizer.bos)   # as a target, BOS counts for nothing
    x, y = torch.cat([x, pad]).view(-1, CONTEXT), torch.cat([y, pad]).view(-1, CONTEXT)
    nats = total = 0.0
    for xb, yb in zip(x.split(batch_rows), y.split(batch_rows)):
        logits = logits_of(xb).double()
        loss = -torch.log_softmax(logits, dim=-1).gather(-1, yb.to(logits.device).unsqueeze(-1)).squeeze(-1).cpu()
        n = lengths[yb]
        nats += loss[n > 0].sum().item()
        total += n.sum().item()
    return nats / (math.log(2) * total)

# -----------------------------------------------------------------------------
# Writing it down, so that half a file is never taken for a whole one.

def read_documents(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def write(name, chunks):
    """Write a file whole or not at all; returns what it hashes to."""
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    half, whole = path.with_name(f"{path.name}.{os.getpid()}.part"), hashlib.sha256()
    try:
        with half.open("wb") as file:
            for chunk in chunks:
                whole.update(chunk)
                file.write(chunk)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return whole.hexdigest()


def write_documents(name, documents):
    return write(name, (json.dumps(text).encode() + b"\n" for text in documents))


def encoded(tokenizer, texts, at_once=1024):
    batch = []
    for text in texts:
        batch.append(text)
        if len(batch) == at_once:
            yield stream(tokenizer, batch).tobytes()
            batch = []
    if batch:
        yield stream(tokenizer, batch).tobytes()


def hash_of(path):
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()


def is_ready():
    try:
        hashes = json.loads((DATA / "hashes.json").read_text())
        return hashes["from"] == [path.name for path in downloads()] and all(
            hash_of(DATA / name) == value for name, value in hashes["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def hidden():
    """Stories that did not exist while a model trained; only where training was on stories too."""
    import stories
    write_documents("hidden/documents.jsonl", stories.stories(int(os.environ["AGENTHUB_HIDDEN"]), HIDDEN_STORIES))


def pin(n):
    """Download n shards and the validation shard, and print what goal.toml should say of them."""
    from urllib.request import urlopen
    for index in [*range(n), VAL_SHARD]:
        url, name = SHARDS.format(index), f"download/shard_{index:05d}.parquet"
        with urlopen(url, timeout=60) as answer:
            found = write(name, iter(lambda: answer.read(1 << 20), b""))
        print(f'[[data.files]]\npath = "{name}"\nurl = "{url}"\n'
              f'size = {(DATA / name).stat().st_size}\nsha256 = "{found}"\nlicence = "see the data set\'s card"\n')


def main():
    if "--hidden" in sys.argv:
        return hidden()
    if "--pin" in sys.argv:
        return pin(int(sys.argv[-1]))
    if is_ready():
        print(f"prepare: {DATA} is ready")
        return
    tokens = train_bpe(train_texts(), VOCAB - 1)
    stored = {"pattern": PATTERN, "bos": len(tokens), "tokens": [base64.b64encode(t).decode() for t in tokens]}
    hashes = {}
    for folder in ("train", "val"):
        hashes[f"{folder}/tokenizer.json"] = write(f"{folder}/tokenizer.json", [json.dumps(stored).encode()])
    tokenizer = load_tokenizer()
    hashes["val/documents.jsonl"] = write_documents("val/documents.jsonl", val_texts(tokenizer))
    hashes["train/tokens.bin"] = write("train/tokens.bin", encoded(tokenizer, train_texts()))
    if not downloads():
        for name, expected in GENERATED.items():
            if expected and hashes[name] != expected:
                sys.exit(f"prepare: {name} came out as {hashes[name][:12]}, not {expected[:12]}: this Python makes other data, so its scores could not be compared. Please report it with the output of `python -VV`.")
    if "--hashes" in sys.argv:
        for name in GENERATED:
            print(f'    "{name}": "{hashes[name]}",')
    write("hashes.json", [json.dumps({"from": [path.name for path in downloads()], "files": hashes}).encode()])
    source = f"{len(downloads())} downloaded files" if downloads() else "generated stories, for want of downloads"
    print(f"prepare: {len(load_train_tokens()):,} training tokens, vocabulary {tokenizer.size}, from {source}, in {DATA}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.exit(f"prepare: {'the disk is full: 5 GB are needed for' if full else 'cannot read or write'} {DATA}: {error}")
