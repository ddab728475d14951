# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in Python share: functions as tests, reported as TAP."""
import traceback


class Skip(Exception):
    """A test that cannot run here; the text names what is lacking."""


def run(tests, prefix='', *arguments):
    """Calls each function with the arguments; 1 if any failed, else 0. A failure does not keep the others from running."""
    failed = 0
    print(f'1..{len(tests)}')
    for number, test in enumerate(tests, 1):
        name = f'{number} {prefix}{test.__name__.replace("_", "-")}'
        try:
            test(*arguments)
            print(f'ok {name}', flush=True)
        except Skip as lack:
            print(f'ok {name} # SKIP {lack}', flush=True)
        except Exception:
            failed += 1
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()))
            print(f'not ok {name}', flush=True)
    return 1 if failed else 0
