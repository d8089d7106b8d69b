"""From a field's text to what PostgreSQL's COPY takes; a LoadError is what Redshift's table of load errors would say."""

import datetime
import decimal
import json
import re


class LoadError(Exception):
    """Why a row is refused; column, type and value are known to whoever reads the row."""

    def __init__(self, reason, column="", kind="", value=""):
        super().__init__(reason)
        self.column, self.kind, self.value = column, kind, value


def integer(low, high, label):
    def convert(text):
        text = text.strip(" ")
        if text == "":
            return None
        if not re.fullmatch(r"[+-]?\d+", text):
            bad = next((i for i, c in enumerate(text) if not (c.isdigit() or (i == 0 and c in "+-"))), 0)
            raise LoadError(f"Invalid digit, Value '{text[bad:bad + 1]}', Pos {bad}, Type: {label}")
        if not low <= int(text) <= high:
            raise LoadError(f"Overflow, Type: {label}")
        return str(int(text))
    return convert


def numeric(precision, scale, options):
    """Further digits are cut, unless ROUNDEC is given."""
    def convert(text):
        text = text.strip(" ")
        if text == "":
            return None
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
            raise LoadError("Invalid digit, Type: Decimal")
        rounding = decimal.ROUND_HALF_UP if options.get("ROUNDEC") else decimal.ROUND_DOWN
        with decimal.localcontext() as context:
            context.prec = 100
            value = decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale), rounding=rounding)
            if abs(value) >= decimal.Decimal(10) ** (precision - scale):
                raise LoadError(f"Numeric Overflow, Type: Decimal ({precision},{scale})")
        return format(value, "f")
    return convert


def floating(text):
    if text.strip(" ") == "":
        return None
    try:
        return repr(float(text))
    except ValueError:
        raise LoadError("Invalid digit, Type: Double") from None


def boolean(text):
    word = text.strip(" ").lower()
    if word == "":
        return None
    if word in ("t", "true", "y", "yes", "1"):
        return "t"
    if word in ("f", "false", "n", "no", "0"):
        return "f"
    raise LoadError("Unknown boolean format")


def moment(pattern, parse, label, options):
    def convert(text):
        text = text.strip(" ")
        if text == "":
            return None
        try:
            if not re.fullmatch(pattern, text):
                raise ValueError
            parse(text)
            return text
        except ValueError:
            if options.get("ACCEPTANYDATE"):
                return None
            is_short = len(text) < 10
            raise LoadError(f"Invalid {label} Format - length must be 10 or more" if is_short else f"Invalid {label.lower()}") from None
    return convert


def date(options):
    return moment(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?", lambda t: datetime.date(*map(int, re.split("[-T ]", t)[:3])), "Date", options)


def timestamp(options):
    return moment(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?", _parse_timestamp, "Timestamp", options)


def _parse_timestamp(text):
    day, _, clock = text.replace("T", " ").partition(" ")
    datetime.date.fromisoformat(day)
    if clock:
        # Older Pythons want three or six digits of a second.
        datetime.time.fromisoformat(clock.split(".")[0])


def characters(size, options):
    """A length is in bytes; spaces at the end that do not fit are dropped."""
    def convert(text):
        raw = text.encode("utf-8")
        if len(raw) <= size:
            return text
        if len(raw.rstrip(b" ")) <= size or options.get("TRUNCATECOLUMNS"):
            return raw[:size].decode("utf-8", "ignore")
        raise LoadError("String length exceeds DDL length")
    return convert


def single_bytes(size, options):
    fits = characters(size, options)

    def convert(text):
        if not text.isascii():
            raise LoadError("Multibyte character not supported for CHAR (Hint: try using VARCHAR).")
        return fits(text)
    return convert


def time_of_day(text):
    text = text.strip(" ")
    if text == "":
        return None
    found = re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d{1,6})?)?", text)
    if not found or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3] or 0) > 59:
        raise LoadError("Invalid time")
    return text


def super_value(text):
    try:
        json.loads(text)
    except ValueError:
        raise LoadError("Invalid JSON format for SUPER") from None
    return text


def varbyte(text):
    if not re.fullmatch("([0-9a-fA-F]{2})*", text):
        raise LoadError("Invalid hexadecimal digit for VARBYTE")
    return "\\x" + text


def converter(kind, size, scale, options):
    """The converter for a column, by PostgreSQL's name of its type."""
    return {
        "smallint": lambda: integer(-2**15, 2**15 - 1, "Short"),
        "integer": lambda: integer(-2**31, 2**31 - 1, "Integer"),
        "bigint": lambda: integer(-2**63, 2**63 - 1, "Long"),
        "numeric": lambda: numeric(size, scale, options),
        "real": lambda: floating,
        "double precision": lambda: floating,
        "boolean": lambda: boolean,
        "date": lambda: date(options),
        "timestamp without time zone": lambda: timestamp(options),
        "timestamp with time zone": lambda: timestamp(options),
        "time without time zone": lambda: time_of_day,
        "character varying": lambda: characters(size, options),
        "character": lambda: single_bytes(size, options),
        "jsonb": lambda: super_value,
        "bytea": lambda: varbyte,
    }[kind]()
