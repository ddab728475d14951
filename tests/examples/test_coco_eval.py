#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/coco_eval with the bundled network on the 20 frames that its card was measured on, as TAP: average precision as the card says, whose
figures are of the PyTorch reference. The frames are those of a video in Debian's opencv-doc, which cannot be part of this repository."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap
from tap import Skip

COMMAND = sys.argv[1]
EXAMPLES = os.path.join(os.environ['EFFDET_SOURCE_DIR'], 'examples')
VIDEO = '/usr/share/doc/opencv-doc/examples/data/vtest.avi'
LABELS = os.path.join(EXAMPLES, 'models', 'person-lite0', 'train', 'vtest-heldout.json')
CARD = {'AP': 0.432, 'AP50': 0.857}  # MODEL_CARD.md, "this camera"


def write_frames(folder, wanted):
    """The frames of these numbers (from 0) as frame-N.ppm; returns their size."""
    try:
        import gi
        gi.require_version('Gst', '1.0')
        gi.require_version('GstApp', '1.0')
        from gi.repository import Gst, GstApp  # noqa: F401
    except (ImportError, ValueError) as error:
        raise Skip(f'no PyGObject with GStreamer (Debian: python3-gi, gir1.2-gst-plugins-base-1.0): {error}') from error
    Gst.init(None)
    if not os.path.exists(VIDEO):
        raise Skip(f'no {VIDEO} (Debian: opencv-doc)')
    if not Gst.ElementFactory.find('avdec_msmpeg4'):
        raise Skip('no element avdec_msmpeg4 (Debian: gstreamer1.0-libav)')
    pipeline = Gst.parse_launch(f'filesrc location={VIDEO} ! decodebin ! videoconvert ! video/x-raw,format=RGB '
                                '! appsink name=sink sync=false max-buffers=8')
    sink = pipeline.get_by_name('sink')
    pipeline.set_state(Gst.State.PLAYING)
    size = None
    for number in range(max(wanted) + 1):
        sample = sink.emit('try-pull-sample', 20 * Gst.SECOND)
        assert sample, f'{VIDEO} gives no frame {number}'
        if number in wanted:
            caps = sample.get_caps().get_structure(0)
            size = caps.get_value('width'), caps.get_value('height')
            buffer = sample.get_buffer()
            pixels = buffer.extract_dup(0, buffer.get_size())
            stride = len(pixels) // size[1]
            with open(os.path.join(folder, f'frame-{number}.ppm'), 'wb') as file:
                file.write(b'P6\n%d %d\n255\n' % size)
                file.write(b''.join(pixels[y * stride:y * stride + 3 * size[0]] for y in range(size[1])))
    pipeline.set_state(Gst.State.NULL)
    return size


def write_annotations(folder):
    with open(LABELS, encoding='utf-8') as file:
        labels = {int(number): boxes for number, boxes in json.load(file).items()}
    assert len(labels) == 20
    width, height = write_frames(folder, labels)
    truth = {'images': [{'id': number, 'file_name': f'frame-{number}.ppm', 'width': width, 'height': height} for number in labels],
             'categories': [{'id': 1, 'name': 'person'}],
             'annotations': [{'image_id': number, 'category_id': 1, 'bbox': [x0, y0, x1 - x0, y1 - y0], 'id': 1000 * number + i}
                             for number, boxes in labels.items() for i, (x0, y0, x1, y1) in enumerate(boxes, 1)]}
    path = os.path.join(folder, 'truth.json')
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(truth, file)
    return path


def evaluate(annotations, pictures, *options):
    done = subprocess.run([sys.executable, os.path.join(EXAMPLES, 'coco_eval'), annotations, pictures, '--command', COMMAND, *options],
                          text=True, timeout=250, capture_output=True, check=False)
    if 'pycocotools could not be installed' in done.stderr:
        raise Skip('no pycocotools, and no way to PyPI')
    return done


def figures(folder, *options):
    path, results = os.path.join(folder, 'statistics.json'), os.path.join(folder, 'results.json')
    # the card's detections start at 0.01
    done = evaluate(os.path.join(folder, 'truth.json'), folder, '--statistics', path, '--results', results, '--score-threshold', '0.01', *options)
    assert done.returncode == 0 and 'Average Precision' in done.stdout, done
    with open(results, encoding='utf-8') as file:
        for row in json.load(file):
            assert set(row) == {'image_id', 'category_id', 'bbox', 'score'} and row['category_id'] == 1 and len(row['bbox']) == 4, row
    with open(path, encoding='utf-8') as file:
        found = json.load(file)
    print(f'# {" ".join(options)}: AP {found["AP"]:.4f}, AP50 {found["AP50"]:.4f}')
    return found


def as_the_card_says(folder):
    found = figures(folder, '--precision', 'fp32')
    for name, wanted in CARD.items():
        assert abs(found[name] - wanted) <= 0.01, (name, wanted, found)


def half_precision_as_well(folder):
    devices = json.loads(subprocess.run([COMMAND, 'devices', '--json'], capture_output=True, text=True, check=True).stdout)['devices']
    if 'storage16' not in devices[0]['features']:
        raise Skip('the device has no 16-bit storage')
    found = figures(folder, '--precision', 'fp16')
    for name, wanted in CARD.items():
        assert abs(found[name] - wanted) <= 0.02, (name, wanted, found)


def what_fails_says_so(folder):
    truth = os.path.join(folder, 'truth.json')
    other = os.path.join(folder, 'other.json')
    for content in ('', '[]', '{"images": []}', '{"images": [{"id": 1}], "categories": [], "annotations": []}'):
        with open(other, 'w', encoding='utf-8') as file:
            file.write(content)
        done = evaluate(other, folder)
        assert done.returncode == 1 and done.stderr.startswith(f'coco_eval: {other}: ') and done.stderr.count('\n') == 1, done
    for arguments, wanted in (((truth, os.path.join(folder, 'none')), 'lacks 20 of 20 pictures'), ((truth, folder, '--model', 'none'), 'detect failed'),
                              ((truth, folder, '--command', '/no/effdet'), '--command names it')):
        done = evaluate(*arguments)
        assert done.returncode == 1 and wanted in done.stderr and 'Traceback' not in done.stderr, done


def main():
    tests = [as_the_card_says, half_precision_as_well, what_fails_says_so]
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_annotations(folder)
        except Skip as skip:
            print(f'1..0 # SKIP {skip}')
            return 0
        return tap.run(tests, '/coco_eval/', folder)


if __name__ == '__main__':
    sys.exit(main())
