"""PostgreSQL's binary COPY format, both ways, for the types that the parts have: date, timestamp, numeric, text,
bigint, boolean.

In Python a date or timestamp is its ISO text, a numeric a `Decimal` (or, to encode, its plain text), a text a `str`, a bigint an `int`.
See the PostgreSQL documentation of COPY, "Binary Format", and the numeric type's `numeric_send`.
"""
import csv
import datetime
import struct
from decimal import Decimal

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
EPOCH = datetime.date(2000, 1, 1).toordinal()
NEGATIVE = 0x4000


def encode_numeric(value):
    """Digits in groups of four, as many as needed, around the decimal point."""
    text = value if isinstance(value, str) else f"{value:f}"
    sign, text = (NEGATIVE, text[1:]) if text[0] == "-" else (0, text)
    whole, _, decimals = text.partition(".")
    text = "0" * (-len(whole) % 4) + whole + decimals + "0" * (-len(decimals) % 4)
    groups = [int(text[i:i + 4]) for i in range(0, len(text), 4)]
    weight = (len(whole) + 3) // 4 - 1
    while groups and not groups[-1]:
        groups.pop()
    first = next((i for i, group in enumerate(groups) if group), 0)
    groups = groups[first:]
    weight = weight - first if groups else 0
    return struct.pack(f">4H{len(groups)}H", len(groups), weight & 0xFFFF, sign if groups else 0, len(decimals), *groups)


def decode_numeric(data):
    count, weight, sign, scale = struct.unpack_from(">hhHh", data)
    if sign not in (0, NEGATIVE):
        raise ValueError("not a finite number")
    mantissa = 0
    for group in struct.unpack_from(f">{count}H", data, 8):
        mantissa = mantissa * 10_000 + group
    exponent = 4 * (weight - count + 1)
    # Whole groups may bring more zeros, or fewer, than the value shows.
    mantissa = mantissa * 10 ** (exponent + scale) if exponent + scale >= 0 else mantissa // 10 ** -(exponent + scale)
    return Decimal((sign == NEGATIVE, tuple(map(int, str(mantissa))), -scale))


ENCODE = {
    "date": lambda text: struct.pack(">i", datetime.date.fromisoformat(text).toordinal() - EPOCH),
    "numeric": encode_numeric,
    "text": str.encode,
    "bigint": lambda number: struct.pack(">q", number),
}
DECODE = {
    "date": lambda data: datetime.date.fromordinal(struct.unpack(">i", data)[0] + EPOCH).isoformat(),
    "timestamp": lambda data: str(datetime.datetime(2000, 1, 1) + datetime.timedelta(microseconds=struct.unpack(">q", data)[0])),
    "boolean": lambda data: data == b"\x01",
    "numeric": decode_numeric,
    "text": bytes.decode,
    "bigint": lambda data: struct.unpack(">q", data)[0],
}


def encode(rows, kinds, file):
    """Writes `rows` to the binary `file`; `kinds` names the type of each column."""
    encoders, count = [ENCODE[kind] for kind in kinds], struct.pack(">h", len(kinds))
    file.write(HEADER)
    for row in rows:
        file.write(count)
        for encoder, value in zip(encoders, row, strict=True):
            field = encoder(value)
            file.write(struct.pack(">i", len(field)) + field)
    file.write(TRAILER)


def decode(data, kinds):
    """The rows in `data`, which must be complete. NULL is `None`."""
    if data[:len(SIGNATURE)] != SIGNATURE:
        raise ValueError("not in the binary COPY format")
    decoders = [DECODE[kind] for kind in kinds]
    place = len(HEADER) + struct.unpack_from(">i", data, len(SIGNATURE) + 4)[0]
    while (count := struct.unpack_from(">h", data, place)[0]) != -1:
        place += 2
        if count != len(kinds):
            raise ValueError(f"a row of {count} fields, expected {len(kinds)}")
        row = []
        for decoder in decoders:
            length = struct.unpack_from(">i", data, place)[0]
            place += 4
            row.append(None if length < 0 else decoder(data[place:place + length]))
            place += max(length, 0)
        yield row
    if place + 2 != len(data):
        raise ValueError("bytes after the end")


def is_binary(data):
    return data[:7] == SIGNATURE[:7]


def sums(data, columns=("date", "learning_minutes", "work_minutes")):
    """From date to the two sums, of a part in either format: binary, or CSV with a header."""
    if is_binary(data):
        rows = decode(data, ["date", "numeric", "numeric"])
        return {date: tuple(values) for date, *values in rows}
    rows = csv.DictReader(data.decode().splitlines())
    return {row[columns[0]]: tuple(Decimal(row[column] or 0) for column in columns[1:]) for row in rows}
