"""The training loop, in the open: ``train`` plans and saves, ``train_epoch`` takes the steps."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, set_seed
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from saccade.errors import ConfigError, SaccadeError, TrainingError
from saccade.networks import block_policy, save_weights
from saccade.training.average import MovingAverage
from saccade.training.checkpoint import load_checkpoint, save_checkpoint
from saccade.training.log import write_row
from saccade.training.recipe import StageConfig, TrainConfig, as_tree
from saccade.training.task import FLOW, Task, open_task

POWER = 0.9
"""Of the polynomial schedule."""

PATIENCE = 6
"""Hours that processes wait for each other."""

Report = Callable[[str, int, int], None]
"""Called with (what is going on, optimiser steps done, optimiser steps in all)."""


def train(config: TrainConfig, *, resume: bool = False, report: Report | None = None) -> Path:
    """Train a network by a recipe.

    Writes into ``config.folder``: ``recipe.yaml``, ``log.csv`` (one line per epoch), ``checkpoint.pt``
    (everything needed to resume) and ``weights.safetensors`` (the averaged weights, with metadata); of what
    learns together, the other parts are in files beside it.
    Under ``torchrun`` the same call trains on all processes.

    Args:
        config: The recipe.
        resume: Go on from ``checkpoint.pt``; the result is bit for bit that of an uninterrupted run.
        report: Progress callback.

    Returns:
        The file with the final weights.

    Raises:
        TrainingError: The loss is not finite (the batch is saved), or there is nothing to resume.
        DatasetError: Training data that does not fit the class set.
        SaccadeError: What the network is validated on does not fit it. The epoch is saved all the same.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    accelerator = open_accelerator(config)
    set_seed(config.seed)
    task = open_task(config, accelerator.device)
    plan = [stage for stage in config.stages for _ in range(stage.epochs)]
    steps = [steps_of(task.length(stage), stage, accelerator.num_processes) for stage in plan]

    network = task.network(config)
    network.to(accelerator.device).to(memory_format=torch.channels_last).requires_grad_(True)  # type: ignore[call-overload]
    average = MovingAverage(network, config.ema)
    optimiser = make_optimiser(network, config)
    model, optimiser = accelerator.prepare(task.learner(network), optimiser)

    first = 0
    checkpoint = config.folder / "checkpoint.pt"
    if resume:
        state = load_checkpoint(checkpoint, accelerator.device)
        first = restore(state, checkpoint, network, average, optimiser)
    elif accelerator.is_main_process:
        start_folder(config)

    for epoch in range(first, len(plan)):
        started = time.perf_counter()
        done, total = sum(steps[:epoch]), sum(steps)

        def learning_rate(step: int, done: int = done, total: int = total) -> float:
            return schedule(done + step, total, config)

        def progress(step: int, epoch: int = epoch, done: int = done, total: int = total) -> None:
            if report:
                report(f"epoch {epoch + 1}/{len(plan)}", done + step, total)

        batches = accelerator.prepare(loader(task, plan[epoch], config, epoch))
        loss = train_epoch(
            accelerator=accelerator,
            model=model,
            network=network,
            average=average,
            optimiser=optimiser,
            batches=batches,
            learning_rate=learning_rate,
            progress=progress,
            task=task,
            config=config,
        )
        if accelerator.is_main_process:
            last = epoch + 1 == len(plan)
            result = average.average if config.ema else network
            score, failure = None, None
            if config.validation and (last or (epoch + 1) % config.validate_every == 0):
                try:
                    score = task.validate(result, accelerator.device)
                except SaccadeError as error:
                    failure = error  # the epoch is saved first
            row = {
                "epoch": epoch + 1,
                "learning_rate": learning_rate(steps[epoch] - 1),
                "loss": loss,
                f"validation_{task.score}": score,
                "seconds": time.perf_counter() - started,
            }
            write_row(config.folder / "log.csv", row)
            if last or (epoch + 1) % config.save_every == 0:
                save_checkpoint(checkpoint, snapshot(epoch + 1, config, network, average, optimiser))
                for name, part in task.parts(result).items():
                    save_weights(config.folder / f"{name}.safetensors", part, metadata(config, task, row))
            if failure is not None:
                raise failure
        accelerator.wait_for_everyone()
    return config.folder / "weights.safetensors"


