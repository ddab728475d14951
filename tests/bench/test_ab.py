#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ab.py and record.py, as TAP: made-up pairs, then one build against itself on a tiny network; times are not judged."""
import contextlib
import io
import json
import os
import sys
import tempfile
import traceback

import ab
import peers
import record

BUILD = sys.argv[1]
SMALL = ['--model', 'lite0', '--size', '64x64', '--runs', '2']


def ratios_are_those_of_pairs():
    rows = {row[0]: row for row in ab.compare([[{'network': 10.0, 'op a': 5.0}, {'network': 20.0, 'op a': 5.0, 'op b': 1.0}],
                                               [{'network': 40.0, 'op a': 9.0}, {'network': 80.0, 'op a': 9.0, 'op b': 1.0}]])}
    assert rows['network'][3]['median'] == 2.0 and rows['op a'][3]['median'] == 1.0, rows
    assert rows['op b'][1] is None and rows['op b'][3] is None and not rows['op b'][4], rows
    assert ab.regressions(rows.values()) == ['network']


def what_takes_little_is_not_judged():
    rows = ab.compare([[{'network': 100.0, 'op a': 4.9, 'op b': 5.0}, {'network': 109.0, 'op a': 9.0, 'op b': 5.6}]])
    assert ab.regressions(rows) == ['op b'], rows


def a_build_against_itself():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        status = ab.main([BUILD, BUILD, '--pairs', '1', *SMALL])
    assert status in (0, 1)
    for part in ('lite0, ', 'network ', 'cold start ', 'op pointwise ', 'over 10 % slower: '):
        assert part in text.getvalue(), (part, text.getvalue())


def a_table():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'table.json')
        assert record.main([BUILD, path, *SMALL]) == 0
        with open(path, encoding='utf-8') as file:
            table = json.load(file)
        assert table['driver'] and table['cpu'] and list(table['models']) == ['lite0']
        assert table['models']['lite0']['dispatches'] > 10 and table['models']['lite0']['by_op_ms']['pointwise'] > 0
    try:
        record.main([os.path.join(folder, 'none'), path, *SMALL])
    except (peers.Failure, FileNotFoundError):
        return
    raise AssertionError('a build that is not there was measured')


def main():
    tests = [ratios_are_those_of_pairs, what_takes_little_is_not_judged, a_build_against_itself, a_table]
    print(f'1..{len(tests)}')
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f'ok {number} - {test.__name__}', flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print('# ' + traceback.format_exc().replace('\n', '\n# '))
            print(f'not ok {number} - {test.__name__}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
