#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times effdet against ONNX Runtime, OpenVINO and ncnn: same network, same weights, same cores, interleaved in one run.

    tests/bench/peers.py --build build --model d0 --model lite0 --out result.json

Installs the peers from the Python index into a virtual environment in --cache. Compared is the network alone, from its input tensor to the raw class and
box maps: effdet by the device's timestamps, the others by the clock around their call. All programs stay loaded; a round asks each in turn for a
batch, and a ratio is that of two batches of one round. A round in which other programs took over 6 % of a batch's CPU time is repeated. The outputs
of all must agree, or there is no result.
"""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ['numpy', 'onnx', 'onnxruntime', 'openvino', 'ncnn']
PEERS = ['onnxruntime', 'openvino', 'ncnn', 'ncnn-vulkan']
MAX_DIFFERENCE = 1e-3
MAX_OTHER_LOAD = 0.06
MAX_REPEATS = 2  # rounds are tried at most so many times as asked for


# ---- statistics

def summary(values):
    """Median, quartiles and least of a list of numbers."""
    low, _, high = statistics.quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3
    return {'median': statistics.median(values), 'q1': low, 'q3': high, 'min': min(values), 'n': len(values)}


def clean_rounds(rounds):
    """The rounds without other load; all of them where that leaves too few to speak of, and whether it did not."""
    clean = [values for values in rounds if values['other_load'] <= MAX_OTHER_LOAD]
    return (clean, True) if 2 * len(clean) >= len(rounds) else (rounds, False)


def rows(rounds):
    """Per program: its times, and effdet's time over its time, round by round."""
    result = {}
    for name in rounds[0]['ms']:
        times = [values['ms'][name] for values in rounds]
        result[name] = summary([statistics.median(batch) for batch in times])
        result[name]['min'] = min(min(batch) for batch in times)
        if name != 'effdet':
            result[name]['ratio'] = summary([statistics.median(values['ms']['effdet']) / statistics.median(values['ms'][name]) for values in rounds])
    return result


def operations(ops):
    """Dispatches, milliseconds and GFLOP/s by kind of operation, longest first."""
    sums = {}
    for op in ops:
        entry = sums.setdefault(op['op'], {'op': op['op'], 'dispatches': 0, 'ms': 0.0, 'gflop': 0.0})
        entry['dispatches'] += 1
        entry['ms'] += (op['us'] or 0) / 1e3
        entry['gflop'] += (op['gflops'] or 0) * (op['us'] or 0) / 1e6
    for entry in sums.values():
        entry['gflops'] = entry['gflop'] / entry['ms'] * 1e3 if entry['ms'] else 0.0
    return sorted(sums.values(), key=lambda entry: -entry['ms'])


def interval(values, digits):
    return f"{values['median']:.{digits}f} ({values['q1']:.{digits}f}-{values['q3']:.{digits}f})"


def markdown(*lines):
    """The first line is the header."""
    lines = [*lines[:1], ['---'] * len(lines[0]), *lines[1:]]
    return '\n'.join(f"| {' | '.join(line)} |" for line in lines) + '\n'


def short_driver(driver):
    mesa = re.search(r'Mesa \d+\.\d+\.\d+', driver)
    return mesa.group(0) if mesa else driver


def tables(results):
    """What a person reads, as Markdown: all programs, effdet's other times, effdet's kinds of operations."""
    times = [['model', 'driver', 'CPU', 'runtime', 'ms: median (quartiles)', 'min', 'GFLOP/s', 'effdet / runtime', 'rounds', 'load + first run, ms']]
    frames = [['model', 'driver', 'CPU', 'NV12 1080p to input, ms', 'decode on the device, ms', 'whole frame, ms', 'cold start, ms', 'warm start, ms',
               'dispatches', 'pipelines']]
    sums = [['model', 'driver', 'CPU', 'operation', 'dispatches', 'ms', 'GFLOP/s']]
    for result in results:
        where, start, frame = [result['model'], short_driver(result['driver']), result['isa']], result['start_ms'], result['frame']
        for name, row in result['rows'].items():
            program = result['programs'][name]
            times.append([*where, program['version'] + (' Vulkan' if name == 'ncnn-vulkan' else ''), interval(row, 1), f"{row['min']:.1f}",
                          f"{result['gflop'] / row['median'] * 1e3:.0f}", interval(row['ratio'], 2) if 'ratio' in row else '',
                          f"{row['n']}{'' if result['idle'] else ' (busy)'}", f"{program['first_ms']:.0f}"])
        frames.append([*where, f"{frame['preprocess_ms']:.1f}", f"{frame['decode_ms']:.2f}", f"{frame['frame_ms']:.1f}", f"{start['cold']:.0f}",
                       f"{start['warm']:.0f}", str(result['dispatches']), str(result['pipelines'])])
        sums += [[*where, op['op'], str(op['dispatches']), f"{op['ms']:.1f}", f"{op['gflops']:.0f}"] for op in result['operations']]
    return '\n'.join([markdown(*times), markdown(*frames), markdown(*sums)])


