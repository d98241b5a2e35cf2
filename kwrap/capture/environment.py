"""Environment variables that matter to a training and hold no secret: an allow-list, by name. No other is recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kwrap.capture import redaction

_ALLOWED = re.compile(
    r"(?:CUDA|NCCL|OMP|MKL|OPENBLAS|NUMEXPR|TORCH|PYTORCH|XLA|JAX|TF|HIP|ROCR|KMP)_[A-Z0-9_]+"
    r"|CUDA_VISIBLE_DEVICES|PYTHONHASHSEED|PYTHONUNBUFFERED|PYTHONPATH|PYTHONOPTIMIZE|VIRTUAL_ENV|CONDA_DEFAULT_ENV"
    r"|CONDA_PREFIX|LANG|LC_ALL|TZ|RANK|LOCAL_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|NODE_RANK|GROUP_RANK"
    r"|SLURM_(?:JOB_ID|JOB_NAME|PROCID|LOCALID|NODEID|NTASKS|NNODES|JOB_PARTITION|ARRAY_JOB_ID|ARRAY_TASK_ID"
    r"|RESTART_COUNT|CPUS_PER_TASK|JOB_NUM_NODES|GPUS_ON_NODE)"
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|_KEY\b|APIKEY|_KEY_", re.IGNORECASE)


def capture(environment: Mapping[str, str]) -> dict[str, str]:
    """The recorded part of an environment."""
    return {
        name: redaction.text(value)
        for name, value in sorted(environment.items())
        if _ALLOWED.fullmatch(name) and not _SECRET.search(name)
    }
