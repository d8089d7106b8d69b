"""The cases of fields/*.json, as lint.py sees them."""
import json
from pathlib import Path

import lint

BASE = {"prefix": "in/", "source": {"suffix": ".csv", "columns": {"k": {}, "x": {}}}, "shape": {"keys": ["k"], "rows": {}},
        "target": {"table": "t", "create": True, "on_overlap": "last_run"}}


def spec(case):
    """The spec of a case: the base with its changes; a part's field that is null goes."""
    found = json.loads(json.dumps(BASE))
    found["prefix"] = case.get("prefix", "in/")
    if "values" in case.get("shape", {}):
        del found["shape"]["rows"]
    for part in ("source", "shape", "target"):
        found[part] = {name: value for name, value in {**found[part], **case.get(part, {})}.items() if value is not None}
    if "x" in case:
        found["source"]["columns"]["x"] = case["x"]
    return found


def problems(schema):
    """Specs that lint.py sees otherwise than their cases do. It may tell of what is around the field, or right beside it."""
    for path in sorted((Path(__file__).parent / "fields").iterdir()):
        for pattern, of_field in json.loads(path.read_text()).items():
            for case in of_field["takes"]:
                if found := lint.problems(spec(case), schema):
                    yield f"{pattern}: {case} should be taken, but: {found}"
            for case in of_field["refuses"]:
                found = lint.problems(spec(case), schema)
                around = case["at"].rsplit("/", 1)[0]
                if not any(case["at"].startswith(place) or place.startswith(around) for place, _ in found):
                    yield f"{pattern}: {case} should be refused, but: {found}"
