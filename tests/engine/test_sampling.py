"""The sampling loop against slow loops without a cache, on a tiny model in float64."""

import math

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from training.engine import sampling
from training.engine.base import tiny_model
from training.engine.packing import packed_weights

EOS, PAD = 2, 0
PROMPTS = [[10, 11, 12, 13, 14, 15, 16], [20], [30, 31, 32], [40, 41, 42, 43], [30, 31, 32]]


@pytest.fixture(scope="module")
def model():
    return tiny_model(seed=3).double().eval()


def ends_often(model, boost: float):
    """The same model, inclined to draw the end token: after a third of the tokens or so."""
    plain_forward = model.forward

    def forward(*args, **kwargs):
        out = plain_forward(*args, **kwargs)
        out.logits[..., EOS] += boost
        return out

    return forward


@pytest.fixture
def ending_model():
    """Answers of this model end by themselves at very different lengths."""
    model = tiny_model(seed=4).double().eval()
    model.forward = ends_often(model, boost=math.log(259 / 4))
    return model


def draw(model, prompts=PROMPTS, seeds=None, **changes):
    settings = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": 12, **changes}
    return sampling.sample(model, prompts, seeds=seeds or list(range(len(prompts))), **settings)


def full_logprobs(model, prompt, tokens, temperature=1.0):
    """log π of each token by one uncached, unpadded, unbatched forward of the whole text."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *tokens]])).logits[0]
    scaled = (logits[len(prompt) - 1 : -1] / temperature).log_softmax(-1)
    return scaled[range(len(tokens)), list(tokens)]


@pytest.mark.oracle(11)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_at_sampling_equal_those_of_one_uncached_forward(model, temperature):
    for answer in draw(model, temperature=temperature):
        expected = full_logprobs(model, answer.prompt, answer.tokens, temperature)
        torch.testing.assert_close(torch.tensor(answer.logprobs, dtype=torch.float64), expected, atol=1e-10, rtol=0)


@pytest.mark.oracle(11)
def test_logprobs_stay_right_while_rows_end_and_are_removed(ending_model):
    prompts = [[5 + i] * (1 + i % 5) for i in range(24)]
    answers = draw(ending_model, prompts, max_new_tokens=10)
    assert len({len(a.tokens) for a in answers}) > 4, "the rows must end at different steps"
    for prompt, answer in zip(prompts, answers, strict=True):
        assert answer.prompt == tuple(prompt)
        expected = full_logprobs(ending_model, prompt, answer.tokens)
        torch.testing.assert_close(torch.tensor(answer.logprobs, dtype=torch.float64), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_packed_weights_multiply_as_the_layers_do_and_leave_no_trace(dtype, tolerance):
    """Where the CPU has no products in bfloat16 (AVX2 alone), layers of it stay as they are."""
    has_products = dtype is torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.Linear(128, 64, bias=False)).to(dtype)
    thin, double = torch.nn.Linear(64, 8, bias=False).to(dtype), torch.nn.Linear(64, 64).double()
    input, forwards = torch.randn(3, 5, 64).to(dtype), [layer.forward for layer in layers]
    with torch.no_grad():
        expected = layers(input)
        with packed_weights(torch.nn.ModuleList([layers, thin, double]), 4):
            assert ["forward" in vars(layer) for layer in (*layers, thin, double)] == [has_products] * 2 + [False] * 2
            torch.testing.assert_close(layers(input), expected, atol=tolerance, rtol=tolerance)
            torch.testing.assert_close(layers(input[:1, 0]), expected[:1, 0], atol=tolerance, rtol=tolerance)
    assert [layer.forward for layer in layers] == forwards


def test_packed_weights_are_those_of_the_moment(monkeypatch):
    """A policy learns between two samplings: the second must not draw from the first one's weights."""
    layer, ones = torch.nn.Linear(64, 64, bias=False), torch.ones(1, 64)
    with torch.no_grad():
        for value in (1.0, 2.0):
            layer.weight.fill_(value)
            with packed_weights(layer, 1):
                assert layer(ones).unique().tolist() == [64.0 * value]


