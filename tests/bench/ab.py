#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares two builds on this machine: "effdet bench" of each in turn, so that what else the machine does meets both.

    tests/bench/ab.py build-before build-after --model d0 --model lite0 --pairs 9

Prints medians, quartiles and the ratio B / A of every model: network, whole frame, both starts, and each operation. A ratio is the median of those of
the single pairs. Exits with 1 where network, frame or an operation of at least a twentieth of the network takes over 10 % longer in B.
"""
import argparse
import statistics
import sys

import common
import peers

LIMIT = 1.10
SHARE = 0.05  # operations below this part of the network are shown, not judged


def times(document):
    """{what: milliseconds} of one run."""
    values = {'network': document['network_ms']['median'], 'frame': document['frame_ms']['median'],
              'cold start': document['start_ms']['cold'], 'warm start': document['start_ms']['warm']}
    values.update({f'op {name}': ms for name, ms in document['by_op'].items()})
    return values


def compare(pairs):
    """Rows of (what, summary of A, summary of B, summary of the ratios, whether it is judged); None for what one build lacks."""
    rows = []
    names = list(dict.fromkeys(name for pair in pairs for values in pair for name in values))
    network = statistics.median(pair[0]['network'] for pair in pairs)
    for name in names:
        a, b = ([pair[side][name] for pair in pairs if name in pair[side]] for side in (0, 1))
        ratios = [pair[1][name] / pair[0][name] for pair in pairs if name in pair[0] and name in pair[1] and pair[0][name] > 0]
        judged = name in ('network', 'frame') or (name.startswith('op ') and bool(a) and statistics.median(a) >= SHARE * network)
        rows.append((name, *(peers.summary(values) if values else None for values in (a, b, ratios)), judged))
    return rows


def regressions(rows):
    return [name for name, _, _, ratio, judged in rows if judged and ratio and ratio['median'] > LIMIT]


def cell(values, digits):
    return f'{peers.interval(values, digits):>26}' if values else f"{'-':>26}"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('build_a', metavar='BUILD_A')
    parser.add_argument('build_b', metavar='BUILD_B')
    parser.add_argument('--pairs', type=int, default=9, help='runs of each build (9)')
    common.add_options(parser)
    options = parser.parse_args(arguments)
    failed = False
    for model in options.model or ['d0', 'lite0']:
        pairs = []
        for i in range(options.pairs):
            order = [options.build_a, options.build_b]
            documents = [common.bench(build, model, options) for build in (order if i % 2 == 0 else reversed(order))]
            pairs.append([times(document) for document in (documents if i % 2 == 0 else reversed(documents))])
        rows = compare(pairs)
        print(f"{model}, {documents[0]['driver']}, {options.pairs} pairs of {options.runs} frames: median (quartiles), ms")
        print(f"{'':16}{'A':>26}{'B':>26}{'B / A':>26}")
        for name, a, b, ratio, judged in rows:
            print(f'{name:16}{cell(a, 2)}{cell(b, 2)}{cell(ratio, 3)}{"" if judged else "  (not judged)"}')
        slower = regressions(rows)
        failed = failed or bool(slower)
        print(f"over 10 % slower: {', '.join(slower) or 'nothing'}\n")
    return 1 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except (peers.Failure, OSError) as failure:
        sys.exit(f'ab.py: {failure}')
