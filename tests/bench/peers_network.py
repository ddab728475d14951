# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""EfficientDet with synthetic weights as a list of nodes, and its files for effdet (safetensors), ONNX and ncnn.

Written from the description of the networks, independently of the engine. Batch norms are folded here; what else to fuse is left to each runtime.
"""
import json
import math
import struct
from dataclasses import dataclass, field

import numpy as np

EPSILON = 1e-3
CLASSES, ANCHORS = 90, 9
# kernel, stride of the first block, expansion of the seven stages
STAGES = [(3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6)]


@dataclass(frozen=True)
class Arch:
    size: int
    stem: int
    channels: tuple
    repeats: tuple
    width: int  # channels of the feature pyramid
    cells: int
    head_repeats: int
    lite: bool
    gain: float  # of convolutions: keeps activations of the deep networks from vanishing


ARCHS = {
    'd0': Arch(512, 32, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 64, 3, 3, False, 1.1),
    'd1': Arch(640, 32, (16, 24, 40, 80, 112, 192, 320), (2, 3, 3, 4, 4, 5, 2), 88, 4, 3, False, 1.1),
    'd2': Arch(768, 32, (16, 24, 48, 88, 120, 208, 352), (2, 3, 3, 4, 4, 5, 2), 112, 5, 3, False, 1.1),
    'd3': Arch(896, 40, (24, 32, 48, 96, 136, 232, 384), (2, 3, 3, 5, 5, 6, 2), 160, 6, 4, False, 1.1),
    'd4': Arch(1024, 48, (24, 32, 56, 112, 160, 272, 448), (2, 4, 4, 6, 6, 8, 2), 224, 7, 4, False, 1.1),
    'lite0': Arch(320, 32, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 64, 3, 3, True, 1.0),
    'lite1': Arch(384, 32, (16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1), 88, 4, 3, True, 1.0),
    'lite2': Arch(448, 32, (16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1), 112, 5, 3, True, 1.0),
}


@dataclass
class Node:
    op: str  # conv, depthwise, sum, pool, nearest, mean, scale
    inputs: list
    output: str
    shape: tuple  # channels, height, width of the output
    act: str = ''  # swish, relu6, sigmoid
    weight: np.ndarray = None
    bias: np.ndarray = None
    kernel: int = 1
    stride: int = 1
    pads: tuple = (0, 0, 0, 0)  # top, left, bottom, right
    factors: list = field(default_factory=list)  # of a sum's inputs; none: 1


def input_tensor(name):
    size = ARCHS[name].size
    return np.random.default_rng(3).uniform(-2, 2, (1, 3, size, size)).astype(np.float32)


def same_pads(height, width, kernel, stride):
    totals = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (height, width)]
    before = [total // 2 for total in totals]
    return (*before, *(total - half for total, half in zip(totals, before)))


class Network:
    """nodes: folded, in order; tensors: the checkpoint, by rwightman's names; outputs: value name of each output, e.g. "class_3"."""

    def __init__(self, name):
        self.arch, self.nodes, self.tensors, self.outputs = ARCHS[name], [], {}, {}
        self.random = np.random.default_rng(1)
        self.shapes = {'input': (3, self.arch.size, self.arch.size)}
        self.act = 'relu6' if self.arch.lite else 'swish'
        self.heads(self.pyramid(self.backbone()))

    # ---- weights

    def tensor(self, name, shape, middle=0.0, spread=0.1):
        values = middle + spread * self.random.uniform(-1, 1, shape)
        self.tensors[name] = values.astype(np.float32)
        return self.tensors[name]

    def kernel(self, name, *shape):
        if name in self.tensors:
            return self.tensors[name]  # heads share theirs between levels
        return self.tensor(name, shape, spread=self.arch.gain * math.sqrt(3 / math.prod(shape[1:])))

    def bias(self, name, n, middle=0.0):
        return self.tensors[name] if name in self.tensors else self.tensor(name, (n,), middle)

    def norm(self, prefix, weight, bias):
        n = len(weight)
        gamma, beta = self.tensor(prefix + '.weight', (n,), 1), self.tensor(prefix + '.bias', (n,))
        mean, variance = self.tensor(prefix + '.running_mean', (n,)), self.tensor(prefix + '.running_var', (n,), 1, 0.5)
        factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + EPSILON)
        folded = weight * factor[:, None, None, None]
        return folded.astype(np.float32), ((0 if bias is None else bias) * factor + beta - mean * factor).astype(np.float32)

    # ---- nodes

    def add(self, op, inputs, shape, **values):
        node = Node(op, inputs, f'v{len(self.nodes)}', shape, **values)
        self.nodes.append(node)
        self.shapes[node.output] = shape
        return node.output

    def conv(self, x, weight, bias, stride=1, act='', depthwise=False):
        _, height, width = self.shapes[x]
        kernel = weight.shape[2]
        if bias is None:
            bias = np.zeros(len(weight), np.float32)
        return self.add('depthwise' if depthwise else 'conv', [x], (len(weight), -(-height // stride), -(-width // stride)), act=act, weight=weight,
                        bias=bias, kernel=kernel, stride=stride, pads=same_pads(height, width, kernel, stride))

    def separable(self, x, prefix, n, bias_middle=0.0, norm=None, act=''):
        width = self.arch.width
        x = self.conv(x, self.kernel(prefix + '.conv_dw.weight', width, 1, 3, 3), None, depthwise=True)
        weight, bias = self.kernel(prefix + '.conv_pw.weight', n, width, 1, 1), self.bias(prefix + '.conv_pw.bias', n, bias_middle)
        if norm:
            weight, bias = self.norm(norm, weight, bias)
        return self.conv(x, weight, bias, act=act)

    # ---- parts

    def backbone(self):
        arch = self.arch
        weight, bias = self.norm('backbone.bn1', self.kernel('backbone.conv_stem.weight', arch.stem, 3, 3, 3), None)
        x, taps = self.conv('input', weight, bias, 2, self.act), []
        for s, (kernel, stride, expand) in enumerate(STAGES):
            for i in range(arch.repeats[s]):
                x = self.block(x, f'backbone.blocks.{s}.{i}', arch.channels[s], kernel, stride if i == 0 else 1, expand)
            if s in (2, 4, 6):
                taps.append(x)
        return taps

    def block(self, x, prefix, n_out, kernel, stride, expand):
        entry, n_in = x, self.shapes[x][0]
        middle, norms = n_in * expand, iter(('.bn1', '.bn2', '.bn3'))
        if expand > 1:
            weight, bias = self.norm(prefix + next(norms), self.kernel(prefix + '.conv_pw.weight', middle, n_in, 1, 1), None)
            x = self.conv(x, weight, bias, act=self.act)
        weight, bias = self.norm(prefix + next(norms), self.kernel(prefix + '.conv_dw.weight', middle, 1, kernel, kernel), None)
        x = self.conv(x, weight, bias, stride, self.act, depthwise=True)
        if not self.arch.lite:
            squeezed, se = max(1, n_in // 4), prefix + '.se.conv_'
            scale = self.add('mean', [x], (middle, 1, 1))
            scale = self.conv(scale, self.kernel(se + 'reduce.weight', squeezed, middle, 1, 1), self.bias(se + 'reduce.bias', squeezed), act='swish')
            scale = self.conv(scale, self.kernel(se + 'expand.weight', middle, squeezed, 1, 1), self.bias(se + 'expand.bias', middle), act='sigmoid')
            x = self.add('scale', [x, scale], self.shapes[x])
        weight = self.kernel(prefix + ('.conv_pwl' if expand > 1 else '.conv_pw') + '.weight', n_out, middle, 1, 1)
        x = self.conv(x, *self.norm(prefix + next(norms), weight, None))
        return self.add('sum', [x, entry], self.shapes[x]) if stride == 1 and n_in == n_out else x

    def project(self, x, prefix):
        n, width = self.shapes[x][0], self.arch.width
        if n == width:
            return x
        weight, bias = self.kernel(prefix + '.conv.conv.weight', width, n, 1, 1), self.bias(prefix + '.conv.conv.bias', width)
        return self.conv(x, *self.norm(prefix + '.conv.bn', weight, bias))

    def resample(self, x, height, width):
        n, from_height, from_width = self.shapes[x]
        if from_height > height:
            return self.add('pool', [x], (n, height, width), kernel=3, stride=2, pads=same_pads(from_height, from_width, 3, 2))
        return self.add('nearest', [x], (n, height, width)) if from_height < height else x

    def pyramid(self, features):
        for level in (3, 4):
            x = self.project(features[-1], f'fpn.resample.{level}')
            features.append(self.resample(x, *(-(-n // 2) for n in self.shapes[features[-1]][1:])))
        sizes = [self.shapes[x][1:] for x in features]
        for cell in range(self.arch.cells):
            features = self.cell(features, sizes, f'fpn.cell.{cell}')
        return features

    def cell(self, features, sizes, prefix):
        # down to the finest level, then up again; each node reads every feature of its level so far and the last one of its neighbour
        features, of_level = list(features), [[level] for level in range(len(sizes))]
        steps = [(level, level + 1) for level in (3, 2, 1, 0)] + [(level, level - 1) for level in (1, 2, 3, 4)]
        for k, (level, neighbour) in enumerate(steps):
            own = of_level[level] if neighbour < level else of_level[level][-1:]
            ids, node = [*own, of_level[neighbour][-1]], f'{prefix}.fnode.{k}'
            inputs = [self.resample(self.project(features[i], f'{node}.combine.resample.{i}'), *sizes[level]) for i in ids]
            factors = []
            if not self.arch.lite:
                edges = np.maximum(self.tensor(node + '.combine.edge_weights', (len(ids),), 1, 0.5), 0).astype(np.float64)
                factors = [float(edge) for edge in edges / (edges.sum() + 1e-4)]
            x = self.add('sum', inputs, (self.arch.width, *sizes[level]), factors=factors, act=self.act)
            x = self.separable(x, node + '.after_combine.conv', self.arch.width, norm=node + '.after_combine.conv.bn')
            of_level[level].append(len(features))
            features.append(x)
        return [features[ids[-1]] for ids in of_level]

    def heads(self, features):
        # the classes' bias is that of an untrained network: few scores above a threshold, as behind a trained one
        for kind, channels, middle in (('class', ANCHORS * CLASSES, -math.log(99)), ('box', ANCHORS * 4, 0)):
            for level, x in enumerate(features):
                for r in range(self.arch.head_repeats):
                    x = self.separable(x, f'{kind}_net.conv_rep.{r}', self.arch.width, norm=f'{kind}_net.bn_rep.{r}.{level}.bn', act=self.act)
                self.outputs[f'{kind}_{level + 3}'] = self.separable(x, f'{kind}_net.predict', channels, middle)


# ---- files

def write_safetensors(network, path):
    header, offset = {}, 0
    for name, values in network.tensors.items():
        header[name] = {'dtype': 'F32', 'shape': list(values.shape), 'data_offsets': [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for values in network.tensors.values():
            file.write(values.tobytes())


class OnnxWriter:
    def __init__(self, network):
        from onnx import helper, numpy_helper
        self.make, self.array = helper, numpy_helper.from_array
        self.network, self.nodes, self.constants = network, [], []

    def constant(self, values):
        name = f'c{len(self.constants)}'
        self.constants.append(self.array(np.asarray(values), name))
        return name

    def emit(self, op, inputs, output, **attributes):
        self.nodes.append(self.make.make_node(op, inputs, [output], **attributes))
        return output

    def activate(self, act, x, output):
        if act == 'swish':
            self.emit('Mul', [x, self.emit('Sigmoid', [x], output + '_gate')], output)
        elif act == 'relu6':
            self.emit('Clip', [x, self.constant(np.float32(0)), self.constant(np.float32(6))], output)
        else:
            self.emit('Sigmoid', [x], output)

    def weighted_sum(self, node, output):
        x = None
        for i, name in enumerate(node.inputs):
            if node.factors:
                name = self.emit('Mul', [name, self.constant(np.float32(node.factors[i]))], f'{output}_part{i}')
            last = i == len(node.inputs) - 1
            x = name if x is None else self.emit('Add', [x, name], output if last else f'{output}_sum{i}')

    def node(self, node):
        output = node.output + '_raw' if node.act else node.output
        window = {'kernel_shape': [node.kernel] * 2, 'strides': [node.stride] * 2, 'pads': list(node.pads)}
        if node.op in ('conv', 'depthwise'):
            group = len(node.weight) if node.op == 'depthwise' else 1
            self.emit('Conv', [*node.inputs, self.constant(node.weight), self.constant(node.bias)], output, group=group, **window)
        elif node.op == 'pool':
            self.emit('MaxPool', node.inputs, output, **window)
        elif node.op == 'nearest':
            sizes = self.constant(np.array([1, *node.shape], np.int64))
            self.emit('Resize', [*node.inputs, '', '', sizes], output, mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor')
        elif node.op == 'mean':
            self.emit('GlobalAveragePool', node.inputs, output)
        elif node.op == 'scale':
            self.emit('Mul', node.inputs, output)
        else:
            self.weighted_sum(node, output)
        if node.act:
            self.activate(node.act, output, node.output)

    def write(self, path):
        import onnx
        network, info = self.network, self.make.make_tensor_value_info
        for node in network.nodes:
            self.node(node)
        outputs = []
        for name, value in network.outputs.items():
            self.emit('Identity', [value], name)
            outputs.append(info(name, onnx.TensorProto.FLOAT, [1, *network.shapes[value]]))
        inputs = [info('input', onnx.TensorProto.FLOAT, [1, *network.shapes['input']])]
        graph = self.make.make_graph(self.nodes, 'efficientdet', inputs, outputs, self.constants)
        model = self.make.make_model(graph, opset_imports=[self.make.make_opsetid('', 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


class NcnnWriter:
    """The param text and the weights file. A blob has one reader in ncnn: what has more goes through a Split layer."""

    def __init__(self, network):
        self.network, self.layers, self.data, self.blobs, self.waiting = network, [], [], 0, {}
        self.readers = {}
        for node in network.nodes:
            for name in node.inputs:
                self.readers[name] = self.readers.get(name, 0) + 1

    def emit(self, kind, inputs, outputs, *parameters):
        self.blobs += len(outputs)
        self.layers.append(' '.join([kind, f'l{len(self.layers)}', str(len(inputs)), str(len(outputs)), *inputs, *outputs, *parameters]))

    def produced(self, name):
        n = self.readers.get(name, 0)
        if n > 1:
            self.waiting[name] = [f'{name}_{i}' for i in range(n)]
            self.emit('Split', [name], self.waiting[name])

    def read(self, name):
        return self.waiting[name].pop(0) if name in self.waiting else name

    def node(self, node):
        swish = node.act == 'swish' or node.act and node.op == 'sum'  # a layer of its own
        inputs, output = [self.read(name) for name in node.inputs], [node.output + '_raw' if swish else node.output]
        top, left, bottom, right = node.pads
        activation = [] if swish or not node.act else ['9=3', '-23310=2,0.0,6.0'] if node.act == 'relu6' else ['9=4']
        if node.op == 'conv' and node.shape[1:] == (1, 1) and node.stride == 1:  # of a vector
            self.emit('InnerProduct', inputs, output, f'0={len(node.weight)}', '1=1', f'2={node.weight.size}', *activation)
            self.data += [np.zeros(1, np.uint32), node.weight, node.bias]
        elif node.op in ('conv', 'depthwise'):
            parameters = [f'0={len(node.weight)}', f'1={node.kernel}', f'3={node.stride}', f'4={left}', f'14={top}', f'15={right}', f'16={bottom}', '5=1',
                          f'6={node.weight.size}']
            if node.op == 'depthwise':
                parameters.append(f'7={len(node.weight)}')
            self.emit('ConvolutionDepthWise' if node.op == 'depthwise' else 'Convolution', inputs, output, *parameters, *activation)
            self.data += [np.zeros(1, np.uint32), node.weight, node.bias]  # 0: the weights are float32
        elif node.op == 'pool':
            self.emit('Pooling', inputs, output, '0=0', f'1={node.kernel}', f'2={node.stride}', f'3={left}', f'13={top}', f'14={right}', f'15={bottom}', '5=1')
        elif node.op == 'nearest':
            self.emit('Interp', inputs, output, '0=1', f'3={node.shape[1]}', f'4={node.shape[2]}')
        elif node.op == 'mean':
            self.emit('Pooling', inputs, output, '0=1', '4=1')
        elif node.op == 'scale':
            self.emit('BinaryOp', inputs, output, '0=2')
        else:
            factors = ','.join(str(factor) for factor in node.factors)
            self.emit('Eltwise', inputs, output, '0=1', *([f'-23301={len(node.factors)},{factors}'] if factors else []))
        if swish and node.act == 'swish':
            self.emit('Swish', output, [node.output])
        elif swish:
            self.emit('Clip', output, [node.output], '0=0.0', '1=6.0')
        self.produced(node.output)

    def write(self, stem):
        self.emit('Input', [], ['input'])
        self.produced('input')
        for node in self.network.nodes:
            self.node(node)
        with open(stem + '.param', 'w', encoding='ascii') as file:
            file.write('\n'.join(['7767517', f'{len(self.layers)} {self.blobs}', *self.layers, '']))
        with open(stem + '.bin', 'wb') as file:
            for values in self.data:
                file.write(values.tobytes())


def write_files(name, stem):
    """The network for each program, its input, and the names of ncnn's output blobs; returns its GFLOP (two for a multiply-accumulate)."""
    network = Network(name)
    write_safetensors(network, stem + '.safetensors')
    OnnxWriter(network).write(stem + '.onnx')
    NcnnWriter(network).write(stem)
    np.save(stem + '.npy', input_tensor(name))
    with open(stem + '.json', 'w', encoding='ascii') as file:
        json.dump(network.outputs, file)
    return sum(2e-9 * node.weight.size * node.shape[1] * node.shape[2] for node in network.nodes if node.weight is not None)
