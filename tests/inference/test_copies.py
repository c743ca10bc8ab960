from seqkit.inference import Copies, count_copies


def test_copies_are_counted_and_the_rest_is_new() -> None:
    found = count_copies(["anna", "bob", "anna", "zoë", "bob"], iter(["bob", "anna", "eve", "bob"]))
    assert found == Copies(generated=5, distinct=3, copies=4, new=1)
    assert str(found) == ("of 5 generated documents 3 are distinct, 1 new and 4 copies of training documents")
    assert count_copies([], iter(["a"])) == Copies(0, 0, 0, 0)


def test_what_was_cut_is_neither_new_nor_a_copy() -> None:
    found = count_copies(["anna", "zoë"], ["anna"], cut=3)
    assert found == Copies(generated=5, distinct=2, copies=1, new=1, cut=3)
    assert str(found) == (
        "of 2 generated documents 2 are distinct, 1 new and 1 copies of training documents; "
        "3 more were cut off before their end"
    )
