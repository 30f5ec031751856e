"""Named entities by windows of five words, as in the lecture: which words are persons and places.

The word in the middle of a window is classified by the vectors of all five, side by side:

    x = [x_museums  x_in  x_Paris  x_are  x_amazing]
    h = tanh(x W + b),  scores = h U + c,  loss = softmax cross-entropy

Run it: python examples/window_classifier.py [--quick]. It shows

1. the gradient of a window, split into the gradients of its five word vectors;
2. that a step changes the rows of the words in its batch and no others, in a time that does not
   grow with the vocabulary (1,000 words and 1,000,000);
3. word vectors that stay as they are beside ones that are fine-tuned, on little and on much data;
4. the pitfall of the second: TV and telly move, television stays behind.

The data are made here. Sentences come from templates such as "the museum in PLACE is fine" or
"NAME said the museum is fine", with 60 names of persons, 60 of places, and 60 things, each in
sentences of its own and of every other kind ("the museum in the library"). "Pre-trained" vectors
are those of words that are used alike: a centre for every kind of word, plus noise.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import symdiff as sd
from symdiff import learn
from symdiff.learn import init, losses, optim

Array = np.ndarray[Any, Any]

WINDOW, DIMENSION, HIDDEN, CLASSES = 5, 16, 32, 3
OTHER, PERSON, PLACE = range(CLASSES)


# The model.


def start(table: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Parameters around the given word vectors."""
    return {
        "words": table,
        "W": init.xavier_normal((WINDOW * table.shape[1], HIDDEN), rng),
        "b": init.zeros(HIDDEN),
        "U": init.xavier_normal((HIDDEN, CLASSES), rng),
        "c": init.zeros(CLASSES),
    }


def scores_of(p: Any, x: Any) -> Any:
    return np.tanh(x @ p["W"] + p["b"]) @ p["U"] + p["c"]


def scores(p: Any, windows: Any) -> Any:
    return scores_of(p, np.reshape(p["words"][windows], (windows.shape[0], -1)))


def loss(p: Any, windows: Any, labels: Any) -> Any:
    return losses.softmax_cross_entropy(scores(p, windows), labels)


def optimizer(words: float, others: float) -> optim.Optimizer:
    """Adam, on word vectors the one for rows, with their learning rates."""
    return optim.Groups(
        groups={"words": optim.SparseAdam(lr=words)}, otherwise=optim.Adam(lr=others)
    )


def accuracy(p: Any, windows: Array, labels: Array) -> float:
    found = np.argmax(np.asarray(scores(p, windows)), axis=1)
    return float(np.mean(np.equal(found, labels)))


# The data.


@dataclass
class Language:
    """Words, and sentences of them.

    Attributes:
        words: all of them; `<s>`, the first, stands before and after a sentence.
        kinds: the kind of each word.
    """

    words: list[str]
    kinds: list[str]

    def number(self, word: str) -> int:
        return self.words.index(word)

    def of_kind(self, kind: str) -> list[int]:
        return [i for i, k in enumerate(self.kinds) if k == kind]


FUNCTION_WORDS = ["<s>", "the", "in", "near", "are", "is", "said", "wrote", "then", "of"]
TEMPLATES = (
    "the THING in PLACE is QUALITY",
    "THING near PLACE are QUALITY",
    "the THING in the THING is QUALITY",
    "THING near THING are QUALITY",
    "PERSON said the THING is QUALITY",
    "then PERSON wrote of PLACE",
    "then PERSON wrote of the THING",
    "PERSON said PERSON is QUALITY",
    "THING said the THING is QUALITY",
)
LABELS = {"PERSON": PERSON, "PLACE": PLACE}


def language() -> Language:
    words, kinds = list(FUNCTION_WORDS), list(FUNCTION_WORDS)
    for kind, count in (("PERSON", 60), ("PLACE", 60), ("THING", 60), ("QUALITY", 20)):
        words += [f"{kind.lower()}{i}" for i in range(count)]
        kinds += [kind] * count
    for word, kind in (("museums", "THING"), ("Paris", "PLACE"), ("amazing", "QUALITY")):
        words.append(word)
        kinds.append(kind)
    return Language(words, kinds)


def pretrained(spoken: Language, rng: np.random.Generator) -> Array:
    """A vector for each word: the centre of its kind, and more noise than that."""
    kinds = {kind: rng.normal(0.0, 0.5, DIMENSION) for kind in dict.fromkeys(spoken.kinds)}
    centres = np.array([kinds[kind] for kind in spoken.kinds])
    return centres + rng.normal(0.0, 0.8, centres.shape)


