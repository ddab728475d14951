#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our tracker beside others, on the same detections of invented worlds. Not part of the test suite: it installs packages.

    compare.py BUILD_DIR [--seeds 1-10] [--fps 30] [--intervals 1,3,10] [--venv DIR] [--ours OPTION…]

In a virtual environment of its own (a temporary folder unless --venv names one) it installs, from PyPI,
    motmetrics 1.4 (MIT)       counts MOTA, IDF1 and switches
    trackers 2.6 (Apache-2.0)  SORTTracker and ByteTrackTracker, clean implementations of both papers
and uses them without changing or copying them. Each is run as it comes, and with our threshold of scores and our memory; they are told
the rate of the pictures that are looked at. Only those pictures count, as the others predict none. Ours is run as it comes, without being
told the size of the picture, and with results that go on for a fifth of a second where nothing is seen. Seeds 1-10 are for the figures,
101-110 were for tuning.
"""
import argparse
import os
import subprocess
import sys
import tempfile

PACKAGES = ['motmetrics==1.4.0', 'trackers==2.6.1']


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('build')
    parser.add_argument('--seeds', default='1-10')
    parser.add_argument('--fps', default='30')
    parser.add_argument('--intervals', default='1,3,10')
    parser.add_argument('--venv')
    parser.add_argument('--ours', nargs=argparse.REMAINDER, default=[])
    return parser.parse_args()


def enter_venv(folder):
    """Goes on as the same program in the virtual environment."""
    python = os.path.join(folder, 'bin', 'python')
    if not os.path.exists(python):
        subprocess.run([sys.executable, '-m', 'venv', folder], check=True)
    subprocess.run([python, '-m', 'pip', 'install', '--quiet', *PACKAGES], check=True)
    environment = dict(os.environ, TRACK_COMPARE_INSIDE='1', OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')
    return subprocess.run([python, *sys.argv], env=environment, check=False).returncode


def rows_by_frame(path, frames):
    """{frame: array of rows} for all frames."""
    import numpy as np
    with open(path, encoding='ascii') as file:
        rows = np.array([[float(value) for value in line.split(',')[:8]] for line in file] or np.zeros((0, 8)))
    return {frame: rows[rows[:, 0] == frame] for frame in range(1, frames + 1)}


def run_peer(make, detections, frames):
    """Rows (frame, id, x, y, w, h) of a tracker of the package."""
    import numpy as np
    import supervision as sv
    tracker, results = make(), {}
    for frame in frames:
        rows = detections[frame]
        boxes = sv.Detections(xyxy=np.column_stack([rows[:, 2], rows[:, 3], rows[:, 2] + rows[:, 4], rows[:, 3] + rows[:, 5]]),
                              confidence=rows[:, 6], class_id=rows[:, 7].astype(int))
        found = tracker.update(boxes)
        results[frame] = np.array([[frame, identity, x, y, right - x, bottom - y]
                                   for (x, y, right, bottom), identity in zip(found.xyxy, found.tracker_id) if identity >= 0]
                                  or np.zeros((0, 6)))
    return results


def run_ours(options, folder, interval, frames, more):
    out = os.path.join(folder, 'ours.txt')
    subprocess.run([os.path.join(options.build, 'tests/track/mot_run'), '--fps', options.fps, '--interval', str(interval), '--looked-only',
                    '--frames', str(frames), *more, *options.ours, os.path.join(folder, 'det.txt'), out], check=True)
    return rows_by_frame(out, frames)


def count(motmetrics, truth, results, frames):
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in frames:
        distances = motmetrics.distances.iou_matrix(truth[frame][:, 2:6], results[frame][:, 2:6], max_iou=0.5)
        accumulator.update(truth[frame][:, 1].astype(int), results[frame][:, 1].astype(int), distances)
    return accumulator


def peers(rate):
    from trackers import ByteTrackTracker, SORTTracker
    # A buffer of 60 is 2 s: the package counts it at 30 pictures per second, whatever the rate.
    return {
        'SORT': lambda: SORTTracker(frame_rate=rate),
        'SORT, as ours': lambda: SORTTracker(frame_rate=rate, track_activation_threshold=0.4, lost_track_buffer=60),
        'ByteTrack': lambda: ByteTrackTracker(frame_rate=rate),
        'ByteTrack, as ours': lambda: ByteTrackTracker(frame_rate=rate, track_activation_threshold=0.4, high_conf_det_threshold=0.4,
                                                       lost_track_buffer=60),
    }


def compare(options):
    import numpy as np
    if not hasattr(np, 'asfarray'):  # motmetrics 1.4 knows NumPy 1 only
        np.asfarray = lambda values, dtype=float: np.asarray(values, dtype=dtype)
    import motmetrics
    first, last = (int(seed) for seed in options.seeds.split('-'))
    metrics = motmetrics.metrics.create()
    for interval in (int(number) for number in options.intervals.split(',')):
        accumulators = {}
        for seed in range(first, last + 1):
            with tempfile.TemporaryDirectory() as folder:
                told = subprocess.run([os.path.join(options.build, 'tests/track/worlds'), str(seed), options.fps, folder],
                                      check=True, capture_output=True, text=True).stdout.split()
                last_frame = int(told[0])
                truth = rows_by_frame(os.path.join(folder, 'gt.txt'), last_frame)
                detections = rows_by_frame(os.path.join(folder, 'det.txt'), last_frame)
                frames = range(1, last_frame + 1, interval)
                size = ['--size', f'{told[1]}x{told[2]}']
                results = {name: run_ours(options, folder, interval, last_frame, more)
                           for name, more in (('ours', size), ('ours, no size', []), ('ours, held', [*size, '--hold', '0.2']))}
                for name, make in peers(float(options.fps) / interval).items():
                    results[name] = run_peer(make, detections, frames)
            for name, rows in results.items():
                accumulators.setdefault(name, []).append(count(motmetrics, truth, rows, frames))
        print(f'every {interval}. frame of {options.fps} per second, seeds {options.seeds}')
        print(f'  {"":20}{"MOTA":>8}{"IDF1":>8}{"switches":>10}{"misses":>8}{"false":>8}')
        for name, list_of in accumulators.items():
            table = metrics.compute_many(list_of, metrics=['mota', 'idf1', 'num_switches', 'num_misses', 'num_false_positives'],
                                         names=[str(i) for i in range(len(list_of))], generate_overall=True)
            overall = table.loc['OVERALL']
            print(f'  {name:20}{overall["mota"]:8.4f}{overall["idf1"]:8.4f}{overall["num_switches"]:10.0f}'
                  f'{overall["num_misses"]:8.0f}{overall["num_false_positives"]:8.0f}', flush=True)


def main():
    options = arguments()
    if os.environ.get('TRACK_COMPARE_INSIDE'):
        compare(options)
        return 0
    if options.venv:
        return enter_venv(options.venv)
    with tempfile.TemporaryDirectory() as folder:
        return enter_venv(folder)


if __name__ == '__main__':
    sys.exit(main())
