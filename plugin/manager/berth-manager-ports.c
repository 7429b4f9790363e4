/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verbs for published ports: whose sandbox, and then they are the table's. */
#include "plugin/base/berth-caller-fd.h"
#include "plugin/manager/berth-manager-private.h"

#include <unistd.h>

#include "plugin/model/berth-port.h"
#include "pool/berth-error.h"

gboolean
berth_manager_publish (BerthManager *self, BerthSandbox *sandbox, GArray *listeners, GError **error)
{
  for (guint i = 0; listeners != NULL && i < listeners->len; i++)
    {
      BerthListener *listener = &g_array_index (listeners, BerthListener, i);
      g_autoptr (GVariant) told = berth_ports_add (self->ports, sandbox, g_steal_fd (&listener->fd),
                                                   listener->port, error);

      if (told == NULL)
        return FALSE;
    }
  return TRUE;
}

GVariant *
berth_manager_add_port (BerthManager *self, const char *id, guint32 uid, int fd, guint port,
                        GError **error)
{
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, error);

  if (sandbox != NULL && port > 0 && port <= G_MAXUINT16)
    return berth_ports_add (self->ports, sandbox, fd, port, error);
  if (sandbox != NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "port %u: give 1 to %u", port,
                 G_MAXUINT16);
  berth_caller_fd_close (fd);
  return NULL;
}

GVariant *
berth_manager_dup_ports (BerthManager *self, const char *id, guint32 uid, GError **error)
{
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, error);

  return sandbox != NULL ? berth_ports_dup_list (self->ports, sandbox) : NULL;
}

gboolean
berth_manager_remove_port (BerthManager *self, const char *id, guint32 uid, guint number,
                           GError **error)
{
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, error);

  return sandbox != NULL && berth_ports_remove (self->ports, sandbox, number, error);
}

void
berth_manager_set_port_keeper (BerthManager *self, const BerthPortKeeper *keeper,
                               gpointer user_data)
{
  berth_ports_set_keeper (self->ports, keeper, user_data);
}

void
berth_manager_restore_port (BerthManager *self, const char *name, int fd)
{
  berth_ports_restore (self->ports, self->sandboxes, name, fd);
}
