import inspect

import pytest

from seqkit import errors


def test_every_error_is_a_seqkit_error_with_an_exit_code() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]
    assert len(classes) >= 10
    for error in classes:
        assert issubclass(error, errors.SeqkitError)
        assert error.exit_code in (1, 2)
        assert error.__doc__


def test_an_unknown_name_lists_known_names_and_suggests_one() -> None:
    with pytest.raises(errors.UnknownNameError) as caught:
        raise errors.UnknownNameError("tokenizer", "cahr", ["word", "char"], "my.toml:3")
    assert str(caught.value) == (
        "no tokenizer is called 'cahr' (my.toml:3). Did you mean 'char'?\n  Known: char, word."
    )


def test_a_recipe_error_lists_every_fault() -> None:
    assert str(errors.RecipeError("recipe a.toml", ["x: wrong", "y: wrong"])) == (
        "2 faults in recipe a.toml:\n  x: wrong\n  y: wrong"
    )
