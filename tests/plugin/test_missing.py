#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user sees on a machine that lacks something, as TAP: no Vulkan driver, no Vulkan loader, no weights. The command and the element work
as far as they can and then say in one line, or in one error on the bus, what is missing and how to mend it.

    test_missing.py EFFDET_COMMAND PLUGIN_FOLDER WORK_FOLDER
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

COMMAND, PLUGINS, WORK = sys.argv[1:4]
SOURCE = os.environ['EFFDET_SOURCE_DIR']
MODEL = os.path.join(SOURCE, 'examples/models/person-lite0')
PICTURE = os.path.join(MODEL, 'one-person.jpg')
WEIGHTS = os.path.join(MODEL, 'person-lite0.fp16.safetensors')
SUBCOMMANDS = ['detect', 'devices', 'models', 'fetch', 'check', 'inspect', 'convert', 'infer', 'bench']
COMPLAINT = re.compile(r'CRITICAL|WARNING \*\*|AddressSanitizer|runtime error', re.I)


class Lack(Exception):
    """An expectation that was not met."""


def expect(condition, what, result):
    if not condition:
        raise Lack(f'{what}\ncommand: {" ".join(result.args)}\nstatus: {result.returncode}\nstdout: {result.stdout}\nstderr: {result.stderr}')


