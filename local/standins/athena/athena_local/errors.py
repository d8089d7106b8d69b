"""What goes wrong, in Athena's own words."""


class ApiError(Exception):
    """An API call is refused: nothing was started."""

    def __init__(self, code, message, athena_code=None):
        super().__init__(message)
        self.code, self.message, self.athena_code = code, message, athena_code


def invalid(message, athena_code="INVALID_INPUT"):
    return ApiError("InvalidRequestException", message, athena_code)


class QueryError(Exception):
    """A query that was started ends as FAILED (or CANCELLED). `name` is the engine's error name."""

    # Category and type numbers as others measured them on AWS; 1000 where nobody has.
    TYPES = {
        "TABLE_NOT_FOUND": 1301,
        "SCHEMA_NOT_FOUND": 1301,
        "COLUMN_NOT_FOUND": 1006,
        "TYPE_MISMATCH": 1002,
        "FUNCTION_NOT_FOUND": 1303,
        "DIVISION_BY_ZERO": 1001,
        "INVALID_CAST_ARGUMENT": 1100,
        "NOT_SUPPORTED": 1200,
    }

    def __init__(self, name, message, category=2, retryable=False, kind=None, state="FAILED"):
        super().__init__(message)
        self.name, self.message, self.category, self.retryable, self.state = name, message, category, retryable, state
        self.kind = kind if kind is not None else self.TYPES.get(name, 1000)

    @property
    def reason(self):
        return f"{self.name}: {self.message}" if self.name else self.message

    def athena_error(self):
        return {
            "ErrorCategory": self.category,
            "ErrorType": self.kind,
            "Retryable": self.retryable,
            "ErrorMessage": self.reason,
        }


class NotHere(QueryError):
    """Athena could, this stand-in cannot: never to be taken for Athena's answer."""

    def __init__(self, what):
        super().__init__("LOCAL_STAND_IN", f"the local Athena does not know {what}", category=3, kind=9999)
