"""What every PyTorch contestant needs: its file, and the lines that it exchanges with the benchmark; see ../protocol.ts."""
import json
import platform
import re
import resource
import struct
import sys
import time

import torch


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


def timed(step):
    start = time.perf_counter()
    result = step()
    return time.perf_counter() - start, result


def serve(step, parameters, every_check):
    """Warms up, says what was computed (by every warm-up step, or by the first), and answers rounds."""
    warm_up, results = zip(*[timed(step) for _ in range(3)])
    say(
        {
            "parameters": parameters,
            "check": sum(results, []) if every_check else results[0],
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
        say({"seconds": [timed(step)[0] for _ in range(request["steps"])]})
    say({"peak": peak_memory()})
