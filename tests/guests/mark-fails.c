/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: libvirt takes as few of a domain's marks as BERTH_MARK_FAILS says, from
 * the first on. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int (*SetMetadata) (void *domain, int type, const char *metadata, const char *key,
                            const char *uri, unsigned flags);

int virDomainSetMetadata (void *domain, int type, const char *metadata, const char *key,
                          const char *uri, unsigned flags) __attribute__ ((visibility ("default")));

int
virDomainSetMetadata (void *domain, int type, const char *metadata, const char *key,
                      const char *uri, unsigned flags)
{
  static atomic_int failed; /* lint: file-scope: what is preloaded has nobody else to keep it */
  SetMetadata real = (SetMetadata)dlsym (RTLD_NEXT, "virDomainSetMetadata");
  const char *wanted = getenv ("BERTH_MARK_FAILS");

  if (wanted != NULL && atomic_fetch_add (&failed, 1) < atoi (wanted))
    return -1;
  return real (domain, type, metadata, key, uri, flags);
}
