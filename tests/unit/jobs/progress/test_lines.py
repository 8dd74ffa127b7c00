"""What single lines and bars say, as the libraries write them."""

import math

import pytest

from mlops_desk.jobs.progress.bars import bar
from mlops_desk.jobs.progress.reader import line, loss_in

SAID = [
    # tqdm, in all its spellings
    ("  0%|          | 0/60 [00:00<?, ?it/s]", {"source": "tqdm", "step": 0, "total": 60}),
    (" 62%|██████▏   | 1163/1875 [00:12<00:07, 94.21it/s]",
     {"step": 1163, "total": 1875, "unit": "it", "rate": 94.21, "left_seconds": 7}),
    ("steps:  20%|##        | 1/5 [00:01<00:04,  1.25s/it]", {"name": "steps", "rate": 0.8, "left_seconds": 4}),
    ("pretrain:  40%|████      | 1.20M/3.00M [00:00<00:00, 3.27Mtok/s]",
     {"step": 1.2e6, "total": 3e6, "unit": "tok", "rate": 3.27e6}),
    ("a: 40%|█ | 1,163/2,000 [1:02:03<2:03:04, 4.00s/it, loss=0.1]", {"step": 1163, "left_seconds": 7384, "rate": 0.25}),
    ("0it [00:00, ?it/s]", {"source": "tqdm", "step": 0, "total": None, "rate": None}),
    ("40img [00:00, 49.14img/s]", {"step": 40, "total": None, "unit": "img", "rate": 49.14}),
    ("Epoch 2/3:  33%|███▎      | 10/30 [00:00<00:00, 94.46it/s, acc=0.5, loss=0.0435]",
     {"epoch": 2, "epochs": 3, "step": 10, "total": 30}),
    ("epochs:  25%|██▌       | 1/4 [00:00<00:01,  2.96it/s]", {"passed": 1, "epochs": 4, "unit": "epoch"}),
    # Lightning
    ("Epoch 3:  62%|██████▏   | 1163/1875 [00:12<00:07, 94.21it/s, v_num=0, train_loss=0.123]",
     {"source": "lightning", "epoch": 3, "epochs": None, "step": 1163}),
    ("Epoch 0: |          | 5/? [00:00<00:00, 12.1it/s, v_num=1]", {"source": "lightning", "step": 5, "total": None}),
    ("Epoch 0/2 ━━━━━━━━━━━━╸━━━━━━━ 9/20 0:00:00 • 0:00:01 94.21it/s v_num: 0.000 train_loss: 0.231",
     {"source": "lightning", "epoch": 0, "epochs": 3, "step": 9, "total": 20, "rate": 94.21, "left_seconds": 1}),
    ("Working... ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  62% 0:00:07", {"source": "rich", "step": 62, "total": 100}),
    # Keras, now and before
    ("125/1875 ━━━━━━━━━━━━━━━━━━━━ 12s 4ms/step - accuracy: 0.8 - loss: 0.5",
     {"source": "keras", "step": 125, "total": 1875, "rate": 250}),
    ("125/1875 [=>............................] - ETA: 12s - loss: 0.5432", {"step": 125, "left_seconds": 12}),
    ("125/1875 [=>............................] - ETA: 1:02 - loss: 0.5432", {"left_seconds": 62}),
    ("16/16 - 1s - 35ms/step - accuracy: 0.5527 - loss: 0.6784", {"source": "keras", "step": 16, "total": 16}),
    # what people print
    ("Epoch [3/10], Step [100/600], Loss: 0.2544", {"epoch": 3, "epochs": 10, "step": 100, "total": 600}),
    ("Train Epoch: 3 [25600/60000 (43%)]\tLoss: 0.2122", {"epoch": 3, "epochs": None, "step": 25600, "total": 60000}),
    ("Epoch: [3][ 100/5005]\tTime  0.28 ( 0.31)\tLoss 6.9e+00", {"epoch": 3, "step": 100, "total": 5005}),
    ("| epoch   1 |   200/ 2928 batches | lr 5.00 | ms/batch 12.1 | loss  7.24", {"epoch": 1, "step": 200}),
    (" iteration      100/  500000 | consumed samples: 25600 | lm loss: 9.1E+00 |", {"step": 100, "total": 500000}),
    ("iter 5000: loss 2.9312, time 123.45ms, mfu 31.2%", {"step": 5000, "total": None, "unit": "iteration"}),
    ("step 100/1000", {"step": 100, "total": 1000, "unit": "step"}),
    ("Step 100 of 1000", {"step": 100, "total": 1000}),
    ("global_step: 120", {"step": 120, "unit": "step"}),
    ("Epoch: 3 | loss: 0.123", {"epoch": 3, "epochs": None, "ended": True}),
    ("Epoch 3/10 train_loss=0.4", {"epoch": 3, "epochs": 10, "ended": True}),
    ("Epoch 3/10", {"epoch": 3, "epochs": 10, "ended": False}),
    ("{'loss': 0.2, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 0.33}",
     {"source": "transformers", "passed": 0.33}),
    # the rest
    ("[100]\ttrain-auc:0.96032\ttrain-logloss:0.51835", {"source": "boosting", "step": 100, "total": None}),
    ("12:\tlearn: 0.5321\ttest: 0.553\tbest: 0.55 (12)\ttotal: 1.2s\tremaining: 1m 10s",
     {"source": "boosting", "step": 13, "left_seconds": 70}),
    ("0         2.312345    1.23422     0.912     00:12", {"source": "fastai", "epoch": 0, "ended": True}),
    ("Epoch 1/3 : |██████--------------| 33.33% [1/3 00:12<00:24]", {"source": "fastai", "passed": 1, "epochs": 3}),
    ("[04/12 10:00:01 d2.utils.events]:  eta: 0:12:34  iter: 199  total_loss: 1.2", {"step": 199, "left_seconds": 754}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), SAID)
