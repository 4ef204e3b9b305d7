"""Computes what Core ML files say, with PyTorch, from what coremltools parses: Core ML itself runs on Apple's systems only.

python coreml_judge.py JOBS.json
JOBS.json: a list of {"images": [uint8 [height][width][3], ...], "files": [".mlmodel or .mlpackage", ...]}. Prints a line
of JSON for each file: labels, probabilities of each image, what is in the metadata.
"""

import json
import sys

import coremltools as ct
import numpy as np
import torch
import torch.nn.functional as F


def weights(params, shape):
    if params.float16Value:
        return torch.tensor(np.frombuffer(params.float16Value, np.float16).astype(np.float32).reshape(shape))
    return torch.tensor(np.array(params.floatValue, np.float32).reshape(shape))


def padded(x, border, value=0.0):
    (top, bottom), (left, right) = [(side.startEdgeSize, side.endEdgeSize) for side in border.borderAmounts]
    return F.pad(x, (left, right, top, bottom), value=value)


def mean_pool(x, pad, kernel, stride, exclude):
    """pad: (left, right, top, bottom)"""
    count = torch.ones_like(x)
    x, count = F.pad(x, pad), F.pad(count, pad, value=0.0 if exclude else 1.0)
    area = kernel[0] * kernel[1]
    return F.avg_pool2d(x, kernel, stride) * area / (F.avg_pool2d(count, kernel, stride) * area)


def layer(one, x):
    kind = one.WhichOneof("layer")
    at = getattr(one, kind)
    if kind == "convolution":
        w = weights(at.weights, [at.outputChannels, at.kernelChannels, *at.kernelSize])
        b = weights(at.bias, [-1]) if at.hasBias else None
        x = padded(x[0], at.valid.paddingAmounts)
        return F.conv2d(x, w, b, tuple(at.stride), 0, tuple(at.dilationFactor), at.nGroups)
    if kind == "pooling":
        if at.globalPooling:
            return x[0].mean((2, 3), keepdim=True)
        border = at.valid.paddingAmounts
        if at.type == 0:
            return F.max_pool2d(padded(x[0], border, -float("inf")), tuple(at.kernelSize), tuple(at.stride))
        (top, bottom), (left, right) = [(s.startEdgeSize, s.endEdgeSize) for s in border.borderAmounts]
        pad = (left, right, top, bottom)
        return mean_pool(x[0], pad, list(at.kernelSize), list(at.stride), at.avgPoolExcludePadding)
    if kind == "batchnorm":
        gamma, beta, mean, variance = [weights(p, [-1]) for p in (at.gamma, at.beta, at.mean, at.variance)]
        assert at.channels == len(gamma) and at.epsilon > 0
        return F.batch_norm(x[0], mean, variance, gamma, beta, False, 0.0, at.epsilon)
    if kind == "innerProduct":
        w = weights(at.weights, [at.outputChannels, at.inputChannels])
        return F.linear(x[0].flatten(1), w, weights(at.bias, [-1]) if at.hasBias else None)
    if kind == "activation":
        which = at.WhichOneof("NonlinearityType")
        return F.relu(x[0]) if which == "ReLU" else at.linear.alpha * x[0] + at.linear.beta
    if kind == "unary":
        assert at.type == 7  # threshold
        return torch.clamp(at.scale * x[0] + at.shift, min=at.alpha)
    if kind == "add":
        return x[0] + x[1]
    if kind == "flatten":
        return x[0].flatten(1)
    if kind == "softmax":
        return torch.softmax(x[0], 1)
    if kind == "scale":
        return x[0] * weights(at.scale, [1, -1, 1, 1])
    raise ValueError(kind)


def neural_network(spec, image):
    net = spec.neuralNetworkClassifier
    (pre,) = net.preprocessing
    scaler = pre.scaler
    bias = torch.tensor([scaler.redBias, scaler.greenBias, scaler.blueBias]).reshape(1, 3, 1, 1)
    values = {spec.description.input[0].name: scaler.channelScale * image + bias}
    for one in net.layers:
        values[one.output[0]] = layer(one, [values[name] for name in one.input])
    return list(net.stringClassLabels.vector), values[net.labelProbabilityLayerName]


