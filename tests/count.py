#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads meson's testlog.json files: prints what failed and what was skipped for which lack, then "N passed, N failed, N skipped".

Every TAP line counts. A program that fails without a "not ok" line counts as one failure, and so does one whose output holds a message of
the Vulkan validation layer. Exit status 1 when anything failed or nothing ran.

    count.py [--subtotal] NAME=TESTLOG.JSON...      NAME names the pass in the report
"""
import json
import re
import sys

PLAN_SKIP = re.compile(r'^1\.\.0\s*#\s*skip\S*\s*(.*)$', re.I)
TAP = re.compile(r'^(not )?ok\b(?:\s+\d+)?\s*(?:- )?(.*?)(?:\s*#\s*(skip|todo)\b\s*(.*))?$', re.I)
LAYER = re.compile(r'Validation (Error|Warning)|VUID-|SYNC-HAZARD|UNASSIGNED-')


def count(name, path):
    passed = failed = skipped = 0
    with open(path) as lines:
        for line in lines:
            test = json.loads(line)
            out = test.get('stdout') or ''
            bad = 0
            for text in out.splitlines():
                tap = TAP.match(text)
                plan = PLAN_SKIP.match(text)
                if plan:
                    skipped += 1
                    print(f'skipped: {name}: {test["name"]}: {plan.group(1) or "no reason given"}')
                if not tap:
                    continue
                if tap.group(3) and tap.group(3).lower() == 'skip':
                    skipped += 1
                    print(f'skipped: {name}: {tap.group(2)}: {tap.group(4) or "no reason given"}')
                elif tap.group(1):
                    bad += 1
                    print(f'FAILED: {name}: {test["name"]}: {tap.group(2)}')
                else:
                    passed += 1
            layer = LAYER.search(out + (test.get('stderr') or ''))
            if layer:
                bad = bad or 1
                print(f'FAILED: {name}: {test["name"]}: the validation layer reported "{layer.group(0)}…"')
            if not bad and test['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL'):
                bad += 1
                print(f'FAILED: {name}: {test["name"]}: {test["result"].lower()}, exit status {test["returncode"]}')
            if bad:
                tail = (out + '\n' + (test.get('stderr') or '')).strip().splitlines()[-15:]
                print('\n'.join('    ' + text for text in tail))
            failed += bad
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    for argument in sys.argv[1:]:
        name, path = argument.split('=', 1)
        try:
            part = count(name, path)
        except (OSError, ValueError) as problem:
            print(f'FAILED: {name}: no readable test log: {problem}')
            part = (0, 1, 0)
        total = [a + b for a, b in zip(total, part)]
    print('{} passed, {} failed, {} skipped'.format(*total))
    return 1 if total[1] or not total[0] else 0


if __name__ == '__main__':
    sys.exit(main())