def train_epoch(
    *,
    accelerator: Accelerator,
    model: nn.Module,
    network: nn.Module,
    average: MovingAverage,
    optimiser: Optimizer,
    batches: Any,
    learning_rate: Callable[[int], float],
    progress: Callable[[int], None],
    task: Task,
    config: TrainConfig,
) -> float:
    """One pass over the crops; gives back the mean loss of this process's batches.

    ``model`` is the task's learner around ``network``, as accelerate wrapped it for the devices at hand.
    """
    model.train()
    losses = []
    for step, (images, targets) in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step) * group["lr_factor"]
        inputs = task.inputs(images)
        with accelerator.autocast():
            output = model(*inputs)
        loss = task.loss(output, targets)
        if not torch.isfinite(loss):
            stop_at_bad_batch(config.folder, step, images, targets, loss)
        optimiser.zero_grad()
        accelerator.backward(loss)
        if config.clip_norm:
            accelerator.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimiser.step()
        average.update(network)
        losses.append(loss.detach())
        progress(step + 1)
    return torch.stack(losses).mean().item()


def open_accelerator(config: TrainConfig) -> Accelerator:
    """The devices at hand: one, or one for each process of ``torchrun``, which train together."""
    # Of networks that take turns, or beside a policy that only chooses, some parameters get no gradient.
    partly = config.task == "keyframes" or (config.blocks is not None and config.blocks.choice == "highest")
    unused = DistributedDataParallelKwargs(find_unused_parameters=partly)
    # While the first process validates, the others wait.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=PATIENCE))
    # Without being told, accelerate lets each process of torchrun train alone where there is no GPU.
    together = "LOCAL_RANK" in os.environ and not torch.cuda.is_available()
    return Accelerator(
        cpu=together,
        mixed_precision=mixed_precision(config.precision),
        kwargs_handlers=[unused, patience],
    )


def steps_of(crops: int, stage: StageConfig, processes: int) -> int:
    """Optimiser steps of one epoch of a stage: as many batches as there are for every process.

    Raises:
        ConfigError: Several processes, and no batch for each.
    """
    steps = max(1, crops // stage.batch_size) // processes
    if steps == 0:
        raise ConfigError(
            f"an epoch of {crops} crops has no batch of {stage.batch_size} for each of {processes} "
            "processes; use fewer, a smaller batch_size, or the data more often (repeat)"
        )
    return steps


def loader(task: Task, stage: StageConfig, config: TrainConfig, epoch: int) -> DataLoader:
    """Batches of one epoch; a last smaller batch is dropped unless it is the only one."""
    return DataLoader(
        task.crops(stage, epoch),
        batch_size=stage.batch_size,
        num_workers=config.workers,
        drop_last=task.length(stage) >= stage.batch_size,
        pin_memory=torch.cuda.is_available(),
    )


def schedule(step: int, total: int, config: TrainConfig) -> float:
    """Learning rate at a step: linear warm-up, then half a cosine or a polynomial; or in steps."""
    if config.schedule == "steps":
        warm_up = config.warmup_share if step < config.warmup_steps else 1.0
        return config.lr * warm_up * 0.1 ** sum(step >= share * total for share in config.drops)
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule == "poly":
        left = (total - step) / max(1, total - config.warmup_steps)
        return float(config.lr * left**POWER)
    part = (step - config.warmup_steps) / max(1, total - 1 - config.warmup_steps)
    return config.lr_end + (config.lr - config.lr_end) * (1 + math.cos(math.pi * min(1.0, part))) / 2


def make_optimiser(network: nn.Module, config: TrainConfig) -> Optimizer:
    """The optimiser; weight decay on convolutions only, own factors for backbone, block policy and flow."""
    groups = []
    factors = {
        "backbone": (config.backbone_lr_factor, config.backbone_decay_factor),
        block_policy.NAME: (config.blocks.policy_lr_factor if config.blocks else 1.0, 1.0),
        FLOW: (config.keyframes.flow_lr_factor, 1.0),
        "": (1.0, 1.0),
    }
    parts: dict[str, list[tuple[str, nn.Parameter]]] = {part: [] for part in factors}
    for name, parameter in network.named_parameters():
        part = next((part for part in factors if part in name.split(".")), "")
        parts[part].append((name, parameter))
    for part, (lr_factor, decay_factor) in factors.items():
        named = parts[part]
        for decays in (True, False):
            parameters = [p for _, p in named if (p.ndim > 1) == decays]
            decay = config.weight_decay * decay_factor if decays else 0.0
            groups.append({"params": parameters, "weight_decay": decay, "lr_factor": lr_factor})
    groups = [g for g in groups if g["params"]]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=0.9, nesterov=True)
    adam = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return adam(groups, lr=config.lr, betas=config.betas, fused=True)