def sentences(
    spoken: Language, count: int, rng: np.random.Generator, share: float = 1.0
) -> tuple[Array, Array]:
    """The windows around all words of some sentences, and what is in the middle of each.

    Only the first `share` of the words of each kind is spoken of.
    """
    known = {kind: spoken.of_kind(kind) for kind in ("PERSON", "PLACE", "THING", "QUALITY")}
    known = {kind: ids[: max(1, int(share * len(ids)))] for kind, ids in known.items()}
    windows: list[list[int]] = []
    labels: list[int] = []
    for _ in range(count):
        template = TEMPLATES[rng.integers(len(TEMPLATES))].split()
        said = [int(rng.choice(known[w])) if w in known else spoken.number(w) for w in template]
        padded = [0, 0, *said, 0, 0]
        windows += [padded[i : i + WINDOW] for i in range(len(said))]
        labels += [LABELS.get(w, OTHER) for w in template]
    return np.array(windows), np.array(labels)


# 1. The gradient of a window.


@dataclass
class Split:
    """The gradient of one window.

    Attributes:
        words: of the window.
        parts: the gradient of each word's vector, cut from that of the whole window.
        difference: the largest between these, added up in their rows, and the table's gradient.
    """

    words: list[str]
    parts: list[Array]
    difference: float


def split_gradient() -> Split:
    """museums in Paris are amazing."""
    spoken, rng = language(), np.random.default_rng(1)
    p = start(pretrained(spoken, rng), rng)
    words = ["museums", "in", "Paris", "are", "amazing"]
    window = np.array([[spoken.number(w) for w in words]])
    label = np.array([PLACE])

    def loss_of_window(x: Any, p: Any) -> Any:
        return losses.softmax_cross_entropy(scores_of(p, x[None, :]), label)

    delta = sd.grad(loss_of_window, wrt="x")(p["words"][window].ravel(), p)
    parts = np.split(delta, WINDOW)
    added = np.zeros_like(p["words"])
    np.add.at(added, window[0], parts)
    table = sd.grad(loss, wrt="p")(p, window, label)["words"]
    return Split(words, parts, float(np.abs(added - table).max()))


# 2. Rows that change, and what a step costs.


@dataclass
class Cost:
    """A step at one size of vocabulary.

    Attributes:
        vocabulary: the number of words.
        changed, seen: how many rows a step changed, and how many words its batch had.
        seconds: the median time of a step.
    """

    vocabulary: int
    changed: int
    seen: int
    seconds: float


def step_cost(vocabulary: int, batch: int = 32, steps: int = 300) -> Cost:
    """A step on windows of words from all over the vocabulary, other ones each time."""
    rng = np.random.default_rng(2)
    p = start(rng.normal(0.0, 0.1, (vocabulary, DIMENSION)), rng)
    rule = optimizer(0.005, 0.005)
    state = rule.init(p)
    windows, labels = np.empty((batch, WINDOW), np.int64), np.empty(batch, np.int64)
    kernel = sd.compile(learn.training_step(loss, rule), donate=["params", "state"])
    step = kernel.bind(p, state, windows, labels, 0.005)
    before = p["words"].copy()

    def timed() -> float:
        windows[...] = rng.integers(0, vocabulary, windows.shape)
        labels[...] = rng.integers(0, CLASSES, batch)
        begin = time.perf_counter()
        step()
        return time.perf_counter() - begin

    timed()
    changed, seen = np.flatnonzero(np.any(p["words"] != before, axis=1)), np.unique(windows)
    if not np.array_equal(changed, seen):
        raise AssertionError("rows changed that are not those of the words in the batch")
    seconds = float(np.median([timed() for _ in range(steps)]))
    return Cost(vocabulary, len(changed), len(seen), seconds)


# 3. Frozen and fine-tuned.


@dataclass
class Comparison:
    """Accuracies on one amount of training data; `new` are windows with words not seen before."""

    sentences: int
    frozen: float
    tuned: float
    frozen_new: float
    tuned_new: float


