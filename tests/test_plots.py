from pathlib import Path

from seqkit.plots import plot_loss


def test_the_picture_is_a_png_with_or_without_validation(workdir: Path) -> None:
    rows = [
        {"step": i, "split": split, "loss": 3.0 / i} for i in range(1, 9) for split in ("train", "validation")
    ]
    sizes = []
    for name, chosen in (("both.png", rows), ("train.png", rows[::2])):
        plot_loss(chosen, workdir / name, "a title")
        data = (workdir / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        sizes.append(len(data))
    assert sizes[0] > sizes[1]
