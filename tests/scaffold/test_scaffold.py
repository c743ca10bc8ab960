from pathlib import Path

import pytest

from seqkit.errors import PluginError
from seqkit.scaffold import write_project


@pytest.mark.parametrize("name", ["My", "3d", "a_b", "a b", "-a", ""])
def test_an_invalid_name_is_reported(name: str, workdir: Path) -> None:
    with pytest.raises(PluginError, match="cannot be the name of a cell"):
        write_project("cell", name, workdir)


def test_a_built_in_name_is_taken(workdir: Path) -> None:
    with pytest.raises(PluginError, match="'rnn' is a cell of seqkit itself"):
        write_project("cell", "rnn", workdir)
    assert write_project("tokenizer", "rnn", workdir)
