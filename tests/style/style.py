#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The house rules that a program can check, as TAP: tiers, budgets, white space, licence lines, left-overs, headers, shaders, commits.

    style.py SOURCE SHADER_BUILD_DIR
"""
import array
import os
import re
import subprocess
import sys
import tempfile

SOURCE, SHADERS = sys.argv[1:3]
TIERS = ['include', 'base', 'net', 'weights', 'gpu', 'ops', 'post', 'top', 'cli']
SCRIPTS = r'^(examples/demo|examples/mosaic|examples/coco_eval|examples/packaging/build-deb|tests/run|tests/matrix|tests/packaging/run|\.ci/run)$'
TEXT = re.compile(r'\.(c|h|comp|glsl|py|sh|js|css|html|md|txt|in|supp|build)$|^meson_options\.txt$|' + SCRIPTS)
CODE = re.compile(r'\.(c|h|comp|glsl|py|sh|js|css|html)$|' + SCRIPTS)
BORROWED = re.compile(r'^(examples/models/|tests/data/|LICENSE$)')  # data and recipes that came with their own licence and form
FUNCTION_BUDGET = 80
LEFT_OVER = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b|[Nn]ot (yet )?imple' r'mented|[Pp]lace' r'holder|\bfor no' r'w\b')
SUBJECT = re.compile(r'^[a-z][a-z0-9_/.-]*(, [a-z][a-z0-9_/.-]*)*: [a-z0-9`"\'].*[^.\s]$')


def git(*arguments):
    return subprocess.run(['git', '-C', SOURCE, *arguments], capture_output=True, text=True, check=False)


def tracked():
    listing = git('ls-files')
    if listing.returncode == 0 and listing.stdout:
        return [name for name in listing.stdout.splitlines() if os.path.isfile(os.path.join(SOURCE, name))]
    found = []
    for folder, folders, names in os.walk(SOURCE):
        folders[:] = [name for name in folders if not name.startswith(('build', '.git'))]
        found += [os.path.relpath(os.path.join(folder, name), SOURCE) for name in names]
    return sorted(found)


def read(name):
    with open(os.path.join(SOURCE, name), encoding='utf-8') as file:
        return file.read()


FILES = tracked()


def tier_of(path):
    """Index of the tier of a path relative to engine/."""
    head = path.split('/')[0] if '/' in path else 'top'
    return TIERS.index(head) if head in TIERS else None


def layering():
    """An engine file includes only tiers above its own; nothing in engine/ knows GStreamer; the plugin knows only public headers."""
    for name in FILES:
        if not re.search(r'\.[ch]$', name):
            continue
        for number, line in enumerate(read(name).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if not match:
                continue
            where, target = f'{name}:{number}', match.group(1)
            if name.startswith('engine/'):
                if target.startswith('gst/'):
                    yield f'{where}: the engine knows no GStreamer: {target}'
                own, other = tier_of(name[len('engine/'):]), included_tier(name, target)
                if own is not None and other is not None and other > own:
                    yield f'{where}: {TIERS[own]} may not include {TIERS[other]}: {target}'
            elif name.startswith('plugin/') and included_tier('engine/x.c', target) not in (None, 0):
                yield f'{where}: the plugin knows the engine only by its public headers: {target}'


def included_tier(name, target):
    """Tier of an included file: by its path below engine/, or beside the including file."""
    if target.startswith('effdet/'):
        return 0
    beside = os.path.normpath(os.path.join(os.path.dirname(name), target))
    for path in (beside, os.path.join('engine', target)):
        if path.startswith('engine/') and path in FILES:
            return tier_of(path[len('engine/'):])
    return None


def budget_of(name):
    if name.endswith(('.comp', '.glsl')):
        return 150
    if name.endswith('.h'):
        return 350 if name.startswith('engine/include/') else 150
    return 500 if name.endswith('.c') else None


def budgets():
    """Lines of a file, lines of a function. A bigger file says in its first comment why it is "longer than" that."""
    for name in FILES:
        limit = budget_of(name)
        if limit is None or BORROWED.match(name):
            continue
        lines = read(name).splitlines()
        if len(lines) > limit and 'onger than' not in '\n'.join(lines[:12]):
            yield f'{name}: {len(lines)} lines, the budget is {limit}'
        start = None
        for number, line in enumerate(lines, 1):
            if line.startswith('{'):
                start = number
            elif line.startswith('}') and start is not None:
                if name.endswith('.c') and number - start > FUNCTION_BUDGET:
                    yield f'{name}:{start}: a function of {number - start} lines, the budget is {FUNCTION_BUDGET}'
                start = None


def white_space():
    """No tabs, no trailing blanks, no carriage returns, one line end at the end."""
    for name in FILES:
        if not TEXT.search(name) or BORROWED.match(name):
            continue
        text = read(name)
        for number, line in enumerate(text.split('\n'), 1):
            if '\t' in line or '\r' in line or line != line.rstrip():
                yield f'{name}:{number}: a tab, a carriage return or a trailing blank'
        if text and (not text.endswith('\n') or text.endswith('\n\n')):
            yield f'{name}: does not end with exactly one line end'


def licence_lines():
    """Every program text names its licence in its first lines."""
    for name in FILES:
        if not CODE.search(name) or BORROWED.match(name):
            continue
        head = '\n'.join(read(name).splitlines()[:4])
        if 'SPDX-FileCopyrightText: effdet contributors' not in head or 'SPDX-License-Identifier: LGPL-2.1-or-later' not in head:
            yield f'{name}: no SPDX lines at its head'


def left_overs():
    """Nothing is left for later in the text."""
    for name in FILES:
        if TEXT.search(name) and not BORROWED.match(name):
            for number, line in enumerate(read(name).splitlines(), 1):
                match = LEFT_OVER.search(line)
                if match:
                    yield f'{name}:{number}: "{match.group(0)}"'


def public_headers():
    """Each public header compiles by itself, as C and as C++."""
    cflags = subprocess.run(['pkg-config', '--cflags', 'glib-2.0'], capture_output=True, text=True, check=True).stdout.split()
    for name in FILES:
        if not re.match(r'engine/include/effdet/.*\.h$', name):
            continue
        for compiler in (['cc', '-std=c11', '-x', 'c'], ['c++', '-std=c++11', '-x', 'c++']):
            command = [*compiler, '-fsyntax-only', '-Wall', '-Wextra', '-pedantic', '-Werror', *cflags, '-']
            text = f'#include "{os.path.join(SOURCE, name)}"\nint main(void);\n'
            result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            if result.returncode:
                yield f'{name} as {compiler[-1]}: {result.stderr.strip()}'


def shaders():
    """spirv-val accepts every build of every shader."""
    names = [name for name in sorted(os.listdir(SHADERS)) if name.endswith('.h')]
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            with open(os.path.join(SHADERS, name), encoding='utf-8') as file:
                body = re.search(r'uint32_t \w+\[\] = \{(.*?)\};', file.read(), re.S)
            if not body:
                continue
            path = os.path.join(folder, 'shader.spv')
            with open(path, 'wb') as file:
                array.array('I', [int(word, 16) for word in re.findall(r'0x[0-9a-fA-F]+', body.group(1))]).tofile(file)
            result = subprocess.run(['spirv-val', '--target-env', 'vulkan1.1', path], capture_output=True, text=True, check=False)
            count += 1
            if result.returncode:
                yield f'{name}: {(result.stdout + result.stderr).strip()}'
    if count == 0:
        yield f'no shader in {SHADERS}'


def commits():
    """`area: verb …`, at most 72 characters, no final dot, and an empty second line: the newest ones, as history cannot be mended."""
    log = git('log', '--no-merges', '-n', '5', '--format=%h%x00%B%x01')
    for entry in log.stdout.split('\x01'):
        if '\x00' not in entry:
            continue
        commit, message = entry.strip().split('\x00', 1)
        lines = message.split('\n')
        if len(lines[0]) > 72 or not SUBJECT.match(lines[0]) or (len(lines) > 1 and lines[1]):
            yield f'{commit}: "{lines[0]}"'


def main():
    checks = [layering, budgets, white_space, licence_lines, left_overs, public_headers, shaders, commits]
    print(f'1..{len(checks)}')
    failed = 0
    for number, check in enumerate(checks, 1):
        findings = list(check())
        for finding in findings:
            print('# ' + finding.replace('\n', '\n# '))
        failed += bool(findings)
        print(f'{"not ok" if findings else "ok"} {number} /style/{check.__name__.replace("_", "-")}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
