"""What solution.py must compute, written to be read. Protected."""


def most_frequent(text, n):
    """The n most frequent words of a text with their counts; ties in alphabetical order.

    A word is a run of letters a to z after lower-casing; everything else separates words."""
    counts = {}
    word = ""
    for character in text.lower() + " ":
        if "a" <= character <= "z":
            word += character
        elif word:
            counts[word] = counts.get(word, 0) + 1
            word = ""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
