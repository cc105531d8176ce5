"""The one file that experiments edit: most_frequent(text, n), the same answers, sooner."""

PIECE = 16      # characters that are cut out of the text and lower-cased at a time


def most_frequent(text, n):
    counts = {}
    word = ""
    text += " "
    for start in range(0, len(text), PIECE):
        for character in text[start:start + PIECE].lower():
            if "a" <= character <= "z":
                word += character
            elif word:
                counts[word] = counts.get(word, 0) + 1
                word = ""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