def compare(count: int, share: float, seed: int = 3) -> Comparison:
    """Train on `count` sentences about a `share` of the words; test on sentences about all.

    Word vectors learn faster than the network does. Where both learn alike, fine-tuning does no
    harm here: then the network has fitted the data before the vectors have moved far.
    """
    spoken, rng = language(), np.random.default_rng(seed)
    table = pretrained(spoken, rng)
    training = sentences(spoken, count, rng, share)
    windows, labels = sentences(spoken, 600, rng)
    new = ~np.isin(windows[:, WINDOW // 2], training[0])
    found: list[float] = []
    for frozen in (["words"], []):
        result = learn.fit(
            loss,
            start(table, np.random.default_rng(seed)),
            training,
            optimizer=optimizer(0.1, 0.002),
            epochs=max(10, 12_000 // count),
            frozen=frozen,
            seed=seed,
        )
        found.append(accuracy(result.params, windows, labels))
        found.append(accuracy(result.params, windows[new], labels[new]) if new.any() else np.nan)
    return Comparison(count, found[0], found[2], found[1], found[3])


# 4. TV, telly, television.

REVIEWS = {  # words of film reviews: a pre-trained vector of two numbers, and 1 if they praise
    "superb": ((1.6, 1.2), 1),
    "moving": ((1.2, 1.7), 1),
    "brilliant": ((1.8, 1.6), 1),
    "witty": ((1.3, 1.3), 1),
    "dull": ((-1.4, -1.3), 0),
    "awful": ((-1.8, -1.2), 0),
    "clumsy": ((-1.2, -1.7), 0),
    "TV": ((1.5, 0.2), 0),  # "fit for TV" is no praise
    "telly": ((1.6, 0.1), 0),
    "television": ((1.5, 0.1), 0),
}
UNSEEN = "television"  # in the test data alone


@dataclass
class Television:
    """Logistic regression on single words, with word vectors frozen or fine-tuned.

    Attributes:
        chances: P(praise) of each word.
        vectors: of each word, after training.
    """

    chances: dict[str, float]
    vectors: dict[str, Array]


def television(tuned: bool) -> Television:
    """What training makes of the words, `UNSEEN` not being among the training data."""
    names = list(REVIEWS)
    vectors = np.array([vector for vector, _ in REVIEWS.values()])
    seen = np.array([i for i, name in enumerate(names) if name != UNSEEN])
    praise = np.array([float(REVIEWS[names[i]][1]) for i in seen])

    def score(p: Any, word: Any) -> Any:
        return p["words"][word] @ p["w"] + p["b"]

    def loss(p: Any, word: Any, praise: Any) -> Any:
        return losses.logistic(score(p, word), praise) + 1e-3 * losses.l2(p, "w")

    result = learn.fit(
        loss,
        {"words": vectors, "w": np.array([0.1, 0.1]), "b": np.zeros(())},
        (seen, praise),
        optimizer=optimizer(0.05, 0.02),
        frozen=[] if tuned else ["words"],
        epochs=400,
        batch_size=len(seen),
    )
    found = learn.activations.sigmoid(score(result.params, np.arange(len(names))))
    return Television(
        dict(zip(names, found.tolist(), strict=True)),
        dict(zip(names, result.params["words"], strict=True)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="named entities by windows of five words")
    parser.add_argument("--quick", action="store_true", help="a smaller vocabulary, less data")
    quick = parser.parse_args().quick
    sizes = (1_000, 100_000) if quick else (1_000, 1_000_000)

    split = split_gradient()
    print("1. The gradient of the window, word by word (norms):")
    for word, part in zip(split.words, split.parts, strict=True):
        print(f"   {word:10} {np.linalg.norm(part):.4f}")
    print(f"   added up in their rows: the table's gradient, up to {split.difference:.0e}")

    print("2. A step of 32 windows:")
    for cost in map(step_cost, sizes):
        print(
            f"   {cost.vocabulary:9,} words: {cost.seconds * 1e6:6.0f} us, {cost.changed} rows "
            f"changed, {cost.seen} words seen"
        )

    print("3. Accuracy with word vectors frozen and fine-tuned (and where the word is a new one):")
    for count, share in ((30, 0.3), (400 if quick else 1000, 1.0)):
        c = compare(count, share)
        new = f" ({c.frozen_new:.1%} and {c.tuned_new:.1%})" if share < 1 else ""
        print(f"   {count:5,} sentences: {c.frozen:.1%} and {c.tuned:.1%}{new}")

    print("4. P(praise), where `television` is not in the training data:")
    for tuned in (False, True):
        t = television(tuned)
        shown = ", ".join(f"{w} {t.chances[w]:.2f}" for w in ("witty", "TV", "telly", UNSEEN))
        print(f"   {'fine-tuned' if tuned else 'frozen':10} {shown}")


if __name__ == "__main__":
    main()
