"""The trainer against the training loop of the article that seqkit grew from."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from seqkit import SequenceModel, Trainer
from seqkit.cells import RNN

VOCAB, HIDDEN, BATCH, TIME, STEPS = 11, 16, 4, 12, 20


def article_loop(rnn: RNN, data: DataLoader, optimizer: torch.optim.Optimizer) -> list[float]:
    """Zero the hidden state, step through time, sum the losses, back-propagate, clip to 3, step."""
    loss_fn = nn.CrossEntropyLoss()
    losses = []
    for inputs, targets in data:
        hidden = rnn.init_zero_hidden(batch_size=len(inputs))
        rnn.zero_grad()
        loss = torch.zeros(())
        for t in range(inputs.shape[1]):
            out, hidden = rnn(inputs[:, t].reshape(-1, 1).float(), hidden)
            loss = loss + loss_fn(out, targets[:, t])
        loss.backward()
        nn.utils.clip_grad_norm_(rnn.parameters(), 3)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_twenty_steps_give_the_weights_of_the_articles_loop() -> None:
    ids = torch.randint(VOCAB, (BATCH * STEPS, TIME + 1))
    data = DataLoader(TensorDataset(ids[:, :-1], ids[:, 1:]), batch_size=BATCH)
    theirs = RNN(1, HIDDEN, output_size=VOCAB)
    ours = RNN(1, HIDDEN, output_size=VOCAB)
    ours.load_state_dict(theirs.state_dict())
    sums = article_loop(theirs, data, torch.optim.SGD(theirs.parameters(), lr=0.1))

    model = SequenceModel(ours, encoder="raw", head="none")
    trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), loss_over_time="sum", state="reset")
    history = trainer.fit(data, steps=STEPS)

    assert len(sums) == len(history.losses) == STEPS
    for name, weight in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        torch.tensor(list(history.losses)), torch.tensor(sums) / TIME, rtol=0, atol=1e-5
    )
    assert max(sums) > TIME  # the loop did train on a loss
