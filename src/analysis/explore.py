"""One class, seen by every model: for JupyterLab and the terminal."""

import base64
from dataclasses import dataclass

import pandas as pd

from . import classes, figures, models, tables
from .measure.accuracy import wilson


@dataclass(frozen=True, repr=False)
class ClassView:
    """What `show_class` gives: `accuracy`, one row a data set and label set; `taken_for`, the wrong answers most
    often given; `figure`. JupyterLab shows all three."""

    class_id: int
    name: str
    accuracy: pd.DataFrame
    taken_for: pd.DataFrame
    networks: pd.DataFrame

    @property
    def figure(self):
        return figures.show("class_view", self.networks)

    def __repr__(self) -> str:
        accuracy, taken_for = (frame.round(3).to_string(index=False) for frame in (self.accuracy, self.taken_for))
        return f"{self.name} (class {self.class_id})\n{accuracy}\n\nTaken for:\n{taken_for}"

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.figure._repr_png_()).decode()
        return (
            f"<h4>{self.name} (class {self.class_id})</h4>{self.accuracy.round(3).to_html(index=False)}"
            f"<p>Taken for:</p>{self.taken_for.round(3).to_html(index=False)}"
            f'<img width="560" src="data:image/png;base64,{image}">'
        )


def show_class(which: int | str) -> ClassView:
    """One ImageNet class over all networks, label sets and shifts.

    Parameters
    ----------
    which : class id 0 to 999, wnid, or name ("laptop"); a name that several classes carry is refused with their ids

    Returns
    -------
    ClassView : `accuracy` has dataset, labels, items, networks, the median network's accuracy with its Wilson
    interval (one network on these items), and the lowest and highest network. `taken_for` has dataset, pred, name and
    the share of all answers of all networks to items of the class.

    Raises
    ------
    InputError : no such class, or several.
    """
    class_id = classes.lookup(which)
    name = classes.names("imagenet")[class_id]
    rows = tables.read_counts(labels=None, class_id=class_id)
    known = models.table()
    space = tables.rows_of("datasets").set_index("dataset")["label_space"]
    rows = rows[rows["dataset"].map(space).eq("imagenet") & rows["model"].isin(known.index[known["in_claims"]])]
    rows = rows[rows["n"].fillna(0) > 0].astype({"n": int, "correct": int})
    low, high = wilson(rows["correct"].to_numpy(), rows["n"].to_numpy())
    rows = rows.assign(
        low=low,
        high=high,
        label=models.labels(rows["model"]),
        family=models.families(rows["model"]),
        title=name,
    )
    columns = ["title", "dataset", "labels", "model", "label", "family", "n", "predicted", "accuracy", "low", "high"]
    networks = rows[columns].sort_values(["dataset", "labels", "accuracy", "model"], kind="stable", ignore_index=True)
    summary = [_summary(*key, part) for key, part in networks.groupby(["dataset", "labels"], sort=True)]
    wrong = tables.read_confusions(label=class_id)
    wrong = wrong[wrong["dataset"].map(space).eq("imagenet") & wrong["model"].isin(known.index[known["in_claims"]])]
    return ClassView(class_id, name, pd.DataFrame(summary), _taken_for(wrong, networks), networks)


def _summary(dataset: str, labels: str, part: pd.DataFrame) -> dict:
    middle = part.iloc[len(part) // 2]
    return {
        "dataset": dataset,
        "labels": labels,
        "items": int(part["n"].max()),
        "networks": len(part),
        "median": middle["accuracy"],
        "low": middle["low"],
        "high": middle["high"],
        "lowest": part["accuracy"].iloc[0],
        "highest": part["accuracy"].iloc[-1],
    }


def _taken_for(wrong: pd.DataFrame, networks: pd.DataFrame, most: int = 5) -> pd.DataFrame:
    # Confusions are known where predictions were published, that is where `predicted` is.
    answered = networks[(networks["labels"] == "original") & networks["predicted"].notna()]
    answers = answered.groupby("dataset")["n"].sum()
    total = wrong.groupby(["dataset", "pred"], as_index=False)["count"].sum()
    total["share"] = total["count"] / total["dataset"].map(answers)
    total["name"] = classes.titles("imagenet")[total["pred"]]
    total = total.sort_values(["dataset", "share"], ascending=[True, False], kind="stable")
    return total.groupby("dataset").head(most)[["dataset", "pred", "name", "share"]].reset_index(drop=True)
