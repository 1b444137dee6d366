"""Models in ONNX Runtime: checked before loading, tried after, one thread.

ONNX Runtime alone loads 299 of 300 bit-flipped files, so the bytes' sha256 is checked
first, and the model must then give its golden output.
"""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from m2m_rt.adapters.model_sums import check_sums
from m2m_rt.errors import ModelRefused
from m2m_rt.learning import LastLayerPrior
from m2m_rt.model import (
    CONTRACT_KEY,
    FEATURES_NAME,
    GOLDEN_NAMES,
    INPUT_NAME,
    MAX_MODEL_BYTES,
    PRIOR_NAMES,
    ModelContract,
    ModelManifest,
    describe_outputs,
    golden_fault,
)
from m2m_rt.units import F32, F64

N_WARM_UP = 20

_EXTERNAL_DATA = b"\x0a\x08location"
"""How a tensor says that its data lies in another file (ONNX TensorProto)."""

_NOT_LOADED: tuple[type[Exception], ...] = (
    *(
        kind
        for kind in vars(ort_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
    RuntimeError,
    UnicodeDecodeError,
)
"""What loading a wrong model raises: ONNX Runtime's own errors, which have no common
base and grow with its versions, an error of C++ that it did not translate, and names
that are no UTF-8."""


class OnnxPredictor:
    """A loaded, checked model; fulfils `Predictor` and never changes."""

    def __init__(self, model_bytes: bytes, *, expected_hash: str) -> None:
        """Check, load and try a model file's bytes.

        Raises
        ------
        ModelRefused
            If the bytes are not those of `expected_hash`, or break the contract.
        """
        self.model_hash = expected_hash
        _refuse_bytes(model_bytes, expected_hash)
        self._session = _open_session(model_bytes)
        self.contract = _read_contract(self._session)
        _refuse_signature(self._session, self.contract)
        constants = _read_constants(self._session, self.contract)
        self.prior = _prior(constants)
        self.golden_efield, golden_features = (constants[name] for name in GOLDEN_NAMES)
        fault = golden_fault(self.features(self.golden_efield), golden_features)
        if fault is not None:
            raise ModelRefused(f"model {expected_hash[:12]}: {fault}")
        for _ in range(N_WARM_UP):
            self.features(self.golden_efield)

    def features(self, relative_efield: F32) -> F32:
        """Return (n, n_features) for fields (n, n_roi, 3).

        The same input gives the same bytes; a row's last bits may depend on how many
        rows it comes with.
        """
        (features,) = self._session.run(
            [FEATURES_NAME], {INPUT_NAME: np.ascontiguousarray(relative_efield)}
        )
        rows: F32 = features
        return rows


class ModelFolder:
    """A session's models, each file named for its sha256; fulfils `ModelLibrary`."""

    def __init__(self, folder: Path) -> None:
        """Look into a folder; it may still be empty."""
        self._folder = folder

    def load(self, model_hash: str) -> OnnxPredictor:
        """Return a model after its checks.

        Raises
        ------
        ModelRefused
            If the file is missing, changed, or fails a check.
        """
        return OnnxPredictor(
            _read(self._folder / f"{model_hash}.onnx"), expected_hash=model_hash
        )

    def store(self, model_bytes: bytes) -> str:
        """Write a model under its hash, and return the hash."""
        model_hash = hashlib.sha256(model_bytes).hexdigest()
        path = self._folder / f"{model_hash}.onnx"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(model_bytes)
            partial.replace(path)  # a reader sees all of it or nothing
        return model_hash


def read_manifest(folder: Path) -> ModelManifest:
    """Return a shipped model's manifest.

    Raises
    ------
    ModelRefused
        If it is missing or malformed.
    """
    path = folder / "manifest.toml"
    try:
        return msgspec.toml.decode(_read(path), type=ModelManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise ModelRefused(f"{path}: {err}") from err


def read_shipped_model(folder: Path) -> bytes:
    """Return the bytes of a shipped model, as its manifest promises them.

    Raises
    ------
    ModelRefused
        If the manifest, the seal, the model's hash or the golden file's hash is wrong,
        or the model does not give the golden file's output.
    """
    check_sums(folder)
    manifest = read_manifest(folder)
    for name in (manifest.onnx_file, manifest.golden_file):
        if Path(name).name != name:
            raise ModelRefused(f"{folder}: {name!r} is not a file of this folder")
    model_bytes = _read(folder / manifest.onnx_file)
    golden_bytes = _read(folder / manifest.golden_file)
    if hashlib.sha256(golden_bytes).hexdigest() != manifest.golden_sha256:
        raise ModelRefused(
            f"{folder / manifest.golden_file}: sha256 is not the manifest's"
        )
    predictor = OnnxPredictor(model_bytes, expected_hash=manifest.onnx_sha256)
    if predictor.contract != manifest.contract:
        raise ModelRefused(f"{folder}: the model's contract is not the manifest's")
    with np.load(folder / manifest.golden_file) as golden:
        efield, features = golden["relative_efield"], golden["features"]
    fault = golden_fault(predictor.features(efield), features)
    if fault is not None:
        raise ModelRefused(f"{folder}: {fault}")
    return model_bytes


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise ModelRefused(f"{path}: {err.strerror}") from err


def _refuse_bytes(model_bytes: bytes, expected_hash: str) -> None:
    """Check what can be checked before anything parses the bytes."""
    if len(model_bytes) > MAX_MODEL_BYTES:
        raise ModelRefused(f"{len(model_bytes)} bytes, at most {MAX_MODEL_BYTES}")
    found = hashlib.sha256(model_bytes).hexdigest()
    if found != expected_hash:
        raise ModelRefused(f"sha256 is {found[:12]}…, expected {expected_hash[:12]}…")
    if _EXTERNAL_DATA in model_bytes:
        raise ModelRefused(f"model {found[:12]}: refers to data outside its file")


def _open_session(model_bytes: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(
            model_bytes, options, providers=["CPUExecutionProvider"]
        )
        _read_names(session)
    except _NOT_LOADED as err:
        raise ModelRefused(f"not a model that can be loaded: {err}") from err
    return session


def _read_names(session: ort.InferenceSession) -> None:
    """Try all texts that are used later: ONNX Runtime decodes each when it is read."""
    session.get_modelmeta()
    for one in (*session.get_inputs(), *session.get_outputs()):
        _ = one.name


def _read_contract(session: ort.InferenceSession) -> ModelContract:
    text = session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY, "")
    try:
        return msgspec.json.decode(text, type=ModelContract)
    except msgspec.DecodeError as err:
        raise ModelRefused(f"the file's {CONTRACT_KEY}: {err}") from err


def _refuse_signature(session: ort.InferenceSession, contract: ModelContract) -> None:
    """Compare names, types and shapes with what the contract says."""
    inputs = [(i.name, i.type, tuple(i.shape[1:])) for i in session.get_inputs()]
    if inputs != [(INPUT_NAME, "tensor(float)", (contract.n_roi, 3))]:
        raise ModelRefused(f"inputs are {inputs}")
    if isinstance(session.get_inputs()[0].shape[0], int):
        raise ModelRefused("the input's number of poses is fixed")
    found = {o.name: (o.type, len(o.shape)) for o in session.get_outputs()}
    expected = {
        spec.name: ("tensor(float)", len(spec.shape))
        for spec in describe_outputs(contract)
    }
    if found != expected:
        raise ModelRefused(f"outputs are {found}, expected {expected}")


def _read_constants(
    session: ort.InferenceSession, contract: ModelContract
) -> dict[str, F32]:
    """Return the outputs that do not depend on the input, shapes checked."""
    names = [*PRIOR_NAMES, *GOLDEN_NAMES]
    nothing = np.zeros((1, contract.n_roi, 3), np.float32)
    constants = dict(zip(names, session.run(names, {INPUT_NAME: nothing}), strict=True))
    for spec in describe_outputs(contract):
        values = constants.get(spec.name)
        if values is None:
            continue
        if values.shape != spec.shape or not np.all(np.isfinite(values)):
            raise ModelRefused(f"{spec.name}: shape {values.shape}, or not finite")
    return constants


def _prior(constants: dict[str, F32]) -> LastLayerPrior:
    def array(name: str) -> F64:
        return constants[name].astype(np.float64)

    return LastLayerPrior(
        mean=array("prior_mean"),
        factor=array("prior_factor"),
        log_noise=array("prior_log_noise"),
        scale_dof=float(constants["prior_scale_dof"][0]),
    )
