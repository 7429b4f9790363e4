/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "berth-domain-handle.h"

#include "berth-libvirt-error.h"

virDomainPtr
berth_domain_handle_take (BerthDomainHandle *self, virConnectPtr connection)
{
  g_auto (virDomainPtr) kept = self != NULL ? g_atomic_pointer_exchange (&self->kept, NULL) : NULL;

  return kept != NULL && virDomainGetConnect (kept) == connection ? g_steal_pointer (&kept) : NULL;
}

void
berth_domain_handle_keep (BerthDomainHandle *self, virDomainPtr domain)
{
  if (self == NULL || !g_atomic_pointer_compare_and_exchange (&self->kept, NULL, domain))
    virDomainFree (domain);
}

void
berth_domain_handle_prepare (BerthDomainHandle *self, virConnectPtr connection, const char *uuid)
{
  virDomainPtr domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain != NULL)
    berth_domain_handle_keep (self, domain);
  else
    berth_libvirt_error_take_code ();
}

void
berth_domain_handle_clear (BerthDomainHandle *self)
{
  g_auto (virDomainPtr) kept = g_atomic_pointer_exchange (&self->kept, NULL);
}
