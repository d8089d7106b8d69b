#!/usr/bin/env python3
"""Makes the inputs: the same arguments give the same bytes on every machine.

    data.py pivot  FOLDER --rows N [--files K] [--days D] [--crlf]   part-000.csv ...: sessions of two projects
    data.py upsert FOLDER --rows N                                   new.csv: N dates with their sums; base.csv: half of
                                                                     these dates with other sums; expect.txt: the check sums
    data.py payments FOLDER --rows N                                 part-000.csv: what a European bank exports
    data.py customers FOLDER --rows N                                new.csv: N customers; base.csv: half of them as they were
"""
import argparse
import datetime
import random
import statistics
import struct
from pathlib import Path

HEADER = "Project,Duration (in minutes),Start date,End date"
PIECE = 100_000


def numbers(source, count):
    """`count` random integers of 64 bits."""
    return struct.unpack(f"<{count}Q", source.randbytes(8 * count))


def sessions(folder, rows, files, days, crlf):
    """Sessions of about 25 minutes, four of five for Work. A session is whole seconds long, written as minutes with up to
    8 decimals."""
    normal = statistics.NormalDist(1500, 500)
    seconds = [min(max(int(normal.inv_cdf((i + 0.5) / 4096)), 10), 7200) for i in range(4096)]
    length = [f"{second / 60:.8f}".rstrip("0").rstrip(".") for second in seconds]
    minutes = [round(second / 60) for second in seconds]
    first = datetime.date(2020, 1, 1)
    dates = [str(first + datetime.timedelta(day)) for day in range(days + 1)]
    clock = [f" {minute // 60:02}:{minute % 60:02}" for minute in range(1440)]
    stamp = [date + time for date in dates for time in clock]
    project = ["Learning"] * 51 + ["Work"] * 205
    total, end, source = days * 1440, "\r\n" if crlf else "\n", random.Random(1)
    for number in range(files):
        left = rows * (number + 1) // files - rows * number // files
        with open(folder / f"part-{number:03}.csv", "w", newline="") as file:
            file.write(HEADER + end)
            while left:
                count = min(left, PIECE)
                left -= count
                drawn = [(r & 255, r >> 8 & 4095, (r >> 20) % total) for r in numbers(source, count)]
                file.write("".join(f"{project[p]},{length[s]},{stamp[m]},{stamp[m + minutes[s]]}{end}" for p, s, m in drawn))


def days(folder, rows):
    """Distinct dates from 2000-01-01 on: a million of them reach the year 4737. Sums have 4 decimals."""
    source = random.Random(2)
    first = datetime.date(2000, 1, 1).toordinal()
    known = set(source.sample(range(rows), rows // 2))
    checks = [0, 0, 0]
    with open(folder / "new.csv", "w") as new, open(folder / "base.csv", "w") as base:
        for file in new, base:
            file.write("date,learning_minutes,work_minutes\n")
        for day, number in enumerate(numbers(source, rows)):
            date = datetime.date.fromordinal(first + day)
            learning, work = number % 10**6, (number >> 20) % 10**8
            new.write(f"{date},{decimal(learning)},{decimal(work)}\n")
            if day in known:
                base.write(f"{date},{decimal(learning + 1)},{decimal(work + 1)}\n")
            for i, value in enumerate((learning, work, (3 * learning + work) * (day % 1009))):
                checks[i] += value
    (folder / "expect.txt").write_text("|".join(map(str, [rows, *checks])) + "\n")


def payments(folder, rows):
    """Payments of three years, in five categories: semicolons, days first, decimal commas, a quoted text in one of four."""
    source, first = random.Random(3), datetime.date(2022, 1, 1)
    dates = [f"{first + datetime.timedelta(day):%d.%m.%Y}" for day in range(1096)]
    payees = ['"Bau; Holz"', "Stadtwerke", "M\u00fcller", "Caf\u00e9 Central"]
    categories = ["Miete", "Gehalt", "Einkauf", "Reise", "Strom"]
    with open(folder / "part-000.csv", "w") as file:
        file.write("Buchungstag;Zahlungsempf\u00e4nger;Kategorie;Betrag\n")
        for left in range(rows, 0, -PIECE):
            file.write("".join(
                f"{dates[r % 1096]};{payees[r >> 11 & 3]};{categories[(r >> 13) % 5]};{european((r >> 32) % 10**6 - 400_000)}\n"
                for r in numbers(source, min(left, PIECE))))


def european(cents):
    """Such as -1.234,50."""
    return f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))


def customers(folder, rows):
    """Customers by number. The table holds half of them, with another country."""
    source = random.Random(4)
    known = set(source.sample(range(rows), rows // 2))
    countries, first = ["DE", "FR", "IT", "PT", "SE"], datetime.datetime(2024, 1, 1)
    with open(folder / "new.csv", "w") as new, open(folder / "base.csv", "w") as base:
        for file in new, base:
            file.write("id,name,country,since,spent,seen\n")
        for customer, number in enumerate(numbers(source, rows)):
            since, seen = dates_of(number, first)
            spent = f"{number % 10**7 / 100:.2f}"
            line = f"{customer},Customer {number >> 40},{{}},{since},{spent},{seen}\n"
            new.write(line.format(countries[number % 5]))
            if customer in known:
                base.write(line.format("XX"))


def dates_of(number, first):
    seen = first + datetime.timedelta(seconds=number % 31_000_000)
    return datetime.date(2000 + number % 24, number % 12 + 1, number % 28 + 1), seen


def decimal(value):
    return f"{value // 10_000}.{value % 10_000:04}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["pivot", "upsert", "payments", "customers"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--crlf", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.kind == "pivot":
        sessions(given.folder, given.rows, given.files, given.days, given.crlf)
    else:
        {"upsert": days, "payments": payments, "customers": customers}[given.kind](given.folder, given.rows)


if __name__ == "__main__":
    main()
