/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connector: makes the connections of all sandboxes of one berthd, as somebody without
 * privileges. It is told of them on its standard input, and hands over what it has connected; it
 * reads and writes nothing of what they carry. When berthd goes, it goes. */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/connector/berth-connector-confine.h"
#include "plugin/connector/berth-connector-dial.h"
#include "plugin/reach/berth-reach-address.h"

/* berthd reads at once, or never again */
#define SEND_LIMIT_S 10

typedef struct
{
  int fd;
  GMainLoop *loop;
  gboolean has_settings;
  guint connect_ms;
  BerthConnectorNames *names;
  GHashTable *dials; /* numbers */
  int status;
} Connector;

typedef struct
{
  Connector *connector;
  guint32 number;
} Call;

static void
connector_stop (Connector *self, const char *reason)
{
  if (reason != NULL)
    {
      fprintf (stderr, "berth-connector: %s\n", reason);
      self->status = 1;
    }
  g_main_loop_quit (self->loop);
}

static void
connector_tell (Connector *self, guint32 number, const BerthConnectorEnd *end)
{
  g_autofree char *text
      = end->text != NULL ? g_utf8_make_valid (
            end->text, MIN ((gssize)strlen (end->text), (gssize)BERTH_CONNECTOR_TEXT_MAX))
                          : g_strdup ("");
  int fd = end->socket != NULL ? g_socket_get_fd (end->socket) : -1;

  if (!berth_connector_wire_send (self->fd, BERTH_CONNECTOR_VERDICT,
                                  g_variant_new (BERTH_CONNECTOR_VERDICT_TYPE, number,
                                                 (guint32)end->verdict,
                                                 end->address != NULL ? end->address : "", text),
                                  fd))
    connector_stop (self, errno == EPIPE ? NULL : g_strerror (errno));
}

static void
dialled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (BerthConnectorEnd) end = berth_connector_dial_finish (result);

  g_hash_table_remove (call->connector->dials, GUINT_TO_POINTER (call->number));
  connector_tell (call->connector, call->number, end);
  g_free (call);
}

/* FALSE: it is answered already */
static gboolean
connector_has_place (Connector *self, guint32 number)
{
  const BerthConnectorEnd end
      = { .verdict = BERTH_CONNECTOR_FAILED, .text = (char *)"too many at once" };

  if (g_hash_table_size (self->dials) < BERTH_CONNECTOR_DIALS_MAX
      && g_hash_table_add (self->dials, GUINT_TO_POINTER (number)))
    return TRUE;
  connector_tell (self, number, &end);
  return FALSE;
}

static void
connector_dial (Connector *self, GVariant *value)
{
  g_autofree const char **denied = NULL;
  g_autofree const char **private = NULL;
  g_autoptr (GPtrArray) denied_networks = NULL;
  g_autoptr (GPtrArray) private_networks = NULL;
  g_autoptr (BerthReachProxy) proxy = NULL;
  g_autoptr (GError) error = NULL;
  BerthConnectorAsker asker;
  guint32 number;
  const char *name;
  const char *uri;
  guint16 port;

  g_variant_get (value, "(u&squu^a&s^a&s&s)", &number, &name, &port, &asker.sandbox, &asker.uid,
                 &denied, &private, &uri);
  denied_networks = berth_reach_networks_parse (denied, &error);
  private_networks = error == NULL ? berth_reach_networks_parse (private, &error) : NULL;
  proxy = error == NULL && uri[0] != '\0' ? berth_reach_proxy_parse (uri, &error) : NULL;
  if (error != NULL)
    connector_stop (self, error->message);
  else if (connector_has_place (self, number))
    {
      const BerthConnectorLimits limits
          = { denied_networks, private_networks, g_steal_pointer (&proxy), self->connect_ms };
      Call *call = g_new0 (Call, 1);

      call->connector = self;
      call->number = number;
      berth_connector_dial_async (&limits, self->names, &asker, name, port, dialled_cb, call);
    }
}

static void
connector_set (Connector *self, GVariant *value)
{
  guint32 version;

  g_variant_get (value, BERTH_CONNECTOR_SETTINGS_TYPE, &version, &self->connect_ms);
  if (version == BERTH_CONNECTOR_VERSION)
    self->has_settings = TRUE;
  else
    connector_stop (self, "it is of another version than berthd: restart berthd");
}

static void
connector_take (Connector *self, BerthConnectorPacket packet, GVariant *value)
{
  if (packet == BERTH_CONNECTOR_SETTINGS && !self->has_settings)
    connector_set (self, value);
  else if (packet == BERTH_CONNECTOR_DIAL && self->has_settings)
    connector_dial (self, value);
  else
    connector_stop (self, "a packet out of turn: restart berthd");
}

static gboolean
readable_cb (gint fd, GIOCondition condition, gpointer user_data)
{
  Connector *self = user_data;
  BerthConnectorPacket packet;
  gboolean is_over;
  int passed_fd;
  g_autoptr (GVariant) value = berth_connector_wire_receive (fd, &packet, &passed_fd, &is_over);

  if (passed_fd >= 0)
    close (passed_fd);
  if (value != NULL)
    connector_take (self, packet, value);
  else if (is_over)
    {
      connector_stop (self, NULL);
      return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static int
serve (void)
{
  Connector self = { .fd = STDIN_FILENO };
  const struct timeval limit = { .tv_sec = SEND_LIMIT_S };
  guint source_id;

  setsockopt (self.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  self.loop = g_main_loop_new (NULL, FALSE);
  self.dials = g_hash_table_new (NULL, NULL);
  self.names = berth_connector_names_new ();
  source_id = g_unix_fd_add (self.fd, G_IO_IN | G_IO_HUP, readable_cb, &self);
  g_main_loop_run (self.loop);
  /* what is under way ends with the process */
  return source_id != 0 ? self.status : 1;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int type = 0;
  socklen_t size = sizeof type;

  if (argc > 2 || getsockopt (STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) != 0
      || type != SOCK_SEQPACKET)
    {
      fprintf (stderr, "berth-connector: berthd starts it, with a socket as standard input\n");
      return 2;
    }
  /* what reads settings of its own at the first use does so before they are out of reach */
  g_setenv ("GIO_USE_VFS", "local", TRUE);
  g_setenv ("GIO_MODULE_DIR", "/nonexistent", TRUE);
  if (!berth_connector_confine (argc == 2 ? argv[1] : NULL, &error))
    {
      fprintf (stderr, "berth-connector: %s\n", error->message);
      return 1;
    }
  return serve ();
}
