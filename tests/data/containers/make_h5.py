#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the HDF5 files of this folder; needs numpy and h5py, and tf_keras for h5_keras.h5.

Element i of a dataset is (i + length of its name) / 8, so that tests need no list of values.
"""
import sys

import h5py
import numpy as np


def values(name, shape, dtype=np.float32):
    count = int(np.prod(shape)) if shape else 1
    return ((np.arange(count) + len(name)) / 8).astype(dtype).reshape(shape)


def write(path, variables, **options):
    with h5py.File(path, 'w', **options) as file:
        groups = {}
        for name, array, extra in variables:
            groups.setdefault(name.split('/')[0], []).append((name, array, extra))
        file.attrs['layer_names'] = [group.encode() for group in groups]
        for group, members in groups.items():
            made = file.create_group(group)
            made.attrs['weight_names'] = [(name + ':0').encode() for name, _, _ in members]
            for name, array, extra in members:
                made.create_dataset(name + ':0', data=array, **extra)


def of(name, shape, dtype=np.float32, **extra):
    return name, values(name, shape, dtype), extra


def keras(path):
    import tf_keras
    layers = [tf_keras.layers.Conv2D(2, 3, name='stem'), tf_keras.layers.BatchNormalization(name='bn')]
    model = tf_keras.Sequential(layers)
    model.build((None, 8, 8, 3))
    for variable in model.weights:
        variable.assign(values(variable.name[:-2], variable.shape))
    model.save_weights(path)


many = [of('many/fnode%d/WSM' % i, ()) for i in range(40)]
mixed = [of('net/half', (2, 3), np.float16), of('net/double', (4,), np.float64), of('net/count', (2,), np.int64),
         of('net/small', (3,), np.uint8), of('net/empty', (0, 3)), of('deep/a/b/c/kernel', (1, 1, 2, 3))]
if 'keras' in sys.argv[1:]:
    keras('h5_keras.h5')
write('h5_mixed.h5', mixed + many)
write('bad_h5_latest.h5', mixed[:2], libver='latest')
write('bad_h5_order.h5', mixed[:2], track_order=True)
write('bad_h5_compressed.h5', [of('net/half', (8, 8), np.float16, compression='gzip')])
write('bad_h5_bigendian.h5', [of('net/kernel', (2, 3), '>f4')])
