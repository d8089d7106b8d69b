"""Movies and ratings of MovieLens' shape, and what is true of them: worked out with Python's csv module, without SQL.

    python movielens.py make FOLDER          writes the sample: made up, with the traps of the real files
    python movielens.py truth FOLDER GENRE   prints [[movie id, title, year, number of ratings, average], ...] as JSON
    python movielens.py read FILE            prints the same of an exported file, in the order of its lines

MovieLens' own files may not be passed on freely, so none of them are here. FOLDER has them as `movies/...` and
`ratings/...`, or as `movies.csv` and `ratings.csv`.
"""

import csv
import gzip
import io
import json
import random
import re
import sys
from fractions import Fraction
from pathlib import Path

GENRES = "Action Adventure Animation Comedy Crime Drama Fantasy Horror Mystery Romance Sci-Fi Thriller".split()
MOVIES, RATINGS = ("movieId", "title", "genres"), ("userId", "movieId", "rating", "timestamp")
NEVER_RATED = "Never Rated (2010)"

# Title, genres. What each is a trap for, behind it.
SPECIAL = [
    ("American Robot, The (1995)", "Comedy|Sci-Fi"),  # a comma within quotes
    ('He Said "Hello", She Left (1999)', "Romance|Sci-Fi"),  # quotes and a comma
    ('"Quoted" (1971)', "Sci-Fi"),  # starts with a quote
    ("Amélie auf dem Mars (2001)", "Sci-Fi|Comedy"),  # UTF-8, two bytes
    ("七人の宇宙飛行士 (1954)", "Sci-Fi|Action"),  # three bytes
    ("🚀 Rocket Emoji (2016)", "Sci-Fi"),  # four bytes
    ("AC\\DC in Space (1980)", "Sci-Fi"),  # a backslash, which OpenCSVSerde eats unless told otherwise
    ("C:\\", "Sci-Fi"),  # ends with one
    ("=SUM(1;2) (2003)", "Sci-Fi|Thriller"),  # a formula, for whom opens the export in a spreadsheet
    ("-30- (1959)", "Sci-Fi|Drama"),  # a harmless title that looks like one
    ("+1 (2013)", "Sci-Fi"),
    ("@Home (2006)", "Sci-Fi"),
    ("(500) Days of Orbit (2009)", "Sci-Fi|Romance"),  # brackets that are no year
    ("Babylon 5", "Sci-Fi"),  # no year
    ("Twelve Apes  (a.k.a. 12 Apes) (1995)", "Sci-Fi"),  # two brackets, two spaces
    ("War of the Moons (2005)", "Sci-Fi"),  # the same title twice, under two ids
    ("War of the Moons (2005)", "Action|Sci-Fi"),
    (NEVER_RATED, "Sci-Fi"),
    ("Nothing Known (2011)", "(no genres listed)"),
    ("Sci-Fi: The Musical (2012)", "Comedy"),  # the genre's name in the title, not among the genres
    ("It's a Trap (1983)", "Sci-Fi"),  # an apostrophe
    ("100% Pure; DROP TABLE movies (1990)", "Sci-Fi"),
    ("Tab\there (1991)", "Sci-Fi"),
    ("  Leading Space (1992)", "Sci-Fi"),
]


def sample(movie_count=80, rating_count=260, seed=7):
    """{name: bytes} of made-up files, the same for the same seed."""
    rng = random.Random(seed)
    movies = {number * 7 + 1: film for number, film in enumerate(SPECIAL)}
    while len(movies) < movie_count:
        number = rng.randrange(1, 200_000)
        genres = "|".join(sorted(rng.sample(GENRES, rng.randint(1, 4))))
        movies.setdefault(number, (f"Movie {number} ({rng.randint(1930, 2024)})", genres))
    known = [number for number, (title, _) in movies.items() if title != NEVER_RATED]
    ratings = [
        (rng.randint(1, 600), rng.choice(known), f"{rng.randint(1, 10) / 2}", rng.randint(8 * 10**8, 17 * 10**8))
        for _ in range(rating_count)
    ]
    for number in known[: len(SPECIAL) - 1]:  # so that each of them is rated, and halves meet
        ratings += [(601, number, "0.5", 10**9), (602, number, "4.5", 10**9), (603, number, "3.0", 10**9)]
    ratings.append((604, 999_999_999, "5.0", 10**9))  # of a movie that nobody knows
    rows = [(number, *film) for number, film in movies.items()]
    cut = len(rows) // 2
    thirds = [ratings[start::3] for start in range(3)]
    return {
        "movies/part-1.csv": _csv(MOVIES, rows[:cut]),
        "movies/part-2.csv.gz": gzip.compress(_csv(MOVIES, rows[cut:]), mtime=0),
        "movies/_SUCCESS": b"",
        "movies/.part-3.csv.crc": b"not a movie,at all,ever\n",
        "ratings/2024/ratings-1.csv": _csv(RATINGS, thirds[0]),
        "ratings/ratings-2.csv": _csv(RATINGS, thirds[1]).replace(b"\n", b"\r\n"),
        "ratings/ratings-3.csv": _csv(RATINGS, thirds[2]).rstrip(b"\n"),  # no line end at its end
        "ratings/ratings-4.csv": _csv(RATINGS, []),  # a header alone
        "ratings/ratings-5.csv": b"",
    }


def truth(files, genre):
    """[(movie id, title, year or None, number of ratings, average)] of the rated movies of a genre, by id.

    The average is the nearest one to the exact mean.
    """
    movies = {int(number): (title, genres.split("|")) for number, title, genres in _rows(files, "movies", MOVIES)}
    sums = {}
    for _, movie, rating, _ in _rows(files, "ratings", RATINGS):
        total, count = sums.get(int(movie), (0, 0))
        sums[int(movie)] = (total + Fraction(rating), count + 1)
    found = []
    for number, (total, count) in sorted(sums.items()):
        title, genres = movies.get(number, ("", []))
        if genre in genres:
            year = re.search(r"\((\d{4})\)\s*$", title)
            name = re.sub(r"\s*\(\d{4}\)\s*$", "", title)
            found.append((number, name, int(year.group(1)) if year else None, count, float(total / count)))
    return found


def exported(body):
    """What `truth` gives, of a file that has it, in the order of its lines."""
    header, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    assert header == ["movie_id", "title", "year", "ratings", "average"], header
    return [(int(a), b, int(c) if c else None, int(d), float(e)) for a, b, c, d, e in rows]


def _rows(files, table, header):
    for name, body in sorted(files.items()):
        parts = name.split("/")
        is_hidden = any(part.startswith(("_", ".")) for part in parts)
        if is_hidden or parts[0] != table and name != f"{table}.csv":
            continue
        text = (gzip.decompress(body) if name.endswith(".gz") else body).decode()
        lines = list(csv.reader(io.StringIO(text, newline="")))
        assert not lines or tuple(lines[0]) == header, (name, lines[0])
        yield from lines[1:]


def _csv(header, rows):
    """As MovieLens writes it: quotes only where needed, doubled within."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def main(command, path, *more):
    folder = Path(path)
    if command == "make":
        for name, body in sample().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)
    elif command == "read":
        print(json.dumps(exported(folder.read_bytes())))
    else:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        print(json.dumps(truth(files, *more)))


if __name__ == "__main__":
    main(*sys.argv[1:])
