"""The packaged model of KMS against botocore, and as it is read."""

from __future__ import annotations

import subprocess
import sys

import botocore.session
import pytest

from regionsim.kms.model import ShapeType, model
from regionsim.kms.operations.registry import REGISTRY
from tests.generators import kms_model


@pytest.fixture(scope="module")
def service():
    return botocore.session.get_session().get_service_model("kms")


def test_the_packaged_model_is_what_the_installed_botocore_says():
    assert kms_model.MODEL.read_text(encoding="utf-8") == kms_model.model_text(), (
        "AWS's model of KMS has changed: run `python tests/generators/kms_model.py`, read the difference, "
        "and take in what is new"
    )


def test_every_operation_is_there_and_the_newest_too(service):
    assert list(model().operations) == sorted(service.operation_names)
    assert {"Encapsulate", "Decapsulate", "GetKeyLastUsage"} <= model().operations.keys()


def test_operations_have_botocores_shapes_and_refusals(service):
    for name, operation in model().operations.items():
        theirs = service.operation_model(name)
        assert operation.name == name
        assert operation.input == theirs.input_shape.name
        assert operation.output == (theirs.output_shape and theirs.output_shape.name)
        assert set(operation.errors) == {error.name for error in theirs.error_shapes}


def test_shapes_say_what_botocore_says(service):
    for name, shape in model().shapes.items():
        theirs = service.shape_for(name)
        limits = theirs.metadata
        assert shape.name == name
        assert shape.type == theirs.type_name
        assert (shape.minimum, shape.maximum) == (limits.get("min"), limits.get("max"))
        assert list(shape.enum) == limits.get("enum", [])
        assert shape.is_sensitive == limits.get("sensitive", False)
        assert shape.pattern == service._shape_resolver._shape_map[name].get("pattern")
        if shape.type is ShapeType.STRUCTURE:
            assert dict(shape.members) == {member: its.name for member, its in theirs.members.items()}
            assert shape.required == set(theirs.required_members)


def test_every_shape_that_is_named_is_there():
    shapes = model().shapes
    for operation in model().operations.values():
        assert operation.input in shapes
        assert operation.output is None or operation.output in shapes
    for shape in shapes.values():
        named = {*shape.members.values(), shape.element, shape.key, shape.value} - {None}
        assert named <= shapes.keys()
        assert (shape.element is not None) == (shape.type is ShapeType.LIST)
        assert (shape.key is not None) == (shape.value is not None) == (shape.type is ShapeType.MAP)


def test_server_faults_are_the_three_that_aws_names():
    faults = {name for name, status in model().refusals.items() if status == 500}
    assert faults == {"DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException"}


def test_it_is_read_once_and_cannot_be_written():
    assert model() is model()
    with pytest.raises(TypeError):
        model().operations["Encrypt"] = None  # type: ignore[index]


def test_the_generators_check_finds_an_edited_file(tmp_path, monkeypatch, capsys):
    edited = tmp_path / "model.json"
    edited.write_text(kms_model.model_text().replace('"max": 2048', '"max": 2047', 1), encoding="utf-8")
    monkeypatch.setattr(kms_model, "MODEL", edited)
    assert kms_model.main(["--check"]) == 1
    assert "run kms_model.py" in capsys.readouterr().err
    assert kms_model.main([]) == 0
    assert kms_model.main(["--check"]) == 0
    assert kms_model.main(["--nonsense"]) == 2


def test_the_product_does_without_botocore():
    """botocore is 31 MB and a test dependency: reading the model must not load it."""
    code = "import sys; from regionsim.kms.model import model; model(); sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_operation_of_the_model_is_there():
    assert REGISTRY.keys() == model().operations.keys()
    assert len(REGISTRY) == 56
