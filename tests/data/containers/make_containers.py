#!/usr/bin/env python3
"""Writes the files beside it and expected.json: small checkpoints made by the real libraries, and damaged / hostile variants.

    make_containers.py torch        needs torch, safetensors (PyTorch and safetensors files)
    make_containers.py tf           needs tensorflow         (TensorBundle and TFLite files)
Each run replaces its own part of expected.json.
Nothing in here runs a hostile file; the os.system payloads are only written.
"""
import io, json, os, pickle, struct, sys, zipfile, zlib
from collections import OrderedDict
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = HERE
EXP = os.path.join(HERE, 'expected.json')
entries = {}


def describe(name, a, dtype):
    f = np.ascontiguousarray(a.astype('<f4')).reshape(-1)
    return dict(name=name, shape=list(a.shape), dtype=dtype, first=[float('%.9g' % v) if np.isfinite(v) else str(v) for v in f[:4]],
                crc32_f32le='%08x' % (zlib.crc32(f.tobytes()) & 0xffffffff))


def expect(file, tensors=None, refuse=None, either=None, note=None):
    e = dict(verdict='refuse' if refuse else 'either' if either else 'load')
    if refuse or either:
        e['reason'] = refuse or either
    if tensors is not None:
        e['tensors'] = tensors
    if note:
        e['note'] = note
    entries[file] = e


def path(f):
    return os.path.join(OUT, f)


def put(f, b):
    os.makedirs(os.path.dirname(path(f)), exist_ok=True)
    with open(path(f), 'wb') as h:
        h.write(b)


def get(f):
    with open(path(f), 'rb') as h:
        return h.read()


