"""The two sorts of errors: of a statement, and of a call."""


class Refused(Exception):
    """What Redshift would answer as the statement's error."""


class ApiError(Exception):
    """What the Data API would answer to the call; `kind` is the exception's name there."""

    def __init__(self, kind, message, status=400, **fields):
        super().__init__(message)
        self.kind, self.status, self.fields = kind, status, fields


def syntax_error(near):
    return Refused(f'ERROR: syntax error at or near "{near}"')
