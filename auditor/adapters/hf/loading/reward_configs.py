"""What a config says of a reward model: that it is one, what its outputs are called, whether a token can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor.errors import ModelLoadError

# Decoders whose classifier is written out in transformers, but reads one token as the shared one does.
_READ_AT_A_TOKEN = frozenset({"bloom", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "mpt", "opt"})
# What transformers' classifiers have where a config does not say.
_DEFAULT_OUTPUTS = 2
# A head of more is none: the number in the config is damaged.
_MOST_OUTPUTS = 100_000
# What an adapter's file calls a head that it brings; the longer name where embeddings were resized.
_HEADS = (".model.score.weight", ".model.score.modules_to_save.weight")
_ELSEWHERE = "Let its own code score the texts, and read the rewards: audit analyse FILE --quantity reward."


def is_reward_model(
    config: Mapping[str, Any],
    adapter: Mapping[str, Any] | None = None,
    brought: Mapping[str, Sequence[int]] | None = None,
) -> bool:
    """Whether the model scores whole sequences, its adapter included.

    An adapter says so, or brings a head: ``modules_to_save=["score"]`` is often given without a task type.

    Args:
        adapter: config of an adapter on it, None where there is none.
        brought: shape of each tensor of that adapter, None where there is none, or nothing is known of it.
    """
    said = (adapter or {}).get("task_type") == "SEQ_CLS"
    return bool(_classifiers(config)) or said or any(name.endswith(_HEADS) for name in brought or ())


def check_reads_tokens(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse what does not give every token a reward of which the last one's is the text's.

    Raises:
        ModelLoadError: it is an encoder, or has a head of its own.
    """
    import transformers
    from transformers.modeling_layers import GenericForSequenceClassification
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as KNOWN

    kind = str(config.get("model_type"))
    name = KNOWN.get(kind)
    named = _classifiers(config)
    if isinstance(name, str) and set(named) <= {name}:
        model = getattr(transformers, name)
        if kind in _READ_AT_A_TOKEN or issubclass(model, GenericForSequenceClassification):
            return
    raise ModelLoadError(
        f"this reward model ({', '.join(named) or kind}) is no decoder whose last token is read by one linear head",
        where=str(folder),
        fix=f"Classifiers of transformers' decoders are audited, such as LlamaForSequenceClassification. {_ELSEWHERE}",
    )


def output_names(
    config: Mapping[str, Any], folder: Path, adapter: Mapping[str, Sequence[int]] | None = None
) -> tuple[str, ...]:
    """What a reward model's outputs are called, in their order; numbered where names are missing or not unique.

    Args:
        folder: of the config or the adapter, for messages.
        adapter: shape of each tensor of an adapter on it, None where there is none, or nothing is known of it.

    Raises:
        ModelLoadError: no head has such a number of outputs; or the base is no classifier, and the adapter brings none.
    """
    labels = config.get("id2label")
    names = {str(at): str(name) for at, name in labels.items()} if isinstance(labels, dict) else {}
    count = len(names) or config.get("num_labels")
    if count is None:
        count = _DEFAULT_OUTPUTS
    if not _classifiers(config):
        count = 1 if adapter is None else _brought(adapter, folder)
    # True is a number to Python.
    if type(count) is not int or not 0 < count <= _MOST_OUTPUTS:
        raise ModelLoadError(
            f"the reward model is said to have {count!r:.40} outputs, no number from 1 to {_MOST_OUTPUTS:,}",
            where=str(folder),
            fix="Mend num_labels in config.json, or give an adapter that was saved whole.",
        )
    found = tuple(names.get(str(at), "") for at in range(count))
    return found if all(found) and len(set(found)) == count else tuple(f"LABEL_{at}" for at in range(count))


def own_pad(config: Mapping[str, Any]) -> int | None:
    """The token that the model's own forward takes for padding wherever it stands; None where it takes none."""
    inner = config.get("text_config")
    for source in (inner if isinstance(inner, Mapping) else {}, config):
        if "pad_token_id" in source:
            pad = source["pad_token_id"]
            return pad if isinstance(pad, int) else None
    return None


def _classifiers(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = map(str, config.get("architectures") or ())
    return tuple(name for name in names if "SequenceClassification" in name or "Reward" in name)


def _brought(adapter: Mapping[str, Sequence[int]], folder: Path) -> int:
    """How many outputs the head has that an adapter brings to a model without one."""
    for name, shape in adapter.items():
        if name.endswith(_HEADS) and shape:
            return int(shape[0])
    raise ModelLoadError(
        "the base of this reward model is a language model, and the adapter brings no head (score.weight): "
        "it would be random",
        where=str(folder),
        fix='Save the adapter with its head: peft task_type "SEQ_CLS", or modules_to_save=["score"].',
    )
