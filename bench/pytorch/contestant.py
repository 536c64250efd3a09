"""PyTorch as a contestant: contestant.py KIND MODEL SETUP LR MOMENTUM WEIGHT_DECAY; see ../protocol.ts."""
import sys

import torch
import torch.nn.functional as F

import resnet
from protocol import read_safetensors, serve

kind, name, setup = sys.argv[1:4]
lr, momentum, weight_decay = map(float, sys.argv[4:7])
tensors = read_safetensors(setup)
images = tensors.pop("input.images")
labels = tensors.pop("input.labels").long()
model = resnet.create(name)
model.load_state_dict(tensors)
del tensors

if kind == "train":
    model.train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return [loss.item()]

else:
    model.eval()

    def step():
        with torch.inference_mode():
            return model(images)[0].tolist()


serve(step, sum(p.numel() for p in model.parameters()), every_check=kind == "train")
