"""The drawing of the layers agrees with the layers that the linter checks."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_drawing_shows_the_layers_of_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = (
        contract["layers"]
        for contract in settings["contracts"]
        if contract["type"] == "layers" and "containers" not in contract
    )
    expected = [layer.replace("seqkit.", "").split(" | ") for layer in layers]
    page = (ROOT / "docs/design/index.md").read_text("utf-8")
    (drawing,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    drawn = [re.split(r"  +", line)[0].split(", ") for line in drawing.splitlines()]
    assert drawn == expected


def test_every_room_is_in_a_layer() -> None:
    page = (ROOT / "docs/design/index.md").read_text("utf-8")
    rooms = {path.stem for path in (ROOT / "seqkit").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert all(
        re.search(rf"^.*\b{room}\b", page, re.MULTILINE)
        for room in rooms - {"__init__", "__pycache__", "recipes", "py"}
    )
