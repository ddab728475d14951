#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The effdet command on a device: the bundled model's golden detections, pictures of every kind, bench, check."""
import json
import math
import os
import random
import shutil
import struct
import sys
import zlib

import command
from command import PERSON, PERSON_WEIGHTS, keys, need_device, run

ONE_PERSON = os.path.join(PERSON, 'one-person.jpg')
AISLE = os.path.join(PERSON, 'aisle.jpg')


def write_png(path, width, height, pixels, colour):
    """colour: PNG's colour type, 0 grey, 2 RGB, 6 RGBA."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    row = len(pixels) // height
    raw = b''.join(b'\0' + pixels[y * row:(y + 1) * row] for y in range(height))
    with open(path, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, colour, 0, 0, 0)) +
                   chunk(b'IDAT', zlib.compress(raw, 1)) + chunk(b'IEND', b''))


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def corners(found):
    return (found['x'], found['y'], found['x'] + found['w'], found['y'] + found['h'])


def golden():
    with open(os.path.join(PERSON, 'golden-free.json'), encoding='utf-8') as file:
        return json.load(file)['pictures']


def compare_golden(wanted, objects, min_iou, max_difference, margin=0.0, from_score=0.3):
    """Each object of either side from that score on has its partner on the other. Where an object overlaps a stronger one by the threshold of
    suppression within `margin`, either decision is right."""
    def undecided(box, score, objects):
        return any(other_score > score and abs(iou(box, other) - 0.5) < margin for other, other_score in objects)
    def partner(box, score, own, others):
        freed = any(other_score > score and iou(box, other) > 0.5 - margin and undecided(other, other_score, others) for other, other_score in others)
        return freed or undecided(box, score, own) or any(
            iou(box, other) >= min_iou and abs(score - other_score) <= max_difference for other, other_score in others)
    wanted = [(d['box'], d['score']) for d in wanted]
    found = [(corners(o), o['confidence']) for o in objects]
    for box, score in wanted:
        assert score < from_score or partner(box, score, wanted, found), f'golden {box} {score} has no partner in {found}'
    for box, score in found:
        assert score < from_score or partner(box, score, found, wanted), f'found {box} {score} has no partner in {wanted}'


def check_golden(min_iou, max_difference, *options, margin=0.0):
    need_device()
    pictures = golden()
    paths = [os.path.join(PERSON, picture['file']) for picture in pictures]
    lines = run('detect', '--json', '--score-threshold', '0.05', *options, *paths).done().json_lines()
    assert [line['image'] for line in lines] == paths
    for picture, line in zip(pictures, lines):
        assert (line['width'], line['height']) == (picture['width'], picture['height'])
        compare_golden(picture['detections'], line['objects'], min_iou, max_difference, margin)


def test_golden_fp32(folder):
    check_golden(0.98, 0.01, '--precision', 'fp32')


def test_golden_fp16(folder):
    if 'storage16' not in run('devices', '--json').json()['devices'][0]['features']:
        raise command.Skip('the device has no 16-bit storage')
    # the codes of a box are off by some 2^-10 of their size, and so is its overlap
    check_golden(0.95, 0.02, '--precision', 'fp16', margin=0.005)


def test_golden_unfused(folder):
    check_golden(0.98, 0.01, '--precision', 'fp32', '--no-fuse')


def test_golden_plans(folder):
    check_golden(0.98, 0.01, '--precision', 'fp32', '--plan', 'gpu')
    check_golden(0.98, 0.01, '--precision', 'fp32', '--plan', 'cpu')


def test_document(folder):
    need_device()
    document = run('detect', '--json', '--score-threshold', '0.05', ONE_PERSON).done().json()
    keys(document, 'image', 'width', 'height', 'objects')
    confidences = []
    for found in document['objects']:
        keys(found, 'label', 'label_id', 'confidence', 'x', 'y', 'w', 'h')
        assert found['label'] == 'person' and found['label_id'] == 0
        assert 0 <= found['x'] and found['x'] + found['w'] <= document['width'] + 1e-3
        assert 0 <= found['y'] and found['y'] + found['h'] <= document['height'] + 1e-3
        assert all(isinstance(found[key], float) for key in ('confidence', 'x', 'y', 'w', 'h'))
        confidences.append(found['confidence'])
    assert confidences == sorted(confidences, reverse=True) and confidences[-1] >= 0.05


def test_options(folder):
    need_device()
    suggested = run('inspect', '--json', PERSON_WEIGHTS).json()['score_threshold']
    for picture in golden():
        path = os.path.join(PERSON, picture['file'])
        objects = run('detect', '--json', path).done().json()['objects']
        assert all(found['confidence'] >= suggested for found in objects)
        assert len(objects) == sum(d['score'] >= suggested for d in picture['detections'])
    assert run('detect', '--json', '--score-threshold', '1', AISLE).done().json()['objects'] == []
    low = ['detect', '--json', '--score-threshold', '0.05', '--max-detections', '0']
    every = run(*low, AISLE).done().json()['objects']
    assert len(every) > 3
    assert run(*low, '--max-detections', '2', AISLE).done().json()['objects'] == every[:2]
    apart = run(*low, '--iou-threshold', '0', AISLE).done().json()['objects']
    assert len(apart) < len(every)
    for i, a in enumerate(apart):
        assert all(iou(corners(a), corners(b)) == 0 for b in apart[i + 1:])
    assert len(run(*low, '--iou-threshold', '1', AISLE).done().json()['objects']) > len(every)
    text = run('detect', AISLE).done().out
    assert AISLE in text and 'person' in text


def test_model_options(folder):
    need_device()
    labels = os.path.join(folder, 'labels.txt')
    with open(labels, 'w', encoding='utf-8') as file:
        file.write('Fußgänger\n')
    plain = run('detect', '--json', AISLE).done().json()
    named = run('detect', '--json', '--labels', labels, AISLE).done().json()
    assert {found['label'] for found in named['objects']} == {'Fußgänger'}
    copy = os.path.join(folder, 'mine.safetensors')
    shutil.copy(PERSON_WEIGHTS, copy)
    for options in (['--model', copy], ['--weights', copy], ['--model', 'person', '--weights', copy], ['--model', 'lite0', '--weights', copy]):
        assert run('detect', '--json', *options, AISLE).done().json() == plain, options
    found = run('detect', '--json', '--model', 'mine', AISLE, env={'EFFDET_MODEL_PATH': folder}).done().json()
    assert found == plain
    project = os.path.join(folder, 'walkers.yml')
    with open(project, 'w', encoding='utf-8') as file:  # anchors of half the size: boxes of half the size
        file.write("obj_list: [walker]\nanchors_scales: '[2 ** -1, 2 ** (1.0 / 3.0 - 1), 2 ** (2.0 / 3.0 - 1)]'\n")
    halved = run('detect', '--json', '--project', project, AISLE).done().json()['objects'][0]
    best = plain['objects'][0]
    assert halved['label'] == 'walker' and math.isclose(halved['confidence'], best['confidence'], abs_tol=1e-6)
    assert math.isclose(halved['w'] * 2, best['w'], abs_tol=2e-3) and math.isclose(halved['h'] * 2, best['h'], abs_tol=2e-3)
    run('convert', '--project', project, PERSON_WEIGHTS, copy).done()
    assert run('detect', '--json', '--weights', copy, AISLE).done().json()['objects'][0] == halved
    wide = run('detect', '--json', '--size', '512x384', AISLE).done().json()
    assert wide['objects'] and wide != plain
    run('detect', '--labels', os.path.join(folder, 'none.txt'), AISLE).one_line(1, 'none.txt')
    run('detect', '--model', 'd0', '--weights', copy, AISLE).one_line(1, copy)
    run('detect', '--device', 'no such device', AISLE).one_line(1, 'no such device')
    run('detect', '--precision', 'fp16', AISLE, env={'EFFDET_DISABLE': 'storage16'}).one_line(1, 'fp16')


def test_bad_pictures(folder):
    need_device()
    broken = os.path.join(folder, 'broken.jpg')
    with open(ONE_PERSON, 'rb') as file:
        start = file.read()[:300]
    with open(broken, 'wb') as file:
        file.write(start)
    text = os.path.join(folder, 'text.png')
    with open(text, 'w', encoding='ascii') as file:
        file.write('no picture')
    huge = os.path.join(folder, 'huge.png')
    write_png(huge, 20000, 1, b'\0' * 20000, 0)
    missing = os.path.join(folder, 'missing.png')
    pipe = os.path.join(folder, 'pipe')
    os.mkfifo(pipe)
    for bad in (broken, text, huge, missing, folder, pipe):
        assert run('detect', '--json', bad).one_line(1, bad).out == ''
    several = run('detect', '--json', missing, AISLE, text, ONE_PERSON)
    assert several.status == 1, several
    assert [line['image'] for line in several.json_lines()] == [AISLE, ONE_PERSON]
    errors = several.err.splitlines()
    assert len(errors) == 2 and missing in errors[0] and text in errors[1], several


def test_picture_kinds(folder):
    need_device()
    noise = random.Random(7)
    for width, height in ((1, 1), (321, 243), (17, 1000)):
        rgb = bytes(noise.randrange(256) for _ in range(width * height * 3))
        rgba = b''.join(rgb[i:i + 3] + bytes([noise.randrange(256)]) for i in range(0, len(rgb), 3))
        paths = [os.path.join(folder, name) for name in ('rgb.png', 'rgba.png', 'grey.png')]
        write_png(paths[0], width, height, rgb, 2)
        write_png(paths[1], width, height, rgba, 6)
        write_png(paths[2], width, height, rgb[:width * height], 0)
        lines = run('detect', '--json', '--score-threshold', '0.001', *paths).done().json_lines()
        assert all((line['width'], line['height']) == (width, height) for line in lines)
        assert lines[0]['objects'] == lines[1]['objects'], (width, height)


def test_orientation(folder):
    need_device()
    with open(ONE_PERSON, 'rb') as file:
        jpeg = file.read()
    tag = b'II*\0\x08\0\0\0' + struct.pack('<HHHIHH', 1, 0x112, 3, 1, 3, 0) + b'\0\0\0\0'  # orientation 3: turned by 180 degrees
    exif = b'Exif\0\0' + tag
    turned = os.path.join(folder, 'turned.jpg')
    with open(turned, 'wb') as file:
        file.write(jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + jpeg[2:])
    side = os.path.join(folder, 'side.jpg')
    with open(side, 'wb') as file:
        exif = exif.replace(struct.pack('<HHIHH', 0x112, 3, 1, 3, 0), struct.pack('<HHIHH', 0x112, 3, 1, 6, 0))
        file.write(jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + jpeg[2:])
    lines = run('detect', '--json', ONE_PERSON, turned, side).done().json_lines()
    assert (lines[1]['width'], lines[1]['height']) == (768, 432)
    assert lines[0]['objects'] and lines[1]['objects'] != lines[0]['objects']
    assert (lines[2]['width'], lines[2]['height']) == (432, 768)


def test_draw(folder):
    need_device()
    drawn = os.path.join(folder, 'drawn.png')
    plain = run('detect', '--json', ONE_PERSON).done().out
    assert run('detect', '--json', '--draw', drawn, ONE_PERSON).done().out == plain
    with open(drawn, 'rb') as file:
        png = file.read()
    assert png[:8] == b'\x89PNG\r\n\x1a\n' and struct.unpack('>II', png[16:24]) == (768, 432)
    none = os.path.join(folder, 'none.png')
    run('detect', '--draw', none, '--score-threshold', '1', ONE_PERSON).done()
    with open(none, 'rb') as file:
        assert file.read() != png
    bad = os.path.join(folder, 'no', 'folder.png')
    run('detect', '--draw', bad, ONE_PERSON).one_line(1, bad)


def test_bench(folder):
    need_device()
    options = ['bench', '--model', 'lite0', '--random-weights', '--size', '128x96', '--runs', '3']
    document = run(*options, '--per-op', '--json').done().json()
    keys(document, 'device', 'driver', 'model', 'size', 'precision', 'plan', 'runs', 'network_ms', 'frame_ms', 'dispatches', 'pipelines',
         'barriers', 'submits', 'bytes', 'start_ms', 'ops', 'by_op', 'ceiling')
    assert document['model'] == 'tf_efficientdet_lite0' and document['size'] == [128, 96] and document['runs'] == 3
    for name in ('network_ms', 'frame_ms'):
        keys(document[name], 'median', 'min', 'p95')
        assert 0 < document[name]['min'] <= document[name]['median'] <= document[name]['p95']
    keys(document['bytes'], 'arena', 'arena_lower_bound', 'weights', 'staging')
    assert document['bytes']['arena'] >= document['bytes']['arena_lower_bound'] > 0
    assert document['start_ms']['cold'] > 0 and document['start_ms']['warm'] > 0
    assert 0 < len(document['ops']) <= document['dispatches']
    for entry in document['ops']:
        keys(entry, 'op', 'variant', 'node', 'us', 'gflops', 'gbytes_s', 'percent')
    for entry in document['by_op']:
        keys(entry, 'op', 'dispatches', 'us', 'gflops', 'gbytes_s', 'percent')
    assert sum(entry['dispatches'] for entry in document['by_op']) == len(document['ops'])
    assert document['ceiling']['gflops'] > 0 and document['ceiling']['gbytes_s'] > 0
    assert 0 < document['barriers'] < document['dispatches'] and document['submits'] >= 1
    text = run(*options).done().out
    assert 'lite0' in text and 'NODE' not in text
    gpu = run(*options, '--plan', 'gpu', '--json').done().json()
    assert gpu['plan'] == 'gpu'
    pieces = run(*options, '--json', env={'EFFDET_SUBMIT_MS': '0'}).done().json()
    assert pieces['submits'] == pieces['dispatches']
    run('bench', '--model', 'person', '--random-weights').one_line(1, 'person')


def test_check(folder):
    need_device()
    document = run('check', '--json').done().json()
    keys(document, 'ok', 'checks')
    assert document['ok']
    states = {entry['name']: entry['state'] for entry in document['checks']}
    assert list(states) == ['Vulkan loader', 'Vulkan drivers', 'devices', 'GStreamer plugin', 'weights', 'test inference']
    plugin = os.path.join(os.path.dirname(command.COMMAND), '..', '..', 'plugin')
    if os.path.exists(os.path.join(plugin, 'libgsteffdet.so')):
        found = run('check', '--json', env={'GST_PLUGIN_PATH': os.path.realpath(plugin)}).done().json()
        assert 'libgsteffdet.so' in found['checks'][3]['detail'] or found['checks'][3]['state'] == 'ok'
    del states['GStreamer plugin']  # without it the command works
    assert set(states.values()) == {'ok'}
    assert 'test inference' in run('check').done().out


if __name__ == '__main__':
    # to the host, other plans of the one network are what the tests of the engine see under the sanitizers
    plans = [] if '--sanitized' in sys.argv else [test_golden_unfused, test_golden_plans]
    sys.exit(command.main([
        test_golden_fp32, test_golden_fp16, *plans, test_document, test_options, test_model_options,
        test_bad_pictures, test_picture_kinds, test_orientation, test_draw, test_bench, test_check]))
