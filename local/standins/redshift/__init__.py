"""A stand-in for Amazon Redshift's Data API: HTTP in front, a real PostgreSQL behind, S3 read for COPY.

It refuses what Redshift refuses and what it cannot do itself; it never makes up an answer.

    __main__      the command line
    server        HTTP: the protocol, faults and settings for tests
    api           the operations of the Data API
    batches       statements that were submitted, their states, ClientToken
    transactions  one batch in PostgreSQL: locks, snapshots, commits
    statements    SQL: what Redshift refuses, and what PostgreSQL is told instead
    tables        CREATE TABLE and the types of columns
    copy_command  the grammar of COPY
    loading       COPY at work: manifest, objects, rows
    values        from a field's text to a column's value
    roles         S3 with the rights of the role that COPY names
    errors        the two sorts of errors
"""
