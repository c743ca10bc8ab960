import pytest

from seqkit.bench.memory import measure


@pytest.mark.ci
def test_a_longer_sequence_takes_more_memory_and_a_checkpoint_less() -> None:
    rows = measure(("lstm",), batch_size=64, hidden_size=128, times=(30, 300))
    assert [row["shape"] for row in rows] == ["64x30x128", "64x300x128"]
    short, long = (row["megabytes"] for row in rows)
    assert list(short) == ["loop", "fused", "checkpointed"]
    assert all(long[engine] > short[engine] for engine in ("loop", "fused"))
    assert long["checkpointed"] < long["fused"] < long["loop"]