def test_the_packed_loop_draws_what_an_uncached_plain_forward_says():
    """In float32 with matrices wide enough to be packed: log-probabilities as teacher forcing has them."""
    config = LlamaConfig(
        vocab_size=259, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, eos_token_id=EOS, pad_token_id=PAD,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval()
    for answer in draw(model):
        expected = full_logprobs(model, answer.prompt, answer.tokens)
        torch.testing.assert_close(torch.tensor(answer.logprobs), expected, atol=1e-5, rtol=0, check_dtype=False)


@pytest.mark.oracle(11)
def test_greedy_equals_a_loop_without_a_cache(model):
    for prompt, answer in zip(PROMPTS, draw(model, temperature=0), strict=True):
        ids = list(prompt)
        while len(ids) < len(prompt) + 12:
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == EOS:
                break
        assert list(answer.tokens) == ids[len(prompt) :]


def test_greedy_equals_transformers_generate(model):
    settings = GenerationConfig(max_new_tokens=12, do_sample=False, eos_token_id=EOS, pad_token_id=PAD)
    for prompt, answer in zip(PROMPTS, draw(model, temperature=0), strict=True):
        ids = torch.tensor([prompt])
        theirs = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        assert list(answer.tokens) == theirs[0, len(prompt) :].tolist()


@pytest.mark.oracle(8)
def test_a_row_draws_the_same_answer_alone_in_any_order_batch_and_padding(ending_model):
    short = {"max_new_tokens": 5}
    prompts = [[5 + i] * (1 + i % 4) for i in range(9)]
    seeds = [sampling.row_seed(7, i) for i in range(9)]
    together = draw(ending_model, prompts, seeds, **short)
    tokens = [answer.tokens for answer in together]
    assert {answer.finish for answer in together} == {"eos", "length"}
    assert [a.tokens for a in draw(ending_model, prompts, seeds, batch_rows=2, **short)] == tokens
    assert [a.tokens for a in draw(ending_model, prompts[::-1], seeds[::-1], **short)] == tokens[::-1]
    assert [a.tokens for a in draw(ending_model, prompts, seeds, pad_id=EOS, **short)] == tokens
    assert [draw(ending_model, [p], [s], **short)[0].tokens for p, s in zip(prompts, seeds, strict=True)] == tokens


def test_equal_prompts_share_one_reading_but_not_their_draws(model):
    shared = draw(model, [[30, 31]] * 6, list(range(6)))
    assert len({a.tokens for a in shared}) == 6
    assert [a.tokens for a in shared] == [draw(model, [[30, 31]], [i])[0].tokens for i in range(6)]


def test_an_answer_stops_at_its_first_end_token_and_says_how_it_ended(ending_model):
    answers = draw(ending_model, [[9]] * 40)
    for answer in answers:
        assert EOS not in answer.tokens[:-1]
        assert answer.finish == ("eos" if answer.tokens[-1] == EOS else "length")
        assert len(answer.logprobs) == len(answer.tokens)
        assert answer.finish == "eos" or len(answer.tokens) == 12


def test_progress_counts_a_row_by_its_part_until_it_ends(ending_model):
    told = []
    answers = draw(ending_model, [[9]] * 8, max_new_tokens=6, batch_rows=4, on_step=told.append)
    longest = [max(len(a.tokens) for a in answers[start : start + 4]) for start in (0, 4)]
    assert len(told) == sum(longest)
    first = sum(1 if len(a.tokens) == 1 else 1 / 6 for a in answers[:4])
    assert told[0] == pytest.approx(first)
    assert told == sorted(told)
    assert told[longest[0] - 1] == pytest.approx(4)
    assert told[-1] == pytest.approx(8)


def test_dropout_is_refused_and_so_is_an_empty_prompt(model):
    with pytest.raises(ValueError, match="at least one token"):
        draw(model, [[]])
    model.train()
    try:
        with pytest.raises(ValueError, match="eval mode"):
            draw(model)
    finally:
        model.eval()


@pytest.mark.oracle(11)
def test_drawing_follows_the_distribution():
    """Pearson's χ² of 20,000 draws with 7 degrees of freedom: 24.32 is passed by chance once in a thousand."""
    probability = torch.tensor([0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.05, 0.02], dtype=torch.float64)
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    token, logprob = sampling.choose(probability.log().expand(20_000, 8), uniform, temperature=1.0)
    counts = torch.bincount(token, minlength=8).double()
    assert float(((counts - 20_000 * probability) ** 2 / (20_000 * probability)).sum()) < 24.32
    torch.testing.assert_close(logprob, probability[token].log())


@pytest.mark.oracle(11)
def test_the_loops_draws_follow_the_distribution_over_several_blocks():
    """χ² of 24,000 draws, four a row, at temperature .8 over 600 words, three blocks; with 599 degrees of freedom
    711.7 is passed by chance once in a thousand. The words' embeddings are equal, so that every state is, and a row's
    draws are independent: 18.5 is passed as seldom by the table of two neighbours' blocks, with 4.
    """
    torch.manual_seed(2)
    config = LlamaConfig(vocab_size=600, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                         num_attention_heads=2, tie_word_embeddings=False)  # fmt: skip
    model = LlamaForCausalLM(config).double().eval()
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.randn(16).expand(600, 16))
        model.lm_head.weight.normal_(std=0.5 / 4)
        logits = model(torch.tensor([[3, 500]])).logits[0, -1]
    assert 0.3 < float(logits.std()) < 0.7
    count = 6000
    answers = draw(model, [[5]] * count, eos_id=-1, max_new_tokens=4, temperature=0.8, batch_rows=count)
    tokens = torch.tensor([answer.tokens for answer in answers])
    expected = (logits / 0.8).exp() / (logits / 0.8).exp().sum() * tokens.numel()
    assert float(((tokens.flatten().bincount(minlength=600) - expected) ** 2 / expected).sum()) < 711.7
    pairs = torch.stack([tokens[:, :-1].flatten() // 256, tokens[:, 1:].flatten() // 256])
    table = (pairs[0] * 3 + pairs[1]).bincount(minlength=9).view(3, 3).double()
    apart = table.sum(1, keepdim=True) * table.sum(0) / table.sum()
    assert float(((table - apart) ** 2 / apart).sum()) < 18.5


def test_each_uniform_number_maps_to_the_token_whose_interval_holds_it():
    """Probabilities .5, 0, .25, .25: the intervals are [0, .5), none, [.5, .75), [.75, 1)."""
    logits = torch.tensor([0.5, 0.0, 0.25, 0.25], dtype=torch.float64).log()
    uniform = torch.tensor([0.0, 0.49, 0.5, 0.74, 0.75, 1 - 2**-53], dtype=torch.float64)
    token, logprob = sampling.choose(logits.expand(6, 4), uniform, temperature=1.0)
    assert token.tolist() == [0, 0, 2, 2, 3, 3]
    assert torch.allclose(logprob.exp(), torch.tensor([0.5, 0.5, 0.25, 0.25, 0.25, 0.25], dtype=torch.float64))


def test_the_intervals_go_on_past_the_first_block_of_the_vocabulary():
    """1,000 equal tokens: number (i + ½)/1000 falls into token i's interval."""
    uniform = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    token, _ = sampling.choose(torch.zeros(1000, 1000), uniform, temperature=1.0)
    assert token.tolist() == list(range(1000))


def test_temperature_divides_the_logits():
    """Logits 0 and 2·ln 3 at temperature 2: odds 1 to 3."""
    logits = torch.tensor([[0.0, 2 * math.log(3)]], dtype=torch.float64).expand(2, 2)
    token, logprob = sampling.choose(logits, torch.tensor([0.24, 0.26], dtype=torch.float64), temperature=2.0)
    assert token.tolist() == [0, 1]
    assert torch.allclose(logprob, torch.tensor([0.25, 0.75], dtype=torch.float64).log())


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    """.4, .1, .3, .2 at top_p .6: tokens 0 and 2 are left, with 4/7 and 3/7."""
    logits = torch.tensor([0.4, 0.1, 0.3, 0.2], dtype=torch.float64).log().expand(4, 4)
    uniform = torch.tensor([0.0, 0.57, 0.58, 0.9999], dtype=torch.float64)
    token, logprob = sampling.choose(logits, uniform, temperature=1.0, top_p=0.6)
    assert token.tolist() == [0, 0, 2, 2]
    expected = torch.tensor([4 / 7, 4 / 7, 3 / 7, 3 / 7], dtype=torch.float64)
    assert torch.allclose(logprob.exp(), expected)


def test_top_k_keeps_the_likeliest_and_cuts_before_top_p():
    """.4, .1, .3, .2: the three likeliest have .9; with top_p .6 of those (.444, .333, .222) two are left."""
    logits = torch.tensor([0.4, 0.1, 0.3, 0.2], dtype=torch.float64).log().expand(4, 4)
    uniform = torch.tensor([0.0, 0.44, 0.45, 0.9999], dtype=torch.float64)
    token, logprob = sampling.choose(logits, uniform, temperature=1.0, top_k=3)
    assert token.tolist() == [0, 0, 2, 3]
    assert torch.allclose(logprob.exp(), torch.tensor([4 / 9, 4 / 9, 3 / 9, 2 / 9], dtype=torch.float64))
    token, logprob = sampling.choose(logits, uniform, temperature=1.0, top_k=3, top_p=0.6)
    assert token.tolist() == [0, 0, 0, 2]
    assert torch.allclose(logprob.exp(), torch.tensor([4 / 7, 4 / 7, 4 / 7, 3 / 7], dtype=torch.float64))


def test_top_k_of_equal_tokens_keeps_exactly_k_and_of_all_changes_nothing():
    logits = torch.zeros(4, 4)
    uniform = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)
    for k, expected in ((2, [0, 0, 1, 1]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3]), (0, [0, 1, 2, 3])):
        token, _ = sampling.choose(logits, uniform, temperature=1.0, top_k=k)
        assert token.tolist() == expected


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_model_that_answers_what_is_not_finite_is_refused(temperature, bad):
    logits = torch.zeros(2, 4)
    logits[1, 2] = bad
    with pytest.raises(FloatingPointError, match="not finite"):
        sampling.choose(logits, torch.tensor([0.5, 0.5], dtype=torch.float64), temperature=temperature)


def test_a_token_that_the_model_rules_out_is_never_drawn_and_no_error():
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0]], dtype=torch.float64)
    tokens = [sampling.choose(logits, torch.tensor([u], dtype=torch.float64), temperature=1.0)[0] for u in (0.4, 0.6)]
    assert [int(token) for token in tokens] == [1, 3]


def test_left_padding_counts_positions_from_the_first_real_token():
    ids, mask = sampling.left_pad([[7, 8, 9], [5]], pad_id=0, device=torch.device("meta"))
    assert ids.shape == mask.shape == (2, 3)
    ids, mask = sampling.left_pad([[7, 8, 9], [5]], pad_id=0, device=torch.device("cpu"))
    assert ids[:, -3:].tolist() == [[7, 8, 9], [0, 0, 5]]
    assert mask[:, -3:].tolist() == [[1, 1, 1], [0, 0, 1]]


def test_seeds_of_neighbouring_keys_differ_and_are_stable():
    seeds = {sampling.row_seed(1, i, j) for i in range(30) for j in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert sampling.row_seed(1, 2) == sampling.row_seed(1, 2) != sampling.row_seed(12)
