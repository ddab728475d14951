# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ab.py and record.py share: one run of "effdet bench" and its sums by operation."""
import json
import os
import subprocess

import peers


def add_options(parser):
    parser.add_argument('--model', action='append', help='architecture, repeatable (d0 and lite0)')
    parser.add_argument('--size', help="WIDTHxHEIGHT instead of the model's own")
    parser.add_argument('--plan', choices=['auto', 'gpu', 'cpu'], default='auto')
    parser.add_argument('--runs', type=int, default=9, help='frames of one run (9)')


def bench(build, model, options):
    """One run: its document, and in 'by_op' the milliseconds of each operation, which older builds do not sum themselves."""
    command = [os.path.join(build, 'engine', 'cli', 'effdet'), 'bench', '--model', model, '--random-weights', '--per-op', '--json',
               '--plan', options.plan, '--runs', str(options.runs)]
    document = json.loads(peers.run(command + (['--size', options.size] if options.size else [])))
    document['by_op'] = {}
    for op in document['ops']:
        if op['us'] is not None:
            document['by_op'][op['op']] = document['by_op'].get(op['op'], 0.0) + op['us'] / 1e3
    return document


def version(folder):
    """Of the source tree, as git tells it."""
    done = subprocess.run(['git', '-C', folder, 'describe', '--always', '--dirty'], capture_output=True, text=True, check=False)
    return done.stdout.strip() or 'unknown'
