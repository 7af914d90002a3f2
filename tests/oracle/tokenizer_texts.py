"""Text of many kinds for the tokenizer tests, the same at every run of one tree: its own code is a part of it."""

import gzip
import pathlib
import random
import sys
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parents[2]
JARGON = pathlib.Path("/usr/share/doc/jargon-text/jargon.txt.gz")

SPACES = " \t\n\r\v\f\x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
ODD = SPACES + "\u180e\u200b\u200c\u200d\u2060\ufeff" + "".join(map(chr, range(0x20))) + "\x7f\x80\x9f"
EMOJI = ["🙂", "👩‍👩‍👧‍👦", "🇩🇪🇯🇵", "👍🏽", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "🤷‍♀️"]
WORDS = """the model quantizes its weights élève naïve Straße ŒUVRE İstanbul ĳsvrij ﬁnance Ⅷ ½ ²³ ١٢٣ १२३ don't I'll WE'VE
they're l'été 東京 漢字かな交じり文 한국어 العربية עברית हिन्दी ไทย Ελληνικά Русский Việt e\u0301 A\u030a \u1100\u1161\u11a8 o\u0302\u0323
q\u0307\u0323 \u212b \u2126 x_y __init__ 0x1F3 1234567 3.14159 1e-10 foo(bar) -> => != <= >= && || /* */ // {} [] "quoted" 'single' C++ C#
http://example.com/a?b=c&d=%20 user@example.com $9.99 €5 #tag ... --- ___ 'S 'Ll ſ 'ſ ῼ ǅ ⓐ 𝒳 𝟘 〇 々""".split()
# Python 3.11 knows Unicode 14, as do all libraries here or a later one.
ASSIGNED = [chr(c) for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


def _words(source, count):
    parts = []
    for _ in range(count):
        kind = source.random()
        if kind < 0.80:
            parts.append(source.choice(WORDS) + " " * source.choice([0, 1, 1, 1, 1, 2, 3]))
        elif kind < 0.86:
            parts.append(source.choice(EMOJI))
        elif kind < 0.92:
            parts.append("".join(source.choices(ODD, k=source.randint(1, 6))))
        elif kind < 0.96:
            parts.append("".join(source.choices(ASSIGNED, k=source.randint(1, 12))))
        else:
            parts.append(source.choice(["\n", "\n\n", "\r\n", "\n    ", "\t\t", " \n \n"]))
    return "".join(parts)


def _files():
    # Not src/tokenizer and the tests: they hold special tokens, which not every oracle takes out of plain text.
    folders = ["formats", "kernels", "checkpoint", "schemes"]
    sources = sorted(path for folder in folders for path in ROOT.glob(f"src/{folder}/**/*.[ch]*"))
    return "".join(path.read_text(encoding="utf-8") for path in sources)


def english(size):
    with gzip.open(JARGON, "rt", encoding="utf-8", errors="replace") as file:
        return file.read(size)


def mixed(size):
    """`size` bytes or a little less: a third English, a third code, a third everything else."""
    source = random.Random(3)
    long_words = "a" * 20000 + " " + "".join(source.choices("abcdefgh", k=20000)) + " " * 5000 + "\n" * 3000 + "漢" * 3000
    rest = ""
    while len(rest.encode()) < size // 3:
        rest += _words(source, 2000)
    text = english(size // 3) + _files()[: size // 4] + rest + long_words
    return text.encode()[:size].decode(errors="ignore")


def every_character():
    """Each assigned character behind a letter and behind a space."""
    return "".join(f"a{c} {c}1" for c in ASSIGNED)
