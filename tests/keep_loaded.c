// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Preloaded in the pass under the sanitizers: no library is unloaded. LeakSanitizer looks at the
// end, and can neither follow the globals of a library that is gone nor suppress by its name
// (Mesa 22.3 keeps a table of AMD's caches in one).

int dlclose(void *library);

int dlclose(void *library)
{
    (void)library;
    return 0;
}
