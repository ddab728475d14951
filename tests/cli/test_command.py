#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The effdet command as scripts see it: help, exit statuses, error lines, documents. What needs a device is in test_detect.py."""
import json
import math
import os
import struct
import sys
import zlib

import command
from command import PERSON_WEIGHTS, keys, run

SUBCOMMANDS = ['detect', 'devices', 'models', 'fetch', 'check', 'inspect', 'convert', 'infer', 'bench']
MODEL_OPTIONS = ['--model', '--weights', '--project', '--labels', '--size', '--convention']
DEVICE_OPTIONS = ['--device', '--precision', '--no-fuse', '--plan', '--tune', '--no-tune']
OPTIONS = {
    'inspect': ['--tensors', '--project'],
    'convert': ['--precision', '--project'],
    'detect': ['--score-threshold', '--iou-threshold', '--max-detections', '--draw', *MODEL_OPTIONS, *DEVICE_OPTIONS],
    'infer': ['--input', '--output', *MODEL_OPTIONS, *DEVICE_OPTIONS],
    'bench': ['--random-weights', '--runs', '--per-op', *MODEL_OPTIONS, *DEVICE_OPTIONS],
}
NO_DRIVER = {'VK_ICD_FILENAMES': '/nonexistent', 'VK_DRIVER_FILES': None}


def write_safetensors(path, tensors, metadata=None):
    """tensors: {name: (type, shape, bytes)}"""
    header, data = {}, b''
    if metadata:
        header['__metadata__'] = metadata
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + data)


def write_npy(path, shape, data=None, descr='<f4'):
    text = repr({'descr': descr, 'fortran_order': False, 'shape': shape}).encode()
    text += b' ' * (-(len(text) + 11) % 64) + b'\n'
    with open(path, 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text)
        file.write(b'\0' * 4 * math.prod(shape) if data is None else data)


def test_help(folder):
    text = run('--help').done().out
    assert run('help').done().out == text
    for name in SUBCOMMANDS:
        assert f'\n  {name} ' in text, name
        help_text = run(name, '--help').done().out
        assert run('help', name).done().out == help_text
        assert f'effdet {name}' in help_text and '--json' in help_text or name == 'fetch', help_text
        for option in OPTIONS.get(name, []):
            assert option in help_text, f'{name}: {option}'
    assert run('--version').done().out.startswith('effdet ')


def test_usage_errors(folder):
    cases = [[], ['nonsense'], ['--nonsense'], ['devices', 'x'], ['models', 'x'], ['check', 'x'], ['inspect'], ['inspect', 'a', 'b'],
             ['convert'], ['convert', 'a'], ['convert', 'a', 'b', 'c'], ['convert', 'a', 'b.safetensors', '--precision', 'fp8'],
             ['detect'], ['detect', '--draw', 'o.png', 'a.png', 'b.png'], ['infer'], ['infer', '--input', 'x.npy'],
             ['infer', '--output', 'x'], ['infer', '--input', 'x.npy', '--output', 'd', 'more'], ['bench', 'x'],
             ['bench', '--runs', '0'], ['bench', '--runs', 'many']]
    cases += [[name, '--nonsense'] for name in SUBCOMMANDS]
    for bad in ('-0.1', '1.1', 'nan', 'x', '', '0.5x'):
        cases += [['detect', '--score-threshold=' + bad, 'a.png'], ['detect', '--iou-threshold=' + bad, 'a.png']]
    cases += [['detect', '--max-detections=' + bad, 'a.png'] for bad in ('-1', 'x', '1.5', '99999999999')]
    shared = [['--size', bad] for bad in ('512', '512x', 'x512', '0x512', '512x0', '-1x5', '1x2x3', '20000x20000', 'axb', '5 x5')]
    shared += [['--precision', 'fp8'], ['--plan', 'tpu'], ['--convention', 'keras'], ['--tune', '--no-tune'], ['--model', ''],
               ['--weights', ''], ['--device', '']]
    for bad in shared:
        cases += [['detect', *bad, 'a.png'], ['infer', '--input', 'x.npy', '--output', 'd', *bad], ['bench', *bad]]
    for case in cases:
        assert run(*case).one_line(2, '--help').out == ''
    run('devices', env={'EFFDET_LOG': 'loud'}).one_line(2, 'loud')


