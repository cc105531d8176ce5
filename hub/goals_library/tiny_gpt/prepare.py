"""
Makes everything that tiny_gpt trains on, without the internet. Protected: experiments edit train.py.

    python prepare.py          about ten seconds, once; run again it only checks the hashes

What lies in $AGENTHUB_DATA (default: ./data) afterwards:

    train/documents.jsonl      one story per line, as a JSON string
    train/tokens.bin           the same stories as uint16 tokens, each behind a BOS
    train/tokenizer.json       the byte strings of all tokens, in order of their rank
    val/documents.jsonl        stories that training must not see
    val/tokenizer.json         the same tokenizer, so that a scorer needs val/ only

Training may read train/ only. Bits per byte makes scores comparable whatever the tokenizer is:
    bpb = sum of -ln p(token)  /  (ln 2 * sum of the tokens' bytes),   every document, every byte once.
"""

import base64
import errno
import hashlib
import json
import math
import os
import random
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

DATA = Path(os.environ.get("AGENTHUB_DATA", "data"))

CONTEXT = 256           # tokens a row holds, in training and in evaluation
VOCAB = 2048            # 256 bytes + merges + BOS
TRAIN_STORIES = 12000   # about 6 MB
VAL_STORIES = 360       # about 180 KB, evaluated whole
BOS = VOCAB - 1         # "a story begins here"; stands for zero bytes

# What the three files must hash to on every machine, whatever its Python, word size or locale.
SHA256 = {
    "train/documents.jsonl": "7c8f1f8733554ab52cfffee036c5f0d9988a48568c174c851592b7374e687f7a",
    "val/documents.jsonl": "ab05f6d8215343e2bbb41973e04e8d99cd8e498e37238dea991b8437fc9caebb",
    "val/tokenizer.json": "265779bc8795d020b5a4d5cdf654d4b7609c34a577df396cf930b03a7f5d26d3",
}

# -----------------------------------------------------------------------------
# The stories. Little grammars with something to learn at every range: spelling, agreement of
# number and gender, who owns what, quoted speech, sums that come out, and an ending that has to
# remember the beginning. random.random() is the one method of random.Random whose sequence
# Python promises never to change, so everything is drawn from it.

GIRLS = "Ada Amina Beatrix Carla Daphne Edith Farah Greta Hilda Ines Jasmine Katya Leila Mina Nadia Olga Paula Quinn Rosa Saskia Tilda Uma Vera Wilma Xenia Yara Zoe".split()
BOYS = "Anton Boris Casper Dario Emil Felix Gustav Hugo Ivan Jonas Karim Leo Mateo Nils Oscar Pablo Rafael Stefan Theo Ulrich Victor Walter Xavier Yusuf Zeno".split()
ANIMALS = "badger camel donkey falcon ferret goose hamster heron kitten lizard magpie otter panda parrot pigeon puppy rabbit raven sparrow squirrel tiger turtle walrus weasel".split()
THINGS = "apple basket bell blanket bottle button candle carpet coin compass crayon drum feather flower hammer jewel kettle key ladder lantern lemon letter map marble mirror needle parcel pebble pencil pillow plate ribbon ring rope shell spoon stone ticket trumpet umbrella whistle".split()
PLACES = "barn beach bridge castle cave cottage desert farm forest garden harbour hill island kitchen library market meadow mill mountain museum orchard palace river school station stable tower valley village workshop".split()
COLOURS = "amber black blue brown crimson golden green grey orange pink purple red silver violet white yellow".split()
SIZES = "big broken clean heavy little long narrow new old round shiny small soft tiny warm wide".split()
MOODS = "angry brave calm clever curious eager gentle glad grumpy hungry kind lonely lucky nervous patient proud quiet sad sleepy tired".split()
WEATHER = "cloudy cold foggy frosty hot quiet rainy snowy stormy sunny windy".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
WAYS = "carefully gladly kindly loudly proudly quickly quietly sadly slowly softly suddenly".split()
SPEECH = "asked answered called cried laughed replied said shouted sighed sang whispered".split()
MOVES = [("climb", "climbed"), ("hurry", "hurried"), ("jump", "jumped"), ("march", "marched"), ("ride", "rode"), ("run", "ran"), ("sail", "sailed"), ("skip", "skipped"), ("travel", "travelled"), ("walk", "walked"), ("wander", "wandered")]
DEEDS = [("carry", "carried"), ("clean", "cleaned"), ("find", "found"), ("hide", "hid"), ("hold", "held"), ("keep", "kept"), ("paint", "painted"), ("polish", "polished"), ("mend", "mended"), ("sell", "sold"), ("take", "took"), ("wash", "washed")]
STEMS = "Alder Ash Bram Brindle Cinder Copper Dun Elder Fern Fox Gold Hazel Heather Holly Iron Juniper Kings Lark Linden Maple Mill North Oak Otter Pine Plum Quarry Raven Rowan Sedge Silver Thistle Thorn Under Wester Willow Winter Wolf".split()
TAILS = "beck bridge brook bury by cliff combe dale den field ford gate ham hurst leigh ley low mere minster mouth ness over port ridge shaw stead stow thorpe ton wick wold worth".split()
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()


