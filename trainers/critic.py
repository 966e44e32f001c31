"""The critic of PPO: a value head, on the policy's own hidden states or on a model of its own.

Shape legend: S samples (steps), T states (a step's first, or one for each token), E model width.

V(s) is read where the policy is about to speak: at the last token of the prompt, and at the token level at each token
before the one to come. A shared critic costs an update nothing but the head, for these states are what the policy's
logits are made of. The head begins at zero, on hidden states standardised by the first batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..agents.lora import load_lora, save_lora, trainable_parameters
from ..agents.reward_model.learned import load_network
from ..agents.reward_model.network import RewardNetwork, add_adapter, load_backbone
from ..rewards.reward_model.versions import read_manifest, resolve_version
from ..sandbox.errors import EngineError
from .pack_forward import PackForward, forward_pack
from .ppo_config import CriticConfig, PPOConfig
from .token_samples import TokenSample
from .trie import make_packs
from .value_loss import value_loss

Ids = tuple[int, ...]
_HEADS, _ADAPTER, _OPTIMIZER, _STATE = "heads.safetensors", "adapter", "optimizer.pt", "critic.json"


class Critic:
    """See the module's docstring; build it with `build_critic`.

    Args:
        network: backbone and head; the backbone is the policy's model if `shared`.
        shared: whether it is.
        per_token: one value for each response token, not one for each step.
        config: learning rates, and whether the value loss stops at the head.
        value_coef: weight of the value loss.
        value_clip: see `value_loss`.
        max_grad_norm: gradient norm bound of the critic's own weights.
        pack_tokens: most tokens in one forward pass.

    Attributes:
        ready: whether the head has been trained, or its hidden states been standardised.
        parameters: its own weights: the head's, and a separate backbone's adapter.
    """

    def __init__(
        self,
        network: RewardNetwork,
        *,
        shared: bool,
        per_token: bool,
        config: CriticConfig,
        value_coef: float,
        value_clip: float | None,
        max_grad_norm: float,
        pack_tokens: int,
        ready: bool = False,
    ) -> None:
        self.network, self.shared, self.per_token, self.ready = network, shared, per_token, ready
        self._detach = shared and config.stop_gradient
        self._value_coef, self._value_clip = value_coef, value_clip
        self._max_grad_norm, self._pack_tokens = max_grad_norm, pack_tokens
        head = [network.weight_HE, network.bias_H]
        groups: list[dict[str, Any]] = [{"params": head, "lr": config.learning_rate}]
        if not shared:
            own = list(trainable_parameters(network.backbone))
            groups.append({"params": own, "lr": config.adapter_learning_rate})
        self.parameters = [p for group in groups for p in group["params"]]
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)

    def values(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, ...]]:
        """Return V of each (prompt_ids, response_ids): one number, or one for each response token."""
        with torch.no_grad():
            hidden = self._token_states(pairs) if self.per_token else self._prompt_states([p for p, _ in pairs])
            if not self.ready and pairs:
                self.network.standardise(torch.cat(hidden))
                self.ready = True
            return [tuple(self._read(h).tolist()) for h in hidden]

    def value_of_prompts(self, prompts: Sequence[Ids]) -> list[float]:
        """Return V of states in which nothing was said: what cut-short episodes go on from."""
        with torch.no_grad():
            return [float(self._read(h)[0]) for h in self._prompt_states(prompts)] if prompts else []

    def loss(
        self, forward: PackForward, samples: Sequence[TokenSample], share: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted value loss of a pack's samples, and detached value_loss and value_clip_fraction."""
        counts = torch.tensor([len(s.value_targets) for s in samples])
        if not self.shared:
            hidden_TE = self.network.hidden([s.prompt_ids for s in samples], max_tokens=self._pack_tokens)
        else:
            lengths = torch.tensor([len(s.response_ids) for s in samples])
            first_S = lengths.cumsum(0) - lengths
            rows_T = forward.predictor_R if self.per_token else forward.predictor_R[first_S]
            hidden_TE = forward.hidden_P[rows_T].float()
        values_T = self._read(hidden_TE.detach() if self._detach else hidden_TE)
        loss, bound = value_loss(
            values_T,
            torch.tensor([v for s in samples for v in s.old_values]),
            torch.tensor([v for s in samples for v in s.value_targets]),
            (share / counts).repeat_interleave(counts),
            clip=self._value_clip,
        )
        return self._value_coef * loss, {"value_loss": loss.detach(), "value_clip_fraction": bound}

    def step(self) -> None:
        """Update the critic's own weights from the gradients collected, and clear them."""
        torch.nn.utils.clip_grad_norm_(self.parameters, self._max_grad_norm)
        self._optimizer.step()
        self.clear()

    def clear(self) -> None:
        """Drop the gradients collected."""
        self._optimizer.zero_grad(set_to_none=True)

    def _read(self, hidden_TE: Tensor) -> Tensor:
        network = self.network
        features_TE = (hidden_TE.float() - network.mean_E) / network.scale_E
        return functional.linear(features_TE, network.weight_HE, network.bias_H)[:, 0]

    def _prompt_states(self, prompts: Sequence[Ids]) -> list[Tensor]:
        return list(torch.split(self.network.hidden(prompts, max_tokens=self._pack_tokens), 1))

    def _token_states(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        for pack in make_packs(pairs, max_tokens=self._pack_tokens):
            forward = forward_pack(self.network.backbone, pack)
            hidden_TE = forward.hidden_P[forward.predictor_R].float()
            parts = torch.split(hidden_TE, [len(pairs[i][1]) for i in pack.samples])
            found |= dict(zip(pack.samples, parts, strict=True))
        return [found[i] for i in range(len(pairs))]

    def save(self, folder: Path) -> None:
        """Write everything that resuming needs into a folder, which is made."""
        folder.mkdir(parents=True)
        self.network.save_heads(folder / _HEADS)
        if not self.shared:
            save_lora(self.network.backbone, folder / _ADAPTER)
        torch.save(self._optimizer.state_dict(), folder / _OPTIMIZER)
        (folder / _STATE).write_text(json.dumps({"ready": self.ready}), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Go back to what `save` wrote; a separate critic's adapter is read by `build_critic`.

        Raises:
            EngineError: the folder is damaged.
        """
        self.network.load_heads(folder / _HEADS)
        try:
            self._optimizer.load_state_dict(torch.load(folder / _OPTIMIZER, weights_only=True))
            self.ready = bool(json.loads((folder / _STATE).read_text(encoding="utf-8"))["ready"])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EngineError(
                f"cannot load the critic in {folder}: {error}. Delete the checkpoint that holds it to resume from the "
                "one before."
            ) from error


def build_critic(
    config: PPOConfig, policy: Any, tokenizer: Any, *, dtype: torch.dtype, saved: Path | None = None
) -> Critic:
    """Return the critic of a run.

    Args:
        config: the run's.
        policy: the policy's model, with its adapter.
        tokenizer: the policy's.
        dtype: arithmetic of a separate backbone.
        saved: folder that `Critic.save` wrote; None begins anew.

    Raises:
        EngineError: the backbone or the reward model cannot be loaded, or reads other tokens than the policy.
        RewardError: there is no such version of the reward model.
    """
    critic = Critic(
        _network(config, policy, tokenizer, dtype, None if saved is None else saved / _ADAPTER),
        shared=config.critic.backbone == "shared",
        per_token=config.gae_level == "token",
        config=config.critic,
        value_coef=config.value_coef,
        value_clip=config.value_clip,
        max_grad_norm=config.max_grad_norm,
        pack_tokens=config.pack_tokens,
        ready=config.critic.reward_model is not None,
    )
    if saved is not None:
        critic.load(saved)
    return critic


def _network(config: PPOConfig, policy: Any, tokenizer: Any, dtype: torch.dtype, adapter: Path | None) -> RewardNetwork:
    critic = config.critic
    if critic.backbone == "shared":
        return _silent(RewardNetwork(policy, heads=1))
    if critic.reward_model is not None:
        return _from_reward_model(critic.reward_model, tokenizer, dtype, adapter)
    base, _, pooling = load_backbone(config.model, layers=critic.layers, dtype=dtype)
    lora = critic.lora
    fresh = add_adapter(base, rank=lora.rank, alpha=lora.alpha, seed=config.seed) if adapter is None else None
    return _silent(RewardNetwork(load_lora(base, adapter) if adapter else fresh, heads=1, pooling=pooling))


def _from_reward_model(path: Path, tokenizer: Any, dtype: torch.dtype, adapter: Path | None) -> RewardNetwork:
    """Take over a version's backbone, adapter and standardisation, and the mean of its heads."""
    folder = resolve_version(path)
    manifest = read_manifest(folder)
    trained, its_tokenizer = load_network(folder, manifest, trainable=True, dtype=dtype)
    if len(its_tokenizer) != len(tokenizer) or its_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise EngineError(
            f"the reward model in {folder} reads other tokens ({manifest.backbone}, {len(its_tokenizer)} of them) than "
            f"the policy ({len(tokenizer)}). Train one on the policy's backbone, or leave critic.reward_model out."
        )
    backbone = trained.backbone
    if adapter is not None:
        base, _, _ = load_backbone(manifest.backbone, layers=manifest.layers, dtype=dtype)
        backbone = load_lora(base, adapter)
    network = RewardNetwork(backbone, heads=1, pooling=trained.pooling)
    with torch.no_grad():
        network.weight_HE.copy_(trained.weight_HE.mean(0, keepdim=True))
        network.bias_H.copy_(trained.bias_H.mean(0, keepdim=True))
    network.mean_E, network.scale_E = trained.mean_E, trained.scale_E
    return network


def _silent(network: RewardNetwork) -> RewardNetwork:
    """Let the head begin at zero."""
    with torch.no_grad():
        network.weight_HE.zero_()
    return network


__all__ = ["Critic", "build_critic"]