def test_without_driver(folder):
    document = run('devices', '--json', env=NO_DRIVER)
    document.one_line(0, '/nonexistent')
    assert document.json() == {'devices': []}
    run('devices', env=NO_DRIVER).one_line(0, '/nonexistent')
    run('detect', os.path.join(command.PERSON, 'aisle.jpg'), env=NO_DRIVER).one_line(1, 'VK_ICD_FILENAMES')
    run('bench', '--model', 'lite0', '--random-weights', env=NO_DRIVER).one_line(1, 'VK_ICD_FILENAMES')
    check = run('check', '--json', env=NO_DRIVER).one_line(1, 'devices')
    states = {entry['name']: entry for entry in check.json()['checks']}
    assert states['Vulkan drivers']['state'] == 'missing' and '/nonexistent' in states['Vulkan drivers']['detail']
    assert states['weights']['state'] == 'ok'


def test_without_loader(folder):
    for name in ('libvulkan.so.1', 'libvulkan.so'):
        with open(os.path.join(folder, name), 'w', encoding='ascii') as file:
            file.write('not a library')
    env = {'LD_LIBRARY_PATH': folder}
    document = run('devices', '--json', env=env)
    document.one_line(0, 'libvulkan')
    assert document.json() == {'devices': []}
    run('--help', env=env).done()
    run('detect', os.path.join(command.PERSON, 'aisle.jpg'), env=env).one_line(1, 'libvulkan')
    check = run('check', '--json', env=env).one_line(1, 'Vulkan loader')
    assert 'libvulkan1' in check.json()['checks'][0]['fix']


def test_devices(folder):
    for device in run('devices', '--json').json()['devices']:
        keys(device, 'index', 'name', 'type', 'driver', 'uuid', 'class', 'features')
        assert device['type'] in ('discrete', 'integrated', 'virtual', 'cpu', 'other')
        assert len(device['uuid']) == 32 and int(device['uuid'], 16) >= 0
        assert all(isinstance(feature, str) for feature in device['features'])


def test_models(folder):
    mine = os.path.join(folder, 'tf_efficientdet_d7x-f390b87c.pth')
    open(mine, 'wb').close()
    env = {'EFFDET_MODEL_PATH': folder}
    document = run('models', '--json', env=env).done().json()
    keys(document, 'models', 'folders')
    assert document['folders'][0] == folder
    models = {}
    for model in document['models']:
        keys(model, 'name', 'architecture', 'size', 'path')
        models[model['name']] = model
    for name in [f'd{i}' for i in range(8)] + ['d7x'] + [f'lite{i}' for i in range(5)] + ['lite3x', 'person', 'resdet50', 'efficientdetv2_dt']:
        assert name in models, name
    assert models['d7x'] == {'name': 'd7x', 'architecture': 'tf_efficientdet_d7x', 'size': [1536, 1536], 'path': mine}
    assert models['d7']['path'] is None
    assert models['person']['path'] == PERSON_WEIGHTS
    assert models['person']['size'] == [320, 320]
    text = run('models', env=env).done().out
    assert mine in text and PERSON_WEIGHTS in text


def test_missing_weights(folder):
    env = {'EFFDET_MODEL_PATH': folder, 'XDG_DATA_HOME': folder}
    for case in (['detect', 'a.png'], ['bench'], ['infer', '--input', f'{folder}/x.npy', '--output', folder]):
        write_npy(f'{folder}/x.npy', (1, 3, 64, 64))
        run(*case, '--model', 'd1', env=env).one_line(1, 'd1.safetensors', folder, 'effdet fetch d1')
        run(*case, '--model', 'unheard-of', env=env).one_line(1, 'unheard-of', 'effdet models')
        run(*case, '--model', f'{folder}/no.pth', env=env).one_line(1, f'{folder}/no.pth')
        run(*case, '--weights', f'{folder}/no.pth', env=env).one_line(1, f'{folder}/no.pth')


def test_inspect_person(folder):
    document = run('inspect', '--json', PERSON_WEIGHTS).done().json()
    keys(document, 'file', 'container', 'naming', 'architecture', 'classes', 'convention', 'size', 'labels', 'score_threshold', 'license',
         'metadata', 'n_tensors', 'parameters')
    assert document['file'] == PERSON_WEIGHTS and document['container'] == 'safetensors'
    assert document['naming'] == 'rwightman' and document['architecture'] == 'tf_efficientdet_lite0'
    assert document['classes'] == 1 and document['labels'] == ['person'] and document['size'] == [320, 320]
    assert document['metadata']['effdet.format'] == '1'
    assert 3e6 < document['parameters'] < 4e6
    assert 'tf_efficientdet_lite0' in run('inspect', PERSON_WEIGHTS).done().out


