#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a table of what this build does with a driver, as JSON, to be kept in tests/bench/tables.

    tests/bench/record.py build tests/bench/tables/lavapipe-26.1.json --model d0 --model lite0

The numbers tell where the time goes and whether dispatches or pipelines became more. To judge whether a change is faster, compare two builds with
ab.py: times of another day or machine say nothing.
"""
import argparse
import json
import sys
import time

import common
import peers


def row(document):
    """Of one run, what is kept."""
    return {
        'network_ms': document['network_ms'], 'frame_ms': document['frame_ms'], 'start_ms': document['start_ms'],
        'precision': document['precision'], 'plan': document['plan'], 'size': document['size'], 'runs': document['runs'],
        'dispatches': document['dispatches'], 'barriers': document['barriers'], 'submits': document['submits'], 'pipelines': document['pipelines'],
        'bytes': document['bytes'], 'ceiling': document['ceiling'],
        'by_op_ms': {name: round(ms, 3) for name, ms in document['by_op'].items()},
    }


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('build', metavar='BUILD')
    parser.add_argument('table', metavar='TABLE', help='file to write; models already there and not measured now are kept')
    parser.add_argument('--note', default='', help='what is special about the machine: "without AVX-512"')
    common.add_options(parser)
    options = parser.parse_args(arguments)
    try:
        with open(options.table, encoding='utf-8') as file:
            table = json.load(file)
    except FileNotFoundError:
        table = {'models': {}}
    for model in options.model or ['d0', 'lite0']:
        document = common.bench(options.build, model, options)
        table.update({'driver': document['driver'], 'device': document['device'], 'cpu': peers.cpu_name(), 'note': options.note})
        table['models'][model] = {'date': time.strftime('%Y-%m-%d', time.gmtime()), 'version': common.version(peers.HERE), **row(document)}
    with open(options.table, 'w', encoding='utf-8') as file:
        json.dump(table, file, indent=1)
        file.write('\n')
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except (peers.Failure, OSError) as failure:
        sys.exit(f'record.py: {failure}')