# ---- programs

class Failure(Exception):
    pass


def run(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


class Worker:
    """A program that is loaded and waits for orders."""

    def __init__(self, name, command, env):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.about = self.answer()

    def answer(self):
        # the programs' own messages share standard output with the answers
        for line in self.process.stdout:
            if line.startswith('{'):
                return json.loads(line)
        raise Failure(f'{self.name}: ended with exit status {self.process.wait()}')

    def batch(self, runs):
        self.process.stdin.write(f'{runs}\n')
        self.process.stdin.flush()
        return self.answer()

    def cpu_seconds(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def busy_seconds():
    """CPU time of everything on this machine, time that the host took away included."""
    with open('/proc/stat', encoding='ascii') as file:
        user, nice, system, _, _, irq, softirq, steal = (int(value) for value in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')


def cpu_name():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        for line in file:
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.machine()


def make_environment(cache):
    """A Python of its own with the peers in it, made when missing."""
    folder = os.path.join(cache, f'python{sys.version_info.major}.{sys.version_info.minor}')
    python, mark = os.path.join(folder, 'bin', 'python'), os.path.join(folder, 'complete')
    if not os.path.exists(mark):
        print(f'installing {", ".join(PACKAGES)} into {folder}', file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        run([python, '-m', 'pip', 'install', '--quiet', *PACKAGES])
        with open(mark, 'w', encoding='ascii'):
            pass
    return python


# ---- measuring

def measure_round(workers, seconds):
    """A batch of each; runs are as many as fit into `seconds`."""
    ms, extra, worst = {}, {}, 0.0
    for worker in workers:
        time.sleep(0.03)  # the worker threads of the one before spin a little
        wall, busy, own = time.perf_counter(), busy_seconds(), worker.cpu_seconds()
        values = worker.batch(worker.runs)
        wall, busy, own = time.perf_counter() - wall, busy_seconds() - busy, worker.cpu_seconds() - own
        worst = max(worst, (busy - own) / (wall * len(os.sched_getaffinity(0))))
        ms[worker.name] = values.pop('network_ms')
        extra.update(values)
        worker.runs = max(1, min(50, round(seconds * 1e3 / statistics.median(ms[worker.name]))))
    return {'ms': ms, 'frame': extra, 'other_load': worst}


def measure_rounds(workers, n, seconds):
    for worker in workers:
        worker.runs = 1
    measure_round(workers, seconds)  # settles the number of runs
    rounds = []
    while len(rounds) < MAX_REPEATS * n and sum(values['other_load'] <= MAX_OTHER_LOAD for values in rounds) < n:
        rounds.append(measure_round(workers, seconds))
    return rounds


def start_workers(options, env, python, model, stem, folder):
    weights, outputs = stem + '.safetensors', os.path.join(folder, model)
    effdet = os.path.join(options.build, 'engine', 'cli', 'effdet')
    run([effdet, 'infer', '--model', model, '--weights', weights, '--precision', 'fp32', '--input', stem + '.npy', '--output', outputs], env)
    workers = [Worker('effdet', [os.path.join(options.build, 'tests', 'bench', 'serve'), model, weights, 'fp32'], env)]
    for peer in options.peers:
        worker = Worker(peer, [python, os.path.join(HERE, 'peers_worker.py'), peer, stem, str(options.threads), outputs + '.npz'], env)
        workers.append(worker)
        worker.about.update(json.loads(run([python, os.path.join(HERE, 'peers_worker.py'), 'compare', outputs + '.npz', outputs])))
        if not worker.about['difference'] <= MAX_DIFFERENCE:
            raise Failure(f"{model}: outputs of {peer} and effdet differ by {worker.about['difference']:.1e} of their range, wanted {MAX_DIFFERENCE}: no comparison")
    return workers


def measure(options, env, python, model, folder):
    stem = os.path.join(folder, model)
    cpu = json.loads(run([python, os.path.join(HERE, 'peers_worker.py'), 'write', model, stem]))
    bench = json.loads(run([os.path.join(options.build, 'engine', 'cli', 'effdet'), 'bench', '--model', model, '--weights', stem + '.safetensors',
                            '--precision', 'fp32', '--runs', '5', '--per-op', '--json'], env))
    workers = start_workers(options, env, python, model, stem, folder)
    try:
        rounds = measure_rounds(workers, options.pairs, options.seconds)
    finally:
        for worker in workers:
            worker.close()
    kept, idle = clean_rounds(rounds)
    return {
        'model': model, 'driver': bench['driver'], 'cpu': cpu_name(), 'isa': 'AVX-512' if cpu['avx512'] else 'AVX2' if cpu['avx2'] else 'no AVX2',
        'gflop': cpu['gflop'], 'threads': options.threads, 'time': time.strftime('%Y-%m-%d'), 'idle': idle, 'programs': {worker.name: worker.about for worker in workers},
        'rows': rows(kept), 'frame': {name: statistics.median(v for values in kept for v in values['frame'][name])
                                      for name in ('preprocess_ms', 'decode_ms', 'frame_ms')},
        'start_ms': bench['start_ms'], 'dispatches': bench['dispatches'], 'pipelines': bench['pipelines'], 'operations': operations(bench['ops']), 'rounds': rounds,
    }


def parse(arguments):
    cache = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'effdet-peers')
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build', help='build folder of effdet (build)')
    parser.add_argument('--model', action='append', help='d0 to d4, lite0 to lite2; may be repeated (d0 and lite0)')
    parser.add_argument('--runtimes', default='onnxruntime,openvino,ncnn', help=f'of {", ".join(PEERS)}; ncnn-vulkan takes minutes on a CPU driver (%(default)s)')
    parser.add_argument('--pairs', type=int, default=9, help='rounds without other load (9)')
    parser.add_argument('--seconds', type=float, default=0.3, help='length of a batch (0.3)')
    parser.add_argument('--threads', type=int, default=2, help='threads of each program, and CPUs that all are bound to (2)')
    parser.add_argument('--icd', help='Vulkan driver manifest (the loader decides)')
    parser.add_argument('--cache', default=cache, help='folder for the virtual environment (%(default)s)')
    parser.add_argument('--out', help='JSON file with everything measured')
    parser.add_argument('--show', nargs='+', metavar='JSON', help='measure nothing, print the tables of such files')
    options = parser.parse_args(arguments)
    options.peers, options.model = options.runtimes.split(','), options.model or ['d0', 'lite0']
    unknown = [peer for peer in options.peers if peer not in PEERS]
    if unknown:
        parser.error(f'--runtimes {unknown[0]}: wanted some of {", ".join(PEERS)}')
    if options.pairs < 1 or options.threads < 1:
        parser.error('--pairs and --threads: wanted 1 or more')
    return options


def read(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def main(arguments):
    options = parse(arguments)
    if options.show:
        print(tables([result for path in options.show for result in read(path)]))
        return
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < options.threads:
        sys.exit(f'peers.py: --threads {options.threads}, but there are {len(cpus)} CPUs')
    os.sched_setaffinity(0, cpus[:options.threads])
    folder = tempfile.mkdtemp(prefix='effdet-peers-')
    env = dict(os.environ, XDG_CACHE_HOME=folder, LP_NUM_THREADS=str(options.threads))
    if options.icd:
        env.update(VK_ICD_FILENAMES=options.icd, VK_DRIVER_FILES=options.icd)
    results = []
    try:
        python = make_environment(os.path.abspath(options.cache))
        for model in options.model:
            results.append(measure(options, env, python, model, folder))
            print(tables(results[-1:]), flush=True)
    except Failure as failure:
        sys.exit(f'peers.py: {failure}')
    finally:
        shutil.rmtree(folder)
    if options.out:
        with open(options.out, 'w', encoding='utf-8') as file:
            json.dump(results, file, indent=1)


if __name__ == '__main__':
    main(sys.argv[1:])
