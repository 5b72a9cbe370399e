"""A model of two layers with a tokenizer of its own, made in a second: enough to train."""

from __future__ import annotations

from pathlib import Path

from distill.rows import Origin, Pair, Row

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def base(folder: Path) -> Path:
    """Writes model and tokenizer into `folder`."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.decoders import ByteLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: at for at, token in enumerate(["<|im_start|>", "<|im_end|>", *letters])}
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        chat_template=TEMPLATE,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            tie_word_embeddings=True,
        )
    )
    model.bfloat16().save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def row(question: str, answer: str, *, weight: float = 1, number: int = 0) -> Row:
    """A conversation of one turn."""
    return Row(
        messages=(
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer, "weight": weight},
        ),
        metadata=Origin(
            trajectory=f"r{number}",
            env="toy",
            task=f"t{number}",
            task_key=f"k{number}",
            task_type="bring",
            model="expert",
            config="",
            arm="",
            score=1.0,
            steps=1,
            attempts=1,
            recalled=(),
            rebuilt=True,
        ),
    )


def pair(question: str, better: str, worse: str, *, number: int = 0) -> Pair:
    """Two answers to one question."""
    return Pair(
        prompt=({"role": "user", "content": question},),
        chosen=({"role": "assistant", "content": better},),
        rejected=({"role": "assistant", "content": worse},),
        metadata=row(question, better, number=number).metadata,
    )