def program(spec, image, path):
    """coremltools checks the type of every operation as it loads the program."""
    from coremltools.converters.mil.frontend.milproto.load import load

    loaded = load(spec, spec.specificationVersion, f"{path}/Data/com.apple.CoreML/weights")
    values = {loaded.functions["main"].inputs["image"].name: image}
    for op in loaded.functions["main"].operations:
        def get(name, op=op):
            var = op.inputs.get(name)
            if var is None:
                return None
            return var.val if var.val is not None else values[var.name]

        def tensor(name, get=get):
            found = get(name)
            return None if found is None else torch.as_tensor(np.asarray(found)) if not torch.is_tensor(found) else found

        kind, name = op.op_type, op.outputs[0].name
        if kind == "const":
            continue
        if kind == "constexpr_cast":
            assert op.inputs["output_dtype"].val == "fp32"
            values[name] = torch.tensor(op.inputs["source_val"].val.astype(np.float32))
            continue
        x = tensor("x")
        if kind in ("conv", "max_pool", "avg_pool"):
            top, bottom, left, right = [int(v) for v in get("pad")]
            stride = tuple(int(v) for v in get("strides"))
        if kind == "real_div":
            values[name] = x / tensor("y")
        elif kind == "sub":
            values[name] = x - tensor("y")
        elif kind == "add":
            values[name] = x + tensor("y")
        elif kind == "conv":
            x = F.pad(x, (left, right, top, bottom))
            dilation = tuple(int(v) for v in get("dilations"))
            values[name] = F.conv2d(x, tensor("weight"), tensor("bias"), stride, 0, dilation, int(get("groups")))
        elif kind == "max_pool":
            x = F.pad(x, (left, right, top, bottom), value=-float("inf"))
            values[name] = F.max_pool2d(x, tuple(int(v) for v in get("kernel_sizes")), stride)
        elif kind == "avg_pool":
            kernel = [int(v) for v in get("kernel_sizes")]
            exclude = bool(get("exclude_padding_from_average"))
            values[name] = mean_pool(x, (left, right, top, bottom), kernel, stride, exclude)
        elif kind == "batch_norm":
            args = [tensor(k) for k in ("mean", "variance", "gamma", "beta")]
            values[name] = F.batch_norm(x, *args, False, 0.0, float(get("epsilon")))
        elif kind == "relu":
            values[name] = F.relu(x)
        elif kind == "relu6":
            values[name] = F.relu6(x)
        elif kind == "reduce_mean":
            values[name] = x.mean(tuple(int(v) for v in get("axes")), keepdim=bool(get("keep_dims")))
        elif kind == "reshape":
            values[name] = x.reshape([int(v) for v in get("shape")])
        elif kind == "linear":
            values[name] = F.linear(x, tensor("weight"), tensor("bias"))
        elif kind == "softmax":
            values[name] = torch.softmax(x, int(get("axis")))
        elif kind == "classify":
            return list(get("classes")), tensor("probabilities")
        else:
            raise ValueError(kind)


def judge(path, images):
    spec = ct.models.MLModel(path, skip_model_load=True).get_spec()
    kind = spec.description.input[0].type.imageType
    rows = []
    for image in images:
        x = torch.tensor(np.array(image, np.float32)).permute(2, 0, 1)[None].contiguous()
        assert x.shape == (1, 3, kind.height, kind.width) and kind.colorSpace == 20
        labels, found = program(spec, x, path) if path.endswith(".mlpackage") else neural_network(spec, x)
        rows.append(found[0].tolist())
    outputs = {one.name: one.type.WhichOneof("Type") for one in spec.description.output}
    assert outputs[spec.description.predictedFeatureName] == "stringType"
    assert outputs[spec.description.predictedProbabilitiesName] == "dictionaryType"
    metadata = dict(spec.description.metadata.userDefined)
    version = spec.specificationVersion
    return {"labels": labels, "probabilities": rows, "metadata": metadata, "version": version}


for job in json.load(open(sys.argv[1])):
    for path in job["files"]:
        print(json.dumps(judge(path, job["images"])))
