/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listens for what --publish asks for, tells where, and takes the paths of Unix sockets away again:
 * nobody else has the right to, or ought to use it. */
#include "plugin/cli/berth-cli-ports.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plugin/base/berth-printable.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-port.h"
#include "pool/berth-error.h"

#define UNIX_PREFIX "unix:"

static char **
get_given (const BerthOptionValues *values)
{
  const BerthOption *table = berth_option_table ();
  guint i = 0;

  while (table[i].kind != BERTH_OPTION_PORTS)
    i++;
  return values->lists[i];
}

/**
 * berth_cli_ports_are_asked:
 * @values: of the command line
 *
 * Returns: whether there is a --publish
 */
gboolean
berth_cli_ports_are_asked (const BerthOptionValues *values)
{
  return get_given (values) != NULL;
}

/**
 * berth_cli_ports_add:
 * @values: of the command line
 * @dict: gets the option "ports"
 * @fds: gets the sockets
 *
 * Returns: (transfer full) (nullable): aa{sv}, "port" and "address" of each; %NULL with an error
 */
GVariant *
berth_cli_ports_add (const BerthOptionValues *values, GVariantDict *dict, GUnixFDList *fds,
                     GError **error)
{
  const char *const *given = (const char *const *)get_given (values);
  GVariant *told = NULL;
  GVariant *ports;

  if (g_strv_length ((char **)given) > BERTH_LIMIT_PORTS)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "a sandbox has up to %d ports published: leave some --publish out",
                   BERTH_LIMIT_PORTS);
      return NULL;
    }
  ports = berth_port_listen_all (given, fds, &told, error);
  if (ports == NULL)
    return NULL;
  g_variant_dict_insert_value (dict, "ports", ports);
  return g_variant_ref_sink (told);
}

/**
 * berth_cli_ports_tell:
 * @ports: aa{sv}, "port" and "address" of each
 */
void
berth_cli_ports_tell (GVariant *ports)
{
  for (gsize i = 0; i < g_variant_n_children (ports); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);
      g_autofree char *shown = NULL;
      g_autofree char *text = NULL;
      const char *address = "";
      guint port = 0;

      g_variant_lookup (entry, "address", "&s", &address);
      g_variant_lookup (entry, "port", "u", &port);
      shown = berth_printable_dup (address, FALSE);
      text = g_strdup_printf ("port %u of the sandbox is at %s", port, shown);
      berth_report_note (text);
    }
}

/* Takes away a socket of this very user, and nothing else. A path that somebody else tells leads
 * through no link: it would be followed as whoever this is. */
static void
unlink_socket (const char *path, gboolean is_own)
{
  const struct open_how how
      = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = is_own ? 0 : RESOLVE_NO_SYMLINKS };
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  struct stat about;
  int fd;

  if (!is_own && !g_path_is_absolute (path))
    return;
  fd = (int)syscall (SYS_openat2, AT_FDCWD, folder, &how, sizeof how);
  if (fd < 0)
    return;
  if (fstatat (fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK (about.st_mode)
      && about.st_uid == geteuid ())
    unlinkat (fd, name, 0);
  close (fd);
}

/**
 * berth_cli_ports_unlink:
 * @ports: aa{sv}: of ports that are published no more
 * @are_own: whether it was this very command that listened there
 */
void
berth_cli_ports_unlink (GVariant *ports, gboolean are_own)
{
  for (gsize i = 0; i < g_variant_n_children (ports); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);
      const char *address = "";

      g_variant_lookup (entry, "address", "&s", &address);
      if (g_str_has_prefix (address, UNIX_PREFIX))
        unlink_socket (address + strlen (UNIX_PREFIX), are_own);
    }
}
