from seqkit.inference import Copies, count_copies


def test_copies_are_counted_and_the_rest_is_new() -> None:
    found = count_copies(["anna", "bob", "anna", "zoë", "bob"], iter(["bob", "anna", "eve", "bob"]))
    assert found == Copies(generated=5, distinct=3, copies=4, new=1)
    assert str(found) == ("of 5 generated documents 3 are distinct, 1 new and 4 copies of training documents")
    assert count_copies([], iter(["a"])) == Copies(0, 0, 0, 0)
