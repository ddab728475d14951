#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the .tflite.gz files of this folder: Lite0 of two classes at 96x80, converted by TensorFlow's own exporter.

    make_tflite.py AUTOML FIXTURES

AUTOML: a checkout of google/automl. FIXTURES: a folder with make_checkpoint.py (names of variables) and
manifests/effdet-tf_efficientdet_lite0.txt. Needs TensorFlow 2.15 and PyYAML; what else that code imports is not used
here and stands in as empty modules. The weights follow from their names and repeat every eight elements, so that the
files compress to a hundredth.
"""
import gzip
import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
import types

AUTOML, FIXTURES = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 2
UNUSED = ('tensorflow_addons', 'neural_structured_learning', 'pycocotools', 'tensorflow_hub', 'matplotlib', 'lxml',
          'tensorflow_model_optimization', 'PIL')


class Empty(types.ModuleType):
    """A module of which every name is another."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return Empty(f'{self.__name__}.{name}')

    def __call__(self, *_args, **_kwargs):
        return self

    def __mro_entries__(self, _bases):
        return (object,)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split('.')[0] in UNUSED else None

    def create_module(self, spec):
        return Empty(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())
sys.path[:0] = [os.path.join(AUTOML, 'efficientdet'), os.path.join(AUTOML, 'efficientdet', 'tf2'), FIXTURES]
import make_checkpoint  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tf2 import infer_lib  # noqa: E402

PATTERN = np.array([1, -0.5, 0.25, -1, 0.75, -0.25, 0.5, -0.75])


def value(name, shape):
    unit = make_checkpoint.fnv(name) / 4294967296.0
    if len(shape) == 4:
        at = np.indices(shape)
        place = at[0] * 3 + at[1] * 5 + (at[2] * shape[3] + at[3]) * 7
        gain = 0.01 if name == 'box_net.predict.conv_pw.weight' else 1.0  # their exponential stays finite
        return (gain * (0.5 + unit) * np.sqrt(3.0 / np.prod(shape[1:])) * PATTERN[place % 8]).astype('f')
    at = np.arange(shape[0])
    if name.endswith('running_var'):
        return np.full(shape, 0.75 + 0.5 * unit, 'f')
    if name.endswith('running_mean'):
        return (0.1 * (unit - 0.5) * (1 + at % 3)).astype('f')
    if name.endswith('.weight'):
        return (0.75 + 0.5 * unit + 0.125 * (at % 4)).astype('f')
    return ((0.2 + unit) * (at % 3 - 1)).astype('f')


def variables():
    values = {}
    with open(os.path.join(FIXTURES, 'manifests', 'effdet-tf_efficientdet_lite0.txt'), encoding='utf-8') as manifest:
        for line in manifest:
            name, shape, _dtype = line.split()
            if not name.endswith('num_batches_tracked'):
                shape = tuple(int(size) for size in shape.split('x'))
                if name.startswith('class_net.predict.conv_pw'):
                    shape = (9 * CLASSES,) + shape[1:]
                values[name] = value(name, shape)
    return dict(make_checkpoint.tf_names('tf_efficientdet_lite0', values))


def convert(folder, signature, kind, spec):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[signature])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == 'int8':
        random = np.random.RandomState(3)
        converter.representative_dataset = lambda: ([random.uniform(-1, 1, spec.shape).astype('f')] for _ in range(3))
        converter.inference_input_type = tf.uint8
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    else:
        converter.target_spec.supported_types = [tf.float16 if kind == 'fp16' else tf.float32]
    return converter.convert()


def main():
    values = variables()
    for bare, kinds in ((False, ('fp32', 'int8')), (True, ('fp16',))):
        tf.keras.backend.clear_session()  # variables count on from those of another network
        driver = infer_lib.KerasDriver('_', False, model_name='efficientdet-lite0', batch_size=1, only_network=bare,
                                       model_params={'num_classes': CLASSES, 'image_size': '96x80'})
        for variable in driver.model.variables:
            name = variable.name.split(':')[0]
            variable.assign(values[name if name in values else name.split('/', 1)[1]])
        model, spec = driver._get_model_and_spec(True)
        signature = 'predict' if bare else 'tflite'
        folder = tempfile.mkdtemp()
        tf.saved_model.save(model, folder, signatures={signature: getattr(model, signature).get_concrete_function(spec)})
        for kind in kinds:
            name = f'lite0-{kind}-{"net" if bare else "post"}.tflite.gz'
            with open(os.path.join(HERE, name), 'wb') as out, gzip.GzipFile('', 'wb', 9, out, mtime=0) as packed:
                packed.write(convert(folder, signature, kind, spec))


main()
