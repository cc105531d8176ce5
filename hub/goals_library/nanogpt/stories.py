"""
Writes the stories that nanogpt trains on where there is no internet: the grammar of tiny_gpt with
many more names, so that a vocabulary of 8192 is filled. Protected, and used by prepare.py only.
"""

import random

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
STEMS = [o + v + c for o in "B Br C D F G H K L M Th W".split() for v in "a e i o u".split() for c in "ld rn st mb ".split(" ")]
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
