"""Answers lines of JSON with the table that the model of the spec language makes of a history.

    oracle.py FOLDER_OF_THE_MODEL

A line has `spec`, and `runs` in order, each a list of `[key, text, seconds since 1970]`. The answer has `rows`, or `refused`
with what the model says of bad rows and files.
"""
import datetime
import json
import sys

sys.path.insert(0, sys.argv[1])
import model

for line in sys.stdin:
    asked = json.loads(line)
    date = lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    runs = [[(key, text.encode(), date(seconds)) for key, text, seconds in run] for run in asked["runs"]]
    try:
        answer = {"rows": model.table(asked["spec"], runs)[1]}
    except model.Bad as bad:
        answer = {"refused": str(bad)}
    print(json.dumps(answer), flush=True)
