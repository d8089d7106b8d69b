#!/usr/bin/env python3
"""Runs trial cases against a stack that `cargo local up` keeps: run.py ENV_FILE CASE_FOLDER...

ENV_FILE is the file of exports that `up` writes, .sluice/env. Needs boto3 and psql. The spec of the reference job's state
machine is each case's for a while, and the rule on uploads is off; both are put back, and the files go, but the tables stay.
Of the 33 cases of give/ 28 run by themselves, and the 15 of more/ all, in some three minutes. A case is a folder with
  in/           files that are uploaded before the run; or in/1, in/2 ... for one run after the other
  spec.json     optional: source, shape, target (laid over those below), sql (run first; $T is the table), inputs (one per run)
  expected.csv  the table in the end
  expected.txt  lines `status: X`, `has: text`, `any: text | text`, `not: text` about error, cause and output of the last run
A case with commands.txt in place of in/ is to be tried by hand."""
import csv, json, os, re, subprocess, sys, time
from pathlib import Path

import boto3

COLUMNS = {"date": {"from": "Start date", "type": "date"}, "project": "Project", "minutes": {"from": "Duration", "type": "number"}}
SHAPE = {"keys": ["date"], "values": {"minutes": "sum"}, "pivot": {"on": "project", "into": {"Website": "website", "Branding": "branding"}}}
env = dict(re.findall(r"export (\w+)='(.*)'", Path(sys.argv[1]).read_text()))
os.environ.update({name: value for name, value in env.items() if name.startswith("AWS")})
s3, sfn, events = boto3.client("s3"), boto3.client("stepfunctions"), boto3.client("events")
machine, bucket, stamp = env["STATE_MACHINE_ARN"], env["BUCKET"], str(int(time.time()))


def sql(text):
    done = subprocess.run(["psql", env["DATABASE_URL"], "-qX", "-v", "ON_ERROR_STOP=1", "--csv", "-c", text], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else "ERROR " + done.stderr.splitlines()[0]


def start(given):
    arn = sfn.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
    while (run := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.2)
    return run


def respecify(part, spec):
    """Puts the spec into every payload that has one."""
    if isinstance(part, dict):
        if "source" in part and "target" in part:
            part.update({name: value for name, value in spec.items() if name in part})
        for inner in part.values():
            respecify(inner, spec)


def run(folder, plain, number):
    given = json.loads((folder / "spec.json").read_text()) if (folder / "spec.json").exists() else {}
    prefix, table = f"input_data/{stamp}/{number}/", f"trial_{stamp}_{number}"  # no word of the case, which an error could be taken to say
    source = {"suffix": ".csv", **given.get("source", {})}
    source["columns"] = {**COLUMNS, **source.get("columns", {})}
    target = {"table": table, "create": True, "on_overlap": "all_files", **given.get("target", {})}
    if "sql" in given:
        sql(given["sql"].replace("$T", table))
    definition = json.loads(plain)
    respecify(definition, {"prefix": prefix, "source": source, "shape": {**SHAPE, **given.get("shape", {})}, "target": target})
    sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
    steps = sorted(path for path in (folder / "in").iterdir() if path.is_dir() and path.name.isdigit()) or [folder / "in"]
    inputs = given.get("inputs", [])
    for turn in range(max(len(steps), len(inputs))):
        time.sleep(1.1 if turn else 0)  # S3 dates are whole seconds
        for step in steps[turn:turn + 1]:
            for file in sorted(path for path in step.rglob("*") if path.is_file()):
                s3.put_object(Bucket=bucket, Key=prefix + str(file.relative_to(step)), Body=file.read_bytes())
        outcome = start(inputs[turn] if turn < len(inputs) else {})
    told = " ".join([outcome["status"], outcome.get("error") or "", outcome.get("cause") or "", outcome.get("output") or ""]).replace('\\"', '"')
    fine = True
    if (folder / "expected.csv").exists():
        got = sql(f'select * from "{target["table"]}" order by 1')
        fine, told = list(csv.reader(got.splitlines())) == list(csv.reader((folder / "expected.csv").open())), f"{told}\n{got}"
    expected = (folder / "expected.txt").read_text().splitlines() if (folder / "expected.txt").exists() else []
    for name, _, text in (line.partition(": ") for line in expected if line and not line.startswith("#")):
        holds = {"status": outcome["status"] == text, "has": text in told, "not": text not in told,
                 "any": any(part.strip() in told for part in text.split(" | "))}
        fine &= holds[name]
    return fine, told


def main():
    plain = sfn.describe_state_machine(stateMachineArn=machine)["definition"]
    pages = events.get_paginator("list_rules").paginate()
    patterns = {rule["Name"]: rule["EventPattern"] for page in pages for rule in page["Rules"] if "EventPattern" in rule}
    rules = [name for name, pattern in patterns.items() if "Object Created" in pattern and bucket in pattern]
    if not rules:
        sys.exit("no rule on uploads is found: an upload would start a run beside those of the cases")
    for rule in rules:
        events.disable_rule(Name=rule)
    failed = 0
    try:
        for number, folder in enumerate(map(Path, sys.argv[2:])):
            if not (folder / "in").exists():
                print(f"-    {folder.name}: by hand")
                continue
            fine, told = run(folder, plain, number)
            failed += not fine
            print(f"{'ok  ' if fine else 'FAIL'} {folder.name}" + ("" if fine else f"\n       {told[:700]}"), flush=True)
    finally:
        sfn.update_state_machine(stateMachineArn=machine, definition=plain)
        # Or the reference job's next run would take them for its own.
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"input_data/{stamp}/"):
            for found in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=found["Key"])
        for rule in rules:
            events.enable_rule(Name=rule)
    return failed


if __name__ == "__main__":
    sys.exit(main() > 0)
