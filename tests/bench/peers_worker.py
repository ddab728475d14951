# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One peer runtime that stays loaded and runs on demand; started by peers.py with the Python of its virtual environment.

    peers_worker.py write MODEL STEM               writes the network's files; prints its GFLOP and what this process sees of the CPU
    peers_worker.py compare OUTPUT FOLDER          compares such outputs with those of effdet infer
    peers_worker.py RUNTIME STEM THREADS OUTPUT    first runs once and writes the outputs to OUTPUT (npz)

Prints one line of JSON when it is ready, and one for every line with a number of runs on standard input.
"""
import json
import sys
import time

import numpy as np


def onnxruntime_session(stem, _outputs, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(stem + '.onnx', options, providers=['CPUExecutionProvider'])
    return 'onnxruntime ' + onnxruntime.__version__, 'CPU', lambda x: session.run(None, {'input': x})


def openvino_session(stem, _outputs, threads):
    import openvino
    hints = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': threads, 'INFERENCE_PRECISION_HINT': 'f32'}
    model = openvino.Core().compile_model(stem + '.onnx', 'CPU', hints)
    request = model.create_infer_request()

    def run(x):
        request.infer({0: x}, share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(i).data for i in range(len(model.outputs))]
    return 'openvino ' + openvino.__version__.split('-')[0], 'CPU', run


def ncnn_session(stem, outputs, threads, vulkan=False):
    import ncnn
    net, device = ncnn.Net(), 'CPU'
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, vulkan
    # half precision would spoil the comparison of outputs; cooperative matrices come with it, and a CPU driver compiles those for minutes
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    if vulkan:
        net.set_vulkan_device(0)
        device = ncnn.get_gpu_info(0).device_name()
    if net.load_param(stem + '.param') or net.load_model(stem + '.bin'):
        sys.exit(f'ncnn cannot load {stem}.param and .bin')

    def run(x):
        extractor, results = net.create_extractor(), []
        extractor.input('input', ncnn.Mat(x[0]))
        for blob in outputs.values():
            status, result = extractor.extract(blob)
            if status:
                sys.exit(f'ncnn: output {blob} failed with {status}')
            results.append(np.array(result)[None])
        return results
    return 'ncnn ' + ncnn.__version__, device, run


SESSIONS = {
    'onnxruntime': onnxruntime_session,
    'openvino': openvino_session,
    'ncnn': ncnn_session,
    'ncnn-vulkan': lambda stem, outputs, threads: ncnn_session(stem, outputs, threads, True),
}


def say(**values):
    print(json.dumps(values), flush=True)


def serve(runtime, stem, threads, output):
    x = np.load(stem + '.npy')
    with open(stem + '.json', encoding='ascii') as file:
        outputs = json.load(file)
    begin = time.perf_counter()
    version, device, run = SESSIONS[runtime](stem, outputs, threads)
    loaded = time.perf_counter()
    results = run(x)
    done = time.perf_counter()
    np.savez(output, **{name: np.array(values) for name, values in zip(outputs, results)})
    say(version=version, device=device, first_ms=(done - begin) * 1e3, load_ms=(loaded - begin) * 1e3)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            run(x)
            times.append((time.perf_counter() - begin) * 1e3)
        say(network_ms=times)


def write(model, stem):
    import peers_network
    gflop = peers_network.write_files(model, stem)
    features = getattr(np, '_core', np).__dict__['_multiarray_umath'].__cpu_features__  # by cpuid: what the runtimes see as well
    say(avx2=features['AVX2'], avx512=features['AVX512F'], gflop=gflop)


def difference(expected, folder):
    """Largest difference between outputs, relative to the largest value of an output; nan when shapes differ."""
    worst = 0.0
    for name, values in np.load(expected).items():
        other = np.load(f'{folder}/{name}.npy')
        if other.shape != values.shape:
            return float('nan')
        worst = max(worst, float(np.abs(other - values).max() / np.abs(values).max()))
    return worst


if __name__ == '__main__':
    if sys.argv[1] == 'write':
        write(*sys.argv[2:])
    elif sys.argv[1] == 'compare':
        say(difference=difference(*sys.argv[2:]))
    else:
        serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
