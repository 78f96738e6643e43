"""The network as an ONNX file that takes one step of 20 ms: what models/pvad.md describes.

Weights are stored as 16-bit floats and computed with as 32-bit ones. ONNX orders the gates of a
cell otherwise than PyTorch: input, output, forget, cell for an LSTM; update, reset, hidden for a
GRU.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from agents.voice.features import MELS
from agents.voice.voiceprint import SIZE

from .network import HIDDEN, LAYERS, LEVEL_DB, LEVEL_SPAN_DB, SCALE, SPECTRA, Weights

_OPSET = 17
_IR = 8
# Where each of ONNX's gates is among PyTorch's.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
_DENSE = (
    "encoder.linear",
    "decider.products",
    "decider.differences",
    "decider.primary",
    "decider.anyone",
)
_INPUTS = {
    "mel": (1, 2, MELS),
    "log_mel": (1, 5, MELS),
    "level_db": (1, 1),
    "voiceprint": (1, SIZE),
    "cosine_before": (1, 1),
    "h": (LAYERS, 1, SIZE),
    "c": (LAYERS, 1, SIZE),
    "g": (2, 1, HIDDEN),
}
_OUTPUTS = {
    "primary": (1, 1),
    "anyone": (1, 1),
    "cosine": (1, 1),
    "h_next": (LAYERS, 1, SIZE),
    "c_next": (LAYERS, 1, SIZE),
    "g_next": (2, 1, HIDDEN),
    "embedding": (1, 1, SIZE),
}


def write(weights: Weights, path: Path, metadata: dict[str, str]) -> None:
    """Write the network."""
    step = _Step(weights)
    step.encode()
    step.decide()
    graph = helper.make_graph(
        step.nodes, "pvad", _values(_INPUTS), _values(_OUTPUTS), step.initializers
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def read(path: Path) -> Weights:
    """The weights of a file that `write` wrote, or PyTorch's exporter from the same network.

    They are told by the order of the nodes, as an exporter gives them names of its own.
    """
    graph = onnx.load(path).graph
    tensors = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]].astype(np.float32)

    def of(kind: str) -> list[list[NDArray[np.float32]]]:
        nodes = [node for node in graph.node if node.op_type == kind]
        found = [[tensors[each] for each in node.input if each in tensors] for node in nodes]
        return [each for each in found if each]

    weights: Weights = {}
    for kind, name in (("LSTM", "encoder.lstm"), ("GRU", "decider.gru")):
        for layer, (w, r, biases) in enumerate(of(kind)):
            b_w, b_r = np.split(biases[0], 2)
            parts = {"weight_ih": w[0], "weight_hh": r[0], "bias_ih": b_w, "bias_hh": b_r}
            order = np.argsort(_GATES[kind])
            for part, rows in parts.items():
                weights[f"{name}.{part}_l{layer}"] = _in_order(rows, order)
    for name, (matrix,), (bias,) in zip(_DENSE, of("MatMul"), of("Add"), strict=True):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = matrix.T.copy(), bias
    ((weights["decider.spectra.weight"], weights["decider.spectra.bias"]),) = of("Conv")
    return weights


class _Step:
    """Builds the graph, node by node."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def encode(self) -> None:
        """From the features to the embedding, and its likeness to the voiceprint."""
        self._node("Transpose", ["mel"], ["frames"], perm=[1, 0, 2])
        layers = range(LAYERS)
        for state in "hc":
            self._node("Split", [state], [f"{state}_{layer}" for layer in layers], axis=0)
        heard = "frames"
        for layer in layers:
            before, after = ([f"{state}_{each}" for state in "hc"] for each in (layer, f"{layer}'"))
            heard = self._cell("LSTM", "encoder.lstm", layer, heard, before, after)
        for state in "hc":
            self._node("Concat", [f"{state}_{each}'" for each in layers], [f"{state}_next"], axis=0)
        # The state of the last layer is its newest output.
        self._dense("encoder.linear", f"h_{LAYERS - 1}'", "voice")
        self._node("ReduceL2", ["voice"], ["length"], axes=[2], keepdims=1)
        self._node("Max", ["length", self._constant(1e-12)], ["some_length"])
        self._node("Div", ["voice", "some_length"], ["embedding"])
        self._node("Unsqueeze", ["voiceprint", self._axes(1)], ["known"])
        self._node("Mul", ["embedding", "known"], ["product"])
        self._node("ReduceSum", ["product", self._axes(2)], ["cosine"], keepdims=0)

    def decide(self) -> None:
        """From the embedding beside the voiceprint to the probabilities."""
        scale = self._constant(SCALE)
        self._node("Mul", ["product", scale], ["scaled_product"])
        self._dense("decider.products", "scaled_product", "products")
        self._node("Sub", ["embedding", "known"], ["difference"])
        self._node("Abs", ["difference"], ["distance"])
        self._node("Mul", ["distance", scale], ["scaled_distance"])
        self._dense("decider.differences", "scaled_distance", "differences")
        self._node("Transpose", ["log_mel"], ["bands"], perm=[0, 2, 1])
        kernel = self._weight("decider.spectra.weight", half=True)
        bias = self._weight("decider.spectra.bias")
        self._node("Conv", ["bands", kernel, bias], ["convolved"], strides=[2])
        self._node("Relu", ["convolved"], ["some_bands"])
        self._node("Reshape", ["some_bands", self._axes(1, 1, SPECTRA)], ["spectra"])
        self._node("Sub", ["level_db", self._constant(-LEVEL_DB)], ["raised"])
        self._node("Div", ["raised", self._constant(LEVEL_SPAN_DB)], ["level"])
        scalars = [f"{each}_row" for each in ("cosine", "cosine_before", "level")]
        for each in scalars:
            self._node("Unsqueeze", [each.removesuffix("_row"), self._axes(1)], [each])
        self._node("Concat", ["products", "differences", "spectra", *scalars], ["seen"], axis=2)
        self._node("Split", ["g"], ["g_0", "g_1"], axis=0)
        heard = "seen"
        for layer in range(2):
            heard = self._cell("GRU", "decider.gru", layer, heard, [f"g_{layer}"], [f"g_{layer}'"])
        self._node("Concat", ["g_0'", "g_1'"], ["g_next"], axis=0)
        for name in ("primary", "anyone"):
            self._dense(f"decider.{name}", heard, f"{name}_odds", relu=False)
            self._node("Sigmoid", [f"{name}_odds"], [f"{name}_row"])
            self._node("Reshape", [f"{name}_row", self._axes(1, 1)], [name])

    def _node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: object) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    def _cell(
        self, kind: str, name: str, layer: int, heard: str, before: list[str], after: list[str]
    ) -> str:
        """(n, 1, size) outputs of a recurrent layer; its states are (1, 1, size)."""

        def rows(part: str) -> NDArray[np.float32]:
            return _in_order(self._weights[f"{name}.{part}_l{layer}"], np.array(_GATES[kind]))

        inputs = [
            self._tensor(f"{name}.{part}_l{layer}", values[None], half=half)
            for part, values, half in (
                ("w", rows("weight_ih"), True),
                ("r", rows("weight_hh"), True),
                ("b", np.concatenate([rows("bias_ih"), rows("bias_hh")]), False),
            )
        ]
        size = self._weights[f"{name}.weight_hh_l{layer}"].shape[1]
        extra = {"linear_before_reset": 1} if kind == "GRU" else {}
        outputs = [f"{name}_{layer}", *after]
        self._node(kind, [heard, *inputs, "", *before], outputs, hidden_size=size, **extra)
        self._node("Squeeze", [outputs[0], self._axes(1)], [f"{outputs[0]}_heard"])
        return f"{outputs[0]}_heard"

    def _dense(self, name: str, value: str, output: str, *, relu: bool = True) -> None:
        matrix = self._tensor(f"{name}.matrix", self._weights[f"{name}.weight"].T, half=True)
        bias = self._weight(f"{name}.bias")
        self._node("MatMul", [value, matrix], [f"{output}_raw"])
        biased = f"{output}_biased" if relu else output
        self._node("Add", [f"{output}_raw", bias], [biased])
        if relu:
            self._node("Relu", [biased], [output])

    def _weight(self, name: str, *, half: bool = False) -> str:
        return self._tensor(name, self._weights[name], half=half)

    def _tensor(self, name: str, values: NDArray[np.float32], *, half: bool = False) -> str:
        stored = np.ascontiguousarray(values, np.float16 if half else np.float32)
        self.initializers.append(numpy_helper.from_array(stored, f"{name}.half" if half else name))
        if half:
            self._node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
        return name

    def _constant(self, value: float) -> str:
        return self._value(np.float32(value))

    def _axes(self, *axes: int) -> str:
        return self._value(np.array(axes, np.int64))

    def _value(self, value: NDArray[np.int64] | np.float32) -> str:
        name = f"constant_{len(self.nodes)}"
        self._node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))
        return name


def _in_order(rows: NDArray[np.float32], order: NDArray[np.intp]) -> NDArray[np.float32]:
    return np.concatenate([np.split(rows, len(order))[each] for each in order])


def _values(shapes: dict[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
