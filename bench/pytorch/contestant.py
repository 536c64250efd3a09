"""PyTorch as a contestant: contestant.py KIND MODEL SETUP LR MOMENTUM WEIGHT_DECAY; see ../protocol.ts."""
import json
import platform
import re
import resource
import struct
import sys
import time

import torch
import torch.nn.functional as F

import resnet


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    dtypes = {"F32": torch.float32, "I32": torch.int32}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        part = torch.frombuffer(data[begin:end], dtype=dtypes[entry["dtype"]])
        tensors[name] = part.reshape(entry["shape"]).clone()
    return tensors


def say(message):
    print(json.dumps(message), flush=True)


def peak_memory():
    try:
        with open("/proc/self/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) * 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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


def timed():
    start = time.perf_counter()
    result = step()
    return time.perf_counter() - start, result


warm_up, results = zip(*[timed() for _ in range(3)])
say(
    {
        "parameters": sum(p.numel() for p in model.parameters()),
        "check": sum(results, []) if kind == "train" else results[0],
        "warmUp": warm_up,
        "versions": {
            "python": platform.python_version(),
            "torch": f"{torch.__version__}, {torch.get_num_threads()} threads",
        },
    }
)
for line in sys.stdin:
    request = json.loads(line)
    if "end" in request:
        break
    say({"seconds": [timed()[0] for _ in range(request["steps"])]})
say({"peak": peak_memory()})
