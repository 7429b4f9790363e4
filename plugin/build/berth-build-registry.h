/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said to a registry of images, by skopeo: manifests as they are, and what they name. */
#pragma once

#include "plugin/build/berth-build-skopeo.h"
#include "plugin/build/berth-build-spec.h"

G_BEGIN_DECLS

/* docker://HOST/NAME, NAME:TAG or NAME@sha256:HEX. @out_repository: (transfer full):
 * docker://HOST/NAME;
 * @out_sha256: (transfer full) (nullable): HEX */
gboolean berth_build_registry_split (const char *reference, char **out_repository,
                                     char **out_sha256, GError **error);

/* (transfer full): the manifest that @reference names, anybody's bytes; @out_size: how many;
 * @out_sha256: (transfer full): of them */
char *berth_build_registry_dup_manifest (BerthBuildFolder *folder, const BerthBuildSpec *spec,
                                         const char *reference, gsize *out_size, char **out_sha256,
                                         GError **error);

/* Writes the manifest @text to the OCI layout in the folder @layout, which has what it names.
 * @out_sha256: (transfer full) */
gboolean berth_build_registry_write (const char *layout, const char *text, char **out_sha256,
                                     GError **error);
/* Sends what berth_build_registry_write() has made there. */
gboolean berth_build_registry_send (BerthBuildFolder *folder, const BerthBuildSpec *spec,
                                    const char *layout, const char *reference, GError **error);
/* Fetches what @reference names to the OCI layout @layout, but for what has a name there. */
gboolean berth_build_registry_fetch (BerthBuildFolder *folder, const BerthBuildSpec *spec,
                                     const char *reference, const char *layout, gint64 max_bytes,
                                     GError **error);

G_END_DECLS
