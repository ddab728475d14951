#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`meson install` and `meson devenv`, as TAP: from a tree that was installed elsewhere the command, GStreamer and a foreign C program find the
library, the plugin and the bundled model, with nothing of the build or source tree in their environment.

    test_install.py BUILD_FOLDER
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = sys.argv[1]
SOURCE = os.environ['EFFDET_SOURCE_DIR']
PICTURE = os.path.join(SOURCE, 'examples/models/person-lite0/one-person.jpg')
PROGRAM = r'''
#include <effdet/effdet.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    GPtrArray *models = effdet_models();
    gchar *reason = NULL;
    GPtrArray *devices = effdet_devices(&reason);
    for (guint i = 0; i < models->len; i++) {
        const EffdetModel *model = models->pdata[i];
        if (strcmp(model->name, "person") == 0)
            printf("%s\n", model->path);
    }
    fprintf(stderr, "%s, %u devices %s\n", EFFDET_VERSION, devices->len, reason ? reason : "");
    g_free(reason);
    g_ptr_array_unref(devices);
    g_ptr_array_unref(models);
    return 0;
}
'''


class Lack(Exception):
    """An expectation that was not met."""


def run(*arguments, environment=None, folder='/', status=0):
    result = subprocess.run(arguments, env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if result.returncode != status:
        raise Lack(f'{" ".join(arguments)}: exit status {result.returncode}\nstdout: {result.stdout}\nstderr: {result.stderr}')
    return result.stdout


class Tree:
    """What was installed below `root`: where each file is, and an environment that knows only this tree."""

    def __init__(self, folder):
        self.folder = folder
        self.root = os.path.join(folder, 'root')
        run('meson', 'install', '--no-rebuild', '-C', BUILD, '--destdir', self.root)
        installed = json.loads(run('meson', 'introspect', BUILD, '--installed')).values()
        self.files = [self.root + path for path in installed]
        self.environment = dict(os.environ)
        for name in ('EFFDET_MODEL_PATH', 'EFFDET_SOURCE_DIR', 'GST_PLUGIN_PATH', 'GST_TRACERS', 'PKG_CONFIG_PATH'):
            self.environment.pop(name, None)
        self.environment.update(HOME=folder, XDG_DATA_HOME=os.path.join(folder, 'data'), GST_REGISTRY=os.path.join(BUILD, 'install-registry.bin'),
                                GST_PLUGIN_PATH=os.path.dirname(self.file('libgsteffdet.so')),
                                LD_LIBRARY_PATH=os.path.dirname(self.file('libeffdet-1.0.so')))

    def file(self, name):
        found = [path for path in self.files if os.path.basename(path) == name or path.endswith('/' + name)]
        if len(found) != 1 or not os.path.isfile(found[0]):
            raise Lack(f'{name} was not installed once: {found} of {self.files}')
        return found[0]

    def own(self, path):
        if not path.startswith(self.root + '/'):
            raise Lack(f'{path} does not lie in the installed tree {self.root}')
        return path


def nothing_of_the_build(tree):
    """No installed text file and no run path names the build or source tree; the library's symbols are those of the header."""
    run_path = run('readelf', '-d', tree.file('libgsteffdet.so')) + run('readelf', '-d', tree.file('bin/effdet'))
    with open(tree.file('effdet-1.0.pc'), encoding='utf-8') as file:
        texts = run_path + file.read()
    for folder in (BUILD, SOURCE):
        if folder in texts:
            raise Lack(f'{folder} is in what was installed: {texts}')
    symbols = run('nm', '-D', '--defined-only', tree.file('libeffdet-1.0.so'))
    names = set(re.findall(r' [TDBR] (\w+)', symbols))
    with open(tree.file('effdet.h'), encoding='utf-8') as file:
        declared = set(re.findall(r'EFFDET_API[^;]*?\b(effdet_\w+)\(', file.read()))
    if names != declared:
        raise Lack(f'exported but not declared: {sorted(names - declared)}; declared but not exported: {sorted(declared - names)}')


def command(tree):
    """The command finds the installed model and looks at a picture."""
    effdet = tree.file('bin/effdet')
    models = json.loads(run(effdet, 'models', '--json', environment=tree.environment))
    person = [model for model in models['models'] if model['name'] == 'person']
    if len(person) != 1:
        raise Lack(f'no model "person": {models}')
    tree.own(person[0]['path'])
    picture = json.loads(run(effdet, 'detect', '--json', PICTURE, environment=tree.environment))
    if [thing['label'] for thing in picture['objects']] != ['person']:
        raise Lack(f'one person should be seen: {picture}')


def program(tree):
    """Twenty lines of C against pkg-config, which asks for nothing but GLib."""
    compiler = shutil.which('cc') or shutil.which('gcc')
    packages = os.path.join(tree.folder, 'packages')
    os.mkdir(packages)
    with open(tree.file('effdet-1.0.pc'), encoding='utf-8') as file:
        text = re.sub(r'^prefix=', f'prefix={tree.root}', file.read(), flags=re.M)
    with open(os.path.join(packages, 'effdet-1.0.pc'), 'w', encoding='utf-8') as file:
        file.write(text)
    environment = dict(tree.environment, PKG_CONFIG_PATH=packages)
    flags = run('pkg-config', '--cflags', '--libs', 'effdet-1.0', environment=environment).split()
    private = run('pkg-config', '--print-requires-private', 'effdet-1.0', environment=environment).split()
    if private:
        raise Lack(f'a program would need the development packages of {private}, which the library alone is linked with')
    source, binary = os.path.join(tree.folder, 'program.c'), os.path.join(tree.folder, 'program')
    with open(source, 'w', encoding='utf-8') as file:
        file.write(PROGRAM)
    run(compiler, '-std=c11', '-Wall', '-Wextra', '-Werror', source, '-o', binary, *flags)
    tree.own(run(binary, environment=tree.environment).strip())


def gstreamer(tree):
    """The distribution's GStreamer loads the plugin, and the element finds the model."""
    text = run('gst-inspect-1.0', 'effdet', environment=tree.environment)
    if tree.file('libgsteffdet.so') not in text:
        raise Lack(f'another plugin was found: {text}')
    for element in ('effdetoverlay', 'overlay', 'effdettrack', 'effdetzones', 'effdetpublish'):
        run('gst-inspect-1.0', element, environment=tree.environment)
    run('gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=1', '!', 'effdet', '!', 'effdettrack', '!', 'effdetzones', '!', 'overlay', '!', 'fakesink', environment=tree.environment)


def devenv(tree):
    """`meson devenv` runs the same from the build tree."""
    environment = dict(os.environ, GST_REGISTRY=os.path.join(BUILD, 'devenv-registry.bin'), XDG_DATA_HOME=os.path.join(tree.folder, 'data'))
    for name in ('EFFDET_MODEL_PATH', 'GST_PLUGIN_PATH', 'GST_TRACERS'):
        environment.pop(name, None)
    inside = run('meson', 'devenv', '-C', BUILD, 'gst-inspect-1.0', 'effdet', environment=environment)
    if BUILD not in inside:
        raise Lack(f'another plugin was found: {inside}')
    models = run('meson', 'devenv', '-C', BUILD, 'effdet', 'models', environment=environment)
    if SOURCE not in models:
        raise Lack(f'the model of the source tree was not found: {models}')
    run('meson', 'devenv', '-C', BUILD, 'gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=1', '!', 'effdet', '!', 'effdettrack', '!', 'effdetzones', '!', 'overlay', '!', 'fakesink',
        environment=environment)


def main():
    missing = [tool for tool in ('meson', 'gst-launch-1.0', 'pkg-config') if not shutil.which(tool)]
    if missing:
        print(f'1..0 # SKIP {", ".join(missing)} not installed')
        return 0
    cases = [nothing_of_the_build, command, program, gstreamer, devenv]
    print(f'1..{len(cases)}')
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(folder)
        for number, case in enumerate(cases, 1):
            verdict = 'ok'
            try:
                case(tree)
            except (Lack, subprocess.TimeoutExpired, ValueError, KeyError) as problem:
                print('# ' + f'{problem!r}'.replace('\\n', '\n# '))
                verdict = 'not ok'
                failed += 1
            print(f'{verdict} {number} /install/{case.__name__.replace("_", "-")}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