def test_inspect_tensors(folder):
    path = os.path.join(folder, 'some.safetensors')
    values = [1.5, math.inf, -math.inf, math.nan, 0.1]
    floats = struct.pack('<5f', *values)
    halves = struct.pack('<3e', 1, 2.5, -0.25)
    write_safetensors(path, {'a.weight': ('F32', [5], floats), 'b': ('F16', [3, 1], halves), 'empty': ('F32', [0, 3], b'')},
                      {'who': 'a test', 'line': 'two\nlines'})
    document = run('inspect', '--tensors', '--json', path).done().json()
    assert document['architecture'] is None and document['naming'] is None and document['classes'] is None
    assert document['reason'] and document['metadata'] == {'who': 'a test', 'line': 'two\nlines'}
    assert document['n_tensors'] == 3
    tensors = {tensor['name']: tensor for tensor in document['tensors']}
    assert tensors['a.weight']['shape'] == [5] and tensors['a.weight']['dtype'] == 'float32'
    assert tensors['a.weight']['first'] == [1.5, 'inf', '-inf', 'nan']
    assert tensors['a.weight']['crc32_f32le'] == f'{zlib.crc32(floats):08x}'
    assert tensors['b']['shape'] == [3, 1] and tensors['b']['dtype'] == 'float16' and tensors['b']['first'] == [1, 2.5, -0.25]
    assert tensors['b']['crc32_f32le'] == f'{zlib.crc32(struct.pack("<3f", 1, 2.5, -0.25)):08x}'
    assert tensors['empty']['first'] == [] and tensors['empty']['crc32_f32le'] == '00000000'
    text = run('inspect', '--tensors', path).done().out
    assert 'a.weight' in text and 'none' in text


def test_inspect_fixtures(folder):
    data = os.path.join(command.SOURCE, 'tests', 'data', 'containers')
    with open(os.path.join(data, 'expected.json'), encoding='utf-8') as file:
        files = json.load(file)['files']
    tried = 0
    for name, expected in files.items():
        path = os.path.join(data, name)
        if not name.endswith(('.safetensors', '.pth', '.pt')) or not os.path.exists(path):
            continue
        tried += 1
        if expected['verdict'] == 'refuse':
            assert run('inspect', '--json', '--tensors', path).one_line(1, path).out == ''
        elif expected['verdict'] == 'load':
            document = run('inspect', '--json', '--tensors', path).done().json()
            found = {tensor['name']: tensor for tensor in document['tensors']}
            for tensor in expected.get('tensors', []):
                if tensor['dtype'] == 'int64' and tensor['name'] not in found:
                    continue  # a counter
                for side in (tensor, found[tensor['name']]):  # the same float32, written with more or fewer digits
                    side['first'] = [struct.pack('<f', float(value)) for value in side['first']]
                assert found[tensor['name']] == tensor, (path, found[tensor['name']], tensor)
    assert tried > 100, tried


def test_inspect_failures(folder):
    path = os.path.join(folder, 'empty.pth')
    open(path, 'wb').close()
    for bad in (path, folder, os.path.join(folder, 'missing.safetensors')):
        assert run('inspect', bad).one_line(1, bad).out == ''
        assert run('inspect', '--json', '--tensors', bad).one_line(1, bad).out == ''


def test_convert(folder):
    def contents(path):
        document = run('inspect', '--tensors', '--json', path).done().json()
        return document, {t['name']: (t['shape'], t['crc32_f32le']) for t in document['tensors'] if t['dtype'].startswith('float')}

    wide, narrow = os.path.join(folder, 'wide.safetensors'), os.path.join(folder, 'narrow.safetensors')
    document = run('convert', '--json', PERSON_WEIGHTS, wide).done().json()
    assert document == {'input': PERSON_WEIGHTS, 'output': wide, 'architecture': 'tf_efficientdet_lite0', 'classes': 1,
                        'precision': 'fp32', 'bytes': os.path.getsize(wide)}
    run('convert', '--precision', 'fp16', wide, narrow).done()
    source, values = contents(PERSON_WEIGHTS)
    for path, dtype in ((wide, 'float32'), (narrow, 'float16')):
        copy, copied = contents(path)
        assert copied == values, path  # half precision comes back from the detour unchanged
        assert {tensor['dtype'] for tensor in copy['tensors']} == {dtype}
        for key in ('architecture', 'classes', 'convention', 'labels', 'size', 'score_threshold', 'license', 'naming'):
            assert copy[key] == source[key], key
    run('convert', narrow, narrow).done()  # in place
    assert contents(narrow)[1] == values
    labels = os.path.join(folder, 'labels.txt')
    with open(labels, 'w', encoding='utf-8') as file:
        file.write('Mensch\n')
    run('convert', '--labels', labels, '--size', '512x384', wide, narrow).done()
    copy = contents(narrow)[0]
    assert copy['labels'] == ['Mensch'] and copy['size'] == [512, 384]

    output = os.path.join(folder, 'none.safetensors')
    for bad in (labels, folder, os.path.join(folder, 'missing.pth')):
        run('convert', bad, output).one_line(1, bad)
    run('convert', '--model', 'd0', wide, output).one_line(1, wide)
    other = os.path.join(folder, 'other.safetensors')
    write_safetensors(other, {'w': ('F32', [1], b'\0' * 4)})
    run('convert', other, output).one_line(1, other)
    assert not os.path.exists(output)
    nowhere = os.path.join(folder, 'no', 'out.safetensors')
    run('convert', wide, nowhere).one_line(1, nowhere)
    assert sorted(os.listdir(folder)) == ['labels.txt', 'narrow.safetensors', 'other.safetensors', 'wide.safetensors']


