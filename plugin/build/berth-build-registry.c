/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what skopeo is asked for. No digest changes on the way: what is signed and checked is
 * what lies there. */
#include "plugin/build/berth-build-registry.h"

#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/build/berth-build-artifact.h"
#include "plugin/build/berth-build-pack.h"
#include "plugin/build/berth-build-store.h"
#include "pool/berth-error.h"

#define REFERENCE_PATTERN                                                                          \
  "^(docker://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?(?:/"                                 \
  "[a-z0-9][a-z0-9._-]{0,127}){1,8})"                                                              \
  "(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:([0-9a-f]{64}))?\\z"
#define TAG ":template"
#define INDEX                                                                                      \
  "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" BERTH_BUILD_MANIFEST_TYPE                \
  "\",\"digest\":\"sha256:%s\",\"size\":%" G_GSIZE_FORMAT                                          \
  ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"template\"}}]}"

gboolean
berth_build_registry_split (const char *reference, char **out_repository, char **out_sha256,
                            GError **error)
{
  g_autoptr (GRegex) regex = g_regex_new (REFERENCE_PATTERN, G_REGEX_RAW, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  if (!g_regex_match (regex, reference, 0, &match))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "'%.160s': give docker://HOST/NAME:TAG, of a registry, or, to pull, "
                   "docker://HOST/NAME@sha256:DIGEST",
                   reference);
      return FALSE;
    }
  *out_repository = g_match_info_fetch (match, 1);
  *out_sha256 = g_match_info_fetch (match, 2);
  if (*out_sha256 != NULL && **out_sha256 == '\0')
    g_clear_pointer (out_sha256, g_free);
  return TRUE;
}

static char *
read_all (int fd, gsize *out_size, GError **error)
{
  g_autofree char *text = g_malloc0 (BERTH_BUILD_MANIFEST_MAX_BYTES + 1);
  gssize size = pread (fd, text, BERTH_BUILD_MANIFEST_MAX_BYTES, 0);

  if (size < 0)
    {
      berth_errno_set (error, errno, "the manifest");
      return NULL;
    }
  *out_size = (gsize)size;
  return g_steal_pointer (&text);
}

char *
berth_build_registry_dup_manifest (BerthBuildFolder *folder, const BerthBuildSpec *spec,
                                   const char *reference, gsize *out_size, char **out_sha256,
                                   GError **error)
{
  const char *const words[]
      = { "inspect", "--raw", spec->plain ? "--tls-verify=false" : "--tls-verify=true", reference,
          NULL };
  BerthBuildSkopeo call = { words, berth_build_folder_get_own (folder),
                            BERTH_BUILD_MANIFEST_MAX_BYTES, spec->timeout_s, -1 };
  g_autofree char *text = NULL;

  call.out_fd = berth_build_store_open (BERTH_BUILD_SCRATCH, error);
  if (call.out_fd < 0)
    return NULL;
  if (berth_build_skopeo (folder, &call, error))
    text = read_all (call.out_fd, out_size, error);
  close (call.out_fd);
  if (text != NULL)
    *out_sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)text, *out_size);
  return g_steal_pointer (&text);
}

static gboolean
write_blob (const char *layout, const char *text, char **out_sha256, GError **error)
{
  g_autofree char *sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  g_autofree char *path = g_build_filename (layout, "blobs", "sha256", sha256, NULL);

  if (!g_file_set_contents (path, text, -1, error))
    return FALSE;
  if (out_sha256 != NULL)
    *out_sha256 = g_steal_pointer (&sha256);
  return TRUE;
}

gboolean
berth_build_registry_write (const char *layout, const char *text, char **out_sha256, GError **error)
{
  g_autofree char *index_path = g_build_filename (layout, "index.json", NULL);
  g_autofree char *version_path = g_build_filename (layout, "oci-layout", NULL);
  g_autofree char *index = NULL;

  if (!write_blob (layout, BERTH_BUILD_EMPTY, NULL, error)
      || !write_blob (layout, text, out_sha256, error))
    return FALSE;
  index = g_strdup_printf (INDEX, *out_sha256, strlen (text));
  return g_file_set_contents (index_path, index, -1, error)
         && g_file_set_contents (version_path, "{\"imageLayoutVersion\":\"1.0.0\"}", -1, error);
}

gboolean
berth_build_registry_send (BerthBuildFolder *folder, const BerthBuildSpec *spec, const char *layout,
                           const char *reference, GError **error)
{
  g_autofree char *source = g_strconcat ("oci:", layout, TAG, NULL);
  const char *const words[] = { "copy",
                                "--quiet",
                                "--preserve-digests",
                                spec->plain ? "--dest-tls-verify=false" : "--dest-tls-verify=true",
                                source,
                                reference,
                                NULL };
  const BerthBuildSkopeo call = { words, berth_build_folder_get_own (folder),
                                  BERTH_BUILD_FILES_MAX_BYTES, spec->timeout_s, -1 };

  return berth_build_skopeo (folder, &call, error);
}

gboolean
berth_build_registry_fetch (BerthBuildFolder *folder, const BerthBuildSpec *spec,
                            const char *reference, const char *layout, gint64 max_bytes,
                            GError **error)
{
  g_autofree char *target = g_strconcat ("oci:", layout, TAG, NULL);
  const char *const words[] = { "copy",
                                "--quiet",
                                "--preserve-digests",
                                "--remove-signatures",
                                spec->plain ? "--src-tls-verify=false" : "--src-tls-verify=true",
                                reference,
                                target,
                                NULL };
  const BerthBuildSkopeo call = { words, layout, max_bytes, spec->timeout_s, -1 };

  return berth_build_skopeo (folder, &call, error);
}
