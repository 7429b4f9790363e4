/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides where an image comes from. Nothing of it is unpacked here. */
#include "plugin/build/berth-build-fetch.h"

#include <string.h>
#include <unistd.h>

#include "plugin/build/berth-build-pack.h"
#include "plugin/build/berth-build-skopeo.h"
#include "plugin/build/berth-build-store.h"

#define ARCHIVE "oci-archive:"
#define FOLDER "oci:"
#define LAYOUT "layout"

static int
open_archive (const char *place, char **out_reference, GError **error)
{
  g_autofree char *path = berth_build_spec_split_place (place, "/", out_reference);
  int fd = berth_build_store_open (BERTH_BUILD_SCRATCH, error);

  if (fd >= 0 && berth_build_pack_file (path, fd, error))
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static int
pack_layout (const char *path, GError **error)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  int fd = berth_build_store_open (BERTH_BUILD_SCRATCH, error);

  g_ptr_array_add (arguments, (char *)"-C");
  g_ptr_array_add (arguments, (char *)path);
  g_ptr_array_add (arguments, (char *)"index.json");
  g_ptr_array_add (arguments, (char *)"blobs");
  if (fd >= 0 && berth_build_pack (arguments, path, fd, error))
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static int
open_layout (const char *place, char **out_reference, GError **error)
{
  g_autofree char *path = berth_build_spec_split_place (place, "/", out_reference);

  return pack_layout (path, error);
}

static int
open_registry (const BerthBuildSpec *spec, GError **error)
{
  g_autoptr (BerthBuildFolder) folder = berth_build_folder_new (error);
  g_autofree char *path = NULL;
  g_autofree char *target = NULL;
  BerthBuildSkopeo call
      = { .max_bytes = BERTH_BUILD_FILES_MAX_BYTES, .timeout_s = spec->timeout_s, .out_fd = -1 };
  const char *words[] = { "--override-os",
                          "linux",
                          "--override-arch",
                          "amd64",
                          "copy",
                          "--quiet",
                          "--remove-signatures",
                          spec->plain ? "--src-tls-verify=false" : "--src-tls-verify=true",
                          spec->oci,
                          NULL,
                          NULL };

  if (folder == NULL)
    return -1;
  call.words = words;
  call.grows = berth_build_folder_get_own (folder);
  path = g_build_filename (call.grows, LAYOUT, NULL);
  target = g_strconcat (FOLDER, path, ":image", NULL);
  words[G_N_ELEMENTS (words) - 2] = target;
  if (!berth_build_skopeo (folder, &call, error))
    return -1;
  return pack_layout (path, error);
}

int
berth_build_fetch (const BerthBuildSpec *spec, char **out_reference, GError **error)
{
  if (g_str_has_prefix (spec->oci, ARCHIVE))
    return open_archive (spec->oci + strlen (ARCHIVE), out_reference, error);
  if (g_str_has_prefix (spec->oci, FOLDER))
    return open_layout (spec->oci + strlen (FOLDER), out_reference, error);
  *out_reference = g_strdup ("");
  return open_registry (spec, error);
}
