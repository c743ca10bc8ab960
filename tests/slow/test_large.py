from seqkit.bench.data import measure


def test_two_gigabytes_take_little_memory() -> None:
    for row in measure(2000):
        assert row["peak_growth_megabytes"] < 300, row
