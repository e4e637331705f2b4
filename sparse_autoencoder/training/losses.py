"""The training loss of TopK autoencoders: reconstruction error, and AuxK, which keeps latents from dying.

From "Scaling and evaluating sparse autoencoders" (Gao et al., 2024, arXiv:2406.04093), sections 2.3 and A.2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.model import Autoencoder, TopK


@dataclass(frozen=True)
class AuxK:
    """The auxiliary loss: the `k` strongest dead latents predict the error that the live ones leave.

    `coefficient` weighs it against the reconstruction error.
    """

    k: int
    coefficient: float = 1 / 32


@dataclass(frozen=True)
class Loss:
    """The loss of a batch, to be minimised, and what it was made of."""

    total: Tensor
    fvu: Tensor  # fraction of variance unexplained, without a gradient
    active: Tensor  # [n_latents], bool: active at any of the batch's inputs


def topk_loss(autoencoder: Autoencoder, x: Tensor, dead: Tensor, auxk: AuxK) -> Loss:
    """The loss for inputs `x` [batch, n_inputs]: FVU, plus AuxK if at least `auxk.k` latents are `dead` [n_latents].

    Raises TypeError if the autoencoder's activation isn't TopK.
    """
    if not isinstance(autoencoder.activation, TopK):
        raise TypeError(f"this loss is for TopK autoencoders, not for {type(autoencoder.activation).__name__}")
    normalised, _ = autoencoder.preprocess(x)
    centred = normalised - autoencoder.pre_bias
    with torch.no_grad():  # only which latents are strongest: decode_chosen computes their values, with gradients
        pre_activations = functional.linear(centred, autoencoder.encoder.weight, autoencoder.latent_bias)
        strongest = pre_activations.topk(autoencoder.activation.k, sorted=False).indices
    decoded, activations = decode_chosen(autoencoder, centred, strongest)
    active = torch.zeros(autoencoder.n_latents, dtype=torch.bool, device=x.device)
    active[strongest[activations > 0]] = True
    error = centred - decoded
    fvu = error.square().mean() / (normalised - normalised.mean(dim=0)).square().mean()
    if int(dead.sum()) < auxk.k:
        return Loss(fvu, fvu.detach(), active)
    target = error.detach()
    strongest_dead = pre_activations.masked_fill_(~dead, -torch.inf).topk(auxk.k, sorted=False).indices
    predicted, _ = decode_chosen(autoencoder, centred, strongest_dead)
    auxiliary = (target - predicted).square().mean() / target.square().mean()
    return Loss(fvu + auxk.coefficient * auxiliary, fvu.detach(), active)


def decode_chosen(autoencoder: Autoencoder, centred: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """What the `chosen` latents [batch, k] of `centred` inputs [batch, n_inputs] decode to, and their activations.

    The same as encoding and decoding densely with all other latents at 0, but only the chosen directions are multiplied
    and differentiated, which is several times as fast. `pre_bias` isn't added.
    """
    encoder, bias, decoder = autoencoder.encoder.weight, autoencoder.latent_bias, autoencoder.decoder.weight
    products = (functional.embedding(chosen, encoder) @ centred[:, :, None]).squeeze(-1)
    activations = functional.relu(products + functional.embedding(chosen, bias[:, None]).squeeze(-1))
    decoded = functional.embedding_bag(chosen, decoder.T.contiguous(), per_sample_weights=activations, mode="sum")
    return decoded, activations
