/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where berthd's own files are: beside the build when run from it, else where they are installed.
 */
#include "plugin/config/berth-config-private.h"

#include <unistd.h>

static gboolean
is_in_build (void)
{
  g_autofree char *exe = g_file_read_link ("/proc/self/exe", NULL);

  return exe != NULL && g_str_has_prefix (exe, BERTH_BUILD_DIR "/");
}

/**
 * berth_config_dup_image_builder:
 * @out_agent: (out) (transfer full): the agent that it is to pack
 *
 * Returns: (transfer full): the script that builds images: the checkout's for a program of its
 *   build, else the installed one
 */
char *
berth_config_dup_image_builder (char **out_agent)
{
  gboolean in_build = is_in_build ();

  *out_agent = g_strdup (in_build ? BERTH_BUILD_DIR "/agent/berth-agent"
                                  : BERTH_LIBEXEC_DIR "/berth-agent");
  return g_strdup (in_build ? BERTH_SOURCE_IMAGES_DIR "/build" : BERTH_IMAGES_DIR "/build");
}

/* Beside the build when run from it (or when nothing is installed), else where they are installed
 */
char *
berth_config_dup_shipped_template_dir (void)
{
  if (is_in_build () || !g_file_test (BERTH_TEMPLATE_DIR, G_FILE_TEST_IS_DIR))
    return g_strdup (BERTH_SOURCE_TEMPLATE_DIR);
  return g_strdup (BERTH_TEMPLATE_DIR);
}

/**
 * berth_config_dup_connector:
 *
 * Returns: (transfer full): the program that connects sandboxes: of the build for a program of it,
 *   else the installed one
 */
char *
berth_config_dup_connector (void)
{
  return g_strdup (is_in_build () ? BERTH_BUILD_DIR "/plugin/berth-connector"
                                  : BERTH_LIBEXEC_DIR "/berth-connector");
}

/**
 * berth_config_dup_template_builder:
 *
 * Returns: (transfer full): the program that builds templates: of the build for a program of it,
 *   else the installed one
 */
char *
berth_config_dup_template_builder (void)
{
  return g_strdup (is_in_build () ? BERTH_BUILD_DIR "/plugin/berth-build"
                                  : BERTH_LIBEXEC_DIR "/berth-build");
}

/**
 * berth_config_dup_default_socket:
 *
 * Returns: (transfer full): the path in BERTH_SOCKET, else this user's own
 */
char *
berth_config_dup_default_socket (void)
{
  const char *given = g_getenv ("BERTH_SOCKET");
  const char *runtime_dir = g_getenv ("XDG_RUNTIME_DIR");

  if (given != NULL && given[0] != '\0')
    return g_canonicalize_filename (given, NULL);
  if (geteuid () == 0)
    return g_strdup ("/run/berth/berthd.sock");
  if (runtime_dir != NULL && g_path_is_absolute (runtime_dir))
    return g_build_filename (runtime_dir, "berth", "berthd.sock", NULL);
  return g_strdup_printf ("/tmp/berth-%u/berthd.sock", (guint)geteuid ());
}

char *
berth_config_dup_instance_of_socket (const char *socket)
{
  g_autofree char *path = g_canonicalize_filename (socket, NULL);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, path, -1);

  return g_strndup (digest, 12);
}

gboolean
berth_config_paths_are_valid (char **paths)
{
  for (guint i = 0; paths[i] != NULL; i++)
    if (!g_path_is_absolute (paths[i]))
      return FALSE;
  return paths[0] != NULL;
}

/* root's @system_path, or @name below this user's @user_base */
char *
berth_config_dup_user_path (const char *system_path, const char *user_base, const char *name)
{
  return geteuid () == 0 ? g_strdup (system_path)
                         : g_build_filename (user_base, "berth", name, NULL);
}