# =================================================================== PyTorch
def torch_part():
    import torch

    def td(d):
        return [describe(k, v.detach().to(torch.float32).numpy() if v.is_floating_point() else v.detach().numpy(), str(v.dtype).replace('torch.', ''))
                for k, v in d.items()]
    g = torch.Generator().manual_seed(1)

    def rnd(*s):
        return torch.rand(*s, generator=g) * 2 - 1
    plain = OrderedDict()
    plain['stem.weight'] = rnd(4, 3, 3, 3)
    plain['bn.weight'] = rnd(4)
    plain['bn.running_var'] = rnd(4).abs()
    plain['bn.num_batches_tracked'] = torch.tensor(1234567890123)
    plain['half'] = rnd(3, 5).half()
    plain['bfloat'] = rnd(2, 7).bfloat16()
    plain['double'] = rnd(3).double()
    plain['int32'] = torch.tensor([-1, 0, 2147483647], dtype=torch.int32)
    plain['uint8'] = torch.arange(5, dtype=torch.uint8)
    plain['bool'] = torch.tensor([True, False])
    plain['scalar'] = torch.tensor(0.25)
    plain['empty'] = torch.zeros(0, 3)
    plain['specials'] = torch.tensor([float('inf'), -float('inf'), 0.0, -0.0, 1e-45, 3.4028235e38])
    for f, new in (('pt_zip_plain.pth', True), ('pt_legacy_plain.pth', False)):
        torch.save(plain, path(f), _use_new_zipfile_serialization=new)
        expect(f, td(plain))
    base = rnd(6, 8)
    st = OrderedDict()
    st['transposed'] = base.t()
    st['sliced'] = base[1:5, 2:8:3]
    st['shared_a'] = base[0]
    st['shared_b'] = base[0, 3:]
    st['expanded'] = rnd(3, 1).expand(3, 4)
    st['channels_last'] = rnd(1, 3, 4, 5).to(memory_format=torch.channels_last)
    st['tied'] = st['shared_a']
    for f, new in (('pt_zip_strided.pth', True), ('pt_legacy_strided.pth', False)):
        torch.save(st, path(f), _use_new_zipfile_serialization=new)
        expect(f, td(st), note='views: logical (row-major) values are expected')
    small = OrderedDict((('conv.weight', rnd(2, 3, 1, 1)), ('conv.bias', rnd(2)), ('bn.num_batches_tracked', torch.tensor(7))))
    ema = OrderedDict((k, v * 2 if v.is_floating_point() else v) for k, v in small.items())

    def mod(d):
        return OrderedDict(('module.' + k, v) for k, v in d.items())
    nested = {'epoch': 300, 'arch': 'tf_efficientdet_d0', 'state_dict': mod(small), 'state_dict_ema': mod(ema), 'metric': 0.3456,
              'optimizer': {'state': {0: {'step': 10, 'exp_avg': torch.ones(2), 'none': None, 'flag': True, 'big': 2 ** 70, 'neg': -5, 'huge': 2 ** 40}},
                            'param_groups': [{'lr': 1e-3, 'betas': (0.9, 0.999), 'params': [0, 1], 't3': (1, 2, 3), 't4': (1, 2, 3, 4)}]},
              'version': 2, 'names': ['a', 'b'], 'empty': [], 'et': ()}
    for f, new in (('pt_zip_nested_ema.pth', True), ('pt_legacy_nested_ema.pth', False)):
        torch.save(nested, path(f), _use_new_zipfile_serialization=new)
        expect(f, td(ema), note='take state_dict_ema (first choice), strip "module."; names given stripped')
    torch.save({'epoch': 1, 'state_dict': mod(small), 'amp_scaler': {'scale': 65536.0}}, path('pt_zip_nested_module.pth'))
    expect('pt_zip_nested_module.pth', td(small), note='state_dict, "module." stripped')
    torch.save({'model': small, 'model_ema': ema}, path('pt_zip_model_ema.pth'))
    expect('pt_zip_model_ema.pth', td(ema), note='order of choice: state_dict_ema, model_ema, state_dict, model, the dict itself')
    torch.save({'model': OrderedDict(('_orig_mod.module.' + k, v) for k, v in small.items())}, path('pt_zip_model_prefixes.pth'))
    expect('pt_zip_model_prefixes.pth', td(small), note='prefixes stripped repeatedly: _orig_mod. module. model.')
    m = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(rnd(*p.shape))
    torch.save(m.state_dict(), path('pt_zip_metadata.pth'))
    torch.save(m.state_dict(), path('pt_legacy_metadata.pth'), _use_new_zipfile_serialization=False)
    pd = OrderedDict((k, v) for k, v in m.named_parameters())
    torch.save(pd, path('pt_zip_parameters.pth'))
    torch.save(m.state_dict(), path('pt_zip_protocol4.pth'), pickle_protocol=4)
    torch.save(dict(small), path('pt_zip_plaindict.pth'))
    for f in ('pt_zip_metadata.pth', 'pt_legacy_metadata.pth', 'pt_zip_protocol4.pth'):
        expect(f, td(m.state_dict()), note='OrderedDict with a _metadata attribute (BUILD)' + (', pickle protocol 4' if '4' in f else ''))
    expect('pt_zip_parameters.pth', td(pd), note='torch._utils._rebuild_parameter')
    expect('pt_zip_plaindict.pth', td(small))
    arena = rnd(2200)
    many = OrderedDict(('backbone.blocks.%d.%d.conv_pw.weight' % (i // 100, i % 100), arena[2 * i:2 * i + 2]) for i in range(1100))
    for f, new in (('pt_zip_many.pth', True), ('pt_legacy_many.pth', False)):
        torch.save(many, path(f), _use_new_zipfile_serialization=new)
        t = td(many)
        expect(f, t[:3] + t[-3:], note='1100 views of one storage: more than 256 memo entries, several SETITEMS batches; first and last three listed')
        entries[f]['count'] = 1100
    # tags of another device, as saved by CUDA users
    torch.serialization.register_package(0, lambda s: 'cuda:0', lambda s, l: s)
    try:
        torch.save(small, path('pt_zip_cuda_tag.pth'))
        torch.save(small, path('pt_legacy_cuda_tag.pth'), _use_new_zipfile_serialization=False)
    finally:
        torch.serialization._package_registry[:] = [r for r in torch.serialization._package_registry if r[0] != 0]
    for f in ('pt_zip_cuda_tag.pth', 'pt_legacy_cuda_tag.pth'):
        expect(f, td(small), note='storage location cuda:0: the location must be ignored')
    import argparse
    torch.save({'args': argparse.Namespace(lr=0.1, model='x'), 'metric': np.float64(0.5), 'state_dict': small}, path('pt_zip_namespace.pth'))
    expect('pt_zip_namespace.pth', td(small), either='training checkpoint with argparse.Namespace and a numpy scalar: treat unknown GLOBALs as opaque and load, or refuse; never call them')
    torch.save(m, path('pt_zip_whole_module.pth'))
    expect('pt_zip_whole_module.pth', refuse='pickled nn.Module, not a state dict')
    torch.jit.save(torch.jit.script(m.eval()), path('pt_torchscript.pt'))
    expect('pt_torchscript.pt', refuse='TorchScript archive, not a state dict')
    torch.save([1, 2, 3], path('pt_zip_list.pth'))
    expect('pt_zip_list.pth', refuse='top object holds no tensors by name')
    torch.save(OrderedDict(), path('pt_zip_emptydict.pth'))
    expect('pt_zip_emptydict.pth', refuse='no tensors')

    # ---------------------------------------------------------------- hostile pickles
    class Evil:
        def __init__(self, f, a):
            self.f, self.a = f, a

        def __reduce__(self):
            return self.f, self.a
    for new, w in ((True, 'zip'), (False, 'legacy')):
        torch.save(Evil(os.system, ('touch fixture_payload_was_executed',)), path('bad_pt_%s_os_system.pth' % w), _use_new_zipfile_serialization=new)
        d = OrderedDict(small)
        d['conv.extra'] = Evil(eval, ('print("executed")',))
        torch.save(d, path('bad_pt_%s_eval_in_dict.pth' % w), _use_new_zipfile_serialization=new)
        for k in ('os_system', 'eval_in_dict'):
            expect('bad_pt_%s_%s.pth' % (w, k), refuse='REDUCE of a callable outside the whitelist; must never be executed')
    torch.save(Evil(os.system, ('touch fixture_payload_was_executed',)), path('bad_pt_zip_os_system_proto4.pth'), pickle_protocol=4)
    expect('bad_pt_zip_os_system_proto4.pth', refuse='STACK_GLOBAL + REDUCE of a callable outside the whitelist')

    def zip_with(pkl, recs, name='archive', compress=zipfile.ZIP_STORED, extra=()):
        b = io.BytesIO()
        with zipfile.ZipFile(b, 'w', compress) as z:
            z.writestr(name + '/data.pkl', pkl)
            z.writestr(name + '/byteorder', b'little')
            for k, v in recs.items():
                z.writestr('%s/data/%s' % (name, k), v)
            z.writestr(name + '/version', b'3\n')
            for n, v in extra:
                z.writestr(n, v)
        return b.getvalue()

    # hand-written pickles (protocol 2)
    def uni(s):
        s = s.encode()
        return b'X' + struct.pack('<I', len(s)) + s

    def num(n):
        if 0 <= n < 256:
            return b'K' + struct.pack('<B', n)
        if -2 ** 31 <= n < 2 ** 31:
            return b'J' + struct.pack('<i', n)
        e = n.to_bytes((n.bit_length() + 8) // 8, 'little', signed=True)
        return b'\x8a' + bytes([len(e)]) + e

    def tup(xs):
        return b'(' + b''.join(num(x) for x in xs) + b't'

    def tensor(key='0', numel=4, offset=0, size=(4,), stride=(1,), storage='FloatStorage', glob='torch._utils\n_rebuild_tensor_v2'):
        return (b'c' + glob.encode() + b'\n' + b'(' + b'(' + uni('storage') + b'ctorch\n' + storage.encode() + b'\n' + uni(key) + uni('cpu') + num(numel) + b'tQ'
                + num(offset) + tup(size) + tup(stride) + b'\x89' + b'ccollections\nOrderedDict\n)R' + b'tR')

    def sdict(items):
        return b'\x80\x02' + b'}(' + b''.join(uni(k) + v for k, v in items) + b'u.'
    four = struct.pack('<4f', 1, 2, 3, 4)
    ok = zip_with(sdict([('w', tensor())]), {'0': four})
    put('pt_zip_handmade.pth', ok)
    expect('pt_zip_handmade.pth', [describe('w', np.array([1, 2, 3, 4], np.float32), 'float32')], note='baseline of the hand-written hostile files below')
    H = [
        ('numel_2pow62', dict(numel=2 ** 62), 'storage claims 2^62 elements'),
        ('numel_negative', dict(numel=-4), 'negative storage size'),
        ('numel_gt_record', dict(numel=1000, size=(1000,)), 'record shorter than the storage claims'),
        ('view_past_end', dict(size=(5,)), 'view ends past its storage'),
        ('view_offset', dict(offset=4, size=(1,)), 'offset past the storage'),
        ('view_offset_negative', dict(offset=-1), 'negative offset'),
        ('view_offset_2pow63', dict(offset=2 ** 63 - 1, size=(2,)), 'offset + extent overflows'),
        ('stride_negative', dict(offset=3, stride=(-1,)), 'negative stride'),
        ('stride_huge', dict(size=(2, 2), stride=(2 ** 62, 1)), 'stride * size overflows'),
        ('shape_overflow', dict(size=(2 ** 32, 2 ** 32), stride=(0, 0)), 'element count overflows 64 bits'),
        ('shape_expand_bomb', dict(size=(2 ** 20, 2 ** 20), stride=(0, 0)), 'stride-0 view of 2^40 elements (4 TiB when made dense)'),
        ('shape_negative', dict(size=(-1,)), 'negative dimension'),
        ('rank_mismatch', dict(size=(2, 2), stride=(1,)), 'size and stride of different rank'),
        ('rank_300', dict(size=(1,) * 300, stride=(1,) * 300), 'absurd rank'),
        ('missing_record', dict(key='7'), 'storage record absent from the archive'),
        ('storage_dtype', dict(storage='ComplexDoubleStorage'), 'unsupported storage type'),
        ('quantized', dict(glob='torch._utils\n_rebuild_qtensor'), 'callable outside the whitelist'),
        ('key_traversal', dict(key='../../0'), 'storage key with path components'),
    ]
    for n, kw, why in H:
        put('bad_pt_%s.pth' % n, zip_with(sdict([('w', tensor(**kw))]), {'0': four}))
        expect('bad_pt_%s.pth' % n, refuse=why)
    raw = [
        ('memo_unset', b'\x80\x02h\x05.', 'BINGET of an unset memo slot'),
        ('memo_unset_long', b'\x80\x02j\xff\xff\xff\xff.', 'LONG_BINGET of slot 2^32-1'),
        ('memo_huge_put', b'\x80\x02}r\xff\xff\xff\x7f.', 'LONG_BINPUT to slot 2^31-1 (no 2^31-entry table)'),
        ('stack_underflow', b'\x80\x02R.', 'REDUCE on an empty stack'),
        ('no_mark', b'\x80\x02}u.', 'SETITEMS without MARK'),
        ('odd_items', b'\x80\x02}(' + uni('a') + b'u.', 'odd number of SETITEMS arguments'),
        ('no_stop', b'\x80\x02}', 'ends without STOP'),
        ('empty_pickle', b'', 'empty data.pkl'),
        ('bad_opcode', b'\x80\x02\xff.', 'unknown opcode'),
        ('string_2pow31', b'\x80\x02X\xff\xff\xff\x7fabc.', 'string length past the end'),
        ('string_2pow63', b'\x80\x04\x8d' + b'\xff' * 7 + b'\x7f' + b'abc.', 'BINUNICODE8 length past the end'),
        ('long_2pow31', b'\x80\x02\x8b\xff\xff\xff\x7f\x01.', 'LONG4 length past the end'),
        ('global_unterminated', b'\x80\x02ctorch', 'GLOBAL without newline'),
        ('deep_lists', b'\x80\x02' + b']' * 60000 + b'a' * 59999 + b'.', '60000 nested lists (no recursion without a limit)'),
        ('deep_marks', b'\x80\x02' + b'(' * 60000 + b't' * 60000 + b'.', '60000 nested tuples'),
        ('inst_os_system', b"(S'touch fixture_payload_was_executed'\nios\nsystem\n.", 'INST opcode (protocol 0) naming os.system'),
        ('obj_os_system', b"\x80\x02(cos\nsystem\n" + uni('true') + b'o.', 'OBJ opcode naming os.system'),
        ('newobj_os_system', b"\x80\x02cos\nsystem\n" + uni('true') + b'\x85\x81.', 'NEWOBJ of os.system'),
        ('build_on_global', b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.", 'BUILD on a whitelisted function object'),
        ('ext_registry', b'\x80\x02\x82\x01.', 'EXT1 extension registry'),
        ('self_reference', b'\x80\x02}q\x00(' + uni('a') + b'h\x00u.', 'dict that contains itself, no tensors'),
    ]
    for n, p, why in raw:
        put('bad_pt_%s.pth' % n, zip_with(p, {'0': four}))
        expect('bad_pt_%s.pth' % n, refuse=why)
    put('bad_pt_duplicate_key.pth', zip_with(sdict([('w', tensor()), ('w', tensor(offset=1, size=(3,)))]), {'0': four}))
    expect('bad_pt_duplicate_key.pth', [describe('w', np.array([2, 3, 4], np.float32), 'float32')], either='same name twice: Python keeps the last one; refusing is fine too, silently keeping the first is not')
    put('bad_pt_alias_million.pth', zip_with(sdict([('w%d' % i, tensor(size=(4096, 4096), stride=(0, 0))) for i in range(64)]), {'0': four}))
    expect('bad_pt_alias_million.pth', refuse='64 stride-0 views of 16 Mi elements each: dense size 4 GiB from a 10 KB file')
    # ---------------------------------------------------------------- hostile zips
    src = get('pt_zip_plain.pth')
    for pc in (1, 10, 50, 90):
        put('bad_pt_zip_truncated_%02d.pth' % pc, src[:len(src) * pc // 100])
        expect('bad_pt_zip_truncated_%02d.pth' % pc, refuse='truncated at %d %%' % pc)
    put('bad_pt_zip_truncated_last.pth', src[:-1])
    expect('bad_pt_zip_truncated_last.pth', refuse='last byte missing (end record incomplete)')
    leg = get('pt_legacy_plain.pth')
    for pc in (1, 10, 50, 90):
        put('bad_pt_legacy_truncated_%02d.pth' % pc, leg[:len(leg) * pc // 100])
        expect('bad_pt_legacy_truncated_%02d.pth' % pc, refuse='truncated at %d %%' % pc)
    put('bad_pt_legacy_truncated_last.pth', leg[:-1])
    expect('bad_pt_legacy_truncated_last.pth', refuse='last byte missing')
    put('bad_pt_legacy_trailing.pth', leg + b'\0' * 100)
    expect('bad_pt_legacy_trailing.pth', entries['pt_legacy_plain.pth']['tensors'], either='trailing bytes after the last storage')
    # element count of the first storage in the legacy data section: last storage section starts after the 5th pickle
    import pickletools
    f = io.BytesIO(leg)
    for _ in range(5):
        for o in pickletools.genops(f):
            pass
    p = f.tell()
    for n, v in (('2pow62', 2 ** 62), ('negative', -1), ('plus1', struct.unpack('<q', leg[p:p + 8])[0] + 1)):
        put('bad_pt_legacy_count_%s.pth' % n, leg[:p] + struct.pack('<q', v) + leg[p + 8:])
        expect('bad_pt_legacy_count_%s.pth' % n, refuse='element count of a storage (%s) differs from the pickle / the file' % n)
    put('bad_pt_legacy_magic.pth', leg[:4] + b'\x00' + leg[5:])
    expect('bad_pt_legacy_magic.pth', refuse='wrong magic number')
    put('bad_pt_empty.pth', b'')
    expect('bad_pt_empty.pth', refuse='empty file')
    put('bad_pt_html.pth', b'<!DOCTYPE html><html><body>404 Not Found</body></html>\n')
    expect('bad_pt_html.pth', refuse='an HTML error page saved as a checkpoint')
    put('bad_pt_lfs_pointer.pth', b'version https://git-lfs.github.com/spec/v1\noid sha256:' + b'0' * 64 + b'\nsize 15741613\n')
    expect('bad_pt_lfs_pointer.pth', refuse='a git-lfs pointer instead of the file')
    zi = zipfile.ZipFile(io.BytesIO(src))
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
        for i in zi.infolist():
            z.writestr(i.filename, zi.read(i))
    put('bad_pt_zip_deflated.pth', b.getvalue())
    expect('bad_pt_zip_deflated.pth', entries['pt_zip_plain.pth']['tensors'], either='re-zipped with deflate: load through inflate or refuse, with a message that says so')
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_STORED) as z:
        for i in zi.infolist():
            z.writestr(i.filename, b'big' if i.filename.endswith('byteorder') else zi.read(i))
    put('bad_pt_zip_bigendian.pth', b.getvalue())
    expect('bad_pt_zip_bigendian.pth', either='byteorder record says big (a relabelled little-endian file): refuse, or swap bytes; ignoring the record is wrong')
    put('bad_pt_zip_bomb.pth', zip_with(sdict([('w', tensor(numel=2 ** 24, size=(2 ** 24,)))]), {'0': bytes(2 ** 26)}, compress=zipfile.ZIP_DEFLATED))
    expect('bad_pt_zip_bomb.pth', [dict(name='w', shape=[2 ** 24], dtype='float32', first=[0.0] * 4, crc32_f32le='%08x' % zlib.crc32(bytes(2 ** 26)))],
           either='64 MiB of zeros deflated to 64 KB: refuse, or load within a documented limit')

    def patch_sizes(blob, name, comp=None, uncomp=None, off=None):
        """rewrite the central directory entry of `name`"""
        blob = bytearray(blob)
        e = blob.rfind(b'PK\x05\x06')
        n, size, pos = struct.unpack('<HII', blob[e + 10:e + 20])
        q = pos
        for _ in range(n):
            nl, xl, cl = struct.unpack('<HHH', blob[q + 28:q + 34])
            if blob[q + 46:q + 46 + nl].decode() == name:
                if comp is not None:
                    blob[q + 20:q + 24] = struct.pack('<I', comp)
                if uncomp is not None:
                    blob[q + 24:q + 28] = struct.pack('<I', uncomp)
                if off is not None:
                    blob[q + 42:q + 46] = struct.pack('<I', off)
            q += 46 + nl + xl + cl
        return bytes(blob)
    for n, kw, why in (('size_4gib', dict(comp=0xfffffffe, uncomp=0xfffffffe), 'record size past the end of the file'),
                       ('size_mismatch', dict(uncomp=1 << 30), 'stored record whose two sizes differ'),
                       ('offset_past_end', dict(off=0xfffffff0), 'local header offset past the end'),
                       ('offset_wrong', dict(off=1), 'local header offset that is not a local header')):
        put('bad_pt_zip_%s.pth' % n, patch_sizes(ok, 'archive/data/0', **kw))
        expect('bad_pt_zip_%s.pth' % n, refuse=why)
    e = ok.rfind(b'PK\x05\x06')
    put('bad_pt_zip_count.pth', ok[:e + 8] + struct.pack('<HH', 65000, 65000) + ok[e + 12:])
    expect('bad_pt_zip_count.pth', refuse='end record claims 65000 entries')
    put('bad_pt_zip_cd_offset.pth', ok[:e + 16] + struct.pack('<I', 0xfffffff0) + ok[e + 20:])
    expect('bad_pt_zip_cd_offset.pth', refuse='central directory offset past the end')
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        put('bad_pt_zip_two_pickles.pth', zip_with(sdict([('w', tensor())]), {'0': four}, extra=[('archive/data.pkl', b'\x80\x02cos\nsystem\n' + uni('true') + b'\x85R.')]))
    expect('bad_pt_zip_two_pickles.pth', refuse='two records named data.pkl')
    put('bad_pt_zip_crc.pth', ok.replace(four, struct.pack('<4f', 1, 2, 3, 5)))
    expect('bad_pt_zip_crc.pth', [describe('w', np.array([1, 2, 3, 5], np.float32), 'float32')], either='CRC-32 of a record is wrong: refuse, or load if CRCs are documented as unchecked')
    put('bad_pt_zip_encrypted.pth', ok.replace(b'PK\x01\x02\x14\x03\x14\x00\x00\x00', b'PK\x01\x02\x14\x03\x14\x00\x01\x00'))
    expect('bad_pt_zip_encrypted.pth', refuse='encryption flag set')
    plainzip = io.BytesIO()
    with zipfile.ZipFile(plainzip, 'w') as z:
        z.writestr('readme.txt', 'hello')
    put('bad_pt_zip_not_torch.pth', plainzip.getvalue())
    expect('bad_pt_zip_not_torch.pth', refuse='a zip without data.pkl')

    # =============================================================== safetensors
    from safetensors.torch import save_file
    from safetensors import safe_open
    sp = OrderedDict((k, v.contiguous()) for k, v in plain.items())
    save_file(sp, path('st_plain.safetensors'), metadata={'format': 'pt', 'title': 'caf\u00e9 "quoted" \\ \u2603', 'model': 'tf_efficientdet_d0'})
    expect('st_plain.safetensors', td(sp), note='with __metadata__')
    save_file(dict(small), path('st_nometa.safetensors'))
    expect('st_nometa.safetensors', td(small))
    save_file({'f8': torch.tensor([1.0, -2.0, 0.5]).to(torch.float8_e4m3fn), 'conv.weight': small['conv.weight']}, path('st_float8.safetensors'))
    expect('st_float8.safetensors', td({'conv.weight': small['conv.weight']}), either='has one F8_E4M3 tensor: load the rest, or refuse naming the dtype')
    save_file({'module.' + k: v for k, v in small.items()}, path('st_module_prefix.safetensors'))
    expect('st_module_prefix.safetensors', td(small), note='"module." stripped')

    def st(header, data=b'', hlen=None):
        h = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack('<Q', len(h) if hlen is None else hlen) + h + data
    d16 = struct.pack('<4f', 1, 2, 3, 4)
    T = dict(dtype='F32', shape=[4], data_offsets=[0, 16])
    two = struct.pack('<8f', *range(8))
    good = [
        ('st_unordered', st({'b': dict(dtype='F32', shape=[4], data_offsets=[16, 32]), 'a': dict(dtype='F32', shape=[2, 2], data_offsets=[0, 16])}, two),
         [describe('b', np.arange(4, 8, dtype=np.float32), 'float32'), describe('a', np.arange(4, dtype=np.float32).reshape(2, 2), 'float32')], 'header order differs from data order'),
        ('st_padded_header', st(json.dumps({'a': T}).encode() + b' ' * 37, d16), [describe('a', np.array([1, 2, 3, 4], np.float32), 'float32')], 'header padded with spaces'),
        ('st_whitespace', st(json.dumps({'a': T}, indent=4).encode(), d16), [describe('a', np.array([1, 2, 3, 4], np.float32), 'float32')], 'pretty-printed header'),
        ('st_escaped_name', st(b'{"\\u0061\\u002eb\\/c":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', d16), [describe('a.b/c', np.array([1, 2, 3, 4], np.float32), 'float32')], 'JSON escapes in a name'),
    ]
    for n, b_, t, note in good:
        put(n + '.safetensors', b_)
        expect(n + '.safetensors', t, note=note)
    bad = [
        ('hlen_2pow63', st({'a': T}, d16, 2 ** 63), 'header length 2^63'),
        ('hlen_2pow64m1', st({'a': T}, d16, 2 ** 64 - 1), 'header length 2^64-1 (8 + length overflows)'),
        ('hlen_past_end', st({'a': T}, d16, 5000), 'header length past the end'),
        ('hlen_zero', struct.pack('<Q', 0), 'empty header'),
        ('hlen_short_file', b'\x10\x00\x00', 'file shorter than 8 bytes'),
        ('hlen_200mb', st({'a': T}, d16, 200000000), 'header length 200 MB in a tiny file'),
        ('not_json', st(b'hello world 1234', d16), 'header is not JSON'),
        ('json_truncated', st(json.dumps({'a': T}).encode()[:-1], d16), 'JSON cut off'),
        ('json_array', st(b'[1,2,3,4]', d16), 'header is not an object'),
        ('json_deep', st(b'{"a":' + b'[' * 50000 + b']' * 50000 + b'}'), '50000 nested arrays'),
        ('json_bad_utf8', st(b'{"a\xff\xfe":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', d16), 'invalid UTF-8 in a name'),
        ('overlap', st({'a': T, 'b': dict(dtype='F32', shape=[4], data_offsets=[8, 24])}, two[:24]), 'overlapping tensors'),
        ('same_range', st({'a': T, 'b': T}, d16), 'two tensors with the same range'),
        ('hole', st({'a': T, 'b': dict(dtype='F32', shape=[2], data_offsets=[24, 32])}, two), 'hole between tensors'),
        ('trailing', st({'a': T}, d16 + b'xxxx'), 'bytes after the last tensor'),
        ('out_of_range', st({'a': dict(dtype='F32', shape=[8], data_offsets=[0, 32])}, d16), 'offsets past the end of the file'),
        ('end_2pow63', st({'a': dict(dtype='F32', shape=[4], data_offsets=[2 ** 63 - 16, 2 ** 63])}, d16), 'offsets near 2^63'),
        ('end_2pow64', st(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[18446744073709551600,18446744073709551616]}}', d16), 'offset does not fit 64 bits'),
        ('begin_gt_end', st({'a': dict(dtype='F32', shape=[4], data_offsets=[16, 0])}, d16), 'begin > end'),
        ('negative_offset', st({'a': dict(dtype='F32', shape=[4], data_offsets=[-16, 0])}, d16), 'negative offset'),
        ('one_offset', st({'a': dict(dtype='F32', shape=[4], data_offsets=[16])}, d16), 'data_offsets with one element'),
        ('three_offsets', st({'a': dict(dtype='F32', shape=[4], data_offsets=[0, 16, 32])}, d16), 'data_offsets with three elements'),
        ('shape_mismatch', st({'a': dict(dtype='F32', shape=[5], data_offsets=[0, 16])}, d16), 'shape times element size differs from the span'),
        ('shape_overflow', st({'a': dict(dtype='F32', shape=[2 ** 32, 2 ** 32, 4], data_offsets=[0, 16])}, d16), 'element count overflows'),
        ('shape_overflow_wrap', st({'a': dict(dtype='F32', shape=[2 ** 62 + 1, 4], data_offsets=[0, 16])}, d16), 'element count wraps around to the right span'),
        ('shape_negative', st({'a': dict(dtype='F32', shape=[-1, -4], data_offsets=[0, 16])}, d16), 'negative dimensions'),
        ('shape_float', st(b'{"a":{"dtype":"F32","shape":[4.0],"data_offsets":[0,16]}}', d16), 'dimension is not an integer'),
        ('shape_string', st({'a': dict(dtype='F32', shape=['4'], data_offsets=[0, 16])}, d16), 'dimension is a string'),
        ('dtype_unknown', st({'a': dict(dtype='Q7', shape=[4], data_offsets=[0, 16])}, d16), 'unknown dtype'),
        ('dtype_missing', st({'a': dict(shape=[4], data_offsets=[0, 16])}, d16), 'no dtype'),
        ('duplicate_keys', st(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}}', two), 'the same name twice'),
        ('metadata_not_strings', st({'__metadata__': {'x': 1}, 'a': T}, d16), 'metadata value is not a string'),
        ('truncated_data', get('st_plain.safetensors')[:-1], 'last data byte missing'),
        ('truncated_header', get('st_plain.safetensors')[:100], 'ends inside the header'),
        ('empty', b'', 'empty file'),
    ]
    for n, b_, why in bad:
        f = 'bad_st_%s.safetensors' % n
        put(f, b_)
        lenient = n in ('metadata_not_strings', 'trailing', 'hole', 'same_range')
        ref = None
        try:
            with safe_open(path(f), 'pt') as s:
                for k in s.keys():
                    s.get_tensor(k)
            ref = 'loads'
        except BaseException as ex:
            ref = 'refuses (%s)' % str(ex).split('\n')[0][:90]
        expect(f, refuse=None if lenient else why, either=why if lenient else None)
        entries[f]['reference_library'] = ref
    # what torch itself does with each file that must load
    for f, e in entries.items():
        if f.endswith('.pth') and e['verdict'] == 'load':
            torch.load(path(f), weights_only=False, map_location='cpu')


# =================================================================== TensorFlow
def crc32c_table():
    t = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
        t.append(c)
    return t


def crc32c(b, T=crc32c_table()):
    c = 0xffffffff
    for x in b:
        c = (c >> 8) ^ T[(c ^ x) & 255]
    return c ^ 0xffffffff


def masked(c):
    return (((c >> 15) | (c << 17)) + 0xa282ead8) & 0xffffffff


def varint(n):
    n &= (1 << 64) - 1
    o = b''
    while True:
        if n < 128:
            return o + bytes([n])
        o += bytes([n & 127 | 128])
        n >>= 7


def field(no, v):
    if isinstance(v, bytes):
        return varint(no << 3 | 2) + varint(len(v)) + v
    return varint(no << 3) + varint(v)


def fixed32(no, v):
    return varint(no << 3 | 5) + struct.pack('<I', v)


def table(kv):
    """one-block LevelDB-style table as TensorBundle writes it"""
    def block(items):
        b, prev, restarts = b'', b'', [0]
        for i, (k, v) in enumerate(items):
            sh = 0
            if i % 16 == 0:
                if i:
                    restarts.append(len(b))
            else:
                while sh < min(len(prev), len(k)) and prev[sh] == k[sh]:
                    sh += 1
            b += varint(sh) + varint(len(k) - sh) + varint(len(v)) + k[sh:] + v
            prev = k
        return b + b''.join(struct.pack('<I', r) for r in restarts) + struct.pack('<I', len(restarts))
    out = b''

    def add(b):
        nonlocal out
        h = varint(len(out)) + varint(len(b))
        out += b + b'\0' + struct.pack('<I', masked(crc32c(b + b'\0')))
        return h
    data = add(block(kv))
    meta = add(block([]))
    index = add(block([(kv[-1][0] + b'\0', data)]))
    foot = meta + index
    return out + foot + b'\0' * (40 - len(foot)) + struct.pack('<Q', 0xdb4775248b80fb57)


def tf_part():
    import tensorflow as tf
    v1 = tf.compat.v1

    def td(items):
        return [describe(n, np.asarray(a, dtype=np.float32) if a.dtype.name == 'bfloat16' else a, a.dtype.name) for n, a in items]
    r = np.random.RandomState(3)
    bf = tf.bfloat16.as_numpy_dtype
    var = [('efficientnet-b0/stem/conv2d/kernel', r.uniform(-1, 1, (3, 3, 3, 4)).astype('f4')),
           ('efficientnet-b0/stem/tpu_batch_normalization/gamma', r.uniform(0.5, 1.5, 4).astype('f4')),
           ('fpn_cells/cell_0/fnode0/WSM', np.float32(1.25).reshape(())),
           ('fpn_cells/cell_0/fnode0/WSM_1', np.float32(0.75).reshape(())),
           ('half', r.uniform(-1, 1, (2, 3)).astype('f2')),
           ('bfloat', r.uniform(-1, 1, (5,)).astype(bf)),
           ('double', r.uniform(-1, 1, (2,)).astype('f8')),
           ('empty', np.zeros((0, 3), 'f4'))]
    with tf.Graph().as_default(), v1.Session() as s:
        vs = [v1.Variable(a, name=n) for n, a in var]
        sh = [v1.Variable(np.asarray(np.asarray(a, np.float64) * 2).astype(a.dtype), name=n + '/ExponentialMovingAverage') for n, a in var[:4]]
        v1.Variable(np.zeros((3, 3, 3, 4), 'f4'), name='efficientnet-b0/stem/conv2d/kernel/Momentum')
        v1.train.get_or_create_global_step()
        s.run(v1.global_variables_initializer())
        v1.train.Saver(save_relative_paths=True).save(s, path('tf_saver/model.ckpt-300'), write_meta_graph=False)
        ema = [(n, np.asarray(np.asarray(a, np.float64) * 2).astype(a.dtype)) for n, a in var[:4]]
    expect('tf_saver/model.ckpt-300', td(ema + var[4:]), note='prefix of a TensorBundle written by tf.train.Saver; values of NAME/ExponentialMovingAverage win over NAME; Momentum and global_step are not weights')
    # two shards
    pre = path('tf_sharded/model')
    os.makedirs(os.path.dirname(pre), exist_ok=True)
    for i, part in enumerate((var[:4], var[4:])):
        tf.raw_ops.SaveV2(prefix=pre + '_p%d' % i, tensor_names=[n for n, _ in part], shape_and_slices=[''] * len(part), tensors=[tf.constant(a) for _, a in part])
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[pre + '_p0', pre + '_p1'], destination_prefix=pre, delete_old_dirs=False)
    expect('tf_sharded/model', td(var), note='two data shards (-00000-of-00002, -00001-of-00002)')
    # partitioned variable (slices)
    pre = path('tf_sliced/model')
    os.makedirs(os.path.dirname(pre), exist_ok=True)
    big = r.uniform(-1, 1, (6, 2)).astype('f4')
    tf.raw_ops.SaveV2(prefix=pre, tensor_names=['part', 'part', 'whole'], shape_and_slices=['6 2 0,3:-', '6 2 3,3:-', ''], tensors=[tf.constant(big[:3]), tf.constant(big[3:]), tf.constant(big[0])])
    expect('tf_sliced/model', td([('part', big), ('whole', big[0])]), either='"part" is stored as two slices: assemble it, or refuse naming the variable')
    # many variables: several table blocks
    pre = path('tf_many/model')
    os.makedirs(os.path.dirname(pre), exist_ok=True)
    many = [('efficientnet-b0/blocks_%d/tpu_batch_normalization_%d/moving_variance' % (i // 10, i % 10), np.array([i, -i], 'f4')) for i in range(600)]
    tf.raw_ops.SaveV2(prefix=pre, tensor_names=[n for n, _ in many], shape_and_slices=[''] * 600, tensors=[tf.constant(a) for _, a in many])
    t = td(many)
    expect('tf_many/model', t[:3] + t[-3:], note='600 variables: several index blocks, shared key prefixes; first and last three listed')
    entries['tf_many/model']['count'] = 600

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(r.uniform(-1, 1, (1, 1, 2, 3)).astype('f4'))
            self.bns = [tf.Variable(r.uniform(-1, 1, 3).astype('f4')) for _ in range(2)]
    net = Net()
    tf.train.Checkpoint(backbone=net, step=tf.Variable(5, dtype=tf.int64)).write(path('tf_object/ckpt-1'))
    expect('tf_object/ckpt-1', td([('backbone/kernel', net.kernel.numpy()), ('backbone/bns/0', net.bns[0].numpy()), ('backbone/bns/1', net.bns[1].numpy()), ('step', np.array(5, np.int64))]),
           note='object-based checkpoint: keys end in /.ATTRIBUTES/VARIABLE_VALUE (stripped here); a string tensor _CHECKPOINTABLE_OBJECT_GRAPH is present and to be skipped')
    # ---------------------------------------------------------------- damaged bundles
    idx, dat = get('tf_saver/model.ckpt-300.index'), get('tf_saver/model.ckpt-300.data-00000-of-00001')

    def bad(n, i, d, why, either=False, tensors=None):
        put('bad_tf_%s/model.index' % n, i)
        if d is not None:
            put('bad_tf_%s/model.data-00000-of-00001' % n, d)
        expect('bad_tf_%s/model' % n, tensors, refuse=None if either else why, either=why if either else None)
    bad('index_truncated', idx[:len(idx) // 2], dat, 'index cut in half')
    bad('index_last', idx[:-1], dat, 'last byte of the footer missing')
    bad('index_empty', b'', dat, 'empty index')
    bad('index_magic', idx[:-1] + b'\0', dat, 'wrong table magic')
    bad('index_flip', idx[:40] + bytes([idx[40] ^ 1]) + idx[41:], dat, 'one bit of the first block flipped: block checksum differs')
    bad('data_truncated', idx, dat[:len(dat) // 2], 'data file cut in half')
    bad('data_flip', idx, bytes([dat[0] ^ 1]) + dat[1:], 'one bit of tensor data flipped: crc32c of the entry differs')
    bad('data_missing', idx, None, 'data shard missing')
    bad('footer_handles', idx[:-48] + b'\xff' * 18 + b'\0' * 22 + idx[-8:], dat, 'block handles that are 10-byte varints out of range')

    def entry(dtype=1, shape=(4,), shard=0, off=0, size=16, crc=None, data=struct.pack('<4f', 1, 2, 3, 4)):
        sh = b''.join(field(2, field(1, q)) for q in shape)
        return field(1, dtype) + field(2, sh) + (field(3, shard) if shard else b'') + (field(4, off) if off else b'') + field(5, size) + fixed32(6, masked(crc32c(data)) if crc is None else crc)
    header = field(1, 1) + field(3, field(1, 1))
    d4 = struct.pack('<4f', 1, 2, 3, 4)
    put('tf_handmade/model.index', table([(b'', header), (b'w', entry())]))
    put('tf_handmade/model.data-00000-of-00001', d4)
    expect('tf_handmade/model', [describe('w', np.array([1, 2, 3, 4], np.float32), 'float32')], note='baseline of the hand-written bundles below')
    assert tf.train.load_checkpoint(path('tf_handmade/model')).get_tensor('w').tolist() == [1, 2, 3, 4]
    for n, kw, why in (('offset_past_end', dict(off=1 << 40), 'entry offset past the data file'), ('offset_negative', dict(off=-16), 'negative entry offset'),
                       ('size_huge', dict(size=1 << 62, shape=(1 << 60,)), 'entry of 2^62 bytes'), ('size_mismatch', dict(size=8), 'entry size differs from its shape'),
                       ('shape_overflow', dict(shape=(1 << 32, 1 << 32, 4)), 'element count overflows'), ('shape_negative', dict(shape=(-4,)), 'negative dimension'),
                       ('shard_out_of_range', dict(shard=7), 'shard id beyond num_shards'), ('dtype_unknown', dict(dtype=99), 'unknown dtype'), ('dtype_string', dict(dtype=7), 'string tensor with a weight name'),
                       ('crc', dict(crc=0), 'crc32c of the entry is wrong')):
        bad(n, table([(b'', header), (b'w', entry(**kw))]), d4, why, either=n == 'dtype_string')
    bad('no_header', table([(b'w', entry())]), d4, 'no header entry (empty key)')
    bad('bigendian', table([(b'', field(1, 1) + field(2, 1) + field(3, field(1, 1))), (b'w', entry())]), d4, 'header says big endian')
    bad('num_shards_huge', table([(b'', field(1, 1 << 31) + field(3, field(1, 1))), (b'w', entry())]), d4, 'header claims 2^31 shards')
    bad('duplicate_key', table([(b'', header), (b'w', entry()), (b'w', entry())]), d4, 'the same name twice', either=True, tensors=[describe('w', np.array([1, 2, 3, 4], np.float32), 'float32')])
    bad('unsorted', table([(b'', header), (b'x', entry()), (b'a', entry())]), d4, 'keys out of order', either=True, tensors=[describe('x', np.array([1, 2, 3, 4], np.float32), 'float32'), describe('a', np.array([1, 2, 3, 4], np.float32), 'float32')])
    t = table([(b'', header), (b'w', entry())])
    bad('proto_varint', table([(b'', header), (b'w', b'\x08' + b'\xff' * 11)]), d4, 'entry with an 11-byte varint')
    bad('proto_length', table([(b'', header), (b'w', b'\x12\xff\xff\xff\xff\x0f')]), d4, 'sub-message length past the entry')
    # block with a prefix longer than the previous key
    blk = varint(9) + varint(1) + varint(1) + b'wx' + struct.pack('<II', 0, 1)
    body = blk + b'\0' + struct.pack('<I', masked(crc32c(blk + b'\0')))
    foot = varint(0) + varint(len(blk)) + varint(0) + varint(len(blk))
    bad('shared_prefix', body + foot + b'\0' * (40 - len(foot)) + struct.pack('<Q', 0xdb4775248b80fb57), d4, 'first key of a block shares 9 bytes with nothing')
    blk = struct.pack('<I', 0xffffffff)
    body = blk + b'\0' + struct.pack('<I', masked(crc32c(blk + b'\0')))
    foot = varint(0) + varint(4) + varint(0) + varint(4)
    bad('restart_count', body + foot + b'\0' * (40 - len(foot)) + struct.pack('<Q', 0xdb4775248b80fb57), d4, 'restart count 2^32-1')
    # ---------------------------------------------------------------- TFLite
    class Tiny(tf.Module):
        def __init__(self):
            super().__init__()
            self.k = tf.constant(r.uniform(-1, 1, (3, 3, 3, 4)).astype('f4'))
            self.d = tf.constant(r.uniform(-1, 1, (3, 3, 4, 1)).astype('f4'))
            self.b = tf.constant(r.uniform(-1, 1, 4).astype('f4'))

        @tf.function(input_signature=[tf.TensorSpec([1, 8, 8, 3], tf.float32)])
        def f(self, x):
            x = tf.nn.relu6(tf.nn.conv2d(x, self.k, 2, 'SAME') + self.b)
            x = tf.nn.depthwise_conv2d(x, self.d, [1, 1, 1, 1], 'SAME')
            y = tf.nn.max_pool2d(x, 3, 2, 'SAME')
            y = v1.image.resize_nearest_neighbor(y, (4, 4))
            return tf.sigmoid(x + y)
    m = Tiny()
    conc = m.f.get_concrete_function()
    x = (np.arange(192) % 17 / 8.0 - 1).astype('f4').reshape(1, 8, 8, 3)

    def rep():
        for i in range(8):
            yield [np.random.RandomState(i).uniform(-1, 1, (1, 8, 8, 3)).astype('f4')]
    for kind in ('fp32', 'fp16', 'int8'):
        c = tf.lite.TFLiteConverter.from_concrete_functions([conc], m)
        if kind == 'fp16':
            c.optimizations = [tf.lite.Optimize.DEFAULT]
            c.target_spec.supported_types = [tf.float16]
        if kind == 'int8':
            c.optimizations = [tf.lite.Optimize.DEFAULT]
            c.representative_dataset = rep
            c.inference_input_type = tf.uint8
            c.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        blob = c.convert()
        f = 'tflite_tiny_%s.tflite' % kind
        put(f, blob)
        it = tf.lite.Interpreter(model_content=blob, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF)
        it.allocate_tensors()
        i, o = it.get_input_details()[0], it.get_output_details()[0]
        q = x
        if kind == 'int8':
            sc, zp = i['quantization']
            q = np.clip(np.round(x / sc + zp), 0, 255).astype('u1')
        it.set_tensor(i['index'], q)
        it.invoke()
        y = it.get_tensor(o['index'])
        e = dict(verdict='load', note='conv 3x3 s2 + relu6, depthwise 3x3, max-pool, nearest resize, add, logistic; input x[i] = (i % 17)/8 - 1, NHWC (quantised for int8)',
                 input=dict(name=i['name'], dtype=i['dtype'].__name__, quantization=[float(v) for v in i['quantization']]),
                 output=dict(name=o['name'], dtype=o['dtype'].__name__, quantization=[float(v) for v in o['quantization']], values=[float(v) for v in y.reshape(-1)]))
        e['constant_tensors'] = []
        made = {int(v) for op in it._get_ops_details() for v in op['outputs']} | {i['index']}
        for t_ in it.get_tensor_details():
            try:
                a = it.get_tensor(t_['index'])
            except ValueError:
                continue
            if t_['index'] in made:
                continue
            qp = t_['quantization_parameters']
            e['constant_tensors'].append(dict(index=int(t_['index']), name=t_['name'], shape=list(map(int, a.shape)), dtype=a.dtype.name, scales=[float(v) for v in qp['scales']], zero_points=[int(v) for v in qp['zero_points']], axis=int(qp['quantized_dimension'])))
        entries[f] = e
    b = get('tflite_tiny_fp32.tflite')
    for n, bb, why in (('truncated_50', b[:len(b) // 2], 'cut in half'), ('truncated_last', b[:-1], 'last byte missing'), ('identifier', b[:4] + b'TFL9' + b[8:], 'file identifier is not TFL3'),
                       ('root_offset', struct.pack('<I', 0xfffffff0) + b[4:], 'root offset past the end'), ('root_offset_zero', struct.pack('<I', 0) + b[4:], 'root offset 0'), ('empty', b'', 'empty file'), ('tiny', b[:8], 'eight bytes')):
        put('bad_tflite_%s.tflite' % n, bb)
        expect('bad_tflite_%s.tflite' % n, refuse=why, either=None)
    if b'TFL3' in b:
        entries['bad_tflite_truncated_last.tflite'] = dict(verdict='either', reason='last byte missing: refuse if it belongs to something that is read')
    rr = np.random.RandomState(11)
    for k in range(12):
        c = bytearray(b)
        for _ in range(4):
            p = rr.randint(8, min(len(c), 3000))
            c[p] = rr.randint(256)
        put('bad_tflite_fuzz_%02d.tflite' % k, bytes(c))
        expect('bad_tflite_fuzz_%02d.tflite' % k, either='four random bytes changed: any result but a crash, hang or huge allocation')


if __name__ == '__main__':
    os.makedirs(OUT, exist_ok=True)
    part = sys.argv[1]
    {'torch': torch_part, 'tf': tf_part}[part]()
    old = json.load(open(EXP))['files'] if os.path.exists(EXP) else {}
    mine = ('pt_', 'st_', 'bad_pt_', 'bad_st_') if part == 'torch' else ('tf', 'bad_tf')
    files = {k: v for k, v in old.items() if not k.startswith(mine)}
    files.update(entries)
    with open(EXP, 'w') as f:
        json.dump(dict(about='verdict: load = must load with these tensors; refuse = must fail with a clear message, no crash, no code run, no allocation beyond a small multiple of the file; either = both are acceptable (see reason), with these tensors if it loads. '
                             'Names relative to containers/; a name without extension is the prefix of a TensorBundle. crc32_f32le = zlib CRC-32 of the row-major little-endian float32 data (after conversion to float32). int64 counters may be skipped by a loader.',
                       files=dict(sorted(files.items()))), f, indent=1)
    print(part, len(entries), 'entries')
