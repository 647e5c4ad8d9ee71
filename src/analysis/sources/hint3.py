"""Five published systems on real queries to three chat bots: hellohaptik/HINT3, ODbL 1.0 and DbCL 1.0.

`preds/<system>_<bot>.csv`: sentence, label, predicted_node, predicted_node_score, in the order of
`dataset/v1/test/<bot>_test.csv`; `dataset/v2/` has the same queries with corrected labels, so every answer is read
twice: `hint3-<bot>` by the labels of v1, `hint3-<bot>-v2` by the corrected ones. Sentences are compared, never kept.

Traps
-----
- 40 to 70 % of the queries are out of scope (`NO_NODES_DETECTED`): label -1, no class, counted in confusions alone.
  The same word as an answer means that the system found nothing: -1 as well.
- Classes are the intents of the v1 training file, sorted; some have no query in the test.
- Files `*_subset` are the systems trained on a part of the data: not read. Scores are probabilities for BERT alone.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from ..errors import IntegrityError
from . import Predictions, check, fetch

BASE = "hellohaptik+HINT3"
BOTS = ("curekart", "powerplay11", "sofmattress")
SYSTEMS = ("bert", "dialogflow", "haptik", "luis", "rasa")
VERSIONS = {"v1": "", "v2": "-v2"}
N_QUERIES = {"curekart": 991, "powerplay11": 983, "sofmattress": 397}
N_CLASSES = {"curekart": 28, "powerplay11": 59, "sofmattress": 21}
OUT_OF_SCOPE = "NO_NODES_DETECTED"
TRAIN, TEST = ["sentence", "label"], ["sentence", "label", "predicted_node", "predicted_node_score"]


def read() -> Iterator[Predictions]:
    """Five systems on three bots, by the labels of v1 and by the corrected ones."""
    for bot in BOTS:
        versions = {}
        for version in VERSIONS:
            name = f"{BASE}/dataset/{version}/test/{bot}_test.csv"
            sentence, label = _columns(name, TRAIN)
            versions[version] = (sentence, _codes(label, bot, name))
        sentence, label = versions["v1"]
        if len(sentence) != N_QUERIES[bot] or versions["v2"][0] != sentence:
            raise IntegrityError("items", f"{BASE}: the queries of {bot} differ between v1 and v2")
        item_id = np.array([str(row) for row in range(len(sentence))], dtype=object)
        for system in SYSTEMS:
            name = f"{BASE}/preds/{system}_{bot}.csv"
            asked, given, answer, score = _columns(name, TEST)
            if asked != sentence:
                raise IntegrityError("items", f"{name}: queries differ from those of the test file")
            check.check_labels(name, _codes(given, bot, name), label, n_classes=N_CLASSES[bot])
            pred, confidence = _codes(answer, bot, name), _scores(score, name) if system == "bert" else None
            for version, suffix in VERSIONS.items():
                truth = versions[version][1]
                inside = truth >= 0
                check.check_order(name, truth[inside], pred[inside], n_classes=N_CLASSES[bot])
                dataset, model = f"hint3-{bot}{suffix}", f"hint3/{system}"
                yield Predictions(dataset, model, item_id, truth, pred, N_CLASSES[bot], confidence)


@cache
def intents(bot: str) -> list[str]:
    """Intents of a bot in the order of their class ids."""
    name = f"{BASE}/dataset/v1/train/{bot}_train.csv"
    found = sorted(set(_columns(name, TRAIN)[1]))
    if len(found) != N_CLASSES[bot] or OUT_OF_SCOPE in found:
        raise IntegrityError("classes", f"{name}: {len(found)} intents, expected {N_CLASSES[bot]}")
    return found


def _codes(words, bot: str, where: str) -> np.ndarray:
    number = {intent: code for code, intent in enumerate(intents(bot))} | {OUT_OF_SCOPE: -1}
    codes = [number.get(word, len(number)) for word in words]
    return check.check_classes(where, codes, n_classes=N_CLASSES[bot], what="intent", lowest=-1)


def _scores(column, where: str) -> np.ndarray:
    try:
        score = np.array(column, dtype=np.float64)
    except ValueError:
        raise IntegrityError("table", f"{where}: predicted_node_score holds text") from None
    return check.check_confidence(where, score, n_items=len(score))


def _columns(name: str, header: list[str]) -> list[tuple[str, ...]]:
    return list(zip(*check.read_rows(fetch.locate(name), header=header, where=name), strict=True))
