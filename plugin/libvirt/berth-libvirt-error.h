/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's errors as ours, at the one place that reads them, and its handles as auto types. */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "pool/berth-error.h"

G_BEGIN_DECLS

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (virConnectPtr, virConnectClose, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (virDomainPtr, virDomainFree, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (virStreamPtr, virStreamFree, NULL)

/* This thread's last libvirt error as @error with @code, "doing: libvirt's message (its code)".
 * A path that is too long is the host's (BERTH_ERROR_CONFIG) and says what to do instead. Returns
 * libvirt's code, so that a caller can tell the kinds apart that it must. */
int berth_libvirt_error_set (GError **error, BerthError code, const char *doing);
/* (transfer full) (nullable): what to do where a message of libvirt's has the path of a socket that
 * is too long to be one: it is below a user's home, and no other try can mend that. */
char *berth_libvirt_error_find_long_path (const char *message);
/* This thread's last libvirt error code. */
int berth_libvirt_error_get_code (void);
/* Whose mistake it is that libvirt won't have a domain, by its error code: the template's or the
 * host's (BERTH_ERROR_CONFIG), or the moment's (BERTH_ERROR_UNAVAILABLE). */
BerthError berth_libvirt_error_blame (int number);
/* This thread's last libvirt error code, and forgets it. */
int berth_libvirt_error_take_code (void);
/* libvirt prints errors to stderr by itself unless told not to; once, before the first open. */
void berth_libvirt_error_silence (void);

G_END_DECLS