class Machine:
    """The environment of a process: an empty home, the built plugin, and what the case hides."""

    def __init__(self, folder):
        self.data = os.path.join(folder, 'data')
        self.environment = dict(os.environ)
        for name in ('VK_INSTANCE_LAYERS', 'EFFDET_MODEL_PATH', 'EFFDET_LOG', 'GST_DEBUG', 'GST_TRACERS', 'G_DEBUG'):
            self.environment.pop(name, None)
        self.environment.update(HOME=folder, XDG_DATA_HOME=self.data, XDG_CACHE_HOME=os.path.join(folder, 'cache'), GST_PLUGIN_PATH=PLUGINS,
                                GST_REGISTRY=os.path.join(WORK, 'missing-registry.bin'), LC_ALL='C.UTF-8',
                                # other plugins that want Vulkan complain by themselves
                                GST_PLUGIN_LOADING_WHITELIST='gstreamer:gst-plugins-base:gst-plugins-good:effdet')

    def run(self, *arguments):
        result = subprocess.run(arguments, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        expect(result.returncode >= 0, 'it died of a signal', result)
        expect(not COMPLAINT.search(result.stderr), 'it complained', result)
        return result

    def effdet(self, *arguments):
        return self.run(COMMAND, *arguments)

    def launch(self, element):
        """The one error that a pipeline around this element posts on its bus, as a text."""
        log = os.path.join(self.environment['HOME'], 'bus.log')
        self.environment.update(GST_DEBUG='GST_BUS:5', GST_DEBUG_FILE=log, GST_DEBUG_NO_COLOR='1')
        result = self.run('gst-launch-1.0', 'videotestsrc', 'num-buffers=3', '!', *element.split(), '!', 'fakesink')
        for name in ('GST_DEBUG', 'GST_DEBUG_FILE'):
            del self.environment[name]
        expect(result.returncode != 0, 'the pipeline should have failed', result)
        with open(log, encoding='utf-8') as file:
            posted = set(re.findall(r'posting on bus error message: .*?seq-num (\d+)', file.read()))
        expect(len(posted) == 1, f'{len(posted)} errors on the bus instead of one', result)
        texts = re.findall(r'^ERROR: from element /\S+: (.*)$', result.stderr, re.M)
        expect(len(texts) == 1, f'{len(texts)} errors printed instead of one', result)
        return texts[0], result


def one_line(result, *wanted):
    lines = result.stderr.splitlines()
    expect(len(lines) == 1, f'{len(lines)} lines on stderr instead of one', result)
    for text in wanted:
        expect(text in lines[0], f'the message does not say "{text}"', result)


def without_vulkan(machine, *wanted):
    """Everything that needs no device works; the rest names what is missing."""
    result = machine.run('gst-inspect-1.0', 'effdet')
    expect(result.returncode == 0 and 'score-threshold' in result.stdout, 'gst-inspect-1.0 should work', result)
    result = machine.effdet('--help')
    expect(result.returncode == 0 and not result.stderr, '--help should work', result)
    for name in SUBCOMMANDS:
        expect(name in result.stdout, f'--help does not name {name}', result)
        usage = machine.effdet(name, '--help')
        expect(usage.returncode == 0 and name in usage.stdout and not usage.stderr, '--help should work', usage)
    result = machine.effdet('devices')
    expect(result.returncode == 0 and not result.stdout, 'an empty list is no failure', result)
    one_line(result, *wanted)
    result = machine.effdet('devices', '--json')
    expect(result.returncode == 0 and json.loads(result.stdout) == {'devices': []}, 'an empty list is no failure', result)
    one_line(result, *wanted)
    for arguments in (('models',), ('inspect', WEIGHTS), ('convert', WEIGHTS, os.path.join(machine.data, 'copy.safetensors'))):
        os.makedirs(machine.data, exist_ok=True)
        result = machine.effdet(*arguments)
        expect(result.returncode == 0 and not result.stderr, 'it needs no Vulkan', result)
    result = machine.effdet('check')
    expect(result.returncode == 1 and 'MISSING' in result.stdout, 'check should find what is missing', result)
    for text in wanted:
        expect(text in result.stdout, f'check does not say "{text}"', result)
    one_line(result, 'missing')
    expect(isinstance(json.loads(machine.effdet('check', '--json').stdout), dict), 'check --json prints no object', result)
    result = machine.effdet('detect', PICTURE)
    expect(result.returncode == 1 and not result.stdout, 'detect should fail', result)
    one_line(result, *wanted)
    text, result = machine.launch('effdet')
    for part in wanted:
        expect(part in text, f'the error does not say "{part}"', result)


def no_driver(machine, folder):
    nowhere = os.path.join(folder, 'no-driver.json')
    machine.environment.update(VK_ICD_FILENAMES=nowhere, VK_DRIVER_FILES=nowhere)
    without_vulkan(machine, nowhere, 'driver')


def no_driver_by_old_name(machine, folder):
    nowhere = os.path.join(folder, 'no-driver.json')
    machine.environment.pop('VK_DRIVER_FILES', None)
    machine.environment['VK_ICD_FILENAMES'] = nowhere
    one_line(machine.effdet('devices'), f'VK_ICD_FILENAMES={nowhere}', 'mesa-vulkan-drivers')


def no_loader(machine, folder):
    """Files of the loader's names that are no libraries come first on the search path."""
    libraries = os.path.join(folder, 'libraries')
    os.mkdir(libraries)
    for name in ('libvulkan.so.1', 'libvulkan.so'):
        with open(os.path.join(libraries, name), 'wb'):
            pass
    others = machine.environment.get('LD_LIBRARY_PATH')
    machine.environment['LD_LIBRARY_PATH'] = libraries + (':' + others if others else '')
    without_vulkan(machine, 'loader', 'libvulkan')


def no_weights(machine, folder):
    """`model=d1` without its weights: names and folders that were tried, and the command that brings them."""
    extra = os.path.join(folder, 'extra')
    os.mkdir(extra)
    machine.environment['EFFDET_MODEL_PATH'] = extra
    text, result = machine.launch('effdet model=d1')
    wanted = ['d1.safetensors', 'tf_efficientdet_d1*.safetensors', 'tf_efficientdet_d1*.pth', 'efficientdet-d1.pth', extra,
              os.path.join(machine.data, 'effdet/models'), '/share/effdet/models', 'effdet fetch d1']
    for part in wanted:
        expect(part in text, f'the error does not say "{part}"', result)
    for arguments in (('detect', '--model', 'd1', PICTURE), ('bench', '--model', 'd1')):
        result = machine.effdet(*arguments)
        expect(result.returncode == 1 and not result.stdout, 'it should fail', result)
        one_line(result, *wanted)
    result = machine.effdet('models')
    expect(result.returncode == 0 and re.search(r'^d1\b', result.stdout, re.M), 'models should list d1 all the same', result)


def no_such_thing(machine, folder):
    """Everything else that a property can name and a machine can lack: one error that names it."""
    nothing = os.path.join(folder, 'nothing')
    damaged = os.path.join(folder, 'damaged.safetensors')
    with open(damaged, 'wb') as file:
        file.write(b'\xff' * 100)
    for element, named in ((f'effdet weights={nothing}', nothing), (f'effdet weights={damaged}', damaged), (f'effdet model={folder}/a.pth', 'a.pth'),
                           (f'effdet labels={nothing}', nothing), (f'effdet project={nothing}', nothing), ('effdet model=unicorn', 'unicorn'),
                           ('effdet device=unicorn', 'unicorn'), ('effdet classes=unicorn', 'unicorn')):
        text, result = machine.launch(element)
        expect(named in text, f'the error does not name "{named}"', result)
    for arguments, named in ((('--weights', nothing), nothing), (('--weights', damaged), damaged), (('--labels', nothing), nothing),
                             (('--project', nothing), nothing), (('--model', 'unicorn'), 'unicorn'), (('--device', 'unicorn'), 'unicorn')):
        result = machine.effdet('detect', *arguments, PICTURE)
        expect(result.returncode == 1, 'detect should fail', result)
        one_line(result, named)
    result = machine.effdet('detect', nothing)
    expect(result.returncode == 1, 'detect should fail', result)
    one_line(result, nothing)


def main():
    if not shutil.which('gst-launch-1.0'):
        print('1..0 # SKIP gst-launch-1.0 is not installed')
        return 0
    cases = [no_driver, no_driver_by_old_name, no_loader, no_weights, no_such_thing]
    print(f'1..{len(cases)}')
    failed = 0
    for number, case in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(Machine(folder), folder)
                verdict = 'ok'
            except (Lack, subprocess.TimeoutExpired, ValueError) as problem:
                print('# ' + str(problem).replace('\n', '\n# '))
                verdict = 'not ok'
                failed += 1
        print(f'{verdict} {number} /missing/{case.__name__.replace("_", "-")}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
