/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures of templates in a registry, beside them: Ed25519, by keys as openssl writes them. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* (transfer full): what is signed: of a template's @name that its manifest has @sha256 */
char *berth_build_sign_dup_statement (const char *name, const char *sha256);
/* (transfer full): the tag that the signature of that manifest has in the same repository */
char *berth_build_sign_dup_tag (const char *sha256);
/* (transfer full): the manifest of the signature, by the private key in the file @key */
char *berth_build_sign_dup_manifest (const char *key, const char *name, const char *sha256,
                                     GError **error);
/* Whether @text, anybody's bytes, is such a manifest, by one of the public keys in the files @keys
 */
gboolean berth_build_sign_check (const char *text, gsize size, const char *const *keys,
                                 const char *name, const char *sha256, GError **error);

G_END_DECLS
