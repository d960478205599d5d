"""Writes `regionsim/kms/model.json` from the installed botocore: `python tests/generators/kms_model.py [--check]`.

The model is AWS's description of KMS without its documentation strings: operations, the shapes that requests and
responses are made of, and the refusals with their HTTP status. One operation or shape stands on a line, so that a
difference between two releases of botocore reads as one. `--check` writes nothing and exits 1 when the file is not what
botocore says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import botocore
import botocore.loaders

MODEL = Path(__file__).resolve().parents[2] / "regionsim" / "kms" / "model.json"

SHAPE_KEYS = ("type", "required", "members", "member", "key", "value", "enum", "min", "max", "pattern", "sensitive")


def service_description() -> dict[str, Any]:
    """KMS as the installed botocore describes it."""
    loaded: dict[str, Any] = botocore.loaders.Loader().load_service_model("kms", "service-2")
    return loaded


def model_text() -> str:
    """What `model.json` must be."""
    service = service_description()
    operations = {name: _operation(described) for name, described in service["operations"].items()}
    refusals = {name: _status(shape) for name, shape in service["shapes"].items() if shape.get("exception")}
    shapes = {name: _shape(service["shapes"][name]) for name in _reachable(service)}
    sections = {
        "botocore": json.dumps(botocore.__version__),
        "operations": _section(operations),
        "refusals": _section(refusals),
        "shapes": _section(shapes),
    }
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {text}" for name, text in sections.items()) + "\n}\n"


def _operation(described: dict[str, Any]) -> dict[str, Any]:
    output = described.get("output", {}).get("shape")
    errors = sorted(error["shape"] for error in described.get("errors", []))
    return {"input": described["input"]["shape"], "output": output, "errors": errors}


def _status(refusal: dict[str, Any]) -> int:
    return 500 if refusal.get("fault") else 400


def _shape(described: dict[str, Any]) -> dict[str, Any]:
    kept = {key: described[key] for key in SHAPE_KEYS if key in described}
    if "members" in kept:
        kept["members"] = {name: member["shape"] for name, member in kept["members"].items()}
    for key in ("member", "key", "value"):
        if key in kept:
            kept[key] = kept[key]["shape"]
    return kept


def _reachable(service: dict[str, Any]) -> set[str]:
    """The shapes that requests and responses are made of."""
    found: set[str] = set()
    waiting = [
        operation[side]["shape"]
        for operation in service["operations"].values()
        for side in ("input", "output")
        if side in operation
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            shape = _shape(service["shapes"][name])
            waiting += shape.get("members", {}).values()
            waiting += [shape[key] for key in ("member", "key", "value") if key in shape]
    return found


def _section(entries: dict[str, Any]) -> str:
    lines = [f" {json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries)]
    return "{\n" + ",\n".join(lines) + "\n}"


def main(arguments: list[str]) -> int:
    """Write the model, or compare it (`--check`); gives the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    wanted = model_text()
    if not arguments:
        MODEL.write_text(wanted, encoding="utf-8")
        return 0
    if MODEL.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{MODEL.name} is not what botocore {botocore.__version__} says: run {Path(__file__).name}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
