"""The grammar of COPY, as far as CSV in S3 goes."""

import re

from .errors import Refused, syntax_error

TOKEN = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.]+|[(),]"

FLAGS = {
    "MANIFEST", "GZIP", "ZSTD", "BZIP2", "EMPTYASNULL", "BLANKSASNULL", "TRUNCATECOLUMNS", "ROUNDEC", "ACCEPTANYDATE",
    "IGNOREBLANKLINES", "FILLRECORD", "TRIMBLANKS", "ESCAPE", "REMOVEQUOTES",
}
TEXTS = {"DELIMITER", "NULL", "DATEFORMAT", "TIMEFORMAT", "ENCODING", "REGION"}
NUMBERS = {"MAXERROR", "IGNOREHEADER"}
SWITCHES = {"COMPUPDATE", "STATUPDATE"}
OTHER_FORMATS = {"PARQUET", "JSON", "AVRO", "ORC"}
KEYS = {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}


class Copy:
    """A COPY: `target`, `columns` or None for all, `source` (an S3 address), `role`, `options` by their names."""

    def __init__(self, text):
        rest = re.sub(TOKEN + r"|\s", "", text)
        if rest:
            raise syntax_error(rest[:5])
        self._tokens, self._at = re.findall(TOKEN, text), 1
        self.target = self._name()
        self.columns = self._columns()
        if self._next().upper() != "FROM":
            raise syntax_error("FROM")
        self.source = self._string()
        if not self.source.startswith("s3://"):
            raise Refused("ERROR: COPY from anything but S3 is not in this stand-in")
        self.options, self.role = {}, None
        while self._peek():
            self._option(self._next().upper())
        self._check()

    def _name(self):
        name = self._next()
        while name.endswith(".") or (self._peek() or "").startswith("."):
            name += self._next()
        return name.lower().replace('"', "")

    def _columns(self):
        if self._peek() != "(":
            return None
        self._next()
        columns = []
        while (token := self._next()) != ")":
            if token != ",":
                columns.append(token.strip('"').replace('""', '"').lower())
        return columns

    def _option(self, word):
        if word == "FORMAT":
            if (self._peek() or "").upper() == "AS":
                self._next()
            word = self._next().upper()
        if word == "IAM_ROLE":
            if (self._peek() or "").upper() == "DEFAULT":
                raise Refused("ERROR: the default role is not in this stand-in: name one")
            self.role = self._string()
        elif word in KEYS:
            raise Refused("ERROR: keys in a statement are refused by this stand-in: name an IAM_ROLE")
        elif word in OTHER_FORMATS:
            raise Refused(f"ERROR: {word} is not in this stand-in")
        elif word == "CSV":
            self.options["FORMAT"] = word
            if (self._peek() or "").upper() == "QUOTE":
                self._next()
                self.options["QUOTE"] = self._string()
        elif word in TEXTS:
            self.options[word] = self._string()
        elif word in NUMBERS:
            if (self._peek() or "").upper() == "AS":
                self._next()
            number = self._next()
            if not number.isdigit():
                raise syntax_error(number)
            self.options[word] = int(number)
        elif word in SWITCHES:
            has_value = (self._peek() or "").upper() in ("ON", "OFF", "TRUE", "FALSE", "PRESET")
            self.options[word] = self._next().upper() if has_value else "ON"
        elif word == "ACCEPTINVCHARS":
            has_value = (self._peek() or "").upper() == "AS" or (self._peek() or "").startswith("'")
            self.options[word] = self._string() if has_value else "?"
        elif word in FLAGS:
            self.options[word] = True
        else:
            raise syntax_error(word)

    def _check(self):
        options = self.options
        if self.role is None:
            raise Refused("ERROR: COPY requires authorization: IAM_ROLE")
        if options.get("FORMAT") is None:
            raise Refused("ERROR: delimited text is not in this stand-in: write CSV")
        if "ESCAPE" in options or "REMOVEQUOTES" in options:
            raise Refused("ERROR: CSV is not compatible with ESCAPE / REMOVEQUOTES")
        if options.get("MAXERROR", 0) > 100_000:
            raise Refused("ERROR: MAXERROR must be between 0 and 100000")
        if len(options.keys() & {"GZIP", "ZSTD", "BZIP2"}) > 1:
            raise Refused("ERROR: only one of GZIP, ZSTD and BZIP2 can be given")

    def _peek(self):
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self):
        if self._at >= len(self._tokens):
            raise Refused("ERROR: syntax error at end of input")
        self._at += 1
        return self._tokens[self._at - 1]

    def _string(self):
        token = self._next()
        if token.upper() == "AS":
            token = self._next()
        if token[0] != "'":
            raise syntax_error(token)
        return token[1:-1].replace("''", "'")