class Dice:
    """Draws that come out the same on every machine."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def below(self, n):
        return int(self.random() * n)

    def pick(self, words):
        return words[self.below(len(words))]

    def maybe(self, chance):
        return self.random() < chance


class Somebody:
    """A character who keeps a name, a sort and the right pronouns for a whole story."""

    def __init__(self, dice):
        sort = dice.below(3)
        self.mood = dice.pick(MOODS)
        if sort == 2:
            self.name, self.he, self.him, self.his = "the " + dice.pick(ANIMALS), "it", "it", "its"
            self.sort = self.name[4:]
        else:
            self.name = dice.pick(GIRLS if sort == 0 else BOYS)
            self.he, self.him, self.his = ("she", "her", "her") if sort == 0 else ("he", "him", "his")
            self.sort = "girl" if sort == 0 else "boy"

    @property
    def Name(self):
        return cap(self.name)


def cap(text):
    return text[0].upper() + text[1:]


def a(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def plural(noun):
    if noun == "goose":
        return "geese"
    return noun[:-1] + "ies" if noun.endswith("y") and noun != "donkey" else noun + ("es" if noun.endswith("s") else "s")


def some(n, thing):
    return f"{NUMBERS[n]} {thing}" + ("" if n == 1 else "s")


def cast(dice):
    """Two characters with different names."""
    one, two = Somebody(dice), Somebody(dice)
    while two.name == one.name:
        two = Somebody(dice)
    return one, two


def opening(dice, who, town, place, thing):
    return dice.pick([
        f"Once upon a time in {town} there was {a(who.mood)} {who.sort}" + ("." if who.he == "it" else f" called {who.name}."),
        f"On {a(dice.pick(WEATHER))} {dice.pick(DAYS)} {who.name} left {town} and {dice.pick(MOVES)[1]} to the {place}.",
        f"{who.Name} lived in {a(dice.pick(SIZES))} house by the {place} of {town}.",
        f"Every {dice.pick(DAYS)} {who.name} went from {town} to the {place} with {who.his} {thing}.",
    ])


def owning(dice, who, thing):
    return f"{cap(who.he)} had {a(dice.pick(SIZES))} {thing}, and {who.he} " + dice.pick([
        f"liked it because it was {dice.pick(COLOURS)}.",
        f"{dice.pick(DEEDS)[1]} it every {dice.pick(DAYS)}.",
        "never went anywhere without it.",
    ])


def talk(dice, one, two, place, thing, town, far):
    ask, way = dice.pick(SPEECH), dice.pick(WAYS)
    verb, past = dice.pick(DEEDS)
    question = dice.pick([
        f"Where is my {thing}?", f"Will you {verb} the {thing} with me?", f"Do you know the way to the {place}?",
        f"Why are you so {two.mood}?", f"Who {past} the {thing}?",
    ])
    answer = dice.pick([
        f"I saw it in the {dice.pick(PLACES)}", f"You must ask {one.name} and nobody else", f"I am {two.mood} because it is {dice.pick(DAYS)}",
        f"In {dice.pick([town, far])} they {verb} every {thing} on {dice.pick(DAYS)}", f"First we {verb} the {thing}, then we {dice.pick(MOVES)[0]} to the {place}", f"The {dice.pick(ANIMALS)} {past} it",
    ])
    return f'"{question}" {ask} {one.name}. "{answer}," {dice.pick(SPEECH)} {two.name} {way}.'


def sum_up(dice, one, two):
    thing, first = dice.pick(THINGS), 2 + dice.below(9)
    if dice.maybe(0.5):
        more = 1 + dice.below(9)
        tale = f"{one.Name} had {some(first, thing)}. {two.Name} gave {one.him} {NUMBERS[more]} more. Now {one.he} had {some(first + more, thing)}."
    else:
        less = 1 + dice.below(first - 1)
        tale = f"{one.Name} had {some(first, thing)}. {cap(one.he)} gave {NUMBERS[less]} to {two.name}. Now {one.he} had only {some(first - less, thing)} left."
    return tale


def digits(dice, one):
    left, right = dice.below(50), dice.below(50)
    return f'"{left} and {right} make {left + right}," {dice.pick(SPEECH)} {one.name}.'


def crowd(dice, place):
    animal, n = dice.pick(ANIMALS), 1 + dice.below(6)
    is_, their = ("was", "its") if n == 1 else ("were", "their")
    noun = animal if n == 1 else plural(animal)
    return f"In the {place} there {is_} {NUMBERS[n]} {dice.pick(COLOURS)} {noun} that {is_} looking for {their} {dice.pick(THINGS)}."


def deed(dice, one, two, place, thing):
    return f"{one.Name} {dice.pick(MOVES)[1]} to the {place}, {dice.pick(DEEDS)[1]} the {thing} and {dice.pick(WAYS)} gave it to {two.name}, so {two.name} was {dice.pick(MOODS)} and gave {one.him} {a(dice.pick(COLOURS))} {dice.pick(THINGS)}."


def ending(dice, one, two, town, place, thing):
    return dice.pick([
        f"In the end {one.name} and {two.name} found the {thing} in the {place}, and in {town} they were never {one.mood} again.",
        f"So {one.name} went home to {town} with {one.his} {thing}, and {two.name} stayed by the {place}.",
        f"That is why {one.name} still keeps the {thing}, and why {two.name} never goes back to {town}.",
    ])


def story(dice):
    (one, two), place, thing = cast(dice), dice.pick(PLACES), dice.pick(THINGS)
    town, far = dice.pick(STEMS) + dice.pick(TAILS), dice.pick(STEMS) + dice.pick(TAILS)
    scenes = [opening(dice, one, town, place, thing), owning(dice, one, thing), f"One day {one.he} met {two.name}, who came from {far}."]
    for _ in range(3 + dice.below(4)):
        kind = dice.below(6)
        if kind < 2:
            scenes.append(talk(dice, one, two, place, thing, town, far))
        else:
            scenes.append([sum_up(dice, one, two), digits(dice, one), crowd(dice, dice.pick(PLACES)), deed(dice, one, two, place, thing)][kind - 2])
        if dice.maybe(0.5):
            one, two = two, one
    scenes.append(ending(dice, one, two, dice.pick([town, far]), place, thing))
    return " ".join(scenes)


def stories(seed, n):
    dice = Dice(seed)
    return [story(dice) for _ in range(n)]

# -----------------------------------------------------------------------------
# The tokenizer: byte-level BPE, trained here and run by tiktoken. It is stored as JSON, a list of
# base64 byte strings whose place is their rank, because a pickle from a stranger can run code.

PATTERN = r" ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s+"


def train_bpe(documents, n_tokens):
    """Merge the most frequent pair until there are n_tokens byte strings; ties go to the smaller pair."""
    words = Counter(piece for text in documents for piece in re.findall(PATTERN, text))
    pieces = [[list(word.encode()), count] for word, count in sorted(words.items())]
    tokens = [bytes([i]) for i in range(256)]
    pairs, where = Counter(), defaultdict(set)
    for i, (ids, count) in enumerate(pieces):
        for pair in zip(ids, ids[1:]):
            pairs[pair] += count
            where[pair].add(i)
    while len(tokens) < n_tokens:
        best = max(pairs, key=lambda pair: (pairs[pair], -pair[0], -pair[1]))
        if pairs[best] < 1:
            break
        new = len(tokens)
        tokens.append(tokens[best[0]] + tokens[best[1]])
        for i in where.pop(best):
            ids, count = pieces[i]
            for pair in zip(ids, ids[1:]):
                pairs[pair] -= count
            ids = pieces[i][0] = merge(ids, best, new)
            for pair in zip(ids, ids[1:]):
                pairs[pair] += count
                where[pair].add(i)
        del pairs[best]
    return tokens


def merge(ids, pair, new):
    out, i = [], 0
    while i < len(ids):
        if tuple(ids[i:i + 2]) == pair:
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

    def encode_all(self, documents):
        import tiktoken
        ranks = {token: rank for rank, token in enumerate(self.bytes_of[:-1])}
        encoding = tiktoken.Encoding("goal", pat_str=self.pattern, mergeable_ranks=ranks, special_tokens={})
        return encoding.encode_ordinary_batch(documents, num_threads=1)


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
    """The training stories as one long row of tokens."""
    import numpy
    return numpy.fromfile(DATA / "train" / "tokens.bin", dtype=numpy.uint16)


def val_is_visible():
    return (DATA / "val" / "documents.jsonl").is_file()


def evaluate_bpb(logits_of, batch_rows=16):
    """Bits per byte of the validation stories. logits_of: int64 [rows, CONTEXT] -> [rows, CONTEXT, VOCAB].

    For runs by hand. In the swarm the validation data is not there while training, and a scorer
    outside computes the same number from the checkpoint."""
    import numpy
    import torch
    documents = read_documents(DATA / "val" / "documents.jsonl")
    tokenizer = Tokenizer(DATA / "val" / "tokenizer.json")
    tokens = torch.from_numpy(stream(tokenizer, documents).astype(numpy.int64))
    lengths = torch.tensor([len(b) for b in tokenizer.bytes_of], dtype=torch.float64)
    x, y = tokens[:-1], tokens[1:]
    pad = -len(x) % CONTEXT
    x = torch.cat([x, torch.full((pad,), tokenizer.bos)]).view(-1, CONTEXT)
    y = torch.cat([y, torch.full((pad,), tokenizer.bos)]).view(-1, CONTEXT)  # BOS counts for nothing
    nats = total = 0.0
    for xb, yb in zip(x.split(batch_rows), y.split(batch_rows)):
        logp = torch.log_softmax(logits_of(xb).double().cpu(), dim=-1)
        loss = -logp.gather(-1, yb.unsqueeze(-1)).squeeze(-1)
        n = lengths[yb]
        nats += loss[n > 0].sum().item()
        total += n.sum().item()
    return nats / (math.log(2) * total)

# -----------------------------------------------------------------------------
# Writing it down, so that half a file is never taken for a whole one.

def read_documents(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def write(name, payload):
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        half.write_bytes(payload)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def dump_documents(documents):
    return "".join(json.dumps(text) + "\n" for text in documents).encode()


def sha256(payload):
    return hashlib.sha256(payload).hexdigest()


def check(name, payload):
    if SHA256[name] and sha256(payload) != SHA256[name]:
        sys.exit(f"prepare: {name} came out as {sha256(payload)[:12]}, not {SHA256[name][:12]}: this Python makes other data, so its scores could not be compared. Please report it with the output of `python -VV`.")


def is_ready():
    """Every file is there and is what it should be."""
    for name, expected in SHA256.items():
        path = DATA / name
        if not path.is_file() or sha256(path.read_bytes()) != expected:
            return False
    copy = DATA / "train" / "tokenizer.json"
    tokens = DATA / "train" / "tokens.bin"
    return tokens.is_file() and copy.is_file() and sha256(copy.read_bytes()) == SHA256["val/tokenizer.json"]


def hidden():
    """Stories that did not exist while a model trained, from a seed that it could not know."""
    write("hidden/documents.jsonl", dump_documents(stories(int(os.environ["AGENTHUB_HIDDEN"]), VAL_STORIES)))


def main():
    if "--hidden" in sys.argv:
        return hidden()
    if is_ready():
        print(f"prepare: {DATA} is ready")
        return
    train, val = stories(1, TRAIN_STORIES), stories(2, VAL_STORIES)
    tokens = train_bpe(train, VOCAB - 1)
    encoded = [base64.b64encode(token).decode() for token in tokens]
    files = {
        "train/documents.jsonl": dump_documents(train),
        "val/documents.jsonl": dump_documents(val),
        "val/tokenizer.json": json.dumps({"pattern": PATTERN, "bos": BOS, "tokens": encoded}).encode(),
    }
    for name, payload in files.items():
        check(name, payload)
        write(name, payload)
    write("train/tokenizer.json", files["val/tokenizer.json"])
    flat = stream(load_tokenizer(), train)
    write("train/tokens.bin", flat.tobytes())
    if "--hashes" in sys.argv:
        for name, payload in files.items():
            print(f'    "{name}": "{sha256(payload)}",')
    print(f"prepare: {len(train)} stories, {len(flat):,} tokens, {sum(map(len, train)) / 1e6:.1f} MB in {DATA}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.exit(f"prepare: {'the disk is full: 20 MB are needed for' if full else 'cannot write'} {DATA}: {error}")
