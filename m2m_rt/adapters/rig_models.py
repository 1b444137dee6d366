"""A session's models as its rig needs them: of its table, with its muscles only."""

import re
from collections.abc import Sequence

from m2m_rt.adapters.onnx_predictor import ModelFolder, OnnxPredictor
from m2m_rt.errors import ModelRefused
from m2m_rt.learning import LastLayerPrior, select_muscles
from m2m_rt.units import F32

_SHA256 = re.compile("[0-9a-f]{64}")


class SelectedMuscles:
    """A model of which only some muscles are predicted; fulfils `Predictor`."""

    def __init__(self, model: OnnxPredictor, muscles: Sequence[str]) -> None:
        """Predict these muscles, in this order.

        Raises
        ------
        ModelRefused
            If the model does not know one of them.
        """
        known = model.contract.muscles
        if unknown := [name for name in muscles if name not in known]:
            found = f"does not know {' '.join(unknown)}, only {' '.join(known)}"
            raise ModelRefused(f"model {model.model_hash[:12]}: {found}")
        self._model = model
        self.model_hash = model.model_hash
        self.prior: LastLayerPrior = select_muscles(
            model.prior, [known.index(name) for name in muscles]
        )

    def features(self, relative_efield: F32) -> F32:
        """Return (n, n_features) for fields (n, n_roi, 3)."""
        return self._model.features(relative_efield)


class RigModels:
    """The models of a session's folder for one rig; fulfils `ModelLibrary`."""

    def __init__(
        self, folder: ModelFolder, *, table_hash: str, muscles: Sequence[str]
    ) -> None:
        """Give models made for this table, with these muscles in this order."""
        self._folder = folder
        self._table_hash = table_hash
        self._muscles = tuple(muscles)

    def load(self, model_hash: str) -> SelectedMuscles:
        """Return a model after its checks.

        Raises
        ------
        ModelRefused
            If the file is missing, changed or fails a check, or the model was made for
            another table or other muscles.
        """
        if not _SHA256.fullmatch(model_hash):
            raise ModelRefused(f"{model_hash!r} is no sha256: it names no model")
        model = self._folder.load(model_hash)
        if model.contract.table_hash != self._table_hash:
            found = f"made for table {model.contract.table_hash[:12]}"
            expected = f"not for {self._table_hash[:12]}"
            raise ModelRefused(f"model {model_hash[:12]}: {found}, {expected}")
        return SelectedMuscles(model, self._muscles)
