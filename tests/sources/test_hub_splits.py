import logging

import pytest

from seqkit.errors import SourceError
from seqkit.sources import HubDataset

from .conftest import read, write

pytestmark = pytest.mark.usefixtures("offline")

ROWS = [{"text": "one"}, {"text": "two"}, {"text": "three"}]
TEXTS = ["one\n", "two\n", "three\n"]


class TestSplits:
    def test_those_of_the_dataset(self) -> None:
        for split in ("train", "validation", "test"):
            write(f"d/{split}-0.jsonl", [{"text": split}])
        assert read("d") == {split: [split + "\n"] for split in ("train", "validation", "test")}

    @pytest.mark.parametrize("name", ["d/train.jsonl", "d/training_part.jsonl", "d/train/a.jsonl"])
    def test_a_folder_that_says_train_has_that_split_and_no_other(self, name: str) -> None:
        write(name, ROWS)
        assert HubDataset("d").splits == ("train",)

    @pytest.mark.parametrize("name", ["d/constrained.jsonl", "d/a.jsonl"])
    def test_a_folder_that_says_nothing_is_one_text(self, name: str) -> None:
        write(name, ROWS)
        assert HubDataset("d").splits == ("all",)

    def test_a_mapping_turns_one_into_the_other(self) -> None:
        write("d/train.jsonl", ROWS)
        assert read("d", split={"all": "train"}) == {"all": TEXTS}
        assert read("d/train.jsonl", split={"train": "train"}) == {"train": TEXTS}

    def test_a_saved_dict(self, caplog: pytest.LogCaptureFixture) -> None:
        import datasets

        parts = {name: datasets.Dataset.from_list([{"text": name}]) for name in ("train", "dev", "extra")}
        datasets.DatasetDict(parts).save_to_disk("saved")
        with caplog.at_level(logging.WARNING):
            assert HubDataset("saved").splits == ("train",)
        assert "the splits dev, extra are not used; assign them with split = {train = " in caplog.text
        assert read("saved", split={"validation": "dev", "train": "extra+train"}) == {
            "train": ["extra\n", "train\n"],
            "validation": ["dev\n"],
        }

    @pytest.mark.parametrize("kind", ["a.jsonl", "saved"])
    def test_slices(self, kind: str) -> None:
        write(kind, [{"text": str(i)} for i in range(10)])
        got = read(kind, split={"train": "train[:70%]", "validation": "train[70%:90%]", "test": "train[-1:]"})
        assert {split: len(rows) for split, rows in got.items()} == {"train": 7, "validation": 2, "test": 1}
        assert got["validation"] == ["7\n", "8\n"]

    def test_slices_that_share_rows_are_refused(self) -> None:
        write("a.jsonl", ROWS)
        with pytest.raises(SourceError, match=r"train and validation share rows of 'train'.*\n.*\[90%:\]"):
            read("a.jsonl", split={"train": "train", "validation": "train[:1]"})
        with pytest.raises(SourceError, match="two splits of .* have the same rows"):
            read("a.jsonl", split={"train": "train", "validation": "train"}, streaming=True)

    @pytest.mark.parametrize("spec", ["train[:1x]", "train[:200%]"])
    def test_an_invalid_slice(self, spec: str) -> None:
        with pytest.raises(SourceError, match=r"is not a valid slice: .*\n  Use valid slices"):
            read(write("a.jsonl", ROWS), split={"train": spec})

    def test_a_stream_is_not_sliced(self) -> None:
        with pytest.raises(SourceError, match=r"a stream has only whole splits.\n  Use streaming = false"):
            HubDataset(write("a.jsonl", ROWS), split={"train": "train[:1]"}, streaming=True)

    def test_unknown_ones_are_listed(self) -> None:
        write("d/train.jsonl", ROWS)
        write("d/test.jsonl", ROWS)
        with pytest.raises(SourceError, match="no split 'dev', as given for validation; it has train, test"):
            HubDataset("d", split={"train": "train", "validation": "dev"})
        with pytest.raises(SourceError, match="no split 'validation'; the source has train, test"):
            list(HubDataset("d").pieces("validation"))
        with pytest.raises(SourceError, match="or the key all on its own. It has validation"):
            HubDataset("d", split={"validation": "test"})

    def test_a_dataset_without_train(self) -> None:
        write("d/test.jsonl", ROWS)
        with pytest.raises(SourceError, match=r"no split called train; it has test.\n.*\{train = \"test\"\}"):
            HubDataset("d")
        assert read("d", split={"train": "test"}) == {"train": TEXTS}