def mixed_precision(precision: str) -> str:
    """Accelerate's name for a recipe's precision; ``auto`` is bf16 where the hardware computes it."""
    if precision == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if torch.cuda.is_available()
            else torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
        precision = "bf16" if native else "fp32"
    if precision == "fp16" and not torch.cuda.is_available():
        raise ConfigError("training in fp16 needs a CUDA device; use precision: auto, bf16 or fp32")
    return "no" if precision == "fp32" else precision


def start_folder(config: TrainConfig) -> None:
    """A fresh folder of a run, with its recipe."""
    try:
        config.folder.mkdir(parents=True, exist_ok=True)
        (config.folder / "recipe.yaml").write_text(yaml.safe_dump(as_tree(config), sort_keys=False))
        (config.folder / "log.csv").unlink(missing_ok=True)
    except OSError as error:
        raise TrainingError(
            f"cannot write to {config.folder}: {error.strerror}; choose another with --set output=DIR"
        ) from error


def snapshot(
    epochs: int, config: TrainConfig, network: nn.Module, average: MovingAverage, optimiser: Optimizer
) -> dict[str, Any]:
    """Everything the next epoch depends on."""
    return {
        "epochs": epochs,
        "network_name": config.network,
        "network": network.state_dict(),
        "average": average.average.state_dict(),
        "updates": average.updates,
        "optimiser": optimiser.state_dict(),
    }


def restore(
    state: dict[str, Any], path: Path, network: nn.Module, average: MovingAverage, optimiser: Optimizer
) -> int:
    """Put a snapshot back; returns the number of finished epochs."""
    try:
        network.load_state_dict(state["network"])
        average.average.load_state_dict(state["average"])
        average.updates = state["updates"]
        optimiser.load_state_dict(state["optimiser"])
        return int(state["epochs"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{path} belongs to another recipe ({str(error).splitlines()[0]}); resume with the recipe "
            "that wrote it, or start again without --resume"
        ) from error


def stop_at_bad_batch(folder: Path, step: int, images: Tensor, targets: Tensor, loss: Tensor) -> None:
    """Keep the batch that made the loss NaN or infinite, and stop."""
    path = folder / "bad_batch.pt"
    torch.save({"images": images.cpu(), "labels": targets.cpu(), "step": step}, path)
    raise TrainingError(
        f"the loss became {loss.item()} at step {step} of the epoch; the batch is saved in {path}. "
        "Lower lr or clip_norm, or go on from the last epoch with --resume"
    )


def metadata(config: TrainConfig, task: Task, row: dict[str, Any]) -> dict[str, str]:
    """What is written beside the weights."""
    score = f"validation_{task.score}"
    return {
        "network": config.network,
        "class_set": "" if task.classes is None else task.classes.name,
        "recipe": config.name,
        "seed": str(config.seed),
        "epochs": str(row["epoch"]),
        score: "" if row[score] is None else f"{row[score]:.4f}",
        **task.metadata(),
    }
