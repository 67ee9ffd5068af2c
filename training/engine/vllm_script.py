"""vLLM's side of `engine = vllm`. The Python of vLLM's own environment runs it; it imports vllm and nothing of ours.

    PYTHON -I vllm_script.py

Lines of JSON on stdin and stdout; whatever vLLM itself prints goes to stderr. First comes the model, then any number of
requests, each answered before the next is read:

    in   {"model": folder, "dtype": "bfloat16", "max_model_len": 512, "max_num_seqs": 64, "eager": false}
    out  {"ready": vLLM's version}
    in   {"prompts": [[token ids], …], "seeds": [one a prompt], "eos_id", "max_new_tokens", "temperature", "top_p", "top_k"}
    out  {"drawn": answers so far, one that is being drawn as the part of max_new_tokens that it has}, now and then
         {"row": its number, "tokens": [ids, the end token included], "logprobs": [nats]} as each is finished
         {"end": rows}

What fails is told by {"failed": "import" | "load" | "sample", "reason": one line}, and ends the script. It also ends when
stdin does, even while it draws: a parent that was killed leaves no process behind that holds a GPU.
"""  # noqa: E501

import json
import os
import queue
import sys
import threading
import time
from contextlib import suppress

_SECONDS = 0.5  # between two {"drawn": …}
_GPU_SHARE = 0.85  # of the GPU's memory, for weights and cache: the process that asks holds a little of it, too


def main() -> None:
    """Load the model of the first line, then answer line after line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**line) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    lines: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    step = "import"
    try:
        import vllm

        step = "load"
        engine = _load(lines.get())
        say(ready=vllm.__version__)
        step = "sample"
        while True:
            _answer(engine, lines.get(), say)
    except Exception as error:
        import traceback

        traceback.print_exc()
        say(failed=step, reason=_reason(error))
        sys.stderr.flush()
        os._exit(1)


def _listen(lines) -> None:
    for line in sys.stdin:
        lines.put(json.loads(line))
    os._exit(0)


def _load(asked):
    from vllm import EngineArgs, LLMEngine

    return LLMEngine.from_engine_args(
        EngineArgs(
            model=asked["model"],
            dtype=asked["dtype"],
            max_model_len=asked["max_model_len"],
            max_num_seqs=asked["max_num_seqs"],
            enforce_eager=asked["eager"],
            gpu_memory_utilization=_GPU_SHARE,
            # The distribution drawn from is ours to say: nothing is read from the folder's generation_config.json.
            generation_config="vllm",
            skip_tokenizer_init=True,
            # Of the distribution drawn from, after temperature, top-k and top-p, as our own loop gives them.
            logprobs_mode="processed_logprobs",
        )
    )


def _answer(engine, asked, say) -> None:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    prompts, most = asked["prompts"], asked["max_new_tokens"]
    for row, (prompt, seed) in enumerate(zip(prompts, asked["seeds"])):  # noqa: B905 (any Python may run this)
        params = SamplingParams(
            seed=seed,
            max_tokens=most,
            temperature=asked["temperature"],
            top_p=asked["top_p"],
            top_k=asked["top_k"],
            logprobs=0,
            detokenize=False,
            # The end token is the tokenizer's, as everywhere in a run, not what the model's folder says.
            ignore_eos=True,
            stop_token_ids=[asked["eos_id"]],
            output_kind=RequestOutputKind.DELTA,
        )
        engine.add_request(str(row), {"prompt_token_ids": prompt}, params)
    tokens: list = [[] for _ in prompts]
    logprobs: list = [[] for _ in prompts]
    drawn, told = 0.0, time.monotonic()
    while engine.has_unfinished_requests():
        for found in engine.step():
            row, new = int(found.request_id), found.outputs[0]
            tokens[row] += new.token_ids
            logprobs[row] += [at[token].logprob for token, at in zip(new.token_ids, new.logprobs)]  # noqa: B905
            drawn += len(new.token_ids) / most
            if found.finished:
                if new.finish_reason not in ("stop", "length"):
                    raise RuntimeError(f"an answer ended by {new.finish_reason!r}")
                drawn += 1 - len(tokens[row]) / most
                say(row=row, tokens=tokens[row], logprobs=logprobs[row])
        if time.monotonic() - told > _SECONDS:
            say(drawn=drawn)
            told = time.monotonic()
    say(end=len(prompts))


def _reason(error) -> str:
    text = str(error)
    # pydantic, by which vLLM refuses most of what it cannot do, writes a heading, the reason and a link.
    listed = getattr(error, "errors", None)
    if callable(listed):
        with suppress(LookupError, TypeError):
            text = str(listed()[0]["msg"])
    return (text.strip().splitlines() or [type(error).__name__])[0].removeprefix("Value error, ")


if __name__ == "__main__":
    main()
