#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The statistics of peers.py on made-up measurements, as TAP; installs and times nothing."""
import sys
import traceback

import peers


def a_round(effdet, peer, other_load=0.0):
    return {'ms': {'effdet': effdet, 'onnxruntime': peer}, 'frame': {}, 'other_load': other_load}


def summary():
    values = peers.summary([5.0, 1.0, 3.0, 2.0, 4.0])
    assert values == {'median': 3.0, 'q1': 2.0, 'q3': 4.0, 'min': 1.0, 'n': 5}, values
    assert peers.summary([7.0]) == {'median': 7.0, 'q1': 7.0, 'q3': 7.0, 'min': 7.0, 'n': 1}


def ratios_are_taken_within_a_round():
    # the machine halves its speed between the rounds: every ratio stays 2, that of the medians would not
    rows = peers.rows([a_round([20.0, 21.0, 19.0], [10.0]), a_round([40.0], [20.0, 30.0, 8.0]), a_round([40.0], [20.0])])
    assert rows['onnxruntime']['ratio'] == {'median': 2.0, 'q1': 2.0, 'q3': 2.0, 'min': 2.0, 'n': 3}, rows
    assert rows['onnxruntime']['min'] == 8.0 and rows['effdet']['min'] == 19.0, rows
    assert 'ratio' not in rows['effdet']


def busy_rounds_are_left_out():
    quiet, busy = a_round([1.0], [1.0], 0.01), a_round([1.0], [1.0], 0.5)
    assert peers.clean_rounds([quiet, busy]) == ([quiet], True)
    assert peers.clean_rounds([quiet, busy, busy]) == ([quiet, busy, busy], False)


def operations():
    ops = [{'op': 'stem', 'us': 1000.0, 'gflops': 10.0}, {'op': 'pointwise', 'us': 3000.0, 'gflops': 100.0}, {'op': 'pointwise', 'us': 1000.0, 'gflops': 20.0},
           {'op': 'none', 'us': None, 'gflops': None}]
    got = [(op['op'], op['dispatches'], round(op['ms'], 6), round(op['gflops'], 6)) for op in peers.operations(ops)]
    assert got == [('pointwise', 2, 4.0, 80.0), ('stem', 1, 1.0, 10.0), ('none', 1, 0.0, 0.0)], got


def tables():
    text = peers.tables([{
        'model': 'd0', 'driver': 'a driver (Mesa 1.2.3 (and more))', 'isa': 'AVX2', 'gflop': 5.0, 'idle': False, 'rows': peers.rows([a_round([20.0], [10.0])]),
        'programs': {'effdet': {'version': 'effdet', 'first_ms': 5.0}, 'onnxruntime': {'version': 'onnxruntime 1', 'first_ms': 6.0}},
        'frame': {'preprocess_ms': 1.0, 'decode_ms': 2.0, 'frame_ms': 3.0}, 'start_ms': {'cold': 100.0, 'warm': 10.0}, 'dispatches': 7, 'pipelines': 8,
        'operations': peers.operations([{'op': 'stem', 'us': 1000.0, 'gflops': 10.0}]),
    }])
    for line in ('| d0 | Mesa 1.2.3 | AVX2 | onnxruntime 1 | 10.0 (10.0-10.0) | 10.0 | 500 | 2.00 (2.00-2.00) | 1 (busy) | 6 |',
                 '| d0 | Mesa 1.2.3 | AVX2 | 1.0 | 2.00 | 3.0 | 100 | 10 | 7 | 8 |', '| d0 | Mesa 1.2.3 | AVX2 | stem | 1 | 1.0 | 10 |'):
        assert line in text.splitlines(), text


def main():
    checks = [summary, ratios_are_taken_within_a_round, busy_rounds_are_left_out, operations, tables]
    print(f'1..{len(checks)}')
    failed = 0
    for number, check in enumerate(checks, 1):
        try:
            check()
            print(f'ok {number} /peers/{check.__name__}')
        except Exception:
            failed += 1
            print('# ' + traceback.format_exc().strip().replace('\n', '\n# '))
            print(f'not ok {number} /peers/{check.__name__}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
