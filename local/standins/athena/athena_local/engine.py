"""Runs one statement against a host's objects and tables: the part of Athena that works after a query was accepted."""

from .access import Access
from .definitions import Definitions
from .errors import NotHere
from .queries import Queries


class Engine:
    """`host` has objects, tables and permissions; `writers`: how many files a statement writes at most."""

    def __init__(self, host, writers=3):
        access = Access(host)
        self._parts = (Queries(access, writers), Definitions(access))

    def run(self, statement, execution):
        """The outcome, or a QueryError. Of an execution.Execution it uses the identity and limits, and asks it between
        steps whether it shall fail or stop."""
        if statement.database is None:
            statement.database = execution.database
        for part in self._parts:
            handler = getattr(part, statement.kind.lower(), None)
            if handler is not None:
                return handler(statement, execution)
        raise NotHere(f"the statement {statement.kind}")