# as that repository's users write them: comments, keys of the training, anchors as strings of Python
PROJECT = """\
project_name: walkers  # also the folder of the dataset that under data_path folder
train_set: train
val_set: val
num_gpus: 1

# mean and std in RGB order, actually this part should remain unchanged as long as your dataset is similar to coco.
mean: [0.5, 0.5, 0.5]
std: [0.25, 0.25, 0.25]

# this is coco anchors, change it if necessary
anchors_scales: '[2 ** 0, 2 ** (1.0 / 3.0), 2 ** (2.0 / 3.0)]'
anchors_ratios: '[(1.0, 1.0), (1.3, 0.8), (0.7, 1.4)]'

# must match your dataset's category_id.
obj_list: ['walker']
"""


def test_project(folder):
    project, out = os.path.join(folder, 'walkers.yml'), os.path.join(folder, 'walkers.safetensors')
    with open(project, 'w', encoding='utf-8') as file:
        file.write(PROJECT)
    document = run('inspect', '--json', '--project', project, PERSON_WEIGHTS).done().json()
    assert document['labels'] == ['walker']
    run('convert', '--project', project, PERSON_WEIGHTS, out).done()
    document = run('inspect', '--json', out).done().json()  # what the project said is in the file
    assert document['labels'] == ['walker']
    metadata = {key: json.loads(document['metadata'][key]) for key in ('scales', 'aspect_ratios', 'mean', 'std')}
    assert metadata['aspect_ratios'] == [[1, 1], [1.3, 0.8], [0.7, 1.4]]
    assert metadata['mean'] == [127.5] * 3 and metadata['std'] == [63.75] * 3
    assert all(abs(scale - 2 ** (i / 3)) < 1e-12 for i, scale in enumerate(metadata['scales'])) and len(metadata['scales']) == 3
    with open(project, 'w', encoding='utf-8') as file:
        file.write(PROJECT.replace("'walker'", "'walker', 'dog'"))
    document = run('inspect', '--json', '--project', project, PERSON_WEIGHTS).done().json()
    assert document['architecture'] is None and 'obj_list' in document['reason']
    run('convert', '--project', project, PERSON_WEIGHTS, out).one_line(1, project, 'obj_list', 'wanted 1 name', 'found 2')
    run('inspect', '--project', os.path.join(folder, 'none.yml'), PERSON_WEIGHTS).done()


def test_infer_inputs(folder):
    output = os.path.join(folder, 'out')
    path = os.path.join(folder, 'x.npy')

    def refused(*parts):
        run('infer', '--input', path, '--output', output).one_line(1, path, *parts)
        assert not os.path.exists(output)

    refused()
    write_npy(path, (3, 64, 64))
    refused('(3, 64, 64)')
    write_npy(path, (2, 3, 8, 8))
    refused('(2, 3, 8, 8)')
    write_npy(path, (1, 4, 8, 8))
    refused('(1, 3, H, W)')
    write_npy(path, (1, 3, 8, 8), b'\0' * 100)
    refused('truncated')
    write_npy(path, (1, 3, 8, 8), descr='<f8')
    refused('float32', '<f8')
    write_npy(path, (1, 3, 64, 64))
    run('infer', '--input', path, '--output', output, '--size', '128x64').one_line(1, path, '128x64', '64x64')
    open(output, 'wb').close()
    run('infer', '--input', path, '--output', output).one_line(1, output)


def test_full_disk(folder):
    if os.path.exists('/dev/full'):
        with open('/dev/full', 'w', encoding='ascii') as full:
            done = command.subprocess.run([command.COMMAND, 'models', '--json'], stdout=full, stderr=command.subprocess.PIPE, check=False)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done


if __name__ == '__main__':
    sys.exit(command.main([
        test_help, test_usage_errors, test_without_driver, test_without_loader, test_devices, test_models, test_missing_weights,
        test_inspect_person, test_inspect_tensors, test_inspect_fixtures, test_inspect_failures, test_convert, test_infer_inputs, test_full_disk]))