def test_what_a_line_says(text, said):
    tick = bar(text) or line(text.lower())
    assert {name: pytest.approx(getattr(tick, name)) for name in said} == said


NOTHING = [
    "2024-01-01 10:00:00 INFO worker 3 handled request /api/v1/thing in 12ms",
    "num_epochs: 10",
    "Namespace(epochs=10, batch_size=32, max_steps=1000, warmup_steps=500)",
    "Loaded 50000/50000 files from /data/a/b",
    "accuracy 3/4",
    "step 12/10",
    "GET /epoch/style.css 200",
    "epoch -3",
    "batch_size: 64",
    "",
]


@pytest.mark.parametrize("text", NOTHING)
def test_what_tells_of_no_progress(text):
    assert (bar(text) or line(text.lower())) is None


LOSSES = [
    ("loss: 0.5", 0.5),
    ("{'loss': 0.0667, 'epoch': 1.0}", 0.0667),
    ("{'loss': '2.3'}", 2.3),
    ("train_loss=0.123", 0.123),
    ("Train Loss: 1.5e-3", 1.5e-3),
    ("lm loss: 9.1E+00", 9.1),
    ("loss=tensor(nan, device='cuda:0')", math.nan),
    ("Loss nan (nan)", math.nan),
    ("loss: -inf", -math.inf),
    ("val_loss: nan", None),
    ("Validation loss: nan", None),
    ("eval/loss=inf", None),
    ("best loss: inf", None),
    ("loss: 0.3 val_loss: nan", 0.3),
    ("val_loss: nan loss: 0.3", 0.3),
    ("glossary: 12", None),
    ("the loss function is nan-safe", None),
    ("loss_fn: 3", None),
]


@pytest.mark.parametrize(("text", "loss"), LOSSES)
def test_the_loss_of_a_training(text, loss):
    found = loss_in(text.lower())
    assert found == loss or (loss is not None and math.isnan(loss) and found is not None and math.isnan(found))
