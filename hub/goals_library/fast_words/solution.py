"""The one file that experiments edit: most_frequent(text, n), the same answers, sooner."""


def most_frequent(text, n):
    counts = {}
    word = ""
    for character in text.lower() + " ":
        if "a" <= character <= "z":
            word += character
        elif word:
            counts[word] = counts.get(word, 0) + 1
            word = ""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
