#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What examples/packaging says and what the tree is, as TAP: versions, soname, symbols, installed files, build dependencies. That the packages
build, install and run is tried by tests/packaging/run.

    test_packaging.py BUILD_FOLDER VERSION
"""
import fnmatch
import json
import os
import re
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

BUILD, VERSION = sys.argv[1:3]
SOURCE = os.environ['EFFDET_SOURCE_DIR']
DEBIAN = os.path.join(SOURCE, 'examples', 'packaging', 'debian')


def read(*names):
    with open(os.path.join(SOURCE, *names), encoding='utf-8') as file:
        return file.read()


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    return done.stdout


def installed():
    return json.loads(run('meson', 'introspect', BUILD, '--installed'))


def stanzas(text):
    """Field -> value of each paragraph, continuation lines joined."""
    return [{name: ' '.join(value.split()) for name, value in re.findall(r'^([\w-]+):((?:.*\n(?:[ \t].*\n)*))', block + '\n', re.M)}
            for block in text.strip().split('\n\n')]


def control():
    return stanzas(read(DEBIAN, 'control'))


def versions():
    """One version, wherever it stands."""
    found = {
        'effdet.h': re.search(r'#define EFFDET_VERSION "(.*)"', read('engine/include/effdet/effdet.h')).group(1),
        'NEWS.md': re.search(r'^## (\S+)', read('NEWS.md'), re.M).group(1),
        'debian/changelog': re.match(r'effdet \((.*)-[^-]+\) ', read(DEBIAN, 'changelog')).group(1),
    }
    assert set(found.values()) == {VERSION}, f'{found}, meson.build: {VERSION}'


def soname():
    """The library's package is named after its soname, and depends on itself under that name."""
    library = [path for path in installed() if re.search(r'libeffdet-1\.0\.so\.\d+\.\d+\.\d+$', path)]
    assert len(library) == 1, library
    name = re.search(r'SONAME.*\[(.*)\]', run('readelf', '-d', library[0])).group(1)
    number = re.fullmatch(r'libeffdet-1\.0\.so\.(\d+)', name).group(1)
    package = f'libeffdet-1.0-{number}'
    assert [part for part in control() if part.get('Package') == package], f'{name} wants a package {package}'
    assert read(DEBIAN, f'{package}.symbols').split('\n')[0] == f'{name} {package} #MINVER#'
    assert f'{package} (= ${{binary:Version}})' in [part for part in control() if part.get('Package') == 'libeffdet-dev'][0]['Depends']


def symbols():
    """The list of symbols is that of the public header, which test `install` compares with the library's, and none is newer than this version."""
    listed = re.findall(r'^ (\S+)@Base (\S+)$', read(DEBIAN, [name for name in os.listdir(DEBIAN) if name.endswith('.symbols')][0]), re.M)
    declared = set(re.findall(r'EFFDET_API[^;]*?\b(effdet_\w+)\(', read('engine/include/effdet/effdet.h')))
    assert {name for name, _ in listed} == declared and len(listed) == len(declared), {name for name, _ in listed} ^ declared
    newest = max([int(number) for number in version.split('.')] for _, version in listed)
    assert newest <= [int(number) for number in VERSION.split('.')], newest


def files():
    """What meson installs is in exactly one package, and every line of a package finds something."""
    options = {option['name']: option['value'] for option in json.loads(run('meson', 'introspect', BUILD, '--buildoptions'))}
    paths = [re.sub('^' + re.escape(options['prefix']), 'usr', path).lstrip('/') for path in installed().values()]
    paths = [re.sub('^usr/' + re.escape(options['libdir']), 'usr/lib/triplet', path) for path in paths]
    patterns = {}
    for package in control()[1:]:
        name = package['Package']
        for line in read(DEBIAN, f'{name}.install').split('\n'):
            if line:
                patterns[line] = name
    used = set()
    for path in paths:
        fitting = [line for line in patterns if fnmatch.fnmatchcase(path, line) or path.startswith(line + '/')]
        assert len(fitting) == 1, f'{path} is in {[patterns[line] for line in fitting] or "no package"}'
        used.update(fitting)
    assert used == set(patterns), f'nothing to install for {set(patterns) - used}'


def build_dependencies():
    """The build group of packages.txt, without what Debian has on every machine that builds, and the other way round."""
    for line in read('examples', 'packages.txt').splitlines():
        assert re.match(r'#|[a-z]+(-\d+)? [a-z0-9][a-z0-9.+-]+$', line), f'packages.txt: "{line}" is neither a comment nor a group and a package'
    listed = set(re.findall(r'^build(?:-\d+)? (\S+)$', read('examples', 'packages.txt'), re.M)) - {'gcc', 'libc6-dev', 'ninja-build'}
    asked = {re.split(r'[ (]', alternative.strip())[0] for group in control()[0]['Build-Depends'].split(',') for alternative in group.split('|')}
    assert asked == listed | {'debhelper-compat', 'pkgconf'}, asked ^ (listed | {'debhelper-compat', 'pkgconf'})


def copyright_covers():
    """Each pattern of the copyright file finds a file, and each licence that it names has its text."""
    parts = stanzas(read(DEBIAN, 'copyright'))
    for part in parts:
        for pattern in part.get('Files', '').split():
            folder = os.path.dirname(pattern)
            names = os.listdir(os.path.join(SOURCE, folder))
            assert fnmatch.filter(names, os.path.basename(pattern)), f'no file for {pattern}'
    named = {part['License'].split()[0] for part in parts if 'Files' in part}
    texts = {part['License'].split()[0] for part in parts if 'License' in part and 'Files' not in part}
    assert named == texts and len(named) > 1, (named, texts)


if __name__ == '__main__':
    sys.exit(tap.run([versions, soname, symbols, files, build_dependencies, copyright_covers], '/packaging/'))
